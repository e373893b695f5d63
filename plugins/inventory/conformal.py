"""Quantiles from past errors: split conformal prediction, by class, level of the forecast and week ahead.

Vovk, Gammerman, Shafer: *Algorithmic Learning in a Random World*, 2005 (conditional on groups: Mondrian). An error is
divided by the root of the forecast, as counts ask for; a product with enough history also speaks for itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plugins.inventory.classes import CLASSES
from plugins.inventory.features import Floats, Panel

LEVELS = np.array([0.005, 0.025, 0.05, 0.1, 0.165, 0.25, 0.5, 0.75, 0.835, 0.9, 0.95, 0.975, 0.99, 0.995])
JUDGED = (0.005, 0.025, 0.165, 0.25, 0.5, 0.75, 0.835, 0.975, 0.995)  # the nine of the M5 uncertainty guide
JUDGED_AT = np.array([int(np.argmin(np.abs(LEVELS - each))) for each in JUDGED])
MOST_BINS, MOST_WEEKS = 24, 4
LEAST_ERRORS = 300  # of a cell of the table
OWN_DAYS, LEAST_OWN_DAYS = 182, 56
LITTLE = 0.02  # units a day under the root, so that a forecast of zero has a width
EVERYONE = len(CLASSES)

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Calibration:
    """`table` [classes + 1, bins, weeks, levels] of scaled errors; `edges` [classes + 1, bins − 1] part the forecasts.

    `shift` and `spread` [classes + 1, bins, days] are mean and deviation of the scaled error of the sum of the first
    days. The last class stands for every one that has too few errors of its own.
    """

    edges: Floats
    table: Floats
    shift: Floats
    spread: Floats


def calibrate(means: Floats, truth: Floats, counts: npt.NDArray[np.bool_], kinds: Ints) -> Calibration:
    """From forecasts of several origins [origins × products × days] and `kinds` [origins × products]."""
    reach = means.shape[2]
    weeks = min(MOST_WEEKS, max(reach // 7, 1))
    size = len(CLASSES) + 1
    edges = np.full((size, MOST_BINS - 1), np.inf)
    table = np.full((size, MOST_BINS, weeks, len(LEVELS)), np.nan)
    shift, spread = np.zeros((size, MOST_BINS, reach)), np.ones((size, MOST_BINS, reach))
    error = (truth - means) / scale_of(means)
    span = np.arange(1, reach + 1)
    sums = np.cumsum(np.where(counts, truth - means, 0.0), axis=2)
    rooted = sums / np.sqrt(np.cumsum(means, axis=2) + LITTLE * span)
    whole = counts.all(axis=2)
    for kind in range(size):
        mine = counts & ((kinds == kind)[:, :, None] if kind != EVERYONE else True)
        number = int(mine.sum())
        if number < LEAST_ERRORS and kind != EVERYONE:
            table[kind] = -np.inf  # told apart below
            continue
        bins = int(np.clip(number // (LEAST_ERRORS * weeks), 1, MOST_BINS))
        cuts = np.quantile(means[mine], np.linspace(0, 1, bins + 1)[1:-1]) if number else np.empty(0)
        edges[kind, : bins - 1] = cuts
        cell = np.searchsorted(cuts, means, side="right")
        week = np.minimum(np.arange(reach) // 7, weeks - 1)[None, None, :]
        level = np.searchsorted(cuts, means.mean(axis=2), side="right")
        for each in range(bins):
            for part in range(weeks):
                errors = error[mine & (cell == each) & (week == part)]
                errors = errors if len(errors) else error[mine]
                table[kind, each, part] = _quantiles(errors)
            here = whole & mine[:, :, 0] & (level == each)
            if here.sum() >= 10:
                shift[kind, each], spread[kind, each] = rooted[here].mean(axis=0), rooted[here].std(axis=0)
            else:
                spread[kind, each] = max(float(np.std(error[mine])) if number else 1.0, 0.5)
        edges[kind, bins - 1 :] = np.inf
    few = np.isneginf(table[:, 0, 0, 0])
    for array in (edges, table, shift, spread):
        array[few] = array[EVERYONE]
    return Calibration(edges, np.nan_to_num(table), shift, spread)


def quantiles(calibration: Calibration, means: Floats, kinds: Ints, own: Floats, weight: float) -> Floats:
    """[products × days × levels], rising, never negative. `own` as of `own_quantiles`, counted with `weight`."""
    days, weeks = means.shape[1], calibration.table.shape[2]
    cell = cells(calibration, means, kinds)
    week = np.minimum(np.arange(days) // 7, weeks - 1)[None, :]
    answer = means[:, :, None] + scale_of(means)[:, :, None] * calibration.table[kinds[:, None], cell, week]
    answer = np.maximum(answer, 0.0)
    if weight:
        told = np.isfinite(own[:, 0])
        answer[told] = (1 - weight) * answer[told] + weight * own[told][:, None, :]
    return np.maximum.accumulate(answer, axis=2)


def cells(calibration: Calibration, means: Floats, kinds: Ints) -> Ints:
    """The bin of each forecast, by the edges of its product's class."""
    found = np.zeros(means.shape, np.int64)
    for kind in np.unique(kinds):
        which = kinds == kind
        found[which] = np.searchsorted(calibration.edges[kind], means[which], side="right")
    return found


def sums(calibration: Calibration, means: Floats, kinds: Ints) -> tuple[Floats, Floats]:
    """Mean and standard deviation of the demand of the first 1, 2, … days [products × days], never negative.

    The deviation is that of sums at past origins, so that errors which last for days are counted as such.
    """
    days, known = means.shape[1], calibration.shift.shape[2]
    level = cells(calibration, means.mean(axis=1, keepdims=True), kinds)[:, 0]
    at = np.minimum(np.arange(days), known - 1)
    total = np.cumsum(means, axis=1)
    root = np.sqrt(total + LITTLE * np.arange(1, days + 1))
    mean = np.maximum(total + calibration.shift[kinds, level][:, at] * root, 0.0)
    return mean, calibration.spread[kinds, level][:, at] * root


def own_quantiles(panel: Panel) -> Floats:
    """Quantiles of each product's own last half year of known days [products × levels]; nan where that is too short."""
    seen = np.where(panel.known, panel.units, np.nan)[:, -OWN_DAYS:]
    answer = np.full((len(seen), len(LEVELS)), np.nan)
    enough = (~np.isnan(seen)).sum(axis=1) >= LEAST_OWN_DAYS
    if enough.any():
        answer[enough] = np.nanquantile(seen[enough], LEVELS, axis=1).T
    return answer


def pinball(forecast: Floats, truth: Floats, counts: npt.NDArray[np.bool_]) -> Floats:
    """Mean pinball loss of each product over days and the nine judged levels; `forecast` holds all `LEVELS`."""
    level = LEVELS[JUDGED_AT]
    gap = truth[:, :, None] - forecast[:, :, JUDGED_AT]
    loss = np.maximum(level * gap, (level - 1) * gap).mean(axis=2)
    return np.where(counts, loss, 0.0).sum(axis=1) / np.maximum(counts.sum(axis=1), 1)


def scale_of(means: Floats) -> Floats:
    return np.sqrt(means + LITTLE)


def _quantiles(errors: Floats) -> Floats:
    """With the correction for a finite sample: the n + 1st is the one to come."""
    count = len(errors)
    if not count:
        return np.zeros(len(LEVELS))
    wanted = np.where(LEVELS > 0.5, LEVELS * (count + 1) / count, LEVELS)
    return np.quantile(errors, np.minimum(wanted, 1.0))
