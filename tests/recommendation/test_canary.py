"""A version in an arm: its visitors are answered by it, the rest by the live one; shipped it is live, and back again."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from commerce_ai.api.callers import Subject
from commerce_ai.decisions.experiments import lifecycle
from commerce_ai.decisions.experiments.models import Experiment
from commerce_ai.decisions.models import Decision
from commerce_ai.learning import artifacts, runs, versions
from commerce_ai.learning.models import Version
from commerce_ai.shop.revision import refresher
from plugins.recommendation.answers import Request
from plugins.recommendation.service import recommend
from tests.recommendation.conftest import POPULARITY

VISITORS = [str(each) for each in range(24)]


@pytest.fixture
def live(shop, go_live):
    return go_live(shop)


@pytest.fixture
def tried(shop, live, go_live):
    """Of another recipe than the live one, so that it did not go live by itself."""
    made = go_live(shop, neighbours=5)
    made.refresh_from_db()
    assert made.state == Version.State.CANDIDATE
    return made


def plan(shop, version, **config) -> Experiment:
    arms = [{"name": "live", "weight": 1}, {"name": "new", "weight": 1, "version": version.pk, "config": config}]
    return Experiment.objects.create(shop=shop, name="x", plugin="recommendation", arms=arms)


def run(shop, version) -> Experiment:
    made = lifecycle.start(plan(shop, version))
    refresher.poll()
    return made


def answers(shop) -> list[tuple]:
    refresher.poll()
    found = [recommend(shop.pk, Subject(anonymous_id=each), Request(n=3)) for each in VISITORS]
    return [(each, Decision.objects.of(shop).get(pk=each.decision_id)) for each in found]


def test_the_arm_is_answered_by_its_version_and_the_rest_by_the_live_one(shop, live, tried):
    run(shop, tried)
    found = answers(shop)
    assert {kept.arm for _answer, kept in found} == {"live", "new"}
    for answer, kept in found:
        assert kept.version_id == {"live": live.pk, "new": tried.pk}[kept.arm]
        assert answer.version == f"recommendation.collaborative v{kept.version_id}"
        assert (answer.fallback, kept.flags) == (False, [])


def test_warm_it_reads_nothing_more(shop, live, tried, django_assert_num_queries):
    run(shop, tried)
    answers(shop)
    with django_assert_num_queries(0):
        for each in VISITORS:
            recommend(shop.pk, Subject(anonymous_id=each), Request(n=3), keep=False)


def test_where_the_slot_takes_many_the_other_learners_go_on(shop, live, tried, go_live):
    popular = go_live(shop, POPULARITY, figure=0.9)
    run(shop, tried)
    # By its figures the other learner answers first, in both arms.
    assert {kept.version_id for _answer, kept in answers(shop)} == {popular.pk}


def test_shipped_it_is_live_and_unshipped_the_one_before_is_again(shop, live, tried):
    experiment = run(shop, tried)
    lifecycle.ship(experiment, "new")
    assert {kept.version_id for _answer, kept in answers(shop)} == {tried.pk}
    lifecycle.unship(experiment)
    assert {kept.version_id for _answer, kept in answers(shop)} == {live.pk}
    assert Version.objects.of(shop).get(state=Version.State.LIVE) == live


def test_nothing_is_taken_back_where_something_else_went_live_since(shop, live, tried, go_live):
    experiment = lifecycle.ship(run(shop, tried), "new") and Experiment.objects.of(shop).get()
    third = go_live(shop, neighbours=7)
    runs.promote(third)
    with pytest.raises(lifecycle.CannotBe, match=f"v{third.pk} is live since then"):
        lifecycle.unship(experiment)
    experiment.refresh_from_db()
    assert experiment.state == Experiment.State.SHIPPED


def test_one_that_was_live_anyway_is_not_taken_off(shop, live, tried):
    experiment = run(shop, tried)
    runs.promote(tried)
    lifecycle.ship(experiment, "new")
    lifecycle.unship(experiment)
    assert versions.live_row(shop, tried.slot, tried.learner) == tried


def test_one_that_cannot_be_loaded_leaves_the_live_one_and_says_so(shop, live, tried):
    experiment = plan(shop, tried)
    lifecycle.start(experiment)
    artifacts.let_go(tried)
    for answer, kept in answers(shop):
        assert kept.version_id == live.pk and len(answer.items) == 3
        assert kept.flags == (["fallback", "stand_in"] if kept.arm == "new" else [])
        assert ("could not be loaded" in answer.fallback_reason) == (kept.arm == "new")
    tried.refresh_from_db()
    assert "let go" in tried.load_error
    with pytest.raises(lifecycle.CannotBe, match="let go"):
        lifecycle.ship(experiment, "new")


def test_files_of_a_version_on_trial_are_kept(shop, live, tried, go_live, settings):
    settings.ARTIFACTS_KEPT = 0
    plan(shop, tried)
    other = go_live(shop, neighbours=7)
    go_live(shop, neighbours=9)
    for each in (live, tried, other):
        each.refresh_from_db()
    assert live.manifest and tried.manifest and not other.manifest


def test_what_can_be_no_arm_is_said(shop, other_shop, live, tried, go_live):
    theirs = go_live(other_shop)
    for version, config, words in (
        (theirs, {}, f"no version v{theirs.pk}"),
        (tried, {"bestsellers_only": True}, "no version answers"),
    ):
        with pytest.raises(ValidationError, match=words):
            plan(shop, version, **config).full_clean()
    elsewhere = plan(shop, tried)
    elsewhere.plugin = "advertising"
    with pytest.raises(ValidationError, match="Campaigns are chosen"):
        elsewhere.full_clean()
    artifacts.let_go(tried)
    with pytest.raises(ValidationError, match="let go"):
        plan(shop, tried).full_clean()
