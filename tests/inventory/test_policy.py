"""Newsvendor, levels, quantities and days of cover: known values, and rules that hold for any demand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.inventory import policy
from plugins.inventory.policy import Demand, Levels, Terms

amounts = st.floats(0, 1000, allow_nan=False)
paces = st.floats(0.01, 50)
services = st.floats(0.5, 0.99)


def one(value: float) -> np.ndarray:
    return np.array([value], float)


def demand(pace: float, noise: float = 1.0, days: int = 28) -> Demand:
    span = np.arange(1, days + 1)[None, :]
    return Demand(pace * span, noise * np.sqrt(pace * span))


def terms(
    lead: float = 5, deviation: float = 1, service: float = 0.95, multiple: float = 1, minimum: float = 0
) -> Terms:
    return Terms(one(lead), one(deviation), 1.0, 14.0, one(multiple), one(minimum), one(service))


def test_the_newsvendor_equals_the_published_example():
    found = policy.newsvendor(holding=0.18, shortage=0.70, mean=50, deviation=8)
    assert found.level == pytest.approx(56.60395592743389, abs=1e-9)
    assert found.cost == pytest.approx(1.9976051931766445, abs=1e-9)


def test_the_service_level_weighs_margin_against_a_cycles_holding_cost():
    options = {"holding_rate": 0.365, "days": 100.0, "usual": 0.9, "least": 0.5, "most": 0.99}
    price, cost = np.array([15.0, 11.0, 5.0, np.nan]), np.array([10.0, 10.0, 10.0, 10.0])
    # Holding one costs 10 × .365 × 100/365 = 1: margins of 5 and 1 against it; no margin, no price: the usual.
    assert policy.service_levels(price, cost, **options) == pytest.approx([5 / 6, 1 / 2, 0.9, 0.9])


def test_gamma_quantiles_shortages_and_chances_are_those_of_simulated_demand():
    rng = np.random.default_rng(0)
    drawn = rng.gamma((10 / 6) ** 2, 36 / 10, 200_000)
    mean, deviation = one(10), one(6)
    assert policy.quantile(one(0.95), mean, deviation)[0] == pytest.approx(np.quantile(drawn, 0.95), rel=0.02)
    assert policy.below(one(12), mean, deviation)[0] == pytest.approx((drawn <= 12).mean(), abs=0.01)
    assert policy.expected_shortage(one(12), mean, deviation)[0] == pytest.approx(
        np.maximum(drawn - 12, 0).mean(), rel=0.03
    )


def test_without_any_doubt_the_reorder_point_is_the_demand():
    flat = Demand(np.arange(1.0, 29.0)[None, :] * 2, np.zeros((1, 28)))
    found = policy.levels(flat, terms(lead=5, deviation=0))
    assert (found.reorder_point[0], found.safety[0], found.order_up_to[0]) == (12, 0, 40)


def test_days_of_cover_follow_the_forecast_and_go_on_beyond_it():
    rising = np.cumsum(np.array([[1.0, 1.0, 4.0, 4.0]]), axis=1)
    cover = [policy.days_of_cover(one(stock), rising)[0] for stock in (0, 1, 2, 4, 10, 20)]
    assert cover == pytest.approx([0, 1, 2, 2.5, 4, 8])
    assert np.isnan(policy.days_of_cover(one(7), np.zeros((1, 4)))[0])
    assert policy.days_of_cover(one(-3), rising)[0] == 0


@given(paces, services, st.floats(0, 60), st.floats(0, 10))
def test_levels_are_in_order_and_rise_with_the_wanted_service(pace, service, lead, deviation):
    low = policy.levels(demand(pace), terms(lead, deviation, service))
    high = policy.levels(demand(pace), terms(lead, deviation, min(service + 0.009, 0.999)))
    assert 0 <= low.safety[0] <= low.reorder_point[0] <= low.order_up_to[0] < np.inf
    assert high.reorder_point[0] >= low.reorder_point[0] - 1e-9


@given(paces, st.floats(0, 40), st.floats(0, 10), st.floats(0.1, 10))
def test_a_longer_or_less_certain_lead_time_never_lowers_the_expected_need(pace, lead, deviation, more):
    base = policy.levels(demand(pace), terms(lead, deviation))
    longer = policy.levels(demand(pace), terms(lead + more, deviation))
    assert longer.order_up_to[0] - longer.safety[0] >= base.order_up_to[0] - base.safety[0] - 1e-6
    vaguer = policy.levels(demand(pace), terms(lead, deviation + more))
    assert vaguer.safety[0] >= base.safety[0] - 1e-3 * base.reorder_point[0]


@given(amounts, amounts, amounts, st.sampled_from([1.0, 6.0, 12.0, 0.25]), amounts)
def test_an_order_is_whole_cases_not_less_than_the_minimum_and_reaches_the_level(position, point, more, case, least):
    found = Levels(one(0), one(point), one(point + more))
    quantity = policy.order_quantity(one(position), found, terms(multiple=case, minimum=least))[0]
    if position > point or point + more <= position:
        assert quantity == 0
        return
    assert quantity >= least - 1e-6 and position + quantity >= point + more - 1e-6
    assert abs(quantity / case - round(quantity / case)) < 1e-6
    assert quantity - case < max(point + more - position, least) + 1e-6, "not one case too many"


@given(paces, amounts, amounts)
def test_more_stock_lasts_longer_runs_out_less_and_lacks_less(pace, stock, more):
    totals = demand(pace)
    mean, deviation = totals.over(one(7), one(1))
    assert policy.days_of_cover(one(stock + more), totals.mean)[0] >= policy.days_of_cover(one(stock), totals.mean)[0]
    assert policy.below(one(stock + more), mean, deviation)[0] >= policy.below(one(stock), mean, deviation)[0] - 1e-12
    short = policy.expected_shortage(one(stock), mean, deviation)[0]
    assert 0 <= policy.expected_shortage(one(stock + more), mean, deviation)[0] <= short + 1e-9


@given(paces, services)
def test_quantile_and_chance_are_each_others_inverse(pace, level):
    mean, deviation = one(pace), one(np.sqrt(pace) + 0.1)
    assert policy.below(policy.quantile(one(level), mean, deviation), mean, deviation)[0] == pytest.approx(level, 1e-6)
