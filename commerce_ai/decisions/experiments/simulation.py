"""Whether the statistics keep their promises, on made-up shops where the truth is known. No database.

Every function repeats many experiments at once, through the functions that the console uses.
"""

from __future__ import annotations

import numpy as np

from commerce_ai.decisions.experiments import statistics
from commerce_ai.decisions.experiments.statistics import Interval, Sample, of_counts, of_sums

Pair = tuple[Sample, Sample]  # control and treated; arrays [experiments, looks]
Draw = np.random.Generator


def daily_conversions(draw: Draw, experiments: int, days: int, visitors: int, rate: float, lift: float = 0.0) -> Pair:
    """`visitors` an arm and day, who buy at once or never; a look a day."""
    shape = (experiments, days)
    n = np.cumsum(np.full(shape, visitors), axis=1)
    arms = (np.cumsum(draw.binomial(visitors, each, shape), axis=1) for each in (rate, rate * (1 + lift)))
    a, b = (of_counts(n, sales) for sales in arms)
    return a, b


def late_conversions(draw: Draw, experiments: int, days: int, visitors: int, rate: float, mean_delay: float) -> Pair:
    """Visitors who buy on some later day (a geometric delay): what a look sees of a unit is not yet all of it."""
    n = np.cumsum(np.full((experiments, days), visitors), axis=1)
    arms = []
    for _arm in range(2):
        sales = np.zeros((experiments, days), dtype=np.int64)
        for came in range(days):
            waiting = draw.binomial(visitors, rate, experiments)
            for day in range(came, days):
                now = draw.binomial(waiting, 1 / (1 + mean_delay))
                sales[:, day] += now
                waiting = waiting - now
        arms.append(of_counts(n, np.cumsum(sales, axis=1)))
    return arms[0], arms[1]


def daily_revenue(draw: Draw, experiments: int, days: int, visitors: int, rate: float, lift: float = 0.0) -> Pair:
    """Money a visitor: most spend nothing, baskets are log-normal with a long tail (median 40, sigma 0.8)."""
    n = np.cumsum(np.full((experiments, days), visitors), axis=1)
    arms = []
    for scale in (1.0, 1 + lift):
        sales = draw.binomial(visitors, rate, (experiments, days))
        look = np.repeat(np.arange(sales.size), sales.ravel())
        baskets = scale * draw.lognormal(np.log(40), 0.8, len(look))
        sums = [np.bincount(look, each, sales.size).reshape(sales.shape) for each in (baskets, baskets**2)]
        arms.append(of_sums(n, *(np.cumsum(each, axis=1) for each in sums)))
    return arms[0], arms[1]


BASKET = 40 * np.exp(0.8**2 / 2)  # the mean of those baskets


def clicks(draw: Draw, experiments: int, visitors: int, lift: float = 0.0) -> Pair:
    """Clicks over impressions, where a visitor has several impressions and a liking of their own."""
    arms = []
    for scale in (1.0, 1 + lift):
        shown = 1 + draw.poisson(2.0, (experiments, visitors))
        clicked = draw.binomial(shown, scale * draw.beta(1, 19, shown.shape))
        arms.append(statistics.of_ratio(clicked, shown))
    return arms[0], arms[1]


CLICK_RATE = 1 / 20


def foretold(draw: Draw, experiments: int, visitors: int, effect: float) -> tuple[Pair, Pair]:
    """Spend that the spend of the weeks before foretells (correlation 0.7): plain samples, and by CUPED."""
    before = draw.gamma(2.0, 10.0, (experiments, 2 * visitors))
    values = 0.7 * before + 0.714 * draw.gamma(2.0, 10.0, before.shape)
    values[:, visitors:] += effect
    plain, adjusted = (_halves(each, visitors) for each in (values, statistics.cuped(values, before)))
    return plain, adjusted


def _halves(values: np.ndarray, visitors: int) -> Pair:
    a, b = (
        Sample(visitors, each.mean(1), each.var(1, ddof=1)) for each in (values[:, :visitors], values[:, visitors:])
    )
    return a, b


def ever_missed(interval: Interval, truth: float) -> float:
    """The share of experiments [experiments, looks] in which any look's interval left the truth out."""
    return float(np.mean(~interval.holds(truth).all(axis=1)))


def covered(interval: Interval, truth: float) -> float:
    return float(np.mean(interval.holds(truth)))


def assignments(draw: Draw, experiments: int, units: int, share: float, looks: int = 1) -> np.ndarray:
    """Units in each of two arms at every look, cumulative: [experiments, looks, 2]."""
    each = units // looks
    treated = np.cumsum(draw.binomial(each, share, (experiments, looks)), axis=1)
    total = np.cumsum(np.full((experiments, looks), each), axis=1)
    return np.stack([total - treated, treated], axis=-1)
