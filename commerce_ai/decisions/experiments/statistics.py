"""What two arms differ by, and how sure that is: intervals, sequential intervals, sample ratio, needed samples.

Every function takes numbers or arrays of them (one element an experiment, or a look), so that the simulations run
the very code that the console shows. Means are per unit of assignment (a visitor, a customer).

Sources: Newcombe, Stat. Med. 17 (1998) 873-890. Katz et al., Biometrics 34 (1978) 469-474. Welch, Biometrika 34
(1947) 28-35. Deng, Knoblich, Lu, KDD 2018 (delta method). Deng, Xu, Kohavi, Walker, WSDM 2013 (CUPED). Howard et al.,
Ann. Stat. 49 (2021) 1055-1080, and Waudby-Smith et al., Ann. Stat. 52 (2024) 2613-2640 (confidence sequences). Fabijan
et al., KDD 2019 (sample ratio mismatch). Fleiss, Levin, Paik, Statistical Methods for Rates and Proportions (2003), 4.
Holm, Scand. J. Stat. 6 (1979) 65-70.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Number = Any  # a float, or an array of them

ALPHA = 0.05
MISMATCH_ALPHA = 0.0005  # Fabijan et al., section 3: low, as it is looked at every day and stops everything
POWER = 0.8


@dataclass(frozen=True)
class Sample:
    """The units of one arm: how many, their mean, and the variance of one unit (not of the mean)."""

    n: Number
    mean: Number
    variance: Number


@dataclass(frozen=True)
class Interval:
    estimate: Number
    low: Number
    high: Number

    def holds(self, value: Number) -> Number:
        return (self.low <= value) & (value <= self.high)


# --- samples ----------------------------------------------------------------------------------------------


def of_values(values: np.ndarray) -> Sample:
    """One value a unit: revenue, margin, or 1 for who converted."""
    n = len(values)
    return Sample(n, float(np.mean(values)) if n else 0.0, float(np.var(values, ddof=1)) if n > 1 else 0.0)


def of_sums(n: Number, total: Number, squares: Number) -> Sample:
    """The same from the sum and the sum of squares of a unit's values."""
    mean = total / n
    return Sample(n, mean, np.maximum(squares - n * mean**2, 0) / np.maximum(n - 1, 1))


def of_counts(n: Number, successes: Number) -> Sample:
    """Units that did it or did not."""
    mean = successes / n
    return Sample(n, mean, mean * (1 - mean))


def of_ratio(above: np.ndarray, below: np.ndarray, axis: int = -1) -> Sample:
    """A ratio of sums, as clicks over impressions, where units are visitors: several impressions of one visitor are
    not independent. The delta method linearises it (Deng et al. 2018, eq. 3): variance of (above - ratio * below)."""
    n = above.shape[axis]
    mean_below = below.mean(axis)
    ratio = above.mean(axis) / mean_below
    residual = above - np.expand_dims(ratio, axis) * below
    return Sample(n, ratio, residual.var(axis, ddof=1) / mean_below**2)


def cuped(values: np.ndarray, before: np.ndarray, axis: int = -1) -> np.ndarray:
    """`values` less what `before` foretold (both over all arms, one element a unit): the mean stays, the variance
    falls by the square of their correlation (Deng et al. 2013, eq. 4). `before` must be known before the exposure."""
    centred = before - before.mean(axis, keepdims=True)
    spread = (centred**2).mean(axis, keepdims=True)
    together = (centred * (values - values.mean(axis, keepdims=True))).mean(axis, keepdims=True)
    slope = np.divide(together, spread, out=np.zeros_like(spread, dtype=float), where=spread > 0)
    return values - slope * centred


# --- intervals at a horizon that was fixed beforehand -----------------------------------------------------


def newcombe(control: Sample, treated: Sample, alpha: float = ALPHA) -> Interval:
    """Difference of two proportions: the hybrid score interval (Newcombe 1998, method 10). Holds its level at small
    counts, where the Wald interval does not."""
    a, b = _wilson(control, alpha), _wilson(treated, alpha)
    estimate = treated.mean - control.mean
    down = np.sqrt((treated.mean - b.low) ** 2 + (a.high - control.mean) ** 2)
    up = np.sqrt((b.high - treated.mean) ** 2 + (control.mean - a.low) ** 2)
    return Interval(estimate, estimate - down, estimate + up)


def welch(control: Sample, treated: Sample, alpha: float = ALPHA) -> Interval:
    """Difference of two means with unequal variances; degrees of freedom by Welch and Satterthwaite."""
    from scipy import special  # the web process starts without scipy

    a, b = control.variance / control.n, treated.variance / treated.n
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = (a + b) ** 2 / (a**2 / (control.n - 1) + b**2 / (treated.n - 1))
    freedom = np.where(np.isfinite(freedom), freedom, 1.0)
    radius = special.stdtrit(freedom, 1 - alpha / 2) * np.sqrt(a + b)
    estimate = treated.mean - control.mean
    return Interval(estimate, estimate - radius, estimate + radius)


def lift(control: Sample, treated: Sample, alpha: float = ALPHA) -> Interval:
    """Relative difference, 0.22 for +22 %: normal on the logarithm of the ratio (Katz 1978; delta method)."""
    from scipy import special  # the web process starts without scipy

    return _lift(control, treated, special.ndtri(1 - alpha / 2))


def p_value(control: Sample, treated: Sample) -> Number:
    """Two-sided, of no difference, by the normal approximation without pooling."""
    from scipy import special  # the web process starts without scipy

    error = np.sqrt(_variance(control, treated))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.abs(treated.mean - control.mean) / error
    return np.where(error > 0, 2 * special.ndtr(-z), 1.0)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values of several comparisons: reject where they are below alpha (Holm 1979)."""
    order = np.argsort(p_values)
    stepped = np.asarray(p_values, dtype=float)[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return [float(each) for each in adjusted]


# --- intervals that hold at every look --------------------------------------------------------------------


def always_valid(control: Sample, treated: Sample, planned: float, alpha: float = ALPHA) -> Interval:
    """Difference of means, covered at all looks at once with 1 - alpha: peeking and stopping early are safe.

    The normal-mixture boundary (Howard et al. 2021, eq. 14) with estimated variance, an asymptotic confidence
    sequence (Waudby-Smith et al. 2024, theorem 2.2). `planned` is the number of units over both arms at which it is
    to be narrowest; it must not be chosen by the data.
    """
    radius = _stretch(control.n + treated.n, planned, alpha) * np.sqrt(_variance(control, treated))
    estimate = treated.mean - control.mean
    return Interval(estimate, estimate - radius, estimate + radius)


def always_valid_lift(control: Sample, treated: Sample, planned: float, alpha: float = ALPHA) -> Interval:
    """Relative difference, covered at all looks at once: the same boundary on the logarithm of the ratio."""
    return _lift(control, treated, _stretch(control.n + treated.n, planned, alpha))


# --- is the experiment sound, and how long does it take ---------------------------------------------------


def mismatch(counts: Any, weights: Sequence[float]) -> Number:
    """p-value of the chi-square test that units fell into arms as the `weights` say; `counts` are [..., arms].

    Below `MISMATCH_ALPHA` something loses or doubles units of one arm, and no figure of the experiment counts.
    """
    from scipy import special  # the web process starts without scipy

    counts, shares = np.asarray(counts, dtype=float), np.asarray(weights, dtype=float)
    expected = counts.sum(-1, keepdims=True) * shares / shares.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = ((counts - expected) ** 2 / expected).sum(-1)
    return np.where(counts.sum(-1) > 0, special.chdtrc(len(shares) - 1, statistic), 1.0)


def needed(
    mean: float,
    variance: float,
    change: float,
    alpha: float = ALPHA,
    power: float = POWER,
    shares: tuple[float, float] = (0.5, 0.5),
) -> float:
    """Units in both arms until a relative `change` of `mean` is seen at a fixed horizon, as Fleiss et al. 2003, eq.
    4.14 without continuity correction. For a proportion give mean * (1 - mean) as `variance`; `shares` of the arms."""
    from scipy import special  # the web process starts without scipy

    return _needed(special.ndtri(1 - alpha / 2) + special.ndtri(power), mean, variance, change, shares)


def needed_always_valid(
    mean: float,
    variance: float,
    change: float,
    alpha: float = ALPHA,
    power: float = POWER,
    shares: tuple[float, float] = (0.5, 0.5),
) -> float:
    """The same for the sequential interval planned for that very number: what the safety of peeking costs."""
    from scipy import special  # the web process starts without scipy

    # At its own plan the stretch does not depend on n.
    return _needed(float(_stretch(1.0, 1.0, alpha)) + special.ndtri(power), mean, variance, change, shares)


# --- parts ------------------------------------------------------------------------------------------------


def _stretch(n: Number, planned: float, alpha: float) -> Number:
    """How many standard errors wide: sqrt((n r + 1) / (n r) * log((n r + 1) / alpha^2)), where r makes it narrowest at
    `planned` (Waudby-Smith et al. 2024, appendix C.3)."""
    c = -2 * np.log(alpha)
    scaled = np.asarray(n, dtype=float) * (c + np.log(c) + 1) / planned
    return np.sqrt((scaled + 1) / scaled * np.log((scaled + 1) / alpha**2))


def _lift(control: Sample, treated: Sample, stretch: Number) -> Interval:
    a, b = np.asarray(control.mean, dtype=float), np.asarray(treated.mean, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        log_ratio = np.log(b / a)
        error = np.sqrt(control.variance / (control.n * a**2) + treated.variance / (treated.n * b**2))
        known = np.isfinite(log_ratio) & np.isfinite(error)
        values = (np.exp(log_ratio + step * stretch * error) - 1 for step in (0, -1, 1))
        estimate, low, high = (np.where(known, each, other) for each, other in zip(values, _UNKNOWN, strict=True))
    return Interval(estimate, low, high)


_UNKNOWN = (np.nan, -1.0, np.inf)


def _wilson(sample: Sample, alpha: float) -> Interval:
    from scipy import special  # the web process starts without scipy

    z = special.ndtri(1 - alpha / 2)
    centre = (sample.mean + z**2 / (2 * sample.n)) / (1 + z**2 / sample.n)
    spread = np.sqrt(sample.mean * (1 - sample.mean) / sample.n + z**2 / (4 * sample.n**2))
    radius = z / (1 + z**2 / sample.n) * spread
    return Interval(sample.mean, centre - radius, centre + radius)


def _variance(control: Sample, treated: Sample) -> Number:
    return control.variance / control.n + treated.variance / treated.n


def _needed(z: float, mean: float, variance: float, change: float, shares: tuple[float, float]) -> float:
    spread = variance / shares[0] + _variance_changed(mean, variance, change) / shares[1]
    return float(z**2 * spread / (mean * change) ** 2)


def _variance_changed(mean: float, variance: float, change: float) -> float:
    """Of the changed arm: that of a proportion follows its mean, money spreads in proportion."""
    changed = mean * (1 + change)
    if abs(variance - mean * (1 - mean)) < 1e-12 and changed <= 1:
        return changed * (1 - changed)
    return variance * (1 + change) ** 2
