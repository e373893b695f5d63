"""The pool: cheap forecasts of each product by itself, all from statsforecast.

Croston with the Syntetos–Boylan correction (IJF 2005), Teunter–Syntetos–Babai (EJOR 2011), IMAPA (Petropoulos and
Kourentzes, JORS 2015), simple exponential smoothing, moving averages, last week again, and ETS where it pays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from plugins.inventory.features import Floats

NAMES = ("seasonal_naive", "ma28", "ma56", "ses", "croston_sba", "tsb", "imapa")
BASELINE = "ma28"
ETS = "ets"
WEEKLY = ("seasonal_naive", ETS)  # know the days of the week
WEEK = 7
AT_ONCE = 5_000  # products whose rows are laid out for statsforecast at a time
LEAST_DAYS = 2  # history is padded with zeros up to this


def forecast(units: Floats, horizon: int, names: Sequence[str] = NAMES) -> dict[str, Floats]:
    """The mean of each of the next `horizon` days by each model: name → [products × horizon], never negative.

    `units` [products × days] are nan before a product's first sale. Whatever a model can't say of a short history is
    the mean of that history.
    """
    from statsforecast import StatsForecast

    found = {name: np.zeros((len(units), horizon)) for name in names}
    models = [_model(name) for name in names]
    for start in range(0, len(units), AT_ONCE):
        rows = units[start : start + AT_ONCE]
        frame = StatsForecast(models=models, freq=1).forecast(h=horizon, df=_long(rows))
        frame = frame.sort("unique_id", "ds")
        usual = np.array([np.nanmean(row) if not np.isnan(row).all() else 0.0 for row in rows])
        for name in names:
            means = frame[name].to_numpy().reshape(len(rows), horizon)
            means = np.where(np.isfinite(means), means, usual[:, None])
            found[name][start : start + AT_ONCE] = np.maximum(means, 0.0)
    return found


def _long(units: Floats) -> pl.DataFrame:
    product, day = np.nonzero(~np.isnan(units[:, :-LEAST_DAYS]))
    tail = np.indices((len(units), min(LEAST_DAYS, units.shape[1]))).reshape(2, -1)
    product = np.concatenate([product, tail[0]])
    day = np.concatenate([day, tail[1] + max(units.shape[1] - LEAST_DAYS, 0)])
    frame = pl.DataFrame({"unique_id": product, "ds": day, "y": np.nan_to_num(units[product, day])})
    return frame.sort("unique_id", "ds")


def _model(name: str) -> Any:
    from statsforecast import models

    match name:
        case "seasonal_naive":
            return models.SeasonalNaive(WEEK, alias=name)
        case "ma28":
            return models.WindowAverage(28, alias=name)
        case "ma56":
            return models.WindowAverage(56, alias=name)
        case "ses":
            return models.SimpleExponentialSmoothingOptimized(alias=name)
        case "croston":
            return models.CrostonClassic(alias=name)
        case "croston_sba":
            return models.CrostonSBA(alias=name)
        case "tsb":
            return models.TSB(0.1, 0.1, alias=name)
        case "imapa":
            return models.IMAPA(alias=name)
        case "ets":
            return models.AutoETS(WEEK, model="ZNA", alias=name)
    raise ValueError(f"the pool has no model {name!r}")
