"""Public data and protocols: own elasticities of eleven orange juices, and the double machine learning of a web shop.

Choices (waves of the season, nuisances) are made on periods before the held-out ones.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from plugins.pricing.learner import SALES, ElasticityLearner, ElasticityParams

if TYPE_CHECKING:
    from commerce_ai.learning.bench import Bench

JUICES = (-2.78, -1.84, -3.33, -3.85, -2.91, -2.47, -3.63, -2.73, -4.09, -2.83, -1.00)
BAR = 0.5
FIRST_TEST_WEEK, FIRST_VALIDATION_WEEK = 141, 121


def orange_juice(bench: Bench) -> None:
    """Dominick's: 11 juices in 83 stores, weeks 40 to 160; later weeks for the error, all for the elasticities."""
    sales = juices(pl.read_parquet(bench.file("pricing/orange-juice.parquet")))
    bench.note(
        f"{sales.height} rows; controls: store effects, ten cross prices (logs), deal, feature; and season, trend"
    )
    bench.published(
        "least squares",
        {f"e{n}": each for n, each in enumerate(JUICES, 1)},
        "the data's own README (log-log, by brand)",
    )
    parts = [
        {"sales": sales.filter(condition)}
        for condition in (
            pl.col("period") < FIRST_VALIDATION_WEEK,
            pl.col("period").is_between(FIRST_VALIDATION_WEEK, FIRST_TEST_WEEK - 1),
            pl.col("period") >= FIRST_TEST_WEEK,
        )
    ]
    learner = ElasticityLearner()
    started = monotonic()
    fitted = learner.fit(parts[0], ElasticityParams(), bench.report(), validation=parts[1])
    result = _judge(learner, fitted, parts[2])
    figures = {"rmse": result.metrics["rmse_log_units"], "mean": result.baseline["rmse_log_units"]}
    bench.row("weeks 141-160", figures, seconds=_since(started), nuisance=fitted.about["nuisance"])
    # The protocol's own controls and no others; then with everything that was chosen above, season and trend included.
    protocol = replace(fitted.params, nuisance="linear", harmonics=0, trend=False)
    for name, params in (("the protocol's controls", protocol), ("as chosen above", fitted.params)):
        started = monotonic()
        arrays = learner.fit({"sales": sales}, params, bench.report()).arrays
        _row(bench, name, arrays, started, harmonics=params.harmonics, trend=params.trend)


def online_retail(bench: Bench) -> None:
    """Online Retail by product and day: one elasticity of all, after larsroemheld/causalinf_ex_elasticity."""
    raw = pl.read_parquet(bench.file("pricing/online-retail-elasticity.parquet"))
    bench.published("naive, in 15 bins", {"elasticity": -0.615}, "the data's own README")
    bench.published("DML with boosted trees", {"elasticity": -2.00}, "the data's own README: -1.97 to -2.03")
    sales = retail(raw)
    bench.note(
        f"{sales.height} rows of {sales['product_id'].n_unique()} products; controls: country, weekday, season, trend"
    )
    started = monotonic()
    for nuisance in ("linear", "trees"):
        params = ElasticityParams(nuisance=nuisance, harmonics=2, own_rows=10**9)  # type: ignore[arg-type]
        theta, error = shared(sales, params)
        bench.row(nuisance, {"elasticity": theta, "standard error": error}, seconds=_since(started))
        started = monotonic()


def juices(raw: pl.DataFrame) -> pl.DataFrame:
    """The file as `sales`: each juice's own price, and the logs of the ten others' as controls."""
    numbers = range(1, len(JUICES) + 1)
    own = pl.coalesce([pl.when(pl.col("brand") == n).then(pl.col(f"price_{n}")) for n in numbers])
    cross = {f"log_price_{n}": pl.when(pl.col("brand") != n).then(pl.col(f"price_{n}").log()) for n in numbers}
    frame = raw.select(
        product_id=pl.col("brand").cast(pl.Int64), store_id=pl.col("store").cast(pl.Int64),
        period=pl.col("week").cast(pl.Int64), units=pl.col("log_ounces").exp(), price=own,
        promotion=pl.col("deal").cast(pl.Float64), feature=pl.col("feature"), **cross,
    )  # fmt: skip
    return SALES.check(frame, "orange-juice")


def retail(raw: pl.DataFrame) -> pl.DataFrame:
    """The file as `sales`, a product's country as its store; rows of a price that is hardly one are left out."""
    frame = raw.filter(pl.col("unit_price") >= 0.05).select(
        product_id=pl.col("sku"), period=pl.col("date"), units=pl.col("quantity").cast(pl.Float64),
        price=pl.col("unit_price"), united_kingdom=(pl.col("country") == "United Kingdom").cast(pl.Float64),
        weekday=pl.col("date").dt.weekday().cast(pl.Float64), day=pl.col("date").dt.day().cast(pl.Float64),
    )  # fmt: skip
    return SALES.check(frame, "online-retail-elasticity")


def shared(sales: pl.DataFrame, params: ElasticityParams) -> tuple[float, float]:
    """One elasticity of all products together, and its standard error."""
    from plugins.pricing import elasticity, features

    rows = features.panel(sales, params.periods_per_year)
    controls = np.column_stack([rows.controls, features.season(rows.when, params.harmonics or 0, params.trend)])
    w = np.column_stack([rows.within(column) for column in controls.T])
    fold = elasticity.blocks(rows.period, params.folds)
    assert fold is not None
    y, t = rows.within(rows.units), rows.within(rows.price)
    _kind, y_left, t_left = elasticity.residuals(y, t, w, fold, params.nuisance, params.seed)
    theta, error = elasticity.slopes(np.zeros(len(rows), dtype=np.int64), rows.period, y_left, t_left, 1)
    return float(theta[0]), float(error[0])


def _judge(learner: ElasticityLearner, fitted: Any, test: Any) -> Any:
    """What is judged is the artifact that would answer."""
    with tempfile.TemporaryDirectory() as folder:
        learner.save(fitted, Path(folder))
        return learner.evaluate(learner.load(Path(folder)), test)


def _row(bench: Bench, name: str, arrays: Mapping[str, Any], started: float, **about: Any) -> None:
    off = np.abs(arrays["elasticity"] - np.array(JUICES))
    figures = {f"e{n}": float(each) for n, each in enumerate(arrays["elasticity"], 1)}
    figures["furthest off"] = float(off.max())
    passed = bool(off.max() <= BAR and (arrays["elasticity"] < 0).all())
    bench.row(name, figures, seconds=_since(started), bar=f"{'met' if passed else 'missed'}: all within {BAR}", **about)


def _since(started: float) -> float:
    return round(monotonic() - started, 1)


SUITES = {"orange-juice": orange_juice, "online-retail": online_retail}
