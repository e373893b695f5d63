"""Collaborative filtering: item-to-item or ALS, whichever foresees the validation rows better, and its settings too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from msgspec import Meta

from plugins.recommendation import als, item_to_item
from plugins.recommendation.features import Histories, Interactions, popularity
from plugins.recommendation.popularity import common_arrays
from plugins.recommendation.scorer import Array, CandidateScorer

SCORERS: dict[str, type[item_to_item.ItemToItemScorer]] = {
    "item_to_item": item_to_item.ItemToItemScorer,
    "als": als.AlsScorer,
}
TREND_DAYS = 14.0
_STILL = 0.01  # what a product without any recent row counts, relative to the mean: it stays findable


@dataclass(frozen=True)
class CollaborativeParams:
    """Whatever is null is chosen on validation; without validation rows, `DEFAULTS` stand in."""

    method: Annotated[
        Literal["auto", "als", "item_to_item"],
        Meta(description="How to learn; auto takes the better one on validation."),
    ] = "auto"
    remove_seen: Annotated[
        bool, Meta(description="Leave out what the customer bought before. Set it to false where people buy again.")
    ] = True
    recency_half_life: Annotated[
        float | None,
        Meta(description="After how many later baskets (or views) of the customer a product counts half; 0: never."),
    ] = None
    trend: Annotated[
        float | None,
        Meta(description="Power of the last two weeks' popularity that scores are multiplied by; 0: none."),
    ] = None
    popularity_half_life_days: Annotated[
        float | None, Meta(description="Half-life of the bestsellers that strangers see and that fill up; 0: never.")
    ] = None
    neighbours: Annotated[
        int | None, Meta(description="Item-to-item: neighbours kept of each product, at most 200.")
    ] = None
    factors: Annotated[int | None, Meta(description="ALS: length of the vectors.")] = None
    alpha: Annotated[float | None, Meta(description="ALS: confidence in a meeting of weight 1.")] = None
    regularization: Annotated[float | None, Meta(description="ALS: pull of the vectors towards 0.")] = None
    iterations: Annotated[int, Meta(ge=1, description="ALS: rounds of least squares.")] = 15
    cart_weight: Annotated[float, Meta(ge=0, description="Weight of a cart or wishlist row; a purchase weighs 1.")] = (
        0.5
    )
    view_weight: Annotated[float, Meta(ge=0, description="Weight of a view row; a purchase weighs 1.")] = 0.2
    seed: Annotated[int, Meta(ge=0, description="Seed of the first vectors.")] = 0

    @property
    def kind_weights(self) -> dict[str, float]:
        return {"view": self.view_weight, "cart": self.cart_weight, "wishlist": self.cart_weight}


DEFAULTS: dict[str, Any] = {
    "method": "als",
    "recency_half_life": 5.0,
    "trend": 0.25,
    "popularity_half_life_days": 30.0,
    "neighbours": 200,
    "factors": 64,
    "alpha": 10.0,
    "regularization": 10.0,
}


def fill(params: CollaborativeParams) -> CollaborativeParams:
    """Every open choice closed by its default."""
    still = {name: value for name, value in DEFAULTS.items() if getattr(params, name) in (None, "auto")}
    return replace(params, **still)


def fit(
    rows: Interactions, params: CollaborativeParams, report: Any, checkpoint: Path | None = None
) -> dict[str, Array]:
    """The scorer's arrays. All choices must be made (`fill`, `choosing.choose`)."""
    arrays = Fits(rows, report, checkpoint).arrays(params)
    if params.method == "als" and len(rows.product_ids) > als.EXACT_ITEMS:
        report(stage="graph")
        arrays["graph"] = als.graph(arrays["item_vectors"])
    return arrays


def scorer(arrays: dict[str, Array], params: dict[str, Any]) -> CandidateScorer:
    return SCORERS[params["method"]](arrays, params)


def trend(rows: Interactions, power: float) -> Array:
    """What each product's scores are multiplied by: its recent popularity, relative to the mean, to a power."""
    recent = popularity(rows, TREND_DAYS)
    return ((recent / max(recent.mean(), 1e-12) + _STILL) ** power).astype(np.float32)


class Fits:
    """Fits of one set of rows; what two settings have in common is computed once."""

    def __init__(self, rows: Interactions, report: Any, checkpoint: Path | None) -> None:
        self.rows, self.report, self.checkpoint = rows, report, checkpoint
        self._latest: dict[str, tuple[tuple[Any, ...], Any]] = {}

    def arrays(self, params: CollaborativeParams) -> dict[str, Array]:
        half_life, moving = float(params.recency_half_life or 0), trend(self.rows, float(params.trend or 0))
        days = float(params.popularity_half_life_days or 0)
        common = self._once(
            "common",
            (half_life, days),
            lambda: common_arrays(self.rows, recency_half_life=half_life, half_life_days=days),
        )
        near = self._once(
            "neighbours", (half_life,), lambda: item_to_item.neighbours(self.rows, recency_half_life=half_life)
        )
        arrays = common | item_to_item.neighbour_arrays(
            near, moving, int(params.neighbours or item_to_item.MOST_NEIGHBOURS)
        )
        if params.method == "als":
            key = (half_life, params.alpha, params.regularization, params.factors, params.iterations, params.seed)
            factors = self._once("als", key, lambda: self._factorise(common, params, key))
            arrays |= {
                "customer_factors": factors["customer_factors"],
                "gramian": factors["gramian"],
                "item_vectors": factors["item_factors"] * moving[:, None],
                "trend": moving,
            }
        return arrays

    def _factorise(
        self, common: dict[str, Array], params: CollaborativeParams, key: tuple[Any, ...]
    ) -> dict[str, Array]:
        kept = Histories(*(common[f"history_{name}"] for name in ("starts", "products", "weights", "bought")))
        folder = self.checkpoint / "-".join(["als", *map(str, key)]) if self.checkpoint else None
        return als.factorise(
            als.confidences(kept, float(params.alpha or 1), self.rows.shape[1]),
            factors=int(params.factors or 64),
            regularization=float(params.regularization or 0),
            iterations=params.iterations,
            seed=params.seed,
            report=self.report,
            checkpoint=folder,
        )

    def _once(self, name: str, key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        if self._latest.get(name, (None,))[0] != key:
            self._latest[name] = (key, make())
        return self._latest[name][1]
