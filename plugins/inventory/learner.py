"""The learner of the slot `inventory.demand`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
from msgspec import Meta

from commerce_ai.learning import splits
from commerce_ai.learning.learner import Evaluation, Frames, Learner, Metric, Split
from commerce_ai.learning.params import ParamError
from commerce_ai.learning.schema import Column, FrameError, FrameSchema
from commerce_ai.learning.shortage import say, short_of
from plugins.inventory import boosted, classes, conformal, features, fitting, pool, scorer
from plugins.inventory.scorer import Array, DemandScorer

_PRICE = Column("float", "that day's price", "the shop's currency", required=False, nullable=True, at_least=0)
_PROMOTION = Column("float", "above 0: promoted that day", required=False, nullable=True, at_least=0)
_EVENTS = Column("text", "holiday or event of the day; empty on others", required=False, nullable=True)
SALES = FrameSchema(
    {
        "product_id": Column("id", "what"),
        "date": Column("date", "the shop's day"),
        "units": Column("float", "sold that day; rows of one product and day add up", "units", at_least=0),
        "price": _PRICE,
        "promotion": _PROMOTION,
        "events": _EVENTS,
        "stock_out": Column("bool", "sold out that day: demand was hidden", required=False, nullable=True),
    },
    doc="One row a product and day with sales; missing days between the first sale and the last day are zeros.",
)
PLANS = FrameSchema(
    {
        "product_id": Column("id", "what"),
        "date": Column("date", "a day after the last of `sales`"),
        "price": _PRICE,
        "promotion": _PROMOTION,
        "events": _EVENTS,
    },
    doc="What is planned for the days to come; prices stay as they are where nothing is told.",
    optional=True,
)
FUTURE = FrameSchema(
    {"product_id": Column("id", "as learned"), "date": Column("date", "a day of the horizon")},
    doc="Products and days to answer for; without it all of them.",
    optional=True,
)
QUANTILES = tuple(f"q{level:g}" for level in conformal.JUDGED)
OUTPUT = FrameSchema(
    {
        "product_id": Column("id", "as learned"),
        "date": Column("date", "the shop's day"),
        "mean": Column("float", "expected", "units", at_least=0),
        **{name: Column("float", f"quantile {name[1:]}", "units", at_least=0) for name in QUANTILES},
    }
)
HELD_DAYS, LEAST_DAYS = 28, 42
Share = Annotated[float, Meta(ge=0, le=1)]
Method = Annotated[str | None, Meta(description="Method of this class of demand; null: chosen by rolling origin.")]


@dataclass(frozen=True)
class DemandParams:
    """A pool of models and a global one, chosen for each class of demand."""

    horizon: Annotated[int, Meta(ge=1, le=182, description="Days ahead.")] = 28
    origins: Annotated[int, Meta(ge=1, le=26, description="Past days from which forecasts are tried.")] = 6
    rounds: Annotated[int, Meta(ge=0, le=5000, description="Trees of the global model; 0: without it.")] = 200
    learn_days: Annotated[int, Meta(ge=28, description="Days that the global model learns from.")] = 730
    pool_days: Annotated[int, Meta(ge=28, description="Days that the models of the pool read.")] = 730
    ets_seconds: Annotated[float, Meta(ge=0, description="Time for AutoETS on smooth products; 0: without it.")] = 60.0
    seed: Annotated[int, Meta(ge=0, description="Of the trees.")] = 0
    smooth: Method = None
    erratic: Method = None
    intermittent: Method = None
    lumpy: Method = None
    new: Method = None
    damp: Annotated[Share | None, Meta(description="Factor on every mean, 1: none; null: chosen.")] = None
    own: Annotated[Share | None, Meta(description="Weight of a product's own past; null: chosen.")] = None

    @property
    def methods(self) -> dict[str, str | None]:
        return {name: getattr(self, name) for name in classes.CLASSES}


@dataclass(frozen=True)
class Fitted:
    """The scorer's arrays and the parameters with every choice made."""

    arrays: Mapping[str, Array]
    about: Mapping[str, Any]
    params: DemandParams


class DemandLearner(Learner):
    """Daily demand of every product over the horizon, with quantiles."""

    name = slot = "inventory.demand"
    params = DemandParams
    metric = Metric("scaled_pinball", "min", "moving average of 28 days")
    inputs = {"sales": SALES, "plans": PLANS}
    requests = {"future": FUTURE}
    output = OUTPUT

    def frames(self, shop: Any, window: Any) -> Frames:
        from plugins.inventory import queries  # reads Postgres; the rest of this file needs no Django

        return queries.learning_frames(shop, window)

    def split(self, frames: Frames) -> Split:
        """The last 28 days are test, the 28 before validation; of a short history a fifth each."""
        sales = frames["sales"]
        first: Any = sales["date"].min()
        last: Any = sales["date"].max()
        days = (last - first).days + 1 if sales.height else 0
        if days < LEAST_DAYS:
            words = say("%(days)d days of sales") % {"days": LEAST_DAYS}
            raise short_of(words, days, say("Give earlier sales, too."))
        held = min(HELD_DAYS, days // 5)
        cuts = last - timedelta(days=2 * held - 1), last - timedelta(days=held - 1)
        split = splits.by_time({"sales": sales}, "date", instants=cuts)
        return replace(split, cuts={name: str(day) for name, day in split.cuts.items()})

    def fit(self, frames: Frames, params: DemandParams, report: Any, validation: Frames | None = None) -> Fitted:
        """Choices are made by rolling origin on the last days, validation among them, which is then learned from."""
        _check_methods(params)
        sales = frames["sales"]
        if validation is not None:
            sales = pl.concat([sales, validation["sales"]], how="diagonal")
        panel = features.panel(sales, frames.get("plans"))
        if not len(panel.units):
            raise short_of(say("1 product with sales"), 0, say("Give the frame some rows."))
        arrays, about, chosen = fitting.fit(panel, params, report)
        return Fitted(arrays, about, chosen)

    def save(self, fitted: Fitted, folder: Path) -> None:
        scorer.write(folder, fitted.arrays, {**fitted.about, "params": asdict(fitted.params)})

    def load(self, folder: Path) -> DemandScorer:
        return scorer.read(folder)

    def predict(self, scorer: DemandScorer, **requests: pl.DataFrame) -> pl.DataFrame:
        future = requests.get("future")
        everything = _answer(scorer)
        if future is None:
            return everything
        if future["product_id"].dtype != everything["product_id"].dtype:
            kind = everything["product_id"].dtype
            raise FrameError(f"the ids that were learned are {kind}", source="future", column="product_id")
        _known(future, scorer)
        return future.select("product_id", "date").join(
            everything, on=["product_id", "date"], how="left", maintain_order="left"
        )

    def evaluate(self, scorer: DemandScorer, test: Frames) -> Evaluation:
        return fitting.evaluate(scorer, test["sales"], self.metric)

    def publish(self, scorer: DemandScorer, version: Any) -> None:
        from plugins.inventory import tasks

        tasks.publish(version.shop, scorer, version.pk)

    def explain(self, scorer: DemandScorer) -> pl.DataFrame | None:
        """What the global model goes by, by its gain; None where no class of demand chose it."""
        weights = scorer.about["weights"]
        if not weights:
            return None
        return pl.DataFrame({"feature": list(weights), "weight": list(weights.values())}).sort(
            "weight", descending=True
        )

    def no_table(self) -> str:
        return say(
            "No curves: what answers is the forecast of each product and day as it was computed in training, from a "
            "method a class of demand; there is nothing left to turn."
        )


def _check_methods(params: DemandParams) -> None:
    known = (*pool.NAMES, pool.ETS, boosted.NAME)
    for kind, name in params.methods.items():
        if name is not None and not set(name.split("+")) <= set(known):
            raise ParamError(kind, f"{kind}={name!r}: it must be one of {', '.join(known)}, or several joined by +")


def _answer(scorer: DemandScorer) -> pl.DataFrame:
    count, days = scorer.means.shape
    found = scorer.quantiles()[:, :, conformal.JUDGED_AT].reshape(count * days, -1)
    place, ahead = (each.ravel() for each in np.indices((count, days)))
    return pl.DataFrame(
        {
            "product_id": pl.Series(np.asarray(scorer.product_ids)[place]),
            "date": pl.Series(scorer.days, dtype=pl.Date).gather(ahead),
            "mean": np.asarray(scorer.means, float).ravel(),
            **{name: found[:, number] for number, name in enumerate(QUANTILES)},
        }
    )


def _known(future: pl.DataFrame, scorer: DemandScorer) -> None:
    unknown = np.flatnonzero(scorer.places(future["product_id"]) < 0)
    if len(unknown):
        row = int(unknown[0])
        words = f"{future['product_id'][row]!r} is no product that was learned"
        raise FrameError(words, source="future", column="product_id", row=row + 1)
    first, last = scorer.days[0], scorer.days[-1]
    outside = ((future["date"] < first) | (future["date"] > last)).arg_true()
    if len(outside):
        row, day = int(outside[0]), future["date"][int(outside[0])]
        words = f"{day} is outside of the horizon, {first} to {last}"
        raise FrameError(words, source="future", column="date", row=row + 1)
