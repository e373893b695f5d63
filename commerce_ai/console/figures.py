"""The first page's figures, from daily aggregates only: never from events or orders themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from django.db.models import Max

from commerce_ai.ingest.metrics import EVENTS, NAMES, ORDERS, REVENUE, VISITORS
from commerce_ai.shop.models import DailyMetric, Shop

__all__ = ["EVENTS", "NAMES", "ORDERS", "REVENUE", "VISITORS", "Figures", "change", "newest_day", "ratio", "read"]
WEEKLY_BEYOND_DAYS = 190  # a longer range is drawn by week


@dataclass(frozen=True)
class Figures:
    """Sums by step (a day, or a week that begins at it) of a range of days, and of the range before it."""

    first: date
    last: date
    steps: tuple[date, ...]
    by_step: dict[str, list[float | None]]
    total: dict[str, float]
    before: dict[str, float]

    @property
    def any(self) -> bool:
        return any(self.total.values())

    def conversion(self) -> list[float | None]:
        """Orders per visitor, by step; None where nobody came."""
        pairs = zip(self.by_step[ORDERS], self.by_step[VISITORS], strict=True)
        return [orders / visitors if visitors and orders is not None else None for orders, visitors in pairs]


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
    length = (last - first).days + 1
    rows = DailyMetric.objects.of(shop).filter(
        name__in=NAMES, dimension="", day__gte=first - timedelta(days=length), day__lte=last
    )
    total, before = dict.fromkeys(NAMES, 0.0), dict.fromkeys(NAMES, 0.0)
    steps = _steps(first, last)
    by_step: dict[str, list[float | None]] = {name: [None] * len(steps) for name in NAMES}
    width = (steps[1] - steps[0]).days if len(steps) > 1 else length
    for day, name, value in rows.values_list("day", "name", "value"):
        if day < first:
            before[name] += value
            continue
        total[name] += value
        place = (day - first).days // width
        by_step[name][place] = (by_step[name][place] or 0.0) + value
    return Figures(first, last, steps, by_step, total, before)


def _steps(first: date, last: date) -> tuple[date, ...]:
    days = (last - first).days + 1
    width = 1 if days <= WEEKLY_BEYOND_DAYS else 7
    return tuple(first + timedelta(days=offset) for offset in range(0, days, width))


def is_weekly(steps: Sequence[date]) -> bool:
    return any((after - day).days == 7 for day, after in pairwise(steps[:2]))
