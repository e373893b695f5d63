"""Matrix, classes, pool, rolling origins and conformal quantiles."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from plugins.inventory import classes, conformal, features, pool, rolling
from tests.inventory.frames import START, sales, units

nan = np.nan


def day(number: int) -> date:
    return START + timedelta(days=number)


def test_missing_days_are_zeros_from_the_first_sale_to_the_last_day_of_all():
    rows = pl.DataFrame(
        {"product_id": ["b", "a", "a", "c"], "date": [day(1), day(0), day(0), day(3)], "units": [2.0, 1.0, 3.0, 0.0]}
    )
    found = features.panel(rows)
    assert found.ids.to_list() == ["a", "b"], "a product without any sale is not there"
    np.testing.assert_array_equal(found.units, units([4, 0, 0, 0], [nan, 2, 0, 0]))
    assert (found.first_day, found.last_day) == (day(0), day(3))


def test_sold_out_days_get_the_demand_around_them_and_do_not_count():
    rows = pl.DataFrame(
        {
            "product_id": [1] * 6,
            "date": [day(n) for n in range(6)],
            "units": [4.0, 4.0, 0.0, 5.0, 4.0, 4.0],
            "stock_out": [False, False, True, True, False, None],
        }
    )
    found = features.panel(rows)
    assert found.known.tolist() == [[True, True, False, False, True, True]]
    np.testing.assert_allclose(found.units, [[4, 4, 4, 5, 4, 4]])


def test_prices_are_carried_on_and_plans_reach_further():
    rows = pl.DataFrame(
        {
            "product_id": [1, 1],
            "date": [day(1), day(3)],
            "units": [1.0, 1.0],
            "price": [5.0, None],
            "events": ["", "Fair"],
        }
    )
    plan = pl.DataFrame({"product_id": [1, 9], "date": [day(5), day(4)], "price": [4.0, 1.0], "promotion": [1.0, 1.0]})
    found = features.panel(rows, plan)
    assert found.price.tolist() == [[5, 5, 5, 5, 4]] and found.promotion.tolist() == [[0, 0, 0, 0, 1]]
    assert found.days == 3 and found.event.tolist() == [0, 0, 1, 0, 0]


def test_the_five_classes():
    rng = np.random.default_rng(0)
    size = 200
    sometimes = rng.random(size) < 0.3
    rows = units(
        np.full(size, 5.0),
        np.where(rng.random(size) < 0.2, 40.0, 1.0),
        np.where(sometimes, 2.0, 0.0),
        np.where(sometimes, rng.choice([1.0, 40.0], size), 0.0),
        np.where(np.arange(size) < size - 20, nan, 3.0),
    )
    assert [classes.CLASSES[each] for each in classes.classes(rows)] == [*classes.CLASSES]


def test_the_pool_knows_averages_the_week_and_short_histories():
    week = np.tile([1.0, 2, 3, 4, 5, 6, 7], 10)
    rows = units(week, np.full(70, 3.0), np.r_[np.full(68, nan), 4.0, 2.0])
    found = pool.forecast(rows, 14, ("seasonal_naive", "ma28", "tsb", "croston_sba"))
    np.testing.assert_allclose(found["seasonal_naive"][0], np.tile([1, 2, 3, 4, 5, 6, 7], 2))
    np.testing.assert_allclose(found["ma28"][:2], [[4.0] * 14, [3.0] * 14])
    assert all(np.isfinite(means).all() and (means >= 0).all() for means in found.values())
    np.testing.assert_allclose(found["ma28"][2], 3.0)


def test_origins_look_only_back_and_shrink_with_the_history():
    assert rolling.origins(1000, 28, 3) == ([916, 944, 972], 28)
    cuts, reach = rolling.origins(60, 28, 6)
    assert reach == 20 and cuts[-1] == 40 and cuts[0] >= rolling.LEAST_HISTORY


def test_the_best_method_is_chosen_for_each_class():
    rolled = rolling.Rolled(
        {"ma28": np.full((2, 40, 7), 2.0), "tsb": np.full((2, 40, 7), 1.0)},
        np.concatenate([np.full((2, 20, 7), 2.0), np.full((2, 20, 7), 1.0)], axis=1),
        np.ones((2, 40, 7), bool),
        np.tile(np.r_[np.full(20, classes.SMOOTH), np.full(20, classes.LUMPY)], (2, 1)),
        np.ones((2, 40)),
    )
    chosen = rolling.choose(rolled, ["ma28", "tsb", "tsb+global"])
    assert chosen["smooth"] == "ma28" and chosen["lumpy"] == "tsb"
    assert np.nanmax(rolling.rmsse(rolled, rolling.by_class(rolled.means, rolled.kinds, chosen))) == 0


def test_the_shops_week_is_found_and_not_made_up():
    weekly = rolling.weekly_profile(features.panel(sales(days=84)))
    assert weekly[5] > 2 * weekly[0]
    level = rolling.weekly_profile(features.panel(sales(days=84, weekend=0.5)))
    assert np.abs(level - 1).max() < 0.25


def test_quantiles_cover_as_often_as_they_say_on_later_days():
    rng = np.random.default_rng(1)
    pace = rng.uniform(0.1, 5, 300)
    truth = rng.poisson(pace[None, :, None], (5, 300, 28)).astype(float)
    means = np.broadcast_to(pace[None, :, None], truth.shape)
    kinds = np.where(pace < 1, classes.INTERMITTENT, classes.SMOOTH)[None, :].repeat(5, axis=0)
    fitted = conformal.calibrate(means[:4], truth[:4], np.ones((4, 300, 28), bool), kinds[:4])
    found = conformal.quantiles(fitted, means[4], kinds[4], np.full((300, 1), nan), 0.0)
    covered = (truth[4][:, :, None] <= found + 1e-9).mean(axis=(0, 1))
    above = conformal.LEVELS >= 0.5
    assert (covered[above] >= conformal.LEVELS[above] - 0.03).all(), covered
    mean, deviation = conformal.sums(fitted, means[4], kinds[4])
    total = truth[4].sum(axis=1)
    assert abs(mean[:, -1].sum() / total.sum() - 1) < 0.03
    assert 0.8 < np.std((total - mean[:, -1]) / deviation[:, -1]) < 1.25


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.5, 1.0]))
def test_quantiles_rise_and_are_never_negative(seed, weight):
    rng = np.random.default_rng(seed)
    means = rng.gamma(0.3, 2, (2, 12, 9))
    truth = rng.poisson(means).astype(float) * (rng.random(means.shape) < 0.5)
    kinds = rng.integers(0, 5, (2, 12))
    fitted = conformal.calibrate(means, truth, rng.random(means.shape) < 0.9, kinds)
    own = np.sort(rng.gamma(0.3, 3, (12, len(conformal.LEVELS))), axis=1)
    own[::3] = nan
    found = conformal.quantiles(fitted, means[0], kinds[0], own, weight)
    assert (found >= 0).all() and (np.diff(found, axis=2) >= 0).all() and np.isfinite(found).all()
    mean, deviation = conformal.sums(fitted, means[0], kinds[0])
    assert (mean >= 0).all() and (deviation >= 0).all() and np.isfinite(deviation).all()
