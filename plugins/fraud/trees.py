"""Boosted trees on payments of which few are fraud, and probabilities that mean what they say.

A tree model on weighted rows ranks well and its figures mean nothing: Platt's two numbers, or isotonic steps, turn its
margin into a probability on rows that it did not learn from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from msgspec import Meta

from commerce_ai.learning import boosters

Array = npt.NDArray[Any]
EARLY_STOPPING = 30
MOST_ROUNDS = 400
USUAL_ROUNDS = 100
FEWEST_ROUNDS = 20  # one lucky tree on a small validation has steps too coarse to be probabilities
FEW_ROWS = 50_000
LEAST_FRAUDS = 2  # in what is learned from, and in what choices are made on


@dataclass(frozen=True)
class TreesParams:
    """XGBoost on windows of the customer and of the terminal."""

    label_delay_days: Annotated[
        int, Meta(ge=1, le=180, description="How many days it takes until a payment is known to be fraud.")
    ] = 7
    train_from: Annotated[
        str | None, Meta(description="Learn from payments since this day or instant; earlier ones are only the past.")
    ] = None
    train_to: Annotated[
        str | None,
        Meta(
            description="Learn from payments up to the end of this day, or before this instant, all of whose labels are"
            " taken for known. Null: up to the label delay before the last payment."
        ),
    ] = None
    pace: Annotated[
        bool, Meta(description="Also count the terminal's payments up to now, not only those before the delay.")
    ] = True
    rounds: Annotated[
        Annotated[int, Meta(ge=1, le=2000)] | None, Meta(description="How many trees. Null: chosen, else 100.")
    ] = None
    max_depth: Annotated[int, Meta(ge=1, le=12, description="How deep a tree may be.")] = 3
    learning_rate: Annotated[float, Meta(gt=0, le=1, description="How much each tree counts.")] = 0.1
    positive_weight: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="How much a fraud counts beside another payment. Null: 1 or √(others / frauds), chosen."),
    ] = None
    tree_method: Annotated[Literal["hist", "exact"], Meta(description="How splits are searched for.")] = "hist"
    calibration: Annotated[
        Literal["platt", "isotonic"], Meta(description="How a margin becomes a probability; Platt's keeps every order.")
    ] = "platt"
    calibrated: Annotated[
        list[float] | None,
        Meta(description="Platt: slope and intercept; isotonic: steps, margins before probabilities. Null: found."),
    ] = None
    seed: Annotated[int, Meta(ge=0, description="Of the draws.")] = 0


def choose(x: Array, y: Array, later_x: Array, later_y: Array, params: TreesParams, report: Any) -> TreesParams:
    """`params` with weight, rounds and calibration chosen on `later` rows by average precision."""
    report(stage="choosing")
    best: tuple[float, TreesParams, Array] | None = None
    for weight in [params.positive_weight] if params.positive_weight else [1.0, _balanced(y)]:
        trial = replace(params, positive_weight=round(weight, 3))
        booster, rounds = _train(x, y, trial, report, watch=(later_x, later_y))
        trial = replace(trial, rounds=rounds)
        margin = boosters.answer(booster[:rounds], later_x, margin=True)
        figure = average_precision(later_y, margin)
        if best is None or figure > best[0]:
            best = figure, trial, margin
    assert best is not None
    _figure, chosen, margin = best
    if chosen.calibrated is None:
        chosen = replace(chosen, calibrated=calibrate(margin, later_y, chosen.calibration))
    return chosen


def fit(x: Array, y: Array, params: TreesParams, report: Any) -> tuple[Any, TreesParams]:
    """The booster, and the params with what was still open: the last fifth of the rows, kept back, calibrates."""
    weight = params.positive_weight or 1.0
    params = replace(params, rounds=params.rounds or USUAL_ROUNDS, positive_weight=weight)
    if params.calibrated is None:
        cut = len(y) * 4 // 5
        if min(_frauds(y[:cut]), _frauds(y[cut:])) >= LEAST_FRAUDS:
            early, _ = _train(x[:cut], y[:cut], params, report)
            margin = boosters.answer(early, x[cut:], margin=True)
            params = replace(params, calibrated=calibrate(margin, y[cut:], params.calibration))
        else:  # too few to check on: as the trees say, but for the weight
            params = replace(params, calibration="platt", calibrated=[1.0, -float(np.log(weight))])
    report(stage="fitting", progress=0.5)
    return _train(x, y, params, report)[0], params


def probabilities(margin: Array, params: TreesParams) -> Array:
    """Calibrated probabilities of margins, float64."""
    margin = np.asarray(margin, dtype=np.float64)
    if params.calibration == "isotonic":
        steps = np.asarray(params.calibrated).reshape(2, -1)
        return np.interp(margin, steps[0], steps[1])
    slope, intercept = params.calibrated or (1.0, 0.0)
    return 1 / (1 + np.exp(-np.clip(slope * margin + intercept, -500, 500)))


def calibrate(margin: Array, y: Array, how: str) -> list[float]:
    """Platt (1999): slope and intercept of a logistic regression, never falling; else isotonic steps."""
    if how == "isotonic":
        from sklearn.isotonic import IsotonicRegression

        found = IsotonicRegression(y_min=0.0, y_max=1.0).fit(np.asarray(margin, np.float64), y)
        return [float(each) for each in (*found.X_thresholds_, *found.y_thresholds_)]
    from sklearn.linear_model import LogisticRegression

    # Platt's own targets: with few frauds, certainty would be learned from luck.
    frauds = _frauds(y)
    high, low = (frauds + 1) / (frauds + 2), 1 / (len(y) - frauds + 2)
    target = np.where(y == 1, high, low)
    twice = np.concatenate([margin, margin]).astype(np.float64).reshape(-1, 1)
    model = LogisticRegression(C=1e6).fit(
        twice, np.repeat([1, 0], len(y)), sample_weight=np.concatenate([target, 1 - target])
    )
    return [max(float(model.coef_[0, 0]), 1e-3), float(model.intercept_[0])]


def average_precision(y: Array, score: Array) -> float:
    """Area under precision and recall, equal scores taken together; nan without a fraud."""
    y, score = np.asarray(y), np.asarray(score)
    total = _frauds(y)
    if not total:
        return float("nan")
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(y[order] == 1)
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    return float(np.sum(np.diff(hits[last], prepend=0) / total * (hits[last] / (last + 1))))


def card_precision(day: Array, card: Array, y: Array, score: Array, k: int = 100) -> list[float]:
    """Each day's share of defrauded cards among the `k` that look worst, without those found on an earlier day.

    Fraud Detection Handbook, chapter 4.5: a card's score is that of its worst payment of the day.
    """
    found: set[Any] = set()
    shares = []
    for each in np.unique(day):
        worst: dict[Any, list[float]] = {}
        of_day = day == each
        for who, label, value in zip(
            card[of_day].tolist(), y[of_day].tolist(), score[of_day].tolist(), strict=True
        ):  # fmt: skip
            if who not in found:
                seen = worst.setdefault(who, [value, 0])
                seen[0], seen[1] = max(seen[0], value), max(seen[1], label)
        top = sorted(worst, key=lambda who: -worst[who][0])[:k]
        caught = {who for who in top if worst[who][1] == 1}
        shares.append(len(caught) / k)
        found |= caught
    return shares


def _train(x: Array, y: Array, params: TreesParams, report: Any, watch: Sequence[Array] = ()) -> tuple[Any, int]:
    import xgboost

    settings = {
        "objective": "binary:logistic",
        "tree_method": params.tree_method,
        "max_depth": params.max_depth,
        "eta": params.learning_rate,
        **({"max_bin": 1024} if params.tree_method == "hist" else {}),  # amounts near a limit are what is looked for
        "scale_pos_weight": params.positive_weight or 1.0,
        "eval_metric": "aucpr",
        "seed": params.seed,
        # On few rows threads mostly wait for each other, and on a busy machine for ever.
        "nthread": 1 if len(y) < FEW_ROWS else 0,
    }
    matrix = xgboost.DMatrix(np.asarray(x, np.float32), np.asarray(y, np.float32))
    rounds = params.rounds or (MOST_ROUNDS if watch else USUAL_ROUNDS)
    told = _Progress.of(report)
    if not watch or params.rounds:
        return xgboost.train(settings, matrix, rounds, callbacks=[told]), rounds
    later = xgboost.DMatrix(np.asarray(watch[0], np.float32), np.asarray(watch[1], np.float32))
    booster = xgboost.train(
        settings, matrix, rounds, evals=[(later, "later")], early_stopping_rounds=EARLY_STOPPING, verbose_eval=False,
        callbacks=[told],
    )  # fmt: skip
    return booster, min(max(int(booster.best_iteration) + 1, FEWEST_ROUNDS), booster.num_boosted_rounds())


class _Progress:
    """Tells a report of each round; made where xgboost is imported anyway."""

    @staticmethod
    def of(report: Any) -> Any:
        import xgboost

        class Told(xgboost.callback.TrainingCallback):
            def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
                figures = {f"{side}_{name}": each[-1] for side, log in evals_log.items() for name, each in log.items()}
                report(step=epoch, **figures)
                return False

        return Told()


def _balanced(y: Array) -> float:
    frauds = _frauds(y)
    return max(1.0, float(np.sqrt((len(y) - frauds) / max(frauds, 1))))


def _frauds(y: Array) -> int:
    return int(np.count_nonzero(np.asarray(y) == 1))
