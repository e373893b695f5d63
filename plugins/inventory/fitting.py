"""One fit and one judgement, each on a screen: roll, choose, calibrate, forecast; and figures beside the baseline's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from commerce_ai.learning.learner import Evaluation, Metric
from commerce_ai.learning.shortage import say, short_of
from plugins.inventory import boosted, conformal, pool, rolling
from plugins.inventory.classes import CLASSES, SMOOTH, classes
from plugins.inventory.conformal import Calibration
from plugins.inventory.features import Floats, Panel
from plugins.inventory.rolling import Rolled
from plugins.inventory.scorer import DemandScorer, with_calibration

ETS_SECONDS = 0.06  # a product and origin, on one core
OWN_WEIGHTS = (0.0, 0.25, 0.5)


def fit(panel: Panel, params: Any, report: Any) -> tuple[dict[str, Any], dict[str, Any], Any]:
    """Arrays and facts of a scorer, and `params` with every choice made."""
    kinds = classes(panel.units)
    recent = _recent(panel, max(params.pool_days, params.learn_days))
    of_trees = {"rounds": params.rounds, "days": params.learn_days, "seed": params.seed}
    given = params.methods
    candidates = sorted({each for each in given.values() if each})
    if len(candidates) < len(CLASSES) and None in given.values():
        candidates = sorted({*candidates, *_candidates(params, kinds)})
    report(stage="rolling", progress=0.05)
    rolled = rolling.roll(recent, params.horizon, params.origins, candidates, **of_trees)
    report(stage="choosing", progress=0.5)
    chosen = rolling.choose(rolled, candidates)
    methods = {name: given[name] or chosen[name] for name in CLASSES}
    past = rolling.by_class(rolled.means, rolled.kinds, methods)
    damp = params.damp or rolling.choose_damp(rolled, past)
    past = past * damp
    own = params.own if params.own is not None else _choose_own(recent, rolled, past)
    params = replace(params, **methods, damp=damp, own=own)

    report(stage="forecasting", progress=0.6)
    parts = rolling.parts_of(list(methods.values()))
    trees = boosted.fit(recent, **of_trees) if boosted.NAME in parts and boosted.NAME in rolled.means else None
    means = rolling.forecast(recent, params.horizon, parts, trees)
    report(stage="calibrating", progress=0.9)
    arrays = {
        "product_ids": panel.ids.to_numpy().astype(str) if panel.ids.dtype == pl.String else panel.ids.to_numpy(),
        "means": damp * rolling.by_class(means, kinds, methods),
        "base": means[pool.BASELINE][:, 0],
        "kinds": kinds,
        "own": conformal.own_quantiles(panel),
        "step": rolling.absolute_step(panel.units),
        "squared_step": rolling.squared_step(panel.units),
    }
    arrays = with_calibration(arrays, _calibrated(rolled, past))
    arrays = with_calibration(arrays, _calibrated(rolled, rolled.means[pool.BASELINE]), "base_")
    about = {
        "first_day": str(panel.last_day + timedelta(days=1)),
        "own": own,
        "methods": methods,
        "weights": trees.weights if trees else {},
        "origins": len(rolled.truth),
    }
    return arrays, about, params


def evaluate(scorer: DemandScorer, sales: pl.DataFrame, metric: Metric) -> Evaluation:
    """Mean over products of the scaled pinball loss and of the RMSSE, on those days of `sales` that were forecast.

    A product that was learned and has no row sold nothing; one that was not learned is left out, and counted.
    """
    days = scorer.days
    last: Any = sales["date"].max()
    there = min((last - days[0]).days + 1, len(days)) if sales.height else 0
    scaled = np.asarray(scorer.arrays["step"]) > 0
    if there < 1 or not scaled.any():
        remedy = say("Give sales from %(day)s on.") % {"day": days[0]}
        raise short_of(say("1 day of sales among those that were forecast"), 0, remedy)
    truth, known, strangers = _truth(scorer, sales, there)
    known &= scaled[:, None]
    judged = known.any(axis=1)
    step, squared = (np.asarray(scorer.arrays[name], float)[judged] for name in ("step", "squared_step"))
    truth, known = truth[judged], known[judged]

    def figures(means: Floats, levels: Floats) -> tuple[Floats, Floats]:
        loss = conformal.pinball(levels[:, :there], truth, known) / step
        error = np.where(known, (means[:, :there] - truth) ** 2, 0.0).sum(axis=1) / known.sum(axis=1)
        return loss, np.sqrt(error / squared)

    loss, error = figures(np.asarray(scorer.means, float)[judged], scorer.quantiles(judged))
    flat = np.asarray(scorer.arrays["base"], float)[judged][:, None].repeat(len(days), axis=1)
    base_loss, base_error = figures(flat, scorer.base_quantiles(judged))
    units = [str(each) for each in np.asarray(scorer.product_ids)[judged]]
    note = f"{there} days of {len(units)} products; {strangers} products were not learned or have no scale"
    return Evaluation(
        {metric.name: float(loss.mean()), "rmsse": float(error.mean())},
        {metric.name: float(base_loss.mean()), "rmsse": float(base_error.mean())},
        pl.DataFrame({"unit": units, "value": loss}),
        pl.DataFrame({"unit": units, "value": base_loss}),
        (note,),
    )


def _truth(scorer: DemandScorer, sales: pl.DataFrame, days: int) -> tuple[Floats, Any, int]:
    place = scorer.places(sales["product_id"])
    ahead = (sales["date"] - scorer.first_day).dt.total_days().to_numpy()
    here = (place >= 0) & (ahead >= 0) & (ahead < days)
    truth = np.zeros((len(scorer.product_ids), days))
    np.add.at(truth, (place[here], ahead[here]), sales["units"].to_numpy()[here])
    known = np.ones(truth.shape, bool)
    if "stock_out" in sales.columns:
        hidden = here & sales["stock_out"].fill_null(False).to_numpy()
        known[place[hidden], ahead[hidden]] = False
    return truth, known, sales["product_id"].filter(pl.Series(place < 0)).n_unique()


def _candidates(params: Any, kinds: Any) -> list[str]:
    found = [*pool.NAMES, *rolling.MIXES]
    if params.rounds:
        found.append(boosted.NAME)
    else:
        found = [each for each in found if boosted.NAME not in each]
    # AutoETS is fitted to all products at once, and is only worth its time where most of them sell every day.
    smooth = int((kinds == SMOOTH).sum())
    if smooth >= len(kinds) / 2 and len(kinds) * (params.origins + 1) * ETS_SECONDS <= params.ets_seconds:
        found.append(pool.ETS)
    return found


def _choose_own(panel: Panel, rolled: Rolled, means: Floats) -> float:
    """How much a product's own past counts: calibrated on all origins but the last, judged on that."""
    if len(means) < 2:
        return 0.25
    fitted = conformal.calibrate(means[:-1], rolled.truth[:-1], rolled.counts[:-1], rolled.kinds[:-1])
    before = panel.until(panel.days - rolled.reach)
    own, step = conformal.own_quantiles(before), rolling.absolute_step(before.units)
    good = (step > 0) & rolled.counts[-1].any(axis=1)

    def loss(weight: float) -> float:
        levels = conformal.quantiles(fitted, means[-1], rolled.kinds[-1], own, weight)
        return float((conformal.pinball(levels, rolled.truth[-1], rolled.counts[-1])[good] / step[good]).mean())

    return min(OWN_WEIGHTS, key=loss) if good.any() else 0.0


def _calibrated(rolled: Rolled, means: Floats) -> Calibration:
    return conformal.calibrate(means, rolled.truth, rolled.counts, rolled.kinds)


def _recent(panel: Panel, days: int) -> Panel:
    cut = max(panel.days - days, 0)
    if not cut:
        return panel
    return replace(
        panel, first_day=panel.first_day + timedelta(days=cut), units=panel.units[:, cut:], known=panel.known[:, cut:],
        price=panel.price[:, cut:], promotion=panel.promotion[:, cut:], event=panel.event[cut:],
    )  # fmt: skip
