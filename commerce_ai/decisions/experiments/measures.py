"""From whom an experiment was shown to, and what they did, to each arm's figures at the end of every day.

No Django. A unit belongs to the arm that it met first, whatever it met later (intention to treat), and what it did
counts from that instant on. Whatever comes late, or turns out to be of somebody known, is in the next reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from commerce_ai.decisions.experiments import statistics
from commerce_ai.decisions.experiments.statistics import Interval, Sample

LEAST_UNITS, LEAST_HITS = 50, 10  # of each arm, before any interval: the approximations need them
LEAST_FORETOLD = 200  # units, before what they did earlier takes anything off (CUPED)
RATIOS = ("clicks", "satisfaction")


@dataclass(frozen=True)
class Point:
    """An arm at the end of a day; the intervals, which hold at every look, are against the first arm."""

    day: date
    arm: str
    sample: Sample
    difference: Interval | None = None
    lift: Interval | None = None


@dataclass(frozen=True)
class Units:
    """`first` has a row a unit: key, arm, at, day, number. `doors` leads from either id of a person to the key."""

    first: pl.DataFrame
    by_visitor: pl.DataFrame
    by_customer: pl.DataFrame
    visitors_first: bool
    mixed: int  # units that met more than one arm


def units_of(shown: pl.DataFrame, unit: str) -> Units:
    """The units behind what was shown; `unit` is visitor or customer."""
    visitor = pl.when(pl.col("anonymous_id") != "").then("a" + pl.col("anonymous_id"))
    customer = pl.when(pl.col("customer_id").is_not_null()).then("c" + pl.col("customer_id").cast(pl.String))
    order = (visitor, customer) if unit == "visitor" else (customer, visitor)
    keyed = shown.with_columns(pl.coalesce(*order).alias("key")).sort("at")
    first = keyed.group_by("key", maintain_order=True).agg(
        pl.col("arm", "at", "day").first(), pl.col("arm").n_unique().alias("arms")
    )
    return Units(
        first.drop("arms").with_row_index("number"),
        keyed.filter(pl.col("anonymous_id") != "").unique("anonymous_id", keep="first", maintain_order=True)
        .select("anonymous_id", pl.col("key").alias("by_visitor")),
        keyed.filter(pl.col("customer_id").is_not_null()).unique("customer_id", keep="first", maintain_order=True)
        .select("customer_id", pl.col("key").alias("by_customer")),
        unit == "visitor",
        int((first["arms"] > 1).sum()),
    )  # fmt: skip


def of_units(units: Units, facts: pl.DataFrame) -> pl.DataFrame:
    """The facts of units: number, day, value, and `after` (from the exposure on) or before it."""
    joined = _numbered(units, facts)
    after = pl.col("at") >= pl.col("since")
    recent = pl.col("at") >= pl.col("since") - timedelta(days=28)
    return joined.filter(after | recent).select("number", "day", "value", after.alias("after"))


def of_answers(units: Units, shown: pl.DataFrame) -> pl.DataFrame:
    """What was shown to units: number, day, above (clicked), below (shown)."""
    return _numbered(units, shown).select("number", "day", "above", "below")


def points(
    units: Units, rows: pl.DataFrame, metric: str, arms: Sequence[str], planned: float, until: date
) -> list[Point]:
    """Every arm at the end of every day, from the first exposure to `until`.

    `rows` are those of `of_units`; for the ratio metrics, number, day, above, below.
    """
    first = units.first
    if not first.height:
        return []
    start = min(first["day"].to_list())
    arm = np.array([arms.index(each) if each in arms else -1 for each in first["arm"]])
    entered = _days(first["day"], start)
    ratio = metric in RATIOS
    if not ratio:
        before = _total(rows.filter(~pl.col("after")), "value", first.height, metric)
        rows = rows.filter("after").with_columns(pl.col("value").alias("above"), pl.lit(0.0).alias("below"))
        if metric == "conversion":
            rows = rows.sort("day").unique("number", keep="first", maintain_order=True)
    number, on = rows["number"].to_numpy(), _days(rows["day"], start)
    above, below = np.zeros(first.height), np.zeros(first.height)
    made: list[Point] = []
    for step in range((until - start).days + 1):
        today = on == step
        np.add.at(above, number[today], rows["above"].to_numpy()[today])
        np.add.at(below, number[today], rows["below"].to_numpy()[today])
        inside = (entered <= step) & (arm >= 0)
        groups = [np.flatnonzero(inside & (arm == each)) for each in range(len(arms))]
        if ratio:
            samples = [_ratio(above[each], below[each]) for each in groups]
        else:
            values = above.copy()
            if np.count_nonzero(inside) >= LEAST_FORETOLD:
                values[inside] = statistics.cuped(above[inside], before[inside])
            samples = [statistics.of_values(values[each]) for each in groups]
        hits = [int(np.count_nonzero(above[each])) for each in groups]
        made += _compared(start + timedelta(days=step), arms, samples, hits, planned)
    return made


def _numbered(units: Units, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of units, with number, and since when each was exposed."""
    order = ("by_visitor", "by_customer") if units.visitors_first else ("by_customer", "by_visitor")
    known = (
        rows.join(units.by_visitor, on="anonymous_id", how="left")
        .join(units.by_customer, on="customer_id", how="left")
        .with_columns(pl.coalesce(*order).alias("key"))
    )
    return known.join(units.first.select("key", "number", pl.col("at").alias("since")), on="key", how="inner")


def _compared(
    day: date, arms: Sequence[str], samples: Sequence[Sample], hits: Sequence[int], planned: float
) -> list[Point]:
    """Each arm against the first; with several, the intervals hold for all of them together (Bonferroni)."""
    control, alpha = samples[0], statistics.ALPHA / (len(arms) - 1)
    made = [Point(day, arms[0], control)]
    for name, sample, found in zip(arms[1:], samples[1:], hits[1:], strict=True):
        if min(sample.n, control.n) < LEAST_UNITS or min(found, hits[0]) < LEAST_HITS:
            made.append(Point(day, name, sample))
            continue
        lift = statistics.always_valid_lift(control, sample, planned, alpha)
        known = bool(np.isfinite(lift.estimate))
        difference = statistics.always_valid(control, sample, planned, alpha)
        made.append(Point(day, name, sample, difference, lift if known else None))
    return made


def _ratio(above: np.ndarray, below: np.ndarray) -> Sample:
    if len(below) < 2 or not below.any():
        return Sample(len(below), 0.0, 0.0)
    found = statistics.of_ratio(above, below)
    return Sample(found.n, float(found.mean), float(found.variance))


def _total(rows: pl.DataFrame, column: str, units: int, metric: str) -> np.ndarray:
    total = np.bincount(rows["number"].to_numpy(), rows[column].to_numpy(), units).astype(float)
    return np.minimum(total, 1.0) if metric == "conversion" else total


def _days(days: pl.Series, start: date) -> np.ndarray:
    return days.cast(pl.Int32).to_numpy().astype(np.int64) - (start - date(1970, 1, 1)).days
