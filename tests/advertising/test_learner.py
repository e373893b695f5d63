"""Both learners through the contract's doors: split, choose, save, load, answer, and be judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from commerce_ai.learning import explaining, gate
from commerce_ai.learning.learner import NotEnoughData, Silent
from commerce_ai.learning.schema import FrameError
from plugins.advertising.learner import ASKED, CONTACTED, UpliftLearner, UpliftParams
from plugins.advertising.valuing import ValueLearner, ValueParams
from tests.advertising.frames import bought, contacted, instant

UPLIFT, VALUE = UpliftLearner(), ValueLearner()


def through_the_disk(learner: Any, split: Any, params: Any, folder: Path) -> Any:
    fitted = learner.fit(split.train, params, Silent(), validation=split.validation)
    learner.save(fitted, folder)
    return fitted, learner.load(folder)


def test_uplift_wins_against_chance_and_a_response_model(tmp_path):
    split = UPLIFT.split({"customers": contacted(4000)})
    fitted, scorer = through_the_disk(UPLIFT, split, UpliftParams(threads=1), tmp_path)
    assert fitted.params.method in ("t", "x")
    found = UPLIFT.evaluate(scorer, split.test)
    assert found.metrics["qini_auc"] > 0.1 > found.baseline["qini_auc_response"]
    assert found.baseline["qini_auc"] == max(0, found.baseline["qini_auc_response"])
    bands = [found.metrics[f"uplift_tenth_{place}"] for place in range(1, 11)]
    assert np.mean(bands[:4]) > found.metrics["average_uplift"] > np.mean(bands[4:])
    assert UPLIFT.metric.statistic(found.sample) == pytest.approx(found.metrics["qini_auc"])
    assert UPLIFT.metric.statistic(found.baseline_sample) == pytest.approx(found.baseline["qini_auc"])
    assert gate.judge(UPLIFT.metric, found, resamples=100).live
    assert set(UPLIFT.explain(scorer)["feature"]) <= set(scorer.encoder.columns)


def test_a_campaign_without_an_effect_does_not_beat_the_bar_by_much(tmp_path):
    split = UPLIFT.split({"customers": contacted(3000, effect=0.0)})
    _fitted, scorer = through_the_disk(UPLIFT, split, UpliftParams(method="t", threads=1), tmp_path)
    assert abs(UPLIFT.evaluate(scorer, split.test).metrics["qini_auc"]) < 0.08


def test_answers_keep_ids_order_and_dtype_and_bear_unseen_values(tmp_path):
    split = UPLIFT.split({"customers": contacted(1500)})
    _fitted, scorer = through_the_disk(UPLIFT, split, UpliftParams(threads=1), tmp_path)
    asked = pl.DataFrame(
        {
            "customer_id": ["z", "a", "z"],
            "region": ["south", "moon", None],
            "activity": [0.5, None, 0.5],
            "noise": [0, 0, 0],
        }
    )
    found = UPLIFT.output.check(UPLIFT.predict(scorer, customers=ASKED.check(asked, "asked")), "found")
    assert found["customer_id"].to_list() == ["z", "a", "z"] and found.columns == ["customer_id", "uplift", "response"]
    numbers = UPLIFT.predict(scorer, customers=asked.with_columns(customer_id=pl.Series([3, 1, 2], dtype=pl.Int32)))
    assert numbers["customer_id"].dtype == pl.Int32 and numbers["uplift"][0] > 0.1
    with pytest.raises(FrameError, match="column 'activity'"):
        UPLIFT.predict(scorer, customers=asked.drop("activity"))


def test_time_decides_the_split_where_there_is_one_and_both_arms_stand_in_each_part():
    frame = contacted(2000).with_columns(timestamp=pl.Series([instant(n // 20) for n in range(2000)]))
    split = UPLIFT.split({"customers": CONTACTED.check(frame, "frame")})
    assert split.train["customers"]["timestamp"].max() < split.test["customers"]["timestamp"].min()
    once = frame.with_columns(timestamp=pl.lit(instant(0)))
    apart = UPLIFT.split({"customers": CONTACTED.check(once, "frame")})
    assert not set(apart.train["customers"]["customer_id"]) & set(apart.test["customers"]["customer_id"])
    assert "timestamp" not in UPLIFT.fit(apart.train, UpliftParams(method="t", rounds=2), Silent()).encoder.columns


@pytest.mark.parametrize("change", [{"treatment": 1}, {"outcome": 0}, {"treatment": 0}])
def test_too_little_is_said_in_numbers(change):
    frame = contacted(400).with_columns(**{name: pl.lit(value) for name, value in change.items()})
    with pytest.raises(NotEnoughData, match=r"needs at least 20 treated .*; there are \d+ treated and \d+ control"):
        UPLIFT.split({"customers": frame})


def test_a_treatment_that_is_no_yes_or_no_is_named():
    frame = contacted(10).with_columns(treatment=pl.lit(2))
    with pytest.raises(FrameError, match="'treatment', row 1"):
        CONTACTED.check(frame, "customers")


def test_value_beats_the_customers_own_rate(tmp_path):
    split = VALUE.split({"orders": bought(600)})
    _fitted, scorer = through_the_disk(VALUE, split, ValueParams(), tmp_path)
    found = VALUE.evaluate(scorer, split.test)
    assert found.metrics["mae_orders"] < found.baseline["mae_orders"]
    assert found.metrics["rmse_orders"] < found.baseline["rmse_orders"]
    assert 0.7 < found.metrics["orders_said_over_seen"] < 1.3
    assert gate.judge(VALUE.metric, found, resamples=100).live


def test_value_shows_how_it_moves_and_a_twin_that_says_nearly_the_same(tmp_path):
    split = VALUE.split({"orders": bought(600)})
    _fitted, scorer = through_the_disk(VALUE, split, ValueParams(), tmp_path)
    found = explaining.explain(VALUE, scorer, split.test)
    curves = {each.name: each for each in found.curves}
    again, idle = curves["days with an order after the first"], curves["weeks since the first order"]
    assert again.mean[0] < again.mean[-1] and idle.mean[0] > idle.mean[-1]
    assert found.twin is not None and 0.3 < found.twin.follows <= 1 and not found.twin.metric


def test_values_keep_ids_and_say_nothing_of_strangers(tmp_path):
    orders = {"orders": bought(200)}
    fitted = VALUE.fit(orders, ValueParams(horizon_days=90), Silent())
    VALUE.save(fitted, tmp_path)
    scorer = VALUE.load(tmp_path)
    asked = pl.DataFrame({"customer_id": pl.Series([7, 99999, 1], dtype=pl.Int32)})
    found = VALUE.output.check(VALUE.predict(scorer, customers=asked), "found")
    assert found["customer_id"].to_list() == [7, 99999, 1] and found["customer_id"].dtype == pl.Int32
    assert found["value"][1] is None and found["segment"][1] is None and found["value"][0] >= 0
    assert np.allclose(scorer.expect(90)["value"], VALUE.load(tmp_path).expect(90)["value"])
    with pytest.raises(FrameError, match="customer_id"):
        VALUE.predict(scorer, customers=pl.DataFrame({"customer_id": ["7"]}))


def test_text_ids_go_through_the_artifact(tmp_path):
    orders = bought(150).with_columns(customer_id=pl.format("c{}", "customer_id"))
    VALUE.save(VALUE.fit({"orders": orders}, ValueParams(), Silent()), tmp_path)
    found = VALUE.predict(VALUE.load(tmp_path), customers=pl.DataFrame({"customer_id": ["c2", "nobody"]}))
    assert found["customer_id"].to_list() == ["c2", "nobody"] and found["value"].is_null().to_list() == [False, True]


@pytest.mark.parametrize("orders", [bought(30), bought(300, days=20), bought(1).clear()])
def test_too_few_orders_are_said_in_numbers(orders):
    with pytest.raises(NotEnoughData, match=r"needs at least \d+ customers with orders.*; there are \d+ customers"):
        VALUE.split({"orders": orders})
