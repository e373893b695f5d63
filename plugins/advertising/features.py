"""Orders as one row a customer, and the segments that operators know: pure functions on frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import msgspec
import numpy as np
import polars as pl

DAYS_A_WEEK = 7
# The names that marketing people use, from best to worst.
SEGMENTS = ("champions", "loyal", "new", "promising", "at_risk", "lost")
SCORES = 5


def histories(orders: pl.DataFrame, until: date) -> pl.DataFrame:
    """One row a customer: x, t_x, age (weeks, as BG/NBD counts), mean (of repeat days), spent, days, since.

    Orders of one day are one purchase; what cost nothing counts as a purchase but not for the `mean`. `days` is
    1 + x, `since` the days from the last purchase to `until`, `spent` everything. Later orders are left out.
    """
    daily = (
        orders.filter(pl.col("date") <= until)
        .group_by("customer_id", "date")
        .agg(pl.col("amount").sum())
        .sort("customer_id", "date")
    )
    repeats = pl.col("amount").slice(1)
    return (
        daily.group_by("customer_id", maintain_order=True)
        .agg(
            first=pl.col("date").first(),
            last=pl.col("date").last(),
            x=(pl.len() - 1).cast(pl.Float64),
            mean=repeats.filter(repeats > 0).mean().fill_null(0.0),
            spent=pl.col("amount").sum(),
        )
        .select(
            "customer_id", "x",
            ((pl.col("last") - pl.col("first")).dt.total_days() / DAYS_A_WEEK).alias("t_x"),
            ((pl.lit(until) - pl.col("first")).dt.total_days() / DAYS_A_WEEK).alias("age"),
            "mean", "spent",
            (pl.col("x") + 1).alias("days"),
            (pl.lit(until) - pl.col("last")).dt.total_days().cast(pl.Float64).alias("since"),
        )
    )  # fmt: skip


class Bands(msgspec.Struct, frozen=True):
    """Where one fifth of the customers ends and the next begins, for recency, frequency and money."""

    since: list[float]
    days: list[float]
    spent: list[float]


def learn_bands(customers: pl.DataFrame) -> Bands:
    """The quintiles of `histories`. Of how often, among those who came back: most shops see most people once."""
    again = customers.filter(pl.col("days") > 1)
    return Bands(
        _edges(customers["since"], SCORES), _edges(again["days"], SCORES - 1), _edges(customers["spent"], SCORES)
    )


def segment(customers: pl.DataFrame, bands: Bands) -> pl.Series:
    """The segment of each row of `histories`, by its scores of 1 to 5 (recency R, frequency F, money M).

    champions R 4+, F 4+, M 4+; loyal R 3+, F 3+; new R 4+ with one purchase; promising: all others with R 3+;
    at_risk R 1–2, F 3+ or M 5; lost: the rest.
    """
    r = SCORES + 1 - _score(customers["since"], bands.since)
    f = np.where(customers["days"].to_numpy() > 1, 1 + _score(customers["days"], bands.days), 1)
    m = _score(customers["spent"], bands.spent)
    names = np.select(
        [
            (r >= 4) & (f >= 4) & (m >= 4),
            (r >= 3) & (f >= 3),
            (r >= 4) & (f == 1),
            r >= 3,
            (f >= 3) | (m == SCORES),
        ],
        ["champions", "loyal", "new", "promising", "at_risk"],
        "lost",
    )
    return pl.Series("segment", names, dtype=pl.String)


def merge_small(groups: Sequence[Mapping[str, Any]], least: int, size: str = "customers") -> list[dict[str, Any]]:
    """Groups with all figures added up (None stays None); those of fewer than `least` are one group named "".

    Where that one is still too small it is left out: a list of segments must not lead to a person.
    """
    kept = [dict(each) for each in groups if each[size] >= least]
    small = [each for each in groups if each[size] < least]
    if small and sum(each[size] for each in small) >= least:
        names = [name for name in small[0] if name != "segment"]
        kept.append({"segment": "", **{name: sum(each[name] or 0 for each in small) for name in names}})
    return kept


def _edges(values: pl.Series, parts: int) -> list[float]:
    if not len(values):
        return []
    return [float(each) for each in np.quantile(values.to_numpy(), np.arange(1, parts) / parts)]


def _score(values: pl.Series, edges: Sequence[float]) -> np.ndarray:
    """1 for the lowest band, one more for each edge that the value lies above."""
    return 1 + np.searchsorted(np.asarray(edges, dtype=np.float64), values.to_numpy(), side="left")
