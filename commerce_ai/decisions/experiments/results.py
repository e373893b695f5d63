"""The figures of an experiment: made anew from the facts by `refresh`, kept as points, read as a `Summary`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl
from django.utils import timezone

from commerce_ai.decisions.experiments import measures, queries, statistics
from commerce_ai.decisions.experiments.models import Experiment, ExperimentPoint, write_points

State = Experiment.State
# What people who were drawn do counts for this long after nobody is drawn any more.
COUNTED_AFTER_STOP = timedelta(days=7)
CHANGE = 0.1  # "how long until +10 % can be seen"


@dataclass(frozen=True)
class ArmResult:
    """An arm on the last day; lift and difference are (estimate, low, high) against the control."""

    name: str
    units: int
    share: float
    value: float
    variance: float
    lift: tuple[float, float, float] | None = None
    difference: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Summary:
    """`mismatch` is the p-value of the arms' sizes: where `blocked`, no figure may be believed. `days_left` until a
    lift of 10 % can be seen (None: not to be said yet), `waits` days of the minimum run."""

    arms: tuple[ArmResult, ...]
    mismatch: float
    days_left: int | None
    waits: int

    @property
    def blocked(self) -> bool:
        return self.mismatch < statistics.MISMATCH_ALPHA

    @property
    def control(self) -> ArmResult:
        return self.arms[0]

    @property
    def best(self) -> ArmResult | None:
        """The arm with the highest lift whose interval is known."""
        known = [each for each in self.arms[1:] if each.lift is not None]
        return max(known, key=lambda each: each.lift[0] if each.lift else 0.0, default=None)


def refresh(experiment: Experiment, now: datetime | None = None) -> int:
    """Make the points anew from all that is known now; how many there are."""
    now = now or timezone.now()
    until = min(now, experiment.stops_at + COUNTED_AFTER_STOP) if experiment.stops_at else now
    shown = queries.shown(experiment, min(now, experiment.stops_at or now))
    units = measures.units_of(shown.rows, experiment.unit)
    names = [each.name for each in experiment.parsed_arms]
    rows = rows_of(experiment, units, shown.rows, until)
    day = timezone.localtime(until, experiment.shop.tz).date()
    found = measures.points(units, rows, experiment.metric, names, experiment.planned, day)
    write_points(experiment, [_kept(experiment, each) for each in found], shown.left_out)
    return len(found)


def summary(experiment: Experiment, now: datetime | None = None) -> Summary | None:
    """What the last points say; None before the first."""
    points = ExperimentPoint.objects.of(experiment.shop_id).filter(experiment=experiment)
    last = points.order_by("-day").values_list("day", flat=True).first()
    if last is None:
        return None
    by_arm = {each.arm: each for each in points.filter(day=last)}
    arms = experiment.parsed_arms
    total = sum(each.weight for each in arms)
    found = tuple(_arm(by_arm[each.name], each.weight / total) for each in arms if each.name in by_arm)
    ended = min(now or timezone.now(), experiment.stops_at or datetime.max.replace(tzinfo=experiment.shop.tz))
    ran = max((ended - experiment.starts_at).days, 0) if experiment.starts_at else 0
    return Summary(
        found,
        float(statistics.mismatch([each.units for each in found], [each.share for each in found])),
        _days_left(found, max(ran, 1)),
        max(experiment.minimum_days - ran, 0),
    )


def needed(experiment: Experiment, mean: float, variance: float) -> float:
    """Units in all until +10 % can be seen in the smallest arm, peeking as often as one likes."""
    weights = [each.weight for each in experiment.parsed_arms]
    return _needed(mean, variance, [each / sum(weights) for each in weights])


def rows_of(experiment: Experiment, units: measures.Units, shown: pl.DataFrame, until: datetime) -> pl.DataFrame:
    """What the units did, as `measures.points` takes it."""
    if experiment.metric == Experiment.Metric.CLICKS:
        return measures.of_answers(units, shown)
    rows = measures.of_units(units, queries.facts(experiment, until))
    if experiment.metric == Experiment.Metric.SATISFACTION:
        return rows.filter("after").with_columns(pl.col("value").alias("above"), pl.lit(1.0).alias("below"))
    return rows


def _kept(experiment: Experiment, point: measures.Point) -> ExperimentPoint:
    difference, lift = _three(point.difference), _three(point.lift)
    return ExperimentPoint(
        shop_id=experiment.shop_id, experiment=experiment, day=point.day, arm=point.arm, units=point.sample.n,
        value=point.sample.mean, variance=point.sample.variance,
        difference=difference[0], difference_low=difference[1], difference_high=difference[2],
        lift=lift[0], low=lift[1], high=lift[2],
    )  # fmt: skip


def _three(interval: statistics.Interval | None) -> tuple[float | None, float | None, float | None]:
    if interval is None:
        return None, None, None
    return float(interval.estimate), float(interval.low), float(interval.high)


def _arm(point: ExperimentPoint, share: float) -> ArmResult:
    lift = None if point.lift is None else (point.lift, point.low or 0.0, point.high or 0.0)
    difference = None
    if point.difference is not None:
        difference = (point.difference, point.difference_low or 0.0, point.difference_high or 0.0)
    return ArmResult(point.arm, point.units, share, point.value, point.variance, lift, difference)


def _days_left(arms: Sequence[ArmResult], ran: int) -> int | None:
    units = sum(each.units for each in arms)
    if len(arms) < 2 or not units or arms[0].value <= 0:
        return None
    asked = _needed(arms[0].value, arms[0].variance, [each.share for each in arms])
    return max(math.ceil((asked - units) / (units / ran)), 0)


def _needed(mean: float, variance: float, shares: Sequence[float]) -> float:
    alpha = statistics.ALPHA / (len(shares) - 1)
    pair = (shares[0], min(shares[1:]))
    return statistics.needed_always_valid(mean, variance, CHANGE, alpha, shares=pair)
