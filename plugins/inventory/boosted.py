"""One model for all products: boosted trees on lags, means, calendar, price and promotion (mlforecast, XGBoost).

Tweedie loss, since demand is mostly zero and never negative (Makridakis, Spiliotis, Assimakopoulos: *M5 accuracy
competition*, IJF 2022: what its winners did). Each day's answer is the next day's lag.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from plugins.inventory.features import Floats, Panel

NAME = "global"
LAGS = (1, 2, 3, 4, 5, 6, 7, 14, 21, 28)
REACH = 120  # days of history that the features of one day read
FEW_ROWS, MOST_ROWS = 50_000, 2_000_000


@dataclass(frozen=True)
class Boosted:
    """A fitted model; `weights` are the share of gain of each feature."""

    model: Any
    weights: dict[str, float]


def fit(panel: Panel, *, rounds: int, days: int, seed: int) -> Boosted:
    """Learn from the last `days` days of `panel`, of a random part of the products where there are too many."""
    from mlforecast import MLForecast
    from mlforecast.lag_transforms import ExponentiallyWeightedMean, RollingMean, RollingStd
    from xgboost import XGBRegressor

    rng = np.random.default_rng(seed)
    most = max(MOST_ROWS // max(min(days, panel.days), 1), 1)
    if len(panel.units) > most:
        panel = panel.rows(np.sort(rng.choice(len(panel.units), most, replace=False)))
    # Threads that wait for each other on a busy machine cost more than they bring to a small fit.
    threads = 1 if panel.started[:, -days:].sum() < FEW_ROWS else 0
    trees = XGBRegressor(
        n_estimators=rounds, learning_rate=0.05, max_depth=6, min_child_weight=20, subsample=0.7, colsample_bytree=0.7,
        objective="reg:tweedie", tweedie_variance_power=1.3, tree_method="hist", random_state=seed, n_jobs=threads,
    )  # fmt: skip
    model = MLForecast(
        models={NAME: trees},
        freq="1d",
        lags=list(LAGS),
        lag_transforms={
            1: [RollingMean(7, min_samples=1), RollingMean(28, min_samples=1), RollingMean(91, min_samples=1),
                RollingStd(28, min_samples=2), ExponentiallyWeightedMean(0.1)],
            28: [RollingMean(28, min_samples=1)],
        },
        date_features=["weekday", "day", "month"],
    )  # fmt: skip
    frame = _long(panel, panel.days - days, hidden=np.nan)
    model.fit(frame, static_features=[], dropna=False, fitted=False)
    fitted: Any = model.models_[NAME]
    weights = dict(zip(map(str, fitted.feature_names_in_), map(float, fitted.feature_importances_), strict=True))
    return Boosted(model, weights)


def forecast(boosted: Boosted, panel: Panel, horizon: int) -> Floats:
    """The mean of each of the next `horizon` days [products × horizon], never negative."""
    recent = _long(panel, panel.days - REACH)
    ahead = _ahead(panel, horizon)
    answer = boosted.model.predict(horizon, new_df=recent, X_df=ahead).sort("unique_id", "ds")
    return np.maximum(answer[NAME].to_numpy().reshape(len(panel.units), horizon), 0.0)


def _long(panel: Panel, start: int, hidden: float | None = None) -> pl.DataFrame:
    start = max(start, 0)
    units = panel.units[:, start:]
    there = ~np.isnan(units)
    there[:, -1] = True  # a product that first sold later is known by a zero
    product, day = np.nonzero(there)
    frame = pl.DataFrame({"unique_id": product, "y": np.nan_to_num(units[product, day])})
    return _with_features(frame, panel, product, day + start).select("unique_id", "ds", "y", *FEATURES)


def _ahead(panel: Panel, horizon: int) -> pl.DataFrame:
    product, day = (each.ravel() for each in np.indices((len(panel.units), horizon)))
    frame = pl.DataFrame({"unique_id": product})
    return _with_features(frame, panel, product, day + panel.days)


FEATURES = ("price", "relative_price", "promotion", "event", "age")


def _with_features(frame: pl.DataFrame, panel: Panel, product: Any, day: Any) -> pl.DataFrame:
    last = panel.price.shape[1] - 1
    price = panel.price[product, np.minimum(day, last)]
    usual = (
        np.nanmedian(panel.price[:, : panel.days], axis=1)
        if not np.isnan(panel.price).all()
        else np.full(len(panel.units), np.nan)
    )
    age = day - panel.started.argmax(axis=1)[product]
    dates = pl.lit(panel.first_day).cast(pl.Date) + pl.duration(days=pl.lit(pl.Series(day)))
    promoted = np.where(day <= last, panel.promotion[product, np.minimum(day, last)], 0.0)
    eventful = np.where(day <= last, panel.event[np.minimum(day, last)], 0.0)
    return frame.with_columns(
        dates.alias("ds"),
        pl.Series("price", price),
        pl.Series("relative_price", price / usual[product]),
        pl.Series("promotion", promoted),
        pl.Series("event", eventful),
        pl.Series("age", np.minimum(age, 365).astype(float)),
    )
