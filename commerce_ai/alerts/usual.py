"""Whether a day's figure is out of bounds: against a threshold, the same weekday, or what is usual. No Django.

What is usual for a day is the median of the same weekday over eight weeks. How far figures stray from it is 1.4826
times the median absolute deviation of those weeks' days from the median of their weekday (Hampel 1974: 50 % of the days
may be odd themselves), never less than counting noise or 5 % of the level.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import fmean, median

WEEKS = 8
FEWEST_WEEKS = 3
_WIDENED = 1.2  # the medians were fitted to the same days, and are estimates themselves
_LEAST_SHARE = 0.05


@dataclass(frozen=True)
class Seen:
    """A day's figure, what was expected, and how far apart they are, in the rule's own measure."""

    value: float
    expected: float | None
    distance: float


@dataclass(frozen=True)
class Bounds:
    """`comparison`: above, below, change (in percent) or odd (robust z); `direction`: up, down or both."""

    comparison: str
    threshold: float
    direction: str = "both"
    window_days: int = 1


def judge(figures: Mapping[date, float], day: date, bounds: Bounds) -> Seen | None:
    """What is out of bounds on `day`; None where nothing is, or where too little is known to say.

    A day without a figure between the first and `day` counts as 0: nothing was counted on it.
    """
    if not figures or (first := min(figures)) > day - timedelta(days=bounds.window_days - 1):
        return None
    value = _mean(figures, day, bounds.window_days)
    if bounds.comparison in ("above", "below"):
        out = value > bounds.threshold if bounds.comparison == "above" else value < bounds.threshold
        return Seen(value, None, value - bounds.threshold) if out else None
    past = _past(figures, first, day, bounds.window_days)
    if len(past) < 7 * FEWEST_WEEKS:
        return None
    same = [past[each] for each in past if each.weekday() == day.weekday()]
    expected = median(same)
    if bounds.comparison == "change":
        distance = 100 * (value / expected - 1) if expected else 0.0
    else:
        distance = (value - expected) / _spread(figures, past, expected, bounds.window_days)
    far = {"up": distance, "down": -distance, "both": abs(distance)}[bounds.direction]
    return Seen(value, expected, distance) if far > bounds.threshold else None


def _past(figures: Mapping[date, float], first: date, day: date, window: int) -> dict[date, float]:
    """The (windowed) figures of whole weeks before the window, at most eight."""
    start = day - timedelta(days=7 * WEEKS)
    days = (start + timedelta(days=step) for step in range(7 * WEEKS - window + 1))
    return {each: _mean(figures, each, window) for each in days if each - timedelta(days=window - 1) >= first}


def _spread(figures: Mapping[date, float], past: Mapping[date, float], expected: float, window: int) -> float:
    by_weekday: dict[int, list[float]] = {}
    for each, value in past.items():
        by_weekday.setdefault(each.weekday(), []).append(value)
    usual = {weekday: median(values) for weekday, values in by_weekday.items()}
    strayed = [abs(value - usual[each.weekday()]) for each, value in past.items()]
    spread = _WIDENED * 1.4826 * median(strayed)
    return max(spread, _LEAST_SHARE * abs(expected), _counting_noise(figures.values(), expected, window), 1e-9)


def _counting_noise(values: Iterable[float], expected: float, window: int) -> float:
    """Of a count the standard deviation is at least the root of its mean (Poisson); other figures are no counts."""
    counts = all(float(each).is_integer() and each >= 0 for each in values)
    return math.sqrt(max(expected, 1.0) / window) if counts else 0.0


def _mean(figures: Mapping[date, float], day: date, window: int) -> float:
    return fmean(figures.get(day - timedelta(days=back), 0.0) for back in range(window))
