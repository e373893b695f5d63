"""The alarm keeps its promise: rarely false, and soon."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from plugins.sentiment import surge
from plugins.sentiment.surge import Day, chance, levels


@st.composite
def days(draw: st.DrawFn) -> Day:
    texts, baseline = draw(st.integers(0, 400)), draw(st.integers(0, 6000))
    return Day(texts, draw(st.integers(0, texts)), baseline, draw(st.integers(0, baseline)))


@given(days())
def test_the_chance_is_the_exact_one(day: Day) -> None:
    if not (day.texts and day.negative and day.baseline_texts):
        assert chance(day) == 1
        return
    everything = day.texts + day.baseline_texts
    exact = hypergeom.sf(day.negative - 1, everything, day.negative + day.baseline_negative, day.texts)
    assert chance(day) == pytest.approx(exact, rel=1e-6, abs=1e-12)


@given(days())
def test_one_more_negative_text_is_never_less_alarming(day: Day) -> None:
    if day.negative < day.texts and day.negative:
        more = Day(day.texts, day.negative + 1, day.baseline_texts, day.baseline_negative)
        assert chance(more) <= chance(day) + 1e-9


@settings(max_examples=25)
@given(st.integers(1, 30), st.integers(2, 20), st.sampled_from([0.02, 0.1, 0.3]), st.sampled_from([0.01, 0.05]))
def test_quiet_days_alarm_no_more_often_than_the_level(texts: int, before: int, share: float, level: float) -> None:
    """Exactly, by summing over all outcomes of day and baseline; whatever the share and however short the baseline."""
    from scipy.stats import binom

    alarm = 0.0
    sizes = np.arange(texts * before + 1)
    likely = sizes[binom.pmf(sizes, texts * before, share) > 1e-7]
    for bad_before in likely:
        k = next((k for k in range(texts + 1) if chance(Day(texts, k, texts * before, int(bad_before))) <= level), None)
        if k is not None:
            alarm += binom.pmf(bad_before, texts * before, share) * binom.sf(k - 1, texts, share)
    assert alarm <= level


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.floats(0.1, 100))
def test_the_levels_of_a_day_are_its_share_of_the_year(is_whole: list[bool], a_year: float) -> None:
    is_whole = [each and not any(is_whole[:place]) for place, each in enumerate(is_whole)]  # the shop is one series
    spent = levels(is_whole, a_year)
    assert sum(spent) <= min(a_year / 365, 0.5) + 1e-12
    assert all(each > 0 for each in spent)


def test_too_few_texts_are_not_tested() -> None:
    assert not Day(9, 9, 1000, 10).is_testable and not Day(20, 20, 49, 1).is_testable
    assert Day(10, 10, 50, 1).is_testable
    assert Day(1, 1, 200, 50).expected == 0.25 and Day(1, 1, 0, 0).expected == 0


def test_two_spans_are_paid_for() -> None:
    one, two = Day(200, 30, 5600, 560), Day(400, 80, 5400, 540)
    found, span = surge.alarming([one, two])
    assert span is two and found == 2 * chance(two)
    assert surge.alarming([one]) == (chance(one), one)


def test_a_doubling_at_two_hundred_texts_a_day_is_found_within_two_days() -> None:
    rng = np.random.default_rng(0)
    (level, *_) = levels([True, *([False] * 8)], 4)
    found = 0
    for _ in range(300):
        baseline = 200 * surge.BASELINE_DAYS, int(rng.binomial(200 * surge.BASELINE_DAYS, 0.1))
        first, second = (int(rng.binomial(200, 0.2)) for _ in range(2))
        on_first = surge.alarming([Day(200, first, *baseline)])[0] <= level
        together = Day(400, first + second, *baseline)
        found += on_first or surge.alarming([Day(200, second, *baseline), together])[0] <= level
    assert found / 300 > 0.97
