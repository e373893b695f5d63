"""The learner on frames: quality beside the baseline, artifact, answers, errors."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from commerce_ai.learning.learner import NotEnoughData, Silent
from commerce_ai.learning.params import ParamError
from commerce_ai.learning.schema import FrameError
from plugins.inventory.classes import CLASSES
from plugins.inventory.learner import QUANTILES, DemandLearner, DemandParams
from tests.inventory.conftest import QUICK
from tests.inventory.frames import sales

LEARNER = DemandLearner()


def checked(frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return {"sales": LEARNER.inputs["sales"].check(frame, "sales")}


@pytest.fixture(scope="module")
def split() -> Any:
    return LEARNER.split(checked(sales()))


@pytest.fixture(scope="module")
def fitted(split: Any) -> Any:
    params = DemandParams(rounds=60, origins=3, horizon=14)
    return LEARNER.fit(split.train, params, Silent(), validation=split.validation)


@pytest.fixture(scope="module")
def folder(fitted: Any, tmp_path_factory: Any) -> Path:
    made = tmp_path_factory.mktemp("artifact")
    LEARNER.save(fitted, made)
    return made


def test_it_beats_the_average_where_the_week_has_a_shape(split, folder):
    found = LEARNER.evaluate(LEARNER.load(folder), split.test)
    for name in ("scaled_pinball", "rmsse"):
        assert found.metrics[name] < 0.9 * found.baseline[name]
    assert found.sample["unit"].to_list() == found.baseline_sample["unit"].to_list()
    assert found.sample["value"].mean() == pytest.approx(found.metrics["scaled_pinball"])


def test_every_choice_is_made_and_the_same_fit_follows_from_it(split, fitted):
    assert None not in fitted.params.methods.values()
    assert fitted.params.damp is not None and fitted.params.own is not None
    both = {"sales": pl.concat([split.train["sales"], split.validation["sales"]])}
    again = LEARNER.fit(both, fitted.params, Silent())
    assert again.params == fitted.params
    np.testing.assert_allclose(again.arrays["means"], fitted.arrays["means"])


def test_it_answers_for_every_product_and_day_or_for_those_asked(folder):
    scorer = LEARNER.load(folder)
    everything = LEARNER.output.check(LEARNER.predict(scorer), "answer")
    assert everything.columns == ["product_id", "date", "mean", *QUANTILES] and everything.height == 14 * 14
    assert (np.diff(everything.select(QUANTILES).to_numpy(), axis=1) >= 0).all()
    asked = everything.select("product_id", "date")[[5, 0, 17]]
    assert LEARNER.predict(scorer, future=asked).equals(everything[[5, 0, 17]])


def test_what_it_can_not_answer_names_the_row(folder):
    scorer = LEARNER.load(folder)
    asked = LEARNER.predict(scorer).select("product_id", "date")[:2]
    stranger = asked.with_columns(pl.Series("product_id", [asked["product_id"][0], 999]))
    with pytest.raises(FrameError, match="column 'product_id', row 2"):
        LEARNER.predict(scorer, future=stranger)
    with pytest.raises(FrameError, match="column 'date', row 1.*horizon"):
        LEARNER.predict(scorer, future=asked.with_columns(pl.col("date") + timedelta(days=100)))
    with pytest.raises(FrameError, match="Int64"):
        LEARNER.predict(scorer, future=asked.with_columns(pl.col("product_id").cast(pl.String)))


def test_texts_may_be_ids(tmp_path):
    frames = checked(
        sales(products=4, days=60).with_columns(("tea-" + pl.col("product_id").cast(pl.String)).alias("product_id"))
    )
    made = LEARNER.fit(frames, DemandParams(**QUICK), Silent())
    LEARNER.save(made, tmp_path)
    answer = LEARNER.predict(LEARNER.load(tmp_path))
    assert answer["product_id"].unique().sort().to_list() == ["tea-100", "tea-101", "tea-102", "tea-103"]


def test_a_product_without_test_rows_sold_nothing(split, folder):
    scorer = LEARNER.load(folder)
    rows = split.test["sales"].filter(pl.col("product_id") != 113)
    found = LEARNER.evaluate(scorer, {"sales": rows})
    silent = found.sample.filter(pl.col("unit") == "113")["value"][0]
    assert silent > LEARNER.evaluate(scorer, split.test).sample.filter(pl.col("unit") == "113")["value"][0]


def test_days_that_were_sold_out_are_not_judged(split, folder):
    scorer = LEARNER.load(folder)
    hidden = split.test["sales"].with_columns(pl.col("product_id").eq(113).alias("stock_out"))
    days = pl.DataFrame({"date": split.test["sales"]["date"].unique().sort()})
    every = days.with_columns(product_id=pl.lit(113, pl.Int64), units=pl.lit(0.0), stock_out=pl.lit(True))
    found = LEARNER.evaluate(scorer, {"sales": pl.concat([hidden, every], how="diagonal")})
    assert "113" not in found.sample["unit"].to_list() and "112" in found.sample["unit"].to_list()


def test_too_short_a_history_says_how_much_is_needed():
    with pytest.raises(NotEnoughData, match="needs at least 42 days of sales; there are 20. Give"):
        LEARNER.split(checked(sales(days=20)))


def test_prices_make_the_global_model_a_forecast(tmp_path):
    """Half price, twice the sales: a planned reduction raises the forecast of its days."""
    rng = np.random.default_rng(0)
    cheap = np.arange(80) % 8 < 3
    base = sales(products=20, days=80, weekend=0.5).select("product_id").unique().sort("product_id")
    rows = base.join(
        pl.DataFrame({"date": [sales()["date"].min() + timedelta(days=n) for n in range(80)], "cheap": cheap}),
        how="cross",
    )
    rows = rows.with_columns(
        units=pl.Series(rng.poisson(np.where(rows["cheap"].to_numpy(), 9, 3)).astype(float)),
        price=pl.when(pl.col("cheap")).then(5.0).otherwise(10.0),
    )
    last = rows["date"].max()
    plans = base.join(pl.DataFrame({"date": [last + timedelta(days=n) for n in (1, 2, 3, 4)]}), how="cross")
    plans = plans.with_columns(price=pl.when(pl.col("date") > last + timedelta(days=2)).then(5.0).otherwise(10.0))
    given = {**QUICK, **dict.fromkeys(("smooth", "erratic", "intermittent", "lumpy", "new"), "global")}
    params = DemandParams(**{**given, "rounds": 80, "horizon": 4})
    frames = checked(rows) | {"plans": LEARNER.inputs["plans"].check(plans, "plans")}
    means = LEARNER.fit(frames, params, Silent()).arrays["means"].mean(axis=0)
    assert means[2:].mean() > 1.8 * means[:2].mean()


def test_a_method_that_there_is_not_is_named(split):
    for name in ("nope", "ses+nope"):
        with pytest.raises(ParamError, match=r"smooth='.*nope': it must be one of .*tsb"):
            LEARNER.fit(split.train, DemandParams(smooth=name), Silent())


def test_without_a_global_model_there_is_nothing_to_explain(split):
    alone = LEARNER.fit(
        split.train, DemandParams(rounds=0, origins=1, horizon=7, **dict.fromkeys(CLASSES, "ma28")), Silent()
    )
    assert LEARNER.explain(SimpleNamespace(about=alone.about)) is None
