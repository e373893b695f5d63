"""Intervals against figures that others published or computed, and the rules they keep."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from commerce_ai.decisions.experiments import statistics
from commerce_ai.decisions.experiments.statistics import Sample, of_counts, of_ratio, of_sums, of_values

counts = st.integers(20, 20_000).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n - 1)))


def test_difference_of_proportions_as_newcombe_gives_it():
    found = statistics.newcombe(of_counts(80, 48), of_counts(70, 56))  # his example (a): 56/70 and 48/80
    assert found.estimate == pytest.approx(0.2)
    assert (found.low, found.high) == (pytest.approx(0.0524, abs=5e-5), pytest.approx(0.3339, abs=5e-5))


def test_welch_is_scipys():
    rng = np.random.default_rng(1)
    one, two = rng.gamma(2, 3, 40), rng.gamma(3, 3, 70)
    found = statistics.welch(of_values(one), of_values(two))
    there = stats.ttest_ind(two, one, equal_var=False).confidence_interval()
    assert (found.low, found.high) == (pytest.approx(there.low), pytest.approx(there.high))


def test_lift_of_proportions_is_katzs():
    found = statistics.lift(of_counts(1000, 32), of_counts(1000, 39))
    error = np.sqrt(1 / 39 - 1 / 1000 + 1 / 32 - 1 / 1000)
    assert found.estimate == pytest.approx(39 / 32 - 1)
    assert found.high == pytest.approx(39 / 32 * np.exp(1.959964 * error) - 1)


def test_an_arm_without_any_sale_has_a_lift_that_nobody_knows():
    found = statistics.lift(of_counts(100, 0), of_counts(100, 3))
    assert np.isnan(found.estimate) and found.low == -1 and found.high == np.inf


@given(counts, counts)
def test_what_holds_at_every_look_is_wider_than_what_holds_at_one(one, two):
    a, b = of_counts(*one), of_counts(*two)
    fixed, always = statistics.lift(a, b), statistics.always_valid_lift(a, b, planned=10_000)
    assert always.low <= fixed.low <= fixed.estimate <= fixed.high <= always.high


def test_the_boundary_is_narrowest_where_it_was_planned():
    def width(n: int, planned: float) -> float:
        sample = Sample(n / 2, 0.1, 0.09)
        found = statistics.always_valid(sample, sample, planned)
        return found.high - found.low

    at_plan = width(10_000, 10_000)
    assert at_plan < width(10_000, 3_000) and at_plan < width(10_000, 30_000)


def test_a_ratio_counts_visitors_not_impressions():
    """Each visitor ten times over: as many visitors, the same variance of the ratio."""
    rng = np.random.default_rng(2)
    shown = rng.integers(1, 6, 4000)
    clicked = rng.binomial(shown, rng.beta(1, 9, 4000))
    one, ten = of_ratio(clicked, shown), of_ratio(10 * clicked, 10 * shown)
    assert one.mean == pytest.approx(clicked.sum() / shown.sum())
    assert (one.n, one.variance) == (ten.n, pytest.approx(ten.variance))
    naive = one.mean * (1 - one.mean) / shown.sum()
    assert one.variance / one.n > naive


def test_cuped_keeps_the_mean_and_takes_the_variance_that_was_foretold():
    rng = np.random.default_rng(3)
    before = rng.normal(size=20_000)
    values = 5 + 0.8 * before + 0.6 * rng.normal(size=20_000)
    adjusted = statistics.cuped(values, before)
    assert adjusted.mean() == pytest.approx(values.mean())
    assert adjusted.var() / values.var() == pytest.approx(1 - 0.8**2, abs=0.02)
    assert statistics.cuped(values, np.zeros(20_000)) == pytest.approx(values)


def test_sums_say_what_values_say():
    values = np.array([0.0, 2.0, 5.0, 0.0])
    one, two = of_values(values), of_sums(4, values.sum(), (values**2).sum())
    assert (one.mean, one.variance) == (pytest.approx(two.mean), pytest.approx(two.variance))


def test_a_sample_ratio_that_can_not_be_chance():
    assert statistics.mismatch([51_000, 49_000], [1, 1]) < statistics.MISMATCH_ALPHA
    assert statistics.mismatch([50_100, 49_900], [1, 1]) > statistics.MISMATCH_ALPHA
    assert statistics.mismatch([1_000, 19_000], [0.05, 0.95]) == pytest.approx(1)
    assert statistics.mismatch([0, 0], [1, 1]) == 1


def test_needed_units_as_in_the_textbook():
    # 3 % to 3.3 %: 53,210 an arm, as sample size calculators have it.
    n = statistics.needed(0.03, 0.03 * 0.97, 0.1)
    assert n == pytest.approx(2 * 53_210, rel=0.001)
    assert n < statistics.needed_always_valid(0.03, 0.03 * 0.97, 0.1) < 3 * n
    assert n < statistics.needed(0.03, 0.03 * 0.97, 0.1, shares=(0.05, 0.95)) < 10 * n


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_between_nothing_and_bonferroni(p_values):
    adjusted = statistics.holm(p_values)
    for raw, each in zip(p_values, adjusted, strict=True):
        assert raw <= each <= min(1, raw * len(p_values)) + 1e-12


def test_the_simulated_promises_hold_and_are_said(tmp_path):
    from commerce_ai import registry
    from commerce_ai.learning.bench import Bench

    bench = Bench("decisions experiments", data=tmp_path, write=lambda line: None)
    registry.suites()["decisions experiments"](bench)
    rows = {row["name"]: row["figures"] for row in bench._kept["rows"]}
    for name, figures in rows.items():
        if name.startswith("no difference"):
            assert max(figures["difference"], figures["lift"]) <= 0.05 < figures["fixed_peeked"], name
        elif name.startswith("every look"):
            assert min(figures["difference"], figures["lift"]) >= 0.95, name
        elif name.startswith("horizon"):
            figures.pop("width_of_plain", None)
            assert all(abs(each - 0.95) <= 0.015 for each in figures.values()), name
    assert rows["sample ratio 51/49"]["caught"] > 0.99 > 0.02 > rows["sample ratio 51/49"]["false_in_60_looks"]
