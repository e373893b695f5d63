"""From rows of who met which product when, to numbered customers and products and their weights.

*Age* counts instants, not days: a customer's last basket has age 0, the one before it 1. It tells equally well
about a daily and a yearly customer, and works where rows have an order but no clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

Array = npt.NDArray[np.generic]

KINDS = ("view", "wishlist", "cart", "purchase")
BOUGHT = "purchase"


@dataclass(frozen=True)
class Interactions:
    """Rows by number. `customer_ids` and `product_ids` are sorted and keep the dtype they came with.

    Each row: `customer`, `product` (int32 numbers), `weight` (float32, before any decay), `age` (float32, instants of
    the same customer after it), `days` (float32, days before the newest row; None without timestamps), `bought` (bool;
    always true where rows have no kind).
    """

    customer_ids: Array
    product_ids: Array
    customer: npt.NDArray[np.int32]
    product: npt.NDArray[np.int32]
    weight: npt.NDArray[np.float32]
    age: npt.NDArray[np.float32]
    days: npt.NDArray[np.float32] | None
    bought: npt.NDArray[np.bool_]

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.customer_ids), len(self.product_ids)

    def fingerprint(self) -> str:
        """Changes whenever anything that can be learned from the rows does."""
        digest = hashlib.blake2b(digest_size=16)
        for array in (
            self.customer_ids,
            self.product_ids,
            self.customer,
            self.product,
            self.weight,
            self.age,
            self.days,
        ):
            digest.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Histories:
    """What each customer met, each product once, oldest first: rows ``starts[c]:starts[c + 1]`` are customer `c`'s.

    `weights` are summed over the meetings of a product, each halved for every `half_life` of its age.
    """

    starts: npt.NDArray[np.int64]
    products: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]
    bought: npt.NDArray[np.bool_]


def number(frame: pl.DataFrame, kind_weights: Mapping[str, float] | None = None) -> Interactions:
    """The frame `interactions` (checked by its schema) with customers and products numbered by their sorted ids."""
    customers, products = frame["customer_id"].unique().sort(), frame["product_id"].unique().sort()
    order = "timestamp" if "timestamp" in frame.columns else "position"
    age = frame.select(pl.col(order).rank("dense", descending=True).over("customer_id") - 1).to_series()
    return Interactions(
        customer_ids=as_array(customers),
        product_ids=as_array(products),
        customer=customers.search_sorted(frame["customer_id"]).to_numpy().astype(np.int32),
        product=products.search_sorted(frame["product_id"]).to_numpy().astype(np.int32),
        weight=_weights(frame, kind_weights or {}),
        age=age.to_numpy().astype(np.float32),
        days=_days(frame["timestamp"]) if "timestamp" in frame.columns else None,
        bought=_bought(frame),
    )


def as_array(ids: pl.Series) -> Array:
    """Ids as numpy keeps them in a file: integers as they are, text as fixed-width Unicode."""
    return ids.to_numpy() if ids.dtype.is_integer() else ids.to_numpy().astype(np.str_)


def histories(rows: Interactions, half_life: float) -> Histories:
    """Each customer's products with decayed weights; a `half_life` (in instants) of 0 means no decay."""
    weights = rows.weight * decay(rows.age, half_life)
    pairs = rows.customer.astype(np.int64) * rows.shape[1] + rows.product
    # Oldest first within a customer, by a product's latest meeting; ties fall by product number.
    distinct, where = np.unique(pairs, return_inverse=True)
    youngest = np.full(len(distinct), np.inf, dtype=np.float32)
    np.minimum.at(youngest, where, rows.age)
    total = np.bincount(where, weights=weights, minlength=len(distinct))
    bought = np.bincount(where, weights=rows.bought, minlength=len(distinct)) > 0
    customer, product = np.divmod(distinct, rows.shape[1])
    order = np.lexsort((product, -youngest, customer))
    counts = np.bincount(customer, minlength=rows.shape[0])
    return Histories(
        starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        products=product[order].astype(np.int32),
        weights=total[order].astype(np.float32),
        bought=bought[order],
    )


def popularity(rows: Interactions, half_life_days: float) -> npt.NDArray[np.float64]:
    """Weighted count of each product, each row halved for every `half_life_days` it is old; 0 means no decay."""
    weights = rows.weight.astype(np.float64)
    if half_life_days and rows.days is not None:
        weights = weights * decay(rows.days, half_life_days)
    return np.bincount(rows.product, weights=weights, minlength=rows.shape[1]).astype(np.float64)


def decay(ages: npt.NDArray[np.float32], half_life: float) -> npt.NDArray[np.float32]:
    return np.exp2(-ages / half_life).astype(np.float32) if half_life else np.ones_like(ages)


def wanted(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows that a ranking should have foreseen: purchases where the rows have any, else all rows."""
    if "kind" in frame.columns and (frame["kind"] == BOUGHT).any():
        return frame.filter(pl.col("kind") == BOUGHT)
    return frame


def _weights(frame: pl.DataFrame, kind_weights: Mapping[str, float]) -> npt.NDArray[np.float32]:
    weights = frame["weight"].fill_null(1.0) if "weight" in frame.columns else pl.repeat(1.0, frame.height, eager=True)
    if "kind" in frame.columns:
        # A row without a kind weighs as much as a purchase: it is all there is to go by.
        weights = weights * frame["kind"].replace_strict(dict(kind_weights), default=1.0, return_dtype=pl.Float64)
    return weights.to_numpy().astype(np.float32)


def _days(timestamps: pl.Series) -> npt.NDArray[np.float32]:
    return ((timestamps.max() - timestamps).dt.total_seconds() / 86_400).to_numpy().astype(np.float32)  # type: ignore[operator,union-attr]


def _bought(frame: pl.DataFrame) -> npt.NDArray[np.bool_]:
    if "kind" not in frame.columns:
        return np.ones(frame.height, dtype=bool)
    return (frame["kind"].fill_null(BOUGHT) == BOUGHT).to_numpy()
