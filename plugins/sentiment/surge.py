"""Has the share of negative texts gone up? An exact test of one day against the days before it.

Given how many of the day's and the baseline's texts are negative together, the day's part of them is hypergeometric
if both have the same share, whatever that share is: Fisher's exact test of two binomials, one-sided (R. A. Fisher:
*The logic of inductive inference*, JRSS 1935). So the chance of a false alarm on a quiet day is at most the level,
however short the baseline is; with a long one it is the plain binomial test.

A day is tested alone and together with the day before, which finds a smaller rise on the second day; each test at half
the level. A shop watches many series (itself, products, topics). The level of one test is a yearly budget of false
alarms spread over the days and over the series tested on a day (Bonferroni), half of it for the shop as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BASELINE_DAYS = 28
LEAST_TEXTS, LEAST_BASELINE = 10, 50  # below them a day is not tested
DAYS_A_YEAR = 365


@dataclass(frozen=True)
class Day:
    """One day of one series, or that and the day before, and the baseline it is held against."""

    texts: int
    negative: int
    baseline_texts: int
    baseline_negative: int

    @property
    def expected(self) -> float:
        """The baseline's share of negative texts."""
        return self.baseline_negative / self.baseline_texts if self.baseline_texts else 0.0

    @property
    def is_testable(self) -> bool:
        return self.texts >= LEAST_TEXTS and self.baseline_texts >= LEAST_BASELINE


def alarming(windows: Sequence[Day]) -> tuple[float, Day]:
    """The most alarming of the spans that end on one day, with its chance times their number (Bonferroni)."""
    chances = [(min(1.0, chance(each) * len(windows)), place) for place, each in enumerate(windows)]
    least, place = min(chances)
    return least, windows[place]


def chance(day: Day) -> float:
    """The chance of so many negative texts or more, if nothing has changed (the p-value); 1 without any text."""
    bad, all_texts = day.negative + day.baseline_negative, day.texts + day.baseline_texts
    if not day.texts or not day.negative or not day.baseline_texts:
        return 1.0
    counts = np.arange(day.negative, min(day.texts, bad) + 1)
    logs = _log_choose(bad, counts) + _log_choose(all_texts - bad, day.texts - counts)
    return float(min(1.0, np.exp(logs - _log_choose(all_texts, np.array(day.texts))).sum()))


def levels(is_whole: Sequence[bool], false_alarms_a_year: float) -> list[float]:
    """The level of each series tested on one day: half of the day's budget for the whole, half for all its parts."""
    budget = min(false_alarms_a_year / DAYS_A_YEAR, 0.5)
    parts = sum(not each for each in is_whole)
    whole = budget / 2 if parts else budget
    return [whole if each else budget / 2 / parts for each in is_whole]


def _log_choose(n: int, k: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Logarithm of n over k; -inf where k does not lie in 0..n."""
    inside = (k >= 0) & (k <= n)
    kept = np.clip(k, 0, n)
    factorials = _log_factorials(n)
    return np.where(inside, factorials[n] - factorials[kept] - factorials[n - kept], -np.inf)


def _log_factorials(n: int) -> npt.NDArray[np.float64]:
    global _factorials
    if len(_factorials) <= n:
        _factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, 2 * n + 100)))])
    return _factorials


_factorials: npt.NDArray[np.float64] = np.zeros(1)
