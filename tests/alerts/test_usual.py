"""What is out of bounds: thresholds, the same weekday, and robust deviations that one odd day does not move."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_ai.alerts.usual import Bounds, judge

DAY = date(2026, 3, 1)  # a Sunday
WEEK = (40, 42, 39, 41, 55, 80, 20)  # Monday to Sunday


def weeks(count=8, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    days = [DAY - timedelta(days=back) for back in range(7 * count + 1)]
    return {day: float(rng.poisson(WEEK[day.weekday()]) if noise else WEEK[day.weekday()]) for day in days}


def test_a_threshold_speaks_beyond_it_and_not_at_it():
    figures = {DAY: 5.0}
    assert judge(figures, DAY, Bounds("above", 4.9)).distance == pytest.approx(0.1)
    assert judge(figures, DAY, Bounds("above", 5)) is None and judge(figures, DAY, Bounds("below", 5)) is None
    assert judge(figures, DAY, Bounds("below", 6)).expected is None


def test_a_day_is_held_against_its_own_weekday():
    figures = weeks() | {DAY: 10.0}
    seen = judge(figures, DAY, Bounds("change", 40, "down"))
    assert (seen.value, seen.expected, seen.distance) == (10, 20, -50)
    assert judge(figures, DAY, Bounds("change", 40, "up")) is None
    assert judge(figures, DAY, Bounds("change", 60)) is None
    # 20 on a Saturday would be a quarter of what is usual.
    assert judge(weeks(), DAY, Bounds("odd", 3)) is None
    assert judge(weeks() | {DAY - timedelta(days=1): 20.0}, DAY - timedelta(days=1), Bounds("odd", 3)).distance < -6


def test_one_odd_day_of_the_past_does_not_hide_the_next():
    figures = weeks(noise=1) | {DAY - timedelta(days=7): 900.0, DAY: 60.0}
    assert judge(figures, DAY, Bounds("odd", 4, "up")).expected < 30


def test_three_weeks_are_needed_and_a_first_day_says_nothing():
    figures = weeks() | {DAY: 0.0}
    short = {day: value for day, value in figures.items() if day > DAY - timedelta(days=21)}
    assert judge(short, DAY, Bounds("odd", 4)) is None and judge({}, DAY, Bounds("above", 0)) is None
    enough = {day: value for day, value in figures.items() if day >= DAY - timedelta(days=21)}
    assert judge(enough, DAY, Bounds("change", 50)) is not None


def test_a_day_without_a_figure_was_a_day_without_any():
    figures = weeks()
    del figures[DAY]
    assert judge(figures, DAY, Bounds("odd", 3, "down")).value == 0


def test_days_taken_together_are_a_mean():
    figures = weeks() | {DAY - timedelta(days=back): 0.0 for back in range(3)}
    seen = judge(figures, DAY, Bounds("change", 50, "down", window_days=7))
    assert seen is None
    assert judge(figures, DAY, Bounds("change", 45, "down", window_days=7)).value == pytest.approx(
        (40 + 42 + 39 + 41) / 7
    )
    assert judge({DAY: 1.0}, DAY, Bounds("above", 0, window_days=7)) is None


@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=64), st.sampled_from(["above", "below", "change", "odd"]),
    st.sampled_from(["up", "down", "both"]), st.floats(0.1, 10), st.integers(1, 28),
)  # fmt: skip
def test_any_figures_are_judged_and_what_is_said_is_beyond_the_threshold(
    values, comparison, direction, threshold, window
):
    figures = {DAY - timedelta(days=back): value for back, value in enumerate(values)}
    seen = judge(figures, DAY, Bounds(comparison, threshold, direction, window))
    if seen is not None and comparison in ("change", "odd"):
        assert {"up": seen.distance, "down": -seen.distance, "both": abs(seen.distance)}[direction] > threshold


def test_quiet_days_seldom_look_odd():
    """Counts and sums of a small shop with a weekly season, 40 seeds of 90 days: under one false alarm in 200 days."""
    spoken = days = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        season = np.tile(WEEK, 22)[: 7 * 9 + 90] / 45
        series = (
            rng.negative_binomial(20, 20 / (20 + 40 * season)),  # busier than Poisson
            np.array([rng.lognormal(3.5, 0.8, each).sum() for each in rng.poisson(40 * season)]),
        )
        for values in series:
            figures = {DAY + timedelta(days=step): float(value) for step, value in enumerate(values)}
            for step in range(7 * 9, len(values), 3):
                day = DAY + timedelta(days=step)
                known = {each: figures[each] for each in figures if day - timedelta(days=57) < each <= day}
                spoken += judge(known, day, Bounds("odd", 4)) is not None
                days += 1
    assert days == 40 * 2 * 30 and spoken / days < 1 / 200, (spoken, days)
