"""The mathematics: a known elasticity is found where plain regression is wrong, and doubt is said."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from commerce_ai.learning.schema import FrameError
from plugins.pricing import elasticity, features, shrinkage
from tests.pricing.frames import TRUE, sales


def estimate(frame, harmonics=1, **changes):
    panel = features.panel(frame, 52)
    controls = np.column_stack([panel.controls, features.season(panel.when, harmonics, True)])
    given = {"nuisance": "linear", "folds": 4, "own_rows": 10_000, "seed": 0, **changes}
    return panel, elasticity.estimate(panel, controls, **given)


def truth(panel):
    return np.array([TRUE[each] for each in panel.categories])


def test_known_elasticities_are_found_where_plain_regression_is_wrong():
    panel, found = estimate(sales(20, 104))
    y, t = panel.within(panel.units), panel.within(panel.price)
    plain = np.bincount(panel.product, t * y) / np.bincount(panel.product, t * t)
    assert (plain - truth(panel)).mean() < -0.5
    assert abs((found.theta - truth(panel)).mean()) < 0.2


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    inside = []
    for seed in range(3):
        panel, found = estimate(sales(20, 104, seed=seed))
        inside += list(np.abs(found.theta - truth(panel)) < 1.6449 * found.se)
    assert 0.8 <= np.mean(inside) <= 0.98


def test_a_product_with_nuisances_of_its_own_agrees_with_econml():
    from econml.dml import LinearDML

    panel, found = estimate(sales(1, 104), own_rows=50)
    y, t = panel.within(panel.units), panel.within(panel.price)
    w = np.column_stack([panel.within(c) for c in np.column_stack(
        [panel.controls, features.season(panel.when, 1, True)]).T])  # fmt: skip
    fold = elasticity.blocks(panel.period, 4)
    splits = [(np.flatnonzero(fold != each), np.flatnonzero(fold == each)) for each in range(4)]
    model = LinearDML(model_y=elasticity._model("linear", 0), model_t=elasticity._model("linear", 0), cv=splits)
    model.fit(y, t, W=w, inference=None)
    assert found.theta[0] == pytest.approx(float(np.ravel(model.const_marginal_effect())[0]), abs=1e-6)


def test_slow_sellers_answer_as_fast_ones_do():
    """Weeks without a sale hide part of the response under the logarithm; most of it is put back."""
    panel, found = estimate(sales(120, 104, level=2.0))
    assert (panel.raw_units == 0).mean() > 0.1
    for category, true in TRUE.items():
        mine = [t for t, c in zip(found.theta, panel.categories, strict=True) if c == category]
        assert np.nanmean(mine) == pytest.approx(true, rel=0.2)


def test_counts_answer_in_full_where_they_are_large_and_less_where_small():
    share = elasticity.response_of_counts(np.array([0.05, 0.3, 1.0, 3.0, 10.0, 100.0]))
    assert np.all(np.diff(share[:4]) > 0) and share[-1] == 1.0
    assert share[2] == pytest.approx(0.61, abs=0.01) and share[4] == pytest.approx(1.06, abs=0.06)


def test_a_price_that_never_moves_says_nothing():
    frame = sales(4, 60)
    frame = frame.with_columns(price=pl.when(pl.col("product_id") == 1).then(5.0).otherwise(pl.col("price")))
    _panel, found = estimate(frame)
    assert np.isnan(found.theta[0]) and np.isinf(found.se[0]) and np.isfinite(found.theta[1:]).all()


def test_neighbouring_weeks_and_all_stores_of_a_week_lie_in_one_fold():
    period = np.repeat(np.arange(32), 3)
    fold = elasticity.blocks(period, 4)
    assert fold is not None and set(fold) == {0, 1, 2, 3}
    assert all(len(set(fold[period == week])) == 1 for week in range(32))
    assert np.count_nonzero(np.diff(fold[::3])) == 7
    assert elasticity.blocks(np.arange(7), 4) is None


def test_the_surest_keep_their_own_and_the_doubtful_go_to_their_category():
    theta = np.array([-3.0, -3.2, -2.9, -1.0, -1.2, -0.9, 4.0, np.nan])
    se = np.array([0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 3.0, np.inf])
    category = ["tea"] * 3 + ["bread"] * 3 + ["tea", "bread"]
    found = shrinkage.shrink(theta, se, category, [""] * 8)
    assert np.abs(found.mean[:6] - theta[:6]).max() < 0.15
    assert -3.3 < found.mean[6] < -2.5 and -1.6 < found.mean[7] < -0.7
    assert (found.sd[:6] < se[:6] + 1e-9).all() and found.sd[6] < 1 and found.sd[7] > found.sd[0]
    assert found.spread["category"] > found.spread["brand"]


def test_one_estimate_is_drawn_to_what_is_usual():
    found = shrinkage.shrink(np.array([3.0]), np.array([2.0]), ["a"], ["b"])
    assert -2.0 < found.mean[0] < 3.0 and 0 < found.sd[0] < 2.0


@pytest.mark.parametrize(
    ("period", "words"), [(["2024-01-01", "soon"], "row 2"), ([[1], [2]], "a date or a whole number")]
)
def test_a_period_that_is_none_is_named(period, words):
    with pytest.raises(FrameError, match=words):
        features.years(pl.Series("period", period), 52)
