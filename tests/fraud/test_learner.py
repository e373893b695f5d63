"""The learner on frames: what it finds, what it refuses, and that no label is known too early."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from commerce_ai import lab
from commerce_ai.learning.learner import NotEnoughData, Silent
from commerce_ai.learning.params import ParamError
from commerce_ai.learning.schema import FrameError
from plugins.fraud import learner as module
from plugins.fraud.features import DAY_US
from plugins.fraud.learner import TreesLearner
from plugins.fraud.trees import TreesParams
from tests.fraud.frames import START, payments, stream

LEARNER = TreesLearner()
QUICK = TreesParams(rounds=30, positive_weight=1.0)


def fitted(frame: pl.DataFrame, folder: Path, params: TreesParams = QUICK):
    made = LEARNER.fit({"transactions": frame}, params, Silent())
    folder.mkdir(exist_ok=True)
    LEARNER.save(made, folder)
    return LEARNER.load(folder)


@pytest.fixture(scope="module")
def scorer(tmp_path_factory):
    return fitted(payments(), tmp_path_factory.mktemp("trees"))


def test_it_finds_the_pattern_and_beats_the_rules(tmp_path):
    split = LEARNER.split({"transactions": payments()})
    found = LEARNER.fit(split.train, TreesParams(), Silent(), validation=split.validation)
    assert found.params.rounds and found.params.positive_weight and len(found.params.calibrated) == 2
    LEARNER.save(found, tmp_path)
    result = LEARNER.evaluate(LEARNER.load(tmp_path), split.test)
    assert result.metrics["average_precision"] > result.baseline["average_precision"] + 0.05
    assert result.metrics["calibration_error"] < 0.05
    assert LEARNER.metric.statistic(result.sample) == pytest.approx(result.metrics["average_precision"])
    assert LEARNER.explain(LEARNER.load(tmp_path))["weight"].sum() == pytest.approx(1)


def test_the_lab_fits_and_predicts_in_the_order_asked(tmp_path):
    frame = payments()
    early, later = frame[:2800], frame[2800:]
    fit = lab.fit("fraud.trees", {"transactions": early}, artifact=tmp_path / "out", params={"label_delay_days": 5})
    assert fit.params["label_delay_days"] == 5 and fit.metrics["average_precision"] > fit.baseline["average_precision"]
    asked = later.drop("is_fraud").sample(fraction=1, shuffle=True, seed=3)
    answer = lab.predict(tmp_path / "out", {"transactions": asked})
    assert answer["transaction_id"].to_list() == asked["transaction_id"].to_list()
    sorted_answer = lab.predict(tmp_path / "out", {"transactions": later.drop("is_fraud")})
    assert answer.sort("transaction_id").equals(sorted_answer)
    bad = answer.join(later.select("transaction_id", "is_fraud"), on="transaction_id")
    by_label = dict(bad.group_by("is_fraud").agg(pl.col("score").mean()).iter_rows())
    assert by_label[1] > 10 * by_label[0]


def test_rows_that_were_learned_from_are_not_counted_twice(scorer):
    frame = payments()
    whole = LEARNER.predict(scorer, transactions=frame)
    tail = LEARNER.predict(scorer, transactions=frame.filter(pl.col("timestamp") > frame["timestamp"].max()))
    assert tail.height == 0
    later = frame[-5:].with_columns(pl.col("timestamp") + timedelta(days=3), pl.col("transaction_id") + 10**6)
    together = LEARNER.predict(scorer, transactions=pl.concat([frame, later]))
    alone = LEARNER.predict(scorer, transactions=later)
    np.testing.assert_allclose(together["score"][-5:], alone["score"])
    np.testing.assert_allclose(together["score"][:-5], whole["score"])


def test_a_payment_alone_is_scored_as_in_a_frame(scorer):
    row = stream((60.5, 3, 1001, 33.5, None)).row(0, named=True)
    at = int(row["timestamp"].timestamp() * 1e6)
    past = scorer.past_of(3, 1001, at)
    from plugins.fraud import features

    alone = features.one(at, 335_000, row["timestamp"].weekday() >= 5, row["timestamp"].hour <= 6, past, 7)
    rows, _order = features.rows_of(pl.DataFrame([row], schema_overrides={"is_fraud": pl.Int64}).with_columns(
        pl.col("timestamp").dt.cast_time_unit("us")), 7)  # fmt: skip
    np.testing.assert_allclose(alone, scorer.matrix(rows))
    assert len(past.customer_times) > 5 and alone[0, 7] > 5


def test_the_artifact_keeps_no_more_past_than_windows_reach(scorer):
    reach = scorer.until - 37 * DAY_US
    assert (scorer.past.time > reach).all() and 0 < len(scorer.past) < payments().height


def test_text_ids_and_strangers(tmp_path):
    frame = payments().with_columns(
        pl.format("c{}", "customer_id").alias("customer_id"),
        pl.when(pl.col("terminal_id") != 1000).then(pl.format("d{}", "terminal_id")).alias("terminal_id"),
    )
    scorer = fitted(frame, tmp_path / "text")
    assert LEARNER.predict(scorer, transactions=frame[-10:])["score"].is_between(0, 1).all()
    with pytest.raises(FrameError, match=r"column 'customer_id': the ids that were learned are text"):
        LEARNER.predict(scorer, transactions=payments()[-10:])


def test_a_label_that_came_later_is_not_learned_from():
    frame = payments()
    rows, _order = module._rows(frame.with_columns(known_at=pl.col("timestamp") + timedelta(days=20)), 7)
    then = int((START + timedelta(days=30)).timestamp() * 1e6)
    told = module._told(rows, then)
    assert told[(rows.fraud == 1) & (rows.known > then)].max() == 0
    assert told[(rows.fraud == 1) & (rows.known <= then)].min() == 1


def test_train_from_and_train_to_bound_what_is_learned_from():
    rows, _order = module._rows(payments(), 7)
    days = lambda **said: rows.time[module._to_learn(rows, TreesParams(**said))[0]] / DAY_US - START.timestamp() / 86400  # noqa: E731
    assert days().max() < 60.1 - 7 and days().min() < 1
    bounded = days(train_from="2026-01-15", train_to="2026-01-20")  # both days whole
    assert bounded.min() >= 10 and 15.5 < bounded.max() < 16
    assert days(train_to="2026-01-20T12:00:00+00:00").max() < 15.5


def test_the_lab_judges_a_recipe_whose_days_are_held_back_on_as_many_days_before(tmp_path):
    said = {"train_from": "2026-02-25", "train_to": "2026-03-04"}  # among the last fifth of the rows
    fit = lab.fit("fraud.trees", {"transactions": payments()}, artifact=tmp_path / "out", params=said)
    assert (
        fit.metrics["average_precision"] > fit.baseline["average_precision"]
        and fit.params["train_from"] == "2026-02-25"
    )
    rows, _order = module._rows(payments()[:2000], 7)
    days = rows.time[module._to_learn(rows, TreesParams(**said), held_back=True)[0]] / DAY_US
    assert 7 < days.max() - days.min() < 8 and days.max() < rows.time[-1] / DAY_US - 7
    assert not module._to_learn(rows, TreesParams(**said))[0].any()


@pytest.mark.parametrize("name", ["train_from", "train_to"])
def test_what_is_no_day_is_refused_by_name(name):
    with pytest.raises(ParamError, match=f"{name}='soon': it must be a day"):
        LEARNER.fit({"transactions": payments(200)}, TreesParams(**{name: "soon"}), Silent())


def test_too_little_says_what_is_missing():
    honest = payments().with_columns(is_fraud=pl.lit(0, pl.Int64))
    with pytest.raises(NotEnoughData, match=r"needs at least 2 frauds .* there are 0 frauds among \d+ payments"):
        LEARNER.fit({"transactions": honest}, QUICK, Silent())
    with pytest.raises(
        NotEnoughData, match="needs at least 1 fraud among the validation transactions; there are 0 among"
    ):
        LEARNER.split({"transactions": honest})
    with pytest.raises(NotEnoughData, match="needs at least 1 transaction; there are 0"):
        LEARNER.split({"transactions": honest[:0]})


def test_a_payment_that_stands_twice_is_named():
    frame = payments()
    with pytest.raises(FrameError, match=r"transactions, column 'transaction_id', row 1: the id stands twice"):
        LEARNER.fit({"transactions": pl.concat([frame, frame[:1]])}, QUICK, Silent())
