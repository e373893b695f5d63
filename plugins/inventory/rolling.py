"""Rolling origins: what each method would have said at several past days, and which one said best.

Tashman: *Out-of-sample tests of forecasting accuracy*, IJF 2000. Everything is computed from days before the origin;
the global model is fitted once, before the first one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plugins.inventory import boosted, pool
from plugins.inventory.boosted import Boosted
from plugins.inventory.classes import CLASSES, classes
from plugins.inventory.features import Bools, Floats, Panel

LEAST_HISTORY = 28  # days before the first origin
LEAST_TO_LEARN = 42  # days before the first origin for the global model
LEAST_ROWS = 1_000  # days of products for the global model
LEAST_PRODUCTS = 10  # of a class, to choose for it by itself
MIXES = ("imapa+global", "tsb+imapa+global", "tsb+imapa+ma56", "ses+imapa+global", "tsb+imapa")
PROFILE_DAYS, PROFILE_UNITS = 182, 200
DAMPS = (1.0, 0.95, 0.9)


@dataclass(frozen=True)
class Rolled:
    """By origin, product and day ahead: `means` of each method, the `truth`, and where it `counts`.

    `kinds` [origins × products] are the classes as they were then, `scale` the mean squared step of the history.
    """

    means: Mapping[str, Floats]
    truth: Floats
    counts: Bools
    kinds: npt.NDArray[np.int64]
    scale: Floats

    @property
    def reach(self) -> int:
        return self.truth.shape[2]


def origins(days: int, horizon: int, most: int) -> tuple[list[int], int]:
    """Numbers of days known at each origin, oldest first, and how many days ahead are looked at from each."""
    reach = min(horizon, max(days // 3, 1))
    step = reach if days >= LEAST_HISTORY + reach * (most + 1) else max(min(reach // 2, 7), 1)
    found = [days - reach - step * back for back in range(most)]
    return [each for each in found if each >= min(LEAST_HISTORY, days - reach)][::-1], reach


def roll(panel: Panel, horizon: int, most: int, methods: Sequence[str], **of_trees: int) -> Rolled:
    """Forecast with every part of `methods` (``"imapa+global"`` has two) from each origin."""
    cuts, reach = origins(panel.days, horizon, most)
    parts = parts_of(methods)
    trees = None
    if boosted.NAME in parts and cuts[0] >= LEAST_TO_LEARN and panel.started[:, : cuts[0]].sum() >= LEAST_ROWS:
        trees = boosted.fit(panel.until(cuts[0]), **of_trees)
    found = [forecast(panel.until(cut), reach, parts, trees) for cut in cuts]
    before = [panel.units[:, :cut] for cut in cuts]
    truth = np.stack([panel.units[:, cut : cut + reach] for cut in cuts])
    counts = np.stack([panel.known[:, cut : cut + reach] & panel.started[:, [cut - 1]] for cut in cuts])
    return Rolled(
        {name: np.stack([each[name] for each in found]) for name in found[0]},
        np.nan_to_num(truth),
        counts,
        np.stack([classes(each) for each in before]),
        np.stack([squared_step(each) for each in before]),
    )


def forecast(panel: Panel, horizon: int, parts: Sequence[str], trees: Boosted | None) -> dict[str, Floats]:
    """The means of each part; without `trees` there is no global model among them.

    What knows no week gets the shop's, but for the baseline.
    """
    found = pool.forecast(panel.units, horizon, [name for name in parts if name != boosted.NAME])
    ahead = weekly_profile(panel)[(panel.days + np.arange(horizon)) % pool.WEEK]
    for name in found.keys() - {*pool.WEEKLY, pool.BASELINE}:
        found[name] = found[name] * ahead
    if trees is not None:
        found[boosted.NAME] = boosted.forecast(trees, panel, horizon)
    return found


def weekly_profile(panel: Panel) -> Floats:
    """How a day of the week sells in the whole shop beside the average day [7, by day of the panel modulo 7].

    From half a year of known days; nearer to 1 the less was sold.
    """
    units = np.where(panel.known, panel.units, np.nan)[:, -PROFILE_DAYS:]
    weekday = (np.arange(panel.days)[-PROFILE_DAYS:]) % pool.WEEK
    told = np.nan_to_num(units)
    share = np.array([told[:, weekday == each].sum() for each in range(pool.WEEK)])
    there = np.array([(~np.isnan(units[:, weekday == each])).sum() for each in range(pool.WEEK)])
    pace = share / np.maximum(there, 1)
    if not pace.sum() or not there.all():
        return np.ones(pool.WEEK)
    trust = share.sum() / (share.sum() + PROFILE_UNITS)
    return 1 + trust * (pace / pace.mean() - 1)


def mixed(means: Mapping[str, Floats], method: str) -> Floats:
    """The mean over a method's parts, as far as they are there."""
    there = [means[name] for name in method.split("+") if name in means]
    return np.mean(there or [means[pool.BASELINE]], axis=0)


def by_class(means: Mapping[str, Floats], kinds: npt.NDArray[np.int64], methods: Mapping[str, str]) -> Floats:
    """Each product's mean by the method of its class; `kinds` has the shape of the means without the days."""
    answer = np.zeros_like(next(iter(means.values())))
    for number, name in enumerate(CLASSES):
        which = kinds == number
        if which.any():
            answer[which] = mixed(means, methods[name])[which]
    return answer


def choose(rolled: Rolled, candidates: Sequence[str]) -> dict[str, str]:
    """The method of each class by mean RMSSE over origins; a class with too few products takes what is best for all."""
    able = [each for each in candidates if set(each.split("+")) <= rolled.means.keys()] or [pool.BASELINE]
    errors = {each: rmsse(rolled, mixed(rolled.means, each)) for each in able}
    best = min(able, key=lambda each: np.nanmean(errors[each]))
    chosen = {}
    for number, name in enumerate(CLASSES):
        which = (rolled.kinds == number) & np.isfinite(next(iter(errors.values())))
        enough = which.any(axis=0).sum() >= LEAST_PRODUCTS
        chosen[name] = min(able, key=lambda each: errors[each][which].mean()) if enough else best
    return chosen


def choose_damp(rolled: Rolled, means: Floats) -> float:
    """The factor on every mean with the least mean RMSSE: below 1 only where demand is mostly absent."""
    return min(DAMPS, key=lambda damp: np.nanmean(rmsse(rolled, damp * means)))


def rmsse(rolled: Rolled, means: Floats) -> Floats:
    """Root mean squared scaled error [origins × products]; nan where it can't be said (M5 guide, 2020)."""
    counted = rolled.counts.sum(axis=2)
    total = np.where(rolled.counts, (means - rolled.truth) ** 2, 0.0).sum(axis=2)
    error = np.full(counted.shape, np.nan)
    good = (counted > 0) & (rolled.scale > 0)
    error[good] = np.sqrt(total[good] / counted[good] / rolled.scale[good])
    return error


def squared_step(units: Floats) -> Floats:
    """The mean squared step from day to day since the first sale; 0 where there is none."""
    return _mean(np.diff(units, axis=1) ** 2)


def absolute_step(units: Floats) -> Floats:
    """The mean absolute step from day to day since the first sale; 0 where there is none."""
    return _mean(np.abs(np.diff(units, axis=1)))


def parts_of(methods: Sequence[str]) -> list[str]:
    """The models that the methods are made of, and the baseline, each once."""
    return sorted({name for each in methods for name in each.split("+")} | {pool.BASELINE})


def _mean(values: Floats) -> Floats:
    there = ~np.isnan(values)
    return np.where(there, values, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
