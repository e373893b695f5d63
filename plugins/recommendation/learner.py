"""The two learners of the slot `recommendation.candidates`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
from msgspec import Meta

from commerce_ai.learning import splits
from commerce_ai.learning.learner import Evaluation, Frames, Learner, Metric, Split
from commerce_ai.learning.schema import Column, FrameError, FrameSchema
from commerce_ai.learning.shortage import say, short_of
from plugins.recommendation import choosing, collaborative, features, popularity, protocol
from plugins.recommendation.collaborative import CollaborativeParams
from plugins.recommendation.scorer import Array, CandidateScorer, external_ids, look_up, read_arrays, write_arrays

INTERACTIONS = FrameSchema(
    {
        "customer_id": Column("id", "who"),
        "product_id": Column("id", "what"),
        "timestamp": Column(
            "timestamp", "when; rows of one customer at one instant are one basket", "UTC", required=False
        ),
        "position": Column("int", "order within the customer, where there is no timestamp", required=False),
        "weight": Column("float", "how much the row counts; 1 if absent", required=False, nullable=True, at_least=0),
        "kind": Column(
            "text",
            "what happened; a row without a kind counts as a purchase",
            required=False,
            nullable=True,
            choices=features.KINDS,
        ),
    },
    doc="Who met which product when: one row a view, cart, wishlist entry or bought line.",
    one_of=(("timestamp", "position"),),
)
EXTERNAL_IDS = FrameSchema(
    {
        "customer_id": Column("id", "ours"),
        "external_id": Column("text", "the shop's; the artifact then answers by it, too"),
    },
    optional=True,
)
CUSTOMERS = FrameSchema({"customer_id": Column("id", "whom to recommend to; unknown ones get the bestsellers")})
OUTPUT = FrameSchema(
    {
        "customer_id": Column("id", "as asked"),
        "product_id": Column("id", "as learned"),
        "rank": Column("int", "1 is best", at_least=1),
        "score": Column("float", "falls with the rank; comparable within one customer only"),
    }
)


@dataclass(frozen=True)
class PopularityParams:
    """Bestsellers whose rows fade."""

    half_life_days: Annotated[
        float | None,
        Meta(description="After how many days a row counts half; 0: never. Null: chosen on validation, else 30."),
    ] = None
    remove_seen: Annotated[bool, Meta(description="Leave out what the customer bought before.")] = True
    cart_weight: Annotated[float, Meta(ge=0, description="Weight of a cart or wishlist row; a purchase weighs 1.")] = (
        0.5
    )
    view_weight: Annotated[float, Meta(ge=0, description="Weight of a view row; a purchase weighs 1.")] = 0.2

    @property
    def kind_weights(self) -> dict[str, float]:
        return {"view": self.view_weight, "cart": self.cart_weight, "wishlist": self.cart_weight}


@dataclass(frozen=True)
class Fitted:
    """The scorer's arrays and the parameters with every choice made."""

    arrays: Mapping[str, Array]
    params: Any


class CandidatesLearner(Learner):
    """What both learners share: frames, split, artifact, prediction and the protocol they are judged by."""

    slot = "recommendation.candidates"
    inputs = {"interactions": INTERACTIONS, "customers": EXTERNAL_IDS}
    requests = {"customers": CUSTOMERS}
    output = OUTPUT

    def frames(self, shop: Any, window: Any) -> Frames:
        from plugins.recommendation import queries  # reads Postgres; the rest of this file needs no Django

        return queries.learning_frames(shop, window)

    def split(self, frames: Frames) -> Split:
        """By time, the last tenth of the rows is test, the tenth before validation; else each customer's last rows."""
        rows = frames["interactions"]
        if not rows.height:
            raise short_of(say("1 interaction"), 0, say("Give the frame some rows."))
        if "timestamp" in rows.columns:
            split = splits.by_time(frames, "timestamp")
        else:
            split = splits.leave_last_out(frames, "customer_id", "position")
        for name in ("train", "validation", "test"):
            if not getattr(split, name)["interactions"].height:
                words = say("1 interaction for each of train, validation and test")
                raise short_of(words, say("0 for %(name)s") % {"name": name}, say("Give more rows."))
        return split

    def fit(self, frames: Frames, params: Any, report: Any, validation: Frames | None = None) -> Fitted:
        """Choices are made on `validation`, which is then learned from as well, so that nobody's latest is lost."""
        rows = frames["interactions"]
        if validation is not None:
            known = features.number(choosing.sample(rows), params.kind_weights)
            params = self._choose(known, validation["interactions"], params, report)
            rows = pl.concat([rows, validation["interactions"]])
        if rows["customer_id"].n_unique() < 2 or rows["product_id"].n_unique() < 2:
            there = rows["customer_id"].n_unique(), rows["product_id"].n_unique()
            words = say("%(customers)d customers and %(products)d products")
            needed, found = (words % {"customers": each[0], "products": each[1]} for each in ((2, 2), there))
            raise short_of(needed, found, say("Give more rows."))
        report(stage="fitting", progress=0.0)
        fitted = self._fit(features.number(rows, params.kind_weights), params, report)
        return replace(fitted, arrays={**fitted.arrays, **external_ids(fitted.arrays, frames.get("customers"))})

    def save(self, fitted: Fitted, folder: Path) -> None:
        write_arrays(folder, fitted.arrays, {"learner": self.name, "params": asdict(fitted.params)})

    def predict(self, scorer: CandidateScorer, **requests: pl.DataFrame) -> pl.DataFrame:
        asked = requests["customers"]["customer_id"]
        known = scorer.customer_ids.dtype.kind == "U"
        if (asked.dtype == pl.String) != known:
            kind = "text" if known else "integers"
            raise FrameError(f"the ids that were learned are {kind}", source="customers", column="customer_id")
        ranked, scores = scorer.rank(look_up(scorer.customer_ids, asked), protocol.TOP)
        there = ranked >= 0
        row, place = np.nonzero(there)
        return pl.DataFrame(
            {
                "customer_id": asked.gather(row),
                "product_id": pl.Series(scorer.product_ids[ranked[there]]),
                "rank": pl.Series(place + 1, dtype=pl.Int64),
                "score": pl.Series(scores[there], dtype=pl.Float64),
            }
        )

    def _choose(self, rows: features.Interactions, later: pl.DataFrame, params: Any, report: Any) -> Any:
        raise NotImplementedError

    def _fit(self, rows: features.Interactions, params: Any, report: Any) -> Fitted:
        raise NotImplementedError


class PopularityLearner(CandidatesLearner):
    """Time-decayed bestsellers; the yardstick of the slot. Its own baseline are the bestsellers of all time."""

    name = "recommendation.popularity"
    params = PopularityParams
    metric = Metric("ndcg@20", "max", "bestsellers of all time")

    def load(self, folder: Path) -> popularity.PopularityScorer:
        arrays, about = read_arrays(folder)
        return popularity.PopularityScorer(arrays, about["params"])

    def evaluate(self, scorer: popularity.PopularityScorer, test: Frames) -> Evaluation:
        baseline = popularity.as_popularity(scorer.arrays, scorer.params, order="all_time_")
        return protocol.evaluate(scorer, baseline, test["interactions"])

    def explain(self, scorer: popularity.PopularityScorer) -> pl.DataFrame:
        """The bestsellers and their score."""
        first = scorer.arrays["bestsellers"][:100]
        return pl.DataFrame({"feature": scorer.product_ids[first], "weight": scorer.arrays["bestseller_scores"][:100]})

    def no_table(self) -> str:
        return say("No curves: a product's place is its sales, the older the less, and nothing else.")

    def _choose(self, rows: features.Interactions, later: pl.DataFrame, params: Any, report: Any) -> Any:
        if params.half_life_days is not None:
            return params
        report(stage="choosing")
        return replace(params, half_life_days=choosing.choose_half_life(rows, later, remove_seen=params.remove_seen))

    def _fit(self, rows: features.Interactions, params: Any, report: Any) -> Fitted:
        if params.half_life_days is None:
            params = replace(params, half_life_days=30.0)
        arrays = popularity.common_arrays(rows, recency_half_life=0, half_life_days=params.half_life_days)
        all_time = popularity.bestsellers(rows, 0)
        arrays |= {f"all_time_{name}": array for name, array in all_time.items()}
        return Fitted(arrays, params)


class CollaborativeLearner(CandidatesLearner):
    """Item-to-item or implicit ALS, chosen on validation with their main settings."""

    name = "recommendation.collaborative"
    params = CollaborativeParams
    metric = Metric("ndcg@20", "max", "popularity")

    def load(self, folder: Path) -> CandidateScorer:
        arrays, about = read_arrays(folder)
        return collaborative.scorer(arrays, about["params"])

    def evaluate(self, scorer: CandidateScorer, test: Frames) -> Evaluation:
        baseline = popularity.as_popularity(scorer.arrays, scorer.params)
        return protocol.evaluate(scorer, baseline, test["interactions"])

    def explain(self, scorer: CandidateScorer) -> pl.DataFrame:
        """The strongest pairs: who meets the first product is led to the second."""
        starts = scorer.arrays["neighbour_starts"]
        weights = scorer.arrays["neighbour_scores"]
        owner = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        pairs = np.flatnonzero(owner != scorer.arrays["neighbours"])
        strongest = pairs[np.argsort(-weights[pairs], kind="stable")[:100]]
        first, second = scorer.product_ids[owner[strongest]], scorer.product_ids[scorer.arrays["neighbours"][strongest]]
        return pl.DataFrame(
            {"feature": [f"{a} → {b}" for a, b in zip(first, second, strict=True)], "weight": weights[strongest]}
        )

    def no_table(self) -> str:
        return say("No curves: it goes by which products meet the same customers, not by numbers that have a name.")

    def _choose(self, rows: features.Interactions, later: pl.DataFrame, params: Any, report: Any) -> Any:
        return choosing.choose(rows, later, params, report, self._checkpoint(rows, report))

    def _fit(self, rows: features.Interactions, params: Any, report: Any) -> Fitted:
        params = collaborative.fill(params)
        return Fitted(collaborative.fit(rows, params, report, self._checkpoint(rows, report)), params)

    def _checkpoint(self, rows: features.Interactions, report: Any) -> Path | None:
        folder = report.checkpoint_folder()
        return folder / rows.fingerprint() if folder else None
