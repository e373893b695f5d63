"""Bestsellers: weighted counts that fade with time. The yardstick of every other method, and what strangers see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from plugins.recommendation.features import Interactions, histories, popularity
from plugins.recommendation.scorer import Array, CandidateScorer


class PopularityScorer(CandidateScorer):
    """The same order for everybody, less what each has bought; `similar` and `because` know nothing."""

    source = "popularity"

    def profile(self, customer_index: int | None, history: Array) -> tuple[Array, Array]:
        return np.empty(0, np.int32), np.empty(0, np.float32)


def common_arrays(rows: Interactions, *, recency_half_life: float, half_life_days: float) -> dict[str, Array]:
    """The arrays that every `CandidateScorer` has: ids, histories, bestsellers."""
    kept = histories(rows, recency_half_life)
    return {
        "product_ids": rows.product_ids,
        "customer_ids": rows.customer_ids,
        "history_starts": kept.starts,
        "history_products": kept.products,
        "history_weights": kept.weights,
        "history_bought": kept.bought,
        **bestsellers(rows, half_life_days),
    }


def bestsellers(rows: Interactions, half_life_days: float) -> dict[str, Array]:
    """Products by faded count, highest first (equal ones by number), with their share of the highest."""
    counts = popularity(rows, half_life_days)
    order = np.lexsort((np.arange(len(counts)), -counts))
    top = counts.max(initial=0.0) or 1.0
    return {
        "bestsellers": order.astype(np.int32),
        "bestseller_scores": (counts[order] / top).astype(np.float32),
    }


def as_popularity(arrays: Mapping[str, Array], params: Mapping[str, Any], order: str = "") -> PopularityScorer:
    """The bestsellers inside another method's arrays as a scorer of its own: the baseline on the same rows.

    `order` is a prefix, for arrays that keep a second list of bestsellers.
    """
    own = {**arrays, "bestsellers": arrays[f"{order}bestsellers"]}
    own["bestseller_scores"] = arrays[f"{order}bestseller_scores"]
    return PopularityScorer(own, params)
