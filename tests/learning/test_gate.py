"""The gate: first versions, new recipes, refreshes; the words it gives; and many nights in a row."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commerce_ai.learning.gate import MIN_UNITS, judge
from commerce_ai.learning.learner import Evaluation, Metric

NDCG = Metric("ndcg@20", "max", "popularity")
LOSS = Metric("log_loss", "min", "the base rate")
UNITS = 200


def evaluation(values, baseline=0.0, metric=NDCG) -> Evaluation:
    values = np.asarray(values, float)
    bar = np.broadcast_to(np.asarray(baseline, float), values.shape)
    units = range(len(values))
    return Evaluation(
        {metric.name: float(values.mean()) if len(values) else 0.0},
        {metric.name: float(bar.mean()) if len(values) else 0.0},
        pl.DataFrame({"unit": units, "value": values}, schema={"unit": pl.Int64, "value": pl.Float64}),
        pl.DataFrame({"unit": units, "value": bar}, schema={"unit": pl.Int64, "value": pl.Float64}),
    )


@pytest.fixture
def random():
    return np.random.default_rng(0)


def test_the_first_version_needs_to_be_no_worse_than_its_baseline(random):
    scores = random.random(UNITS)
    assert judge(NDCG, evaluation(scores, scores - 0.01)).live
    assert judge(NDCG, evaluation(scores, scores)).live
    refused = judge(NDCG, evaluation(scores, scores + 0.001))
    assert not refused.live
    assert "worse than popularity" in refused.reason


def test_direction_is_the_metrics(random):
    losses = random.random(UNITS)
    assert judge(LOSS, evaluation(losses, losses + 0.1, LOSS)).live
    assert not judge(LOSS, evaluation(losses, losses - 0.1, LOSS)).live
    live = evaluation(losses + 0.1, 2, LOSS)
    assert judge(LOSS, evaluation(losses, 2, LOSS), live=live).live
    assert not judge(LOSS, live, live=evaluation(losses, 2, LOSS)).live


def test_a_new_recipe_has_to_win(random):
    live = random.random(UNITS)
    clear = judge(NDCG, evaluation(live + random.normal(0.05, 0.1, UNITS)), live=evaluation(live))
    assert clear.live and clear.win_share >= 0.9 and clear.against == "live"
    assert clear.interval[0] <= clear.difference <= clear.interval[1]
    worse = judge(NDCG, evaluation(live - 0.05), live=evaluation(live))
    assert not worse.live and worse.win_share == 0


def test_an_equal_recipe_is_no_winner(random):
    live = random.random(UNITS)
    verdict = judge(NDCG, evaluation(live), live=evaluation(live))
    assert not verdict.live
    assert (verdict.win_share, verdict.difference) == (0, 0)


def test_a_new_recipe_that_wins_must_still_beat_the_baseline(random):
    live = random.random(UNITS)
    verdict = judge(NDCG, evaluation(live + 0.1, live + 0.5), live=evaluation(live, live + 0.5))
    assert not verdict.live and "popularity" in verdict.reason


def test_a_win_on_a_handful_of_units_is_luck():
    few = MIN_UNITS - 1
    verdict = judge(NDCG, evaluation(np.full(few, 0.9)), live=evaluation(np.full(few, 0.1)))
    assert not verdict.live and f"{few} test units" in verdict.reason
    assert judge(NDCG, evaluation(np.full(MIN_UNITS, 0.9)), live=evaluation(np.full(MIN_UNITS, 0.1))).live


def test_a_refresh_is_held_against_its_last_score(random):
    scores = random.random(2000) * 0.1 + 0.5
    fresh = evaluation(scores, 0.1)
    assert judge(NDCG, fresh, refresh=True).live
    assert judge(NDCG, fresh, refresh=True, last_score=scores.mean() * 1.04).live
    fell = judge(NDCG, fresh, refresh=True, last_score=scores.mean() * 1.2)
    assert not fell.live and "last score" in fell.reason


def test_the_tolerance_widens_where_few_units_make_the_figure_jump(random):
    noisy = random.random(20)
    assert judge(NDCG, evaluation(noisy), refresh=True, last_score=noisy.mean() * 1.15).live
    steady = np.tile([0.49, 0.51], 10)
    assert not judge(NDCG, evaluation(steady), refresh=True, last_score=0.5 * 1.15).live


def test_a_refresh_shown_to_be_worse_than_the_baseline_is_refused_whatever_it_was(random):
    scores = random.random(UNITS)
    assert not judge(NDCG, evaluation(scores, scores + 0.05), refresh=True, last_score=0.0).live


def test_a_refresh_below_the_baseline_by_chance_stays(random):
    scores = random.random(UNITS)
    noise = random.normal(0, 0.3, UNITS)
    assert judge(NDCG, evaluation(scores, scores + noise - noise.mean() + 0.001), refresh=True).live


def test_nothing_to_judge_on_and_figures_that_do_not_exist():
    nothing = judge(NDCG, evaluation([]))
    assert not nothing.live and "nothing to judge" in nothing.reason
    absent = Metric("auc", "max", "chance", lambda rows: float("nan"))
    assert not judge(absent, evaluation([0.1, 0.2] * 10)).live


def test_the_reason_tells_the_figures(random):
    live = random.random(UNITS)
    reason = judge(NDCG, evaluation(live + 0.05), live=evaluation(live)).reason
    assert f"{live.mean() + 0.05:.4g}" in reason and f"{live.mean():.4g}" in reason
    assert "100%" in reason and "90%" in reason and f"{UNITS} units" in reason
    assert "%%" not in reason and "%(" not in reason


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_a_verdict_agrees_with_its_figures(seed, units):
    random = np.random.default_rng(seed)
    live, mine = random.random(units), random.random(units)
    verdict = judge(NDCG, evaluation(mine), live=evaluation(live), resamples=100)
    assert verdict.difference == pytest.approx(mine.mean() - live.mean())
    if verdict.live:
        assert verdict.win_share >= 0.9 and units >= MIN_UNITS
    assert judge(NDCG, evaluation(mine), live=evaluation(live), resamples=100) == verdict  # nothing is left to chance


def test_thirty_nights_of_an_unchanged_recipe_on_an_unchanging_shop_all_go_live(random):
    scores, last = random.beta(1, 6, 400), None
    for _ in range(30):
        # The same rows, the same recipe; a fit in parallel may still differ in the last digits.
        tonight = evaluation(scores + random.normal(0, 1e-4, 400), scores - 0.01)
        verdict = judge(NDCG, tonight, refresh=True, last_score=last)
        assert verdict.live, verdict.reason
        last = tonight.metrics[NDCG.name]


def test_thirty_nights_of_changing_customers_go_live_too(random):
    last = None
    for _ in range(30):
        scores = random.beta(1, 6, 300)
        tonight = evaluation(scores, scores - random.normal(0.01, 0.05, 300))
        verdict = judge(NDCG, tonight, refresh=True, last_score=last)
        assert verdict.live, verdict.reason
        last = tonight.metrics[NDCG.name]


@pytest.mark.parametrize("seed", range(10))
def test_thirty_reseeded_recipes_of_equal_worth_hardly_ever_replace_each_other(seed):
    """Another seed is another recipe: each has to win against the live one, on the same rows."""
    random = np.random.default_rng(seed)
    truth = random.beta(1, 6, 400)

    def reseeded():
        # A seed moves single customers a lot and all of them together a little.
        return truth + random.normal(0, 0.002) + random.normal(0, 0.05, 400)

    live, switches = reseeded(), 0
    for _ in range(30):
        candidate = reseeded()
        if judge(NDCG, evaluation(candidate, -1), live=evaluation(live, -1)).live:
            live, switches = candidate, switches + 1
    assert switches <= 7
