"""Public data and protocols: four weeks of a real store's intermittent demand (M5), and a textbook's newsvendor.

Every choice is made on days before the held-out ones; the held-out days are read once a method.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from commerce_ai.learning.learner import Frames
from plugins.inventory import conformal, features, policy, pool, rolling
from plugins.inventory.classes import classes
from plugins.inventory.features import Floats, Panel
from plugins.inventory.learner import DemandLearner, DemandParams

if TYPE_CHECKING:
    from commerce_ai.learning.bench import Bench

LAST_DAY, HORIZON = 1885, 28
BASELINES = ("ma28", "ma56", "ses", "croston", "tsb")
TEXTBOOK = {"holding": 0.18, "shortage": 0.70, "mean": 50.0, "deviation": 8.0}  # Snyder and Shen, example 4.3
PUBLISHED = {"level": 56.60395592743389, "cost": 1.9976051931766445}


def m5_subset(bench: Bench) -> None:
    """Learn from days up to d_1885, forecast d_1886 to d_1913; every series counts the same."""
    frames, truth = _m5(bench)
    panel = features.panel(frames["sales"])
    bench.note(
        f"{len(panel.units)} series, {panel.days} days to learn from, {HORIZON} held out; RMSSE and the scaled pinball "
        "loss of nine quantiles as in the M5 guides, scaled by steps since the first sale; plain means over series"
    )
    bench.note(
        "baselines: quantiles by the same conformal method, from the same rolling origins; "
        "`own`: half of it the series' own last half year, as the learner chose for itself"
    )
    params = DemandParams()
    for name in BASELINES:
        started = monotonic()
        means, quantiles, with_own = _baseline(panel, name, params.origins)
        seconds = round(monotonic() - started, 2)
        figures = _figures(panel, truth, means, quantiles)
        figures["SPL, own"] = _figures(panel, truth, means, with_own)["SPL"]
        bench.row(name, figures, seconds=seconds)
    for title, own in (("inventory.demand", None), ("without damping", 1.0)):
        started = monotonic()
        _learner(bench, frames, truth, panel, DemandParams(damp=own), title, started)


def newsvendor(bench: Bench) -> None:
    """The newsvendor with normal demand: level and cost of the textbook's example."""
    bench.published("stockpyl", PUBLISHED, "stockpyl 1.0 documentation, newsvendor_normal(.18, .70, 50, 8)")
    started = monotonic()
    found = policy.newsvendor(**TEXTBOOK)
    figures = {"level": found.level, "cost": found.cost}
    bench.row("policy.newsvendor", figures, seconds=round(monotonic() - started, 4))
    off = max(abs(figures[name] - PUBLISHED[name]) for name in PUBLISHED)
    bench.note(f"largest difference {off:.1e}")


def _m5(bench: Bench) -> tuple[Frames, Floats]:
    sold = pl.read_parquet(bench.file("forecasting/m5-subset/sales.parquet"))
    calendar = pl.read_parquet(bench.file("forecasting/m5-subset/calendar.parquet"))
    prices = pl.read_parquet(bench.file("forecasting/m5-subset/prices.parquet")).drop("store_id")
    days = calendar.select("day", "date", "wm_yr_wk", events="event_name_1")
    items = sold.select("item_id").unique()

    def dressed(rows: pl.DataFrame) -> pl.DataFrame:
        told = rows.join(prices, on=["item_id", "wm_yr_wk"], how="left")
        return told.rename({"item_id": "product_id", "sell_price": "price"})

    known = sold.filter(pl.col("day") <= LAST_DAY).drop("date").join(days, on="day", how="left")
    ahead = items.join(days.filter(pl.col("day").is_between(LAST_DAY + 1, LAST_DAY + HORIZON)), how="cross")
    frames = {
        "sales": DemandLearner.inputs["sales"].check(dressed(known), "sales"),
        "plans": DemandLearner.inputs["plans"].check(dressed(ahead), "plans"),
    }
    held = sold.filter(pl.col("day") > LAST_DAY).sort("item_id", "day")
    return frames, held["units"].cast(pl.Float64).to_numpy().reshape(items.height, HORIZON)


def _baseline(panel: Panel, name: str, most: int) -> tuple[Floats, Floats, Floats]:
    means = pool.forecast(panel.units, HORIZON, [name])[name]
    cuts, reach = rolling.origins(panel.days, HORIZON, most)
    past = np.stack([pool.forecast(panel.units[:, :cut], reach, [name])[name] for cut in cuts])
    truth = np.nan_to_num(np.stack([panel.units[:, cut : cut + reach] for cut in cuts]))
    counts = np.stack([panel.started[:, [cut - 1]].repeat(reach, axis=1) for cut in cuts])
    kinds = np.stack([classes(panel.units[:, :cut]) for cut in cuts])
    fitted = conformal.calibrate(past, truth, counts, kinds)
    now, own = classes(panel.units), conformal.own_quantiles(panel)
    quantiles = [conformal.quantiles(fitted, means, now, own, weight) for weight in (0.0, 0.5)]
    return means, quantiles[0], quantiles[1]


def _learner(
    bench: Bench, frames: Frames, truth: Floats, panel: Panel, params: DemandParams, title: str, started: float
) -> None:
    """Fit, save, load, answer: what is judged is the artifact that would answer."""
    import tempfile
    from pathlib import Path

    learner = DemandLearner()
    fitted = learner.fit(frames, params, bench.report())
    with tempfile.TemporaryDirectory() as folder:
        learner.save(fitted, Path(folder))
        scorer = learner.load(Path(folder))
        figures = _figures(panel, truth, np.asarray(scorer.means, float), scorer.quantiles())
    chosen: dict[str, Any] = {name: method for name, method in fitted.params.methods.items()}
    seconds = round(monotonic() - started, 2)
    bench.row(title, figures, seconds=seconds, damp=fitted.params.damp, own=fitted.params.own, methods=chosen)


def _figures(panel: Panel, truth: Floats, means: Floats, quantiles: Floats) -> dict[str, float]:
    everything = np.ones(truth.shape, bool)
    error = np.sqrt(((means - truth) ** 2).mean(axis=1) / rolling.squared_step(panel.units))
    loss = conformal.pinball(quantiles, truth, everything) / rolling.absolute_step(panel.units)
    return {"RMSSE": error.mean(), "SPL": loss.mean(), "bias": means.sum() / truth.sum() - 1}


SUITES = {"m5-subset": m5_subset, "newsvendor": newsvendor}
