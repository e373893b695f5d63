"""The paired bootstrap: what it says about equal, better, noisy and re-ordered samples."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commerce_ai.learning.bootstrap import compare, paired, standard_error
from commerce_ai.learning.learner import Metric

SCORE = Metric("score", "max", "nothing")
ERROR = Metric("error", "min", "nothing")


def sample(values, units=None):
    return pl.DataFrame({"unit": range(len(values)) if units is None else units, "value": np.asarray(values, float)})


def mean_by_hand(rows: pl.DataFrame) -> float:
    return float(rows["value"].mean())


values = st.lists(st.floats(-5, 5), min_size=2, max_size=30)


@given(values)
def test_a_tie_is_no_win(each):
    for metric in (SCORE, ERROR, Metric("slow", "max", "", mean_by_hand)):
        found = compare(sample(each), sample(each), metric, resamples=20)
        assert (found.win_share, found.loss_share, found.difference, found.interval) == (0, 0, 0, (0, 0))


@given(values, st.floats(0.01, 3))
def test_better_on_every_unit_always_wins(each, gain):
    better = sample([value + gain for value in each])
    assert compare(better, sample(each), SCORE, resamples=50).win_share == 1
    assert compare(better, sample(each), ERROR, resamples=50).loss_share == 1
    found = compare(better, sample(each), SCORE, resamples=50)
    assert found.interval[0] == pytest.approx(gain, abs=1e-9)


@settings(max_examples=30)
@given(values, st.randoms())
def test_sides_mirror_and_row_order_does_not_matter(each, random):
    other = [value * random.random() for value in each]
    there, back = (
        compare(sample(each), sample(other), SCORE, resamples=100, seed=3),
        compare(sample(other), sample(each), SCORE, resamples=100, seed=3),
    )
    assert (there.win_share, there.difference) == (back.loss_share, -back.difference)
    order = random.sample(range(len(each)), len(each))
    shuffled = compare(sample(each)[order], sample(other), SCORE, resamples=100, seed=3)
    assert shuffled == there


def test_the_fast_path_is_the_slow_path():
    random = np.random.default_rng(0)
    a, b = sample(random.normal(0.1, 1, 40)), sample(random.normal(0, 1, 40))
    fast = compare(a, b, SCORE, resamples=200)
    slow = compare(a, b, Metric("score", "max", "nothing", mean_by_hand), resamples=200)
    assert slow.win_share == fast.win_share
    assert slow.interval == pytest.approx(fast.interval)
    assert slow.error == pytest.approx(fast.error)


def test_a_large_sample_is_resampled_in_parts_as_if_at_once(monkeypatch):
    random = np.random.default_rng(0)
    a, b = sample(random.normal(0.1, 1, 50)), sample(random.normal(0, 1, 50))
    at_once = compare(a, b, SCORE, resamples=100)
    monkeypatch.setattr("commerce_ai.learning.bootstrap._CELLS_AT_ONCE", 333)
    assert compare(a, b, SCORE, resamples=100) == at_once


def test_any_statistic_of_the_units_can_be_compared():
    def accuracy(rows: pl.DataFrame) -> float:
        return float(((rows["said"] > 0.5) == rows["truth"]).mean())

    truth = [True, False] * 20
    good = pl.DataFrame({"unit": range(40), "truth": truth, "said": [0.9, 0.1] * 20})
    bad = pl.DataFrame({"unit": range(40), "truth": truth, "said": [0.9, 0.9] * 20})
    found = compare(good, bad, Metric("accuracy", "max", "", accuracy), resamples=50)
    assert (found.candidate, found.other, found.win_share) == (1.0, 0.5, 1.0)


def test_the_interval_covers_the_true_difference_about_as_often_as_it_says():
    random, covered = np.random.default_rng(5), 0
    for trial in range(100):
        shared = random.normal(0, 3, 60)  # what the two have in common must not widen the interval
        found = compare(sample(shared + random.normal(0.2, 1, 60)), sample(shared), SCORE, resamples=300, seed=trial)
        covered += found.interval[0] <= 0.2 <= found.interval[1]
        assert found.interval[1] - found.interval[0] < 1
    assert 80 <= covered <= 97


def test_only_common_units_count():
    ours, theirs = paired(sample([1, 2, 3], [1, 2, 3]), sample([9, 8], [3, 2]))
    assert ours["value"].to_list() == [2, 3] and theirs["value"].to_list() == [8, 9]
    assert compare(sample([1, 2, 3], [1, 2, 3]), sample([9, 8], [3, 2]), SCORE, resamples=5).units == 2


def test_strangers_and_doubles_are_refused():
    with pytest.raises(ValueError, match="in common"):
        compare(sample([1], [1]), sample([1], [2]), SCORE)
    with pytest.raises(ValueError, match="more than once"):
        compare(sample([1, 2], [1, 1]), sample([1], [1]), SCORE)


def test_standard_error_of_a_mean():
    draws = sample(np.random.default_rng(0).normal(0, 2, 400))
    assert standard_error(draws, SCORE) == pytest.approx(0.1, rel=0.1)
    assert standard_error(draws, Metric("m", "max", "", mean_by_hand)) == pytest.approx(0.1, rel=0.25)
    assert standard_error(draws.clear(), SCORE) == 0
