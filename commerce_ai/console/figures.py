"""The first page's figures, from daily aggregates only: never from events or orders themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from django.db.models import Max, Sum

from commerce_ai.decisions import outcomes
from commerce_ai.ingest.funnel import FUNNEL, STEPS
from commerce_ai.ingest.metrics import EVENTS, NAMES, ORDERS, REVENUE, VISITORS
from commerce_ai.shop.models import DailyMetric, Shop

__all__ = [
    "EVENTS", "NAMES", "ORDERS", "REVENUE", "STEPS", "VISITORS", "Figures", "Funnel", "Influence", "change",
    "newest_day", "ratio", "read", "read_funnel", "read_influence",
]  # fmt: skip
ByStep = dict[str, list[float | None]]
WEEKLY_BEYOND_DAYS = 190  # a longer range is drawn by week


@dataclass(frozen=True)
class Figures:
    """Sums by step (a day, or a week that begins at it) of a range of days, and of the range before it."""

    first: date
    last: date
    steps: tuple[date, ...]
    by_step: ByStep
    total: dict[str, float]
    before: dict[str, float]

    @property
    def any(self) -> bool:
        return any(self.total.values())

    def conversion(self) -> list[float | None]:
        """Orders per visitor, by step; None where nobody came."""
        pairs = zip(self.by_step[ORDERS], self.by_step[VISITORS], strict=True)
        return [orders / visitors if visitors and orders is not None else None for orders, visitors in pairs]


@dataclass(frozen=True)
class Funnel:
    """Visitors who came at least so far: sums of days, of a range and of the one before, and by step of the chart."""

    total: dict[str, float]
    before: dict[str, float]
    by_step: ByStep

    @property
    def any(self) -> bool:
        return any(self.total.values())

    def share(self, step: str, of: str) -> float | None:
        return ratio(self.total, step, of)

    def trend(self, step: str, of: str) -> float | None:
        """How the share of `of` who came to `step` moved against the range before."""
        return change(ratio(self.total, step, of), ratio(self.before, step, of))

    def shares(self, step: str, of: str) -> list[float | None]:
        pairs = zip(self.by_step[step], self.by_step[of], strict=True)
        return [above / below if below and above is not None else None for above, below in pairs]


@dataclass(frozen=True)
class Influence:
    """Money that a plugin's decisions had a part in, in a range: not caused by them."""

    plugin: str
    revenue: float
    orders: float


def ratio(of: dict[str, float], above: str, below: str) -> float | None:
    return of[above] / of[below] if of[below] else None


def change(now: float | None, before: float | None) -> float | None:
    """By which share a figure moved against the range before; None where nothing was, 0 for less than is shown."""
    if not before or now is None:
        return None
    moved = now / before - 1
    return 0.0 if abs(moved) < 0.0005 else moved


def newest_day(shop: Shop) -> date | None:
    """The last day that has any of the figures."""
    return DailyMetric.objects.of(shop).filter(name__in=NAMES, dimension="").aggregate(Max("day"))["day__max"]


def read(shop: Shop, first: date, last: date) -> Figures:
    """The figures of `first` to `last`, both included, and of as many days before. One query."""
    rows = _rows(shop, first, last).filter(name__in=NAMES, dimension="").values_list("day", "name", "value")
    total, before, by_step = _sums(rows, NAMES, first, last)
    return Figures(first, last, _steps(first, last), by_step, total, before)


def read_funnel(shop: Shop, first: date, last: date) -> Funnel:
    """The funnel of `first` to `last`, both included, and of as many days before. One query."""
    rows = _rows(shop, first, last).filter(name=FUNNEL, dimension__in=STEPS).values_list("day", "dimension", "value")
    return Funnel(*_sums(rows, STEPS, first, last))


def read_influence(shop: Shop, first: date, last: date) -> list[Influence]:
    """Each plugin's, the largest revenue first. One query."""
    rows = DailyMetric.objects.of(shop).filter(
        name__in=(outcomes.REVENUE, outcomes.ORDERS), day__gte=first, day__lte=last
    )
    sums: dict[str, dict[str, float]] = {}
    for plugin, name, value in rows.values_list("dimension", "name").annotate(sum=Sum("value")):
        sums.setdefault(plugin, {})[name] = value
    found = [
        Influence(plugin, of.get(outcomes.REVENUE, 0.0), of.get(outcomes.ORDERS, 0.0)) for plugin, of in sums.items()
    ]
    return sorted((each for each in found if each.revenue or each.orders), key=lambda each: -each.revenue)


def _rows(shop: Shop, first: date, last: date) -> Any:
    """The range and as many days before."""
    before = first - timedelta(days=(last - first).days + 1)
    return DailyMetric.objects.of(shop).filter(day__gte=before, day__lte=last)


def _sums(
    rows: Any, names: Sequence[str], first: date, last: date
) -> tuple[dict[str, float], dict[str, float], ByStep]:
    """Of (day, name, value): by name of the range and of the days before it, and of the range by step of the chart."""
    total, before = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    steps = _steps(first, last)
    width = (steps[1] - steps[0]).days if len(steps) > 1 else (last - first).days + 1
    by_step: ByStep = {name: [None] * len(steps) for name in names}
    for day, name, value in rows:
        if day < first:
            before[name] += value
            continue
        total[name] += value
        place = (day - first).days // width
        by_step[name][place] = (by_step[name][place] or 0.0) + value
    return total, before, by_step


def _steps(first: date, last: date) -> tuple[date, ...]:
    days = (last - first).days + 1
    width = 1 if days <= WEEKLY_BEYOND_DAYS else 7
    return tuple(first + timedelta(days=offset) for offset in range(0, days, width))


def is_weekly(steps: Sequence[date]) -> bool:
    return any((after - day).days == 7 for day, after in pairwise(steps[:2]))
