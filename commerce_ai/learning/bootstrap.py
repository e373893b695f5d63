"""Is one scorer better than another, or was it the customers we happened to ask? The paired bootstrap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from commerce_ai.learning.learner import Metric, mean_of_values

_CELLS_AT_ONCE = 4_000_000  # resampled values held in memory at a time: 32 MB of indexes


@dataclass(frozen=True)
class Comparison:
    """`difference` is candidate minus other, in the metric's own units; `better` when it points the metric's way.

    `win_share` and `loss_share` are the shares of resamples in which the candidate is strictly better, strictly
    worse; a tie is neither, so two equal samples give 0 and 0. `interval` holds `confidence` of the resampled
    differences, `error` is their standard deviation. `units` is how many stood in both samples.
    """

    candidate: float
    other: float
    difference: float
    interval: tuple[float, float]
    error: float
    win_share: float
    loss_share: float
    units: int


def compare(
    candidate: pl.DataFrame,
    other: pl.DataFrame,
    metric: Metric,
    *,
    resamples: int = 1000,
    confidence: float = 0.9,
    seed: int = 0,
) -> Comparison:
    """Draw the units with replacement, `resamples` times, the same units for both sides (Efron and Tibshirani 1993).

    Both samples have a column ``unit``, each unit once, and what `metric.statistic` reads; only units that stand in
    both count. Raises `ValueError` if there are none.
    """
    ours, theirs = paired(candidate, other)
    sign = 1.0 if metric.direction == "max" else -1.0
    if metric.statistic is mean_of_values:
        gaps = ours["value"].to_numpy().astype(np.float64) - theirs["value"].to_numpy().astype(np.float64)
        drawn = np.concatenate([gaps[rows].mean(axis=1) for rows in _draws(len(gaps), resamples, seed)])
    else:
        drawn = np.array(
            [
                metric.statistic(ours[each]) - metric.statistic(theirs[each])
                for rows in _draws(ours.height, resamples, seed)
                for each in rows
            ]
        )
    a, b = float(metric.statistic(ours)), float(metric.statistic(theirs))
    # A statistic may not exist for some draw (one class only): such a draw is neither won nor lost.
    there = drawn[np.isfinite(drawn)] if np.isfinite(drawn).any() else np.array([np.nan])
    low, high = np.quantile(there, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Comparison(
        candidate=a,
        other=b,
        difference=a - b,
        interval=(float(low), float(high)),
        error=float(np.std(there)),
        win_share=float(np.mean(sign * drawn > 0)),
        loss_share=float(np.mean(sign * drawn < 0)),
        units=ours.height,
    )


def standard_error(sample: pl.DataFrame, metric: Metric, *, resamples: int = 200, seed: int = 0) -> float:
    """How far the figure itself would move with other units (standard deviation over resamples); 0 for no units."""
    if not sample.height:
        return 0.0
    if metric.statistic is mean_of_values:
        return float(np.std(sample["value"].to_numpy().astype(np.float64))) / sample.height**0.5
    drawn = [metric.statistic(sample[each]) for rows in _draws(sample.height, resamples, seed) for each in rows]
    return float(np.std(drawn))


def paired(candidate: pl.DataFrame, other: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both samples cut to their common units, in one order."""
    for side in (candidate, other):
        if side["unit"].n_unique() != side.height:
            raise ValueError("a unit stands more than once in a sample")
    ours = candidate.join(other.select("unit"), on="unit", how="semi").sort("unit")
    theirs = other.join(candidate.select("unit"), on="unit", how="semi").sort("unit")
    if not ours.height:
        raise ValueError("the two samples have no unit in common")
    return ours, theirs


def _draws(units: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    random = np.random.default_rng(seed)
    at_once = max(1, _CELLS_AT_ONCE // units)
    for done in range(0, resamples, at_once):
        yield random.integers(units, size=(min(at_once, resamples - done), units))
