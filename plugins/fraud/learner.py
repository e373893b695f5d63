"""The learner of the slot `fraud.score`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from commerce_ai.learning import splits
from commerce_ai.learning.learner import Evaluation, Frames, Learner, Metric, Split, Table
from commerce_ai.learning.params import ParamError
from commerce_ai.learning.schema import Column, FrameError, FrameSchema
from commerce_ai.learning.shortage import say, short_of
from plugins.fraud import features, rules, scorer, trees
from plugins.fraud.features import DAY_US, HANDBOOK, UNKNOWN, Rows
from plugins.fraud.trees import TreesParams

TRANSACTIONS = {
    "transaction_id": Column("id", "names the payment, each once"),
    "timestamp": Column("timestamp", "when it was made", "UTC"),
    "customer_id": Column("id", "who paid; empty for a stranger, who has no past", nullable=True),
    "terminal_id": Column("id", "the till or device; empty where it is not known", nullable=True),
    "amount": Column("float", "in one currency", at_least=0),
    "is_fraud": Column(
        "int", "1, 0, or empty where nobody knows", required=False, nullable=True, at_least=0, at_most=1
    ),
    "known_at": Column(
        "timestamp", "since when is_fraud is known; empty: the label delay later", "UTC", required=False, nullable=True
    ),
    "during_weekend": Column("int", "else the timestamp's own clock says", required=False, nullable=True),
    "during_night": Column("int", "until seven; else the timestamp's own clock says", required=False, nullable=True),
}
INPUTS = FrameSchema(TRANSACTIONS, doc="One row a payment; earlier rows are the past of later ones.")
OUTPUT = FrameSchema(
    {
        "transaction_id": Column("id", "as asked, in the order asked"),
        "score": Column("float", "the probability of fraud", at_least=0, at_most=1),
    }
)


def _statistic(sample: pl.DataFrame) -> float:
    return trees.average_precision(sample["is_fraud"].to_numpy(), sample["score"].to_numpy())


@dataclass(frozen=True)
class Fitted:
    """The booster, the payments to look back on, and the parameters with every choice made."""

    booster: Any
    past: Rows
    params: TreesParams
    amount_limit: float


class TreesLearner(Learner):
    """XGBoost on customer and terminal windows, with the label delay as the gap before what it is judged on."""

    name = "fraud.trees"
    slot = "fraud.score"
    params = TreesParams
    metric = Metric("average_precision", "max", "rules", _statistic)
    inputs = {"transactions": INPUTS}
    requests = {"transactions": INPUTS}
    output = OUTPUT

    def frames(self, shop: Any, window: Any) -> Frames:
        from plugins.fraud import queries  # reads Postgres; the rest of this file needs no Django

        return queries.learning_frames(shop, window)

    def split(self, frames: Frames) -> Split:
        """By time, the last fifth test, the fifth before validation: frauds are few. `fit` keeps the label delay."""
        rows = frames["transactions"]
        if not rows.height:
            raise short_of(say("1 transaction"), 0, say("Give the frame some rows."))
        split = splits.by_time(frames, "timestamp", validation=0.2, test=0.2)
        for name in ("validation", "test"):
            labels = getattr(split, name)["transactions"]
            if "is_fraud" not in labels.columns or labels.filter(pl.col("is_fraud") == 1).is_empty():
                there = say("0 among %(rows)d") % {"rows": labels.height}
                words = say("1 fraud among the %(name)s transactions") % {"name": name}
                raise short_of(words, there, say("Give a longer time, or more labels."))
        return split

    def fit(self, frames: Frames, params: Any, report: Any, validation: Frames | None = None) -> Fitted:
        """Learn from labelled rows that are older than the label delay (or in `train_from` … `train_to`)."""
        params = _checked(params)
        frame = frames["transactions"]
        earlier_until = frame["timestamp"].max()
        if validation is not None:
            frame = pl.concat([frame, validation["transactions"]], how="diagonal_relaxed")
        report(stage="features", progress=0.0)
        rows, _order = _rows(frame, params.label_delay_days)
        x = features.matrix(rows, params.label_delay_days)[:, : _width(params)]
        learn, y = _to_learn(rows, params, held_back=validation is not None)
        if validation is not None and isinstance(earlier_until, datetime):
            params = self._choose(rows, x, learn, int(earlier_until.timestamp() * 1_000_000), params, report)
        frauds = int((y[learn] == 1).sum())
        if frauds < trees.LEAST_FRAUDS or frauds == learn.sum():
            needed = say("%(least)d frauds and other payments, older than the label delay of %(days)d days")
            there = say("%(frauds)d frauds among %(rows)d payments") % {"frauds": frauds, "rows": int(learn.sum())}
            raise short_of(
                needed % {"least": trees.LEAST_FRAUDS, "days": params.label_delay_days}, there,
                say("Give more labels, an earlier train_from, or a shorter label_delay_days."),
            )  # fmt: skip
        booster, params = trees.fit(x[learn], y[learn], params, report)
        past = scorer.keep(rows, params.label_delay_days)
        return Fitted(booster, past, params, float(np.quantile(x[learn, 0], 0.995)))

    def save(self, fitted: Fitted, folder: Path) -> None:
        about = {"learner": self.name, "amount_limit": fitted.amount_limit}
        scorer.write(folder, fitted.booster, fitted.params, fitted.past, about)

    def load(self, folder: Path) -> scorer.FraudScorer:
        return scorer.read(folder)

    def predict(self, scorer: scorer.FraudScorer, **requests: pl.DataFrame) -> pl.DataFrame:
        asked = requests["transactions"]
        rows, order = _rows(asked, scorer.params.label_delay_days)
        for side in ("customer", "terminal"):
            if len(scorer.past) and getattr(rows, side).dtype.kind != getattr(scorer.past, side).dtype.kind:
                kind = "text" if getattr(scorer.past, side).dtype.kind == "U" else "integers"
                raise FrameError(f"the ids that were learned are {kind}", source="transactions", column=f"{side}_id")
        score = np.empty(asked.height)
        score[order] = scorer.probabilities(scorer.matrix(rows))
        return asked.select("transaction_id").with_columns(pl.Series("score", score, dtype=pl.Float64))

    def evaluate(self, scorer: scorer.FraudScorer, test: Frames) -> Evaluation:
        """Average precision on the labelled rows, beside the rules with the training's own amount limit."""
        frame = test["transactions"]
        rows, order = _rows(frame, scorer.params.label_delay_days)
        matrix = scorer.matrix(rows)
        judged = np.flatnonzero(rows.fraud != UNKNOWN)
        unit = frame["transaction_id"].gather(order[judged])
        y, x = rows.fraud[judged].astype(np.int64), matrix[judged]
        ours = scorer.probabilities(x)
        # Points lie between 0 and 4; a quarter of them passes for a probability where one is needed.
        theirs = rules.points(x, rules.Limits(amount=max(scorer.amount_limit, 0.01))) / 4
        day, card = rows.time[judged] // DAY_US, rows.customer[judged]
        return Evaluation(
            _figures(day, card, y, ours),
            _figures(day, card, y, theirs),
            pl.DataFrame({"unit": unit, "is_fraud": y, "score": ours}),
            pl.DataFrame({"unit": unit, "is_fraud": y, "score": theirs}),
            (f"{int(y.sum())} frauds among {len(y)} payments; labels of the {scorer.params.label_delay_days} days "
             "before them were not known",),
        )  # fmt: skip

    def explain(self, scorer: scorer.FraudScorer) -> pl.DataFrame:
        """How much each feature gained in all splits, as a share."""
        gained = scorer.booster.get_score(importance_type="total_gain")
        weight = [gained.get(f"f{at}", 0.0) for at in range(len(scorer.names))]
        frame = pl.DataFrame({"feature": list(scorer.names), "weight": weight})
        total = sum(weight) or 1.0
        return frame.with_columns(pl.col("weight") / total).sort("weight", descending=True)

    def table(self, scorer: scorer.FraudScorer, test: Frames) -> Table:
        rows, _order = _rows(test["transactions"], scorer.params.label_delay_days)
        judged = np.flatnonzero(rows.fraud != UNKNOWN)
        x = scorer.matrix(rows)[judged, : len(scorer.names)]
        sample = {"is_fraud": rows.fraud[judged].astype(np.int64), "score": scorer.probabilities(x)}
        return Table(scorer.names, x, scorer.probabilities, pl.DataFrame(sample))

    def _choose(self, rows: Rows, x: Any, learn: Any, later_from: int, params: TreesParams, report: Any) -> TreesParams:
        """Choices on validation, by trees that knew no label of the delay before it."""
        then, truth = _told(rows, later_from), rows.fraud
        early = learn & (rows.time <= later_from - params.label_delay_days * DAY_US)
        later = (rows.time > later_from) & (truth != UNKNOWN)
        for y in (then[early], truth[later]):
            if min((y == 1).sum(), (y == 0).sum()) < trees.LEAST_FRAUDS:
                return params
        return trees.choose(x[early], then[early], x[later], truth[later], params, report)


def _figures(day: Any, card: Any, y: Any, score: Any) -> dict[str, float]:
    from commerce_ai.learning.metrics import binary_figures

    figures = binary_figures(y, np.clip(score, 0, 1))
    shares = trees.card_precision(day, card, y, score)
    return {
        "average_precision": trees.average_precision(y, score),
        "auc": figures["auc"],
        "card_precision@100": float(np.mean(shares)) if shares else float("nan"),
        "brier": figures["brier"],
        "calibration_error": figures["calibration_error"],
    }


def _rows(frame: pl.DataFrame, delay_days: int) -> tuple[Rows, Any]:
    twice = frame["transaction_id"].is_duplicated()
    if twice.any():
        at = int(twice.arg_true()[0])
        raise FrameError("the id stands twice", source="transactions", column="transaction_id", row=at + 1)
    return features.rows_of(frame, delay_days)


def _width(params: TreesParams) -> int:
    return len(features.NAMES if params.pace else HANDBOOK)


def _checked(params: TreesParams) -> TreesParams:
    _instant(params.train_from, "train_from"), _instant(params.train_to, "train_to", end=True)
    return params


def _told(rows: Rows, at: int) -> Any:
    """Labels as they looked at an instant: a fraud that nobody knew of passed for an honest payment."""
    return np.where((rows.fraud == 1) & (rows.known > at), 0, rows.fraud)


def _to_learn(rows: Rows, params: TreesParams, *, held_back: bool = False) -> tuple[Any, Any]:
    """Which rows are learned from, and their labels.

    With `held_back` rows missing at the end, a span that lies among them is moved to before it: the recipe is judged.
    """
    end = int(rows.time[-1]) if len(rows) else 0
    low, labelled = _instant(params.train_from, "train_from"), rows.fraud != UNKNOWN
    if params.train_to is not None:
        high = _instant(params.train_to, "train_to", end=True)
        chosen = labelled & (rows.time >= low) & (rows.time < high)
        if chosen.any() or not held_back:
            return chosen, rows.fraud
        low = end - params.label_delay_days * DAY_US - (high - low)
    # Of the last days nobody can say yet that they are not fraud.
    until = end - params.label_delay_days * DAY_US
    if held_back and low > until:
        low = 0
    return labelled & (rows.time >= low) & (rows.time <= until), _told(rows, end)


def _instant(text: str | None, name: str, end: bool = False) -> int:
    """Microseconds of a day (its beginning, or its end) or of an instant."""
    if text is None:
        return 0
    try:
        if len(text) == 10:
            day = datetime.combine(date.fromisoformat(text), time(), UTC) + timedelta(days=int(end))
            return int(day.timestamp() * 1_000_000)
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ParamError(name, f"{name}={text!r}: it must be a day (YYYY-MM-DD) or an instant (ISO 8601)") from None
    return int(at.replace(tzinfo=at.tzinfo or UTC).timestamp() * 1_000_000)
