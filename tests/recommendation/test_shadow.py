"""A version in the shadow is asked what visitors asked, beside the live one; it answers nobody, and nothing is kept."""

from __future__ import annotations

import pytest

from commerce_ai.api.callers import Subject
from commerce_ai.decisions.experiments import shadow
from commerce_ai.decisions.experiments.shadow_models import Shadow, ShadowDay
from commerce_ai.decisions.experiments.tasks import ask_in_shadow
from commerce_ai.decisions.models import Decision
from commerce_ai.learning import artifacts, runs
from commerce_ai.shop.models import Customer, Product
from plugins.recommendation.answers import Request
from plugins.recommendation.service import recommend, similar


@pytest.fixture
def live(shop, go_live):
    return go_live(shop)


@pytest.fixture
def tried(shop, live, go_live):
    return go_live(shop, neighbours=5)


def visit(shop, count: int = 6) -> None:
    known = Customer.objects.of(shop).first().external_id
    recommend(shop.pk, Subject(customer_external_id=known, proven=True), Request(placement="cart", n=4))
    product = Product.objects.of(shop).filter(active=True).first().external_id
    similar(shop.pk, Subject(anonymous_id="a"), product, Request(n=3))
    for each in range(count - 2):
        recommend(shop.pk, Subject(anonymous_id=f"a{each}"), Request(n=3))


def day_of(shop) -> ShadowDay:
    return ShadowDay.objects.of(shop).get()


def test_what_visitors_asked_is_asked_again_and_only_counted(shop, live, tried):
    visit(shop)  # before it: of these nothing is asked
    trial = shadow.begin(tried)
    assert "nothing yet" in shadow.in_words(trial)[0]
    assert ask_in_shadow() == 0
    visit(shop)
    kept = Decision.objects.of(shop).count()
    assert ask_in_shadow() == 6
    assert Decision.objects.of(shop).count() == kept
    day = day_of(shop)
    assert (day.asked, day.failed, day.fallbacks, day.live_fallbacks) == (6, 0, 0, 0)
    assert 1 <= day.same_first <= 6 and 0 < day.overlap <= 6 and day.own == 6
    assert day.ms > 0 and day.live_ms > 0
    words = " ".join(shadow.in_words(trial))
    assert "Answered 6 requests beside the live version: none failed" in words and "ms against" in words


def test_no_request_is_counted_twice(shop, live, tried):
    trial = shadow.begin(tried)
    visit(shop)
    late = Shadow.objects.of(shop).select_related("version", "shop").get()  # another worker, which began as well
    assert (ask_in_shadow(), ask_in_shadow(), shadow.look(late)) == (6, 0, 0)
    assert day_of(shop).asked == 6
    visit(shop, 5)
    trial.refresh_from_db()
    assert shadow.look(trial, most=2) == 2  # the latest; the rest is let be
    assert (ask_in_shadow(), day_of(shop).asked) == (0, 8)


def test_a_version_that_breaks_is_counted_with_its_words_and_visitors_never_notice(shop, live, tried, monkeypatch):
    from plugins.recommendation import learner

    load = learner.CollaborativeLearner.load

    def broken(self, folder):
        scorer = load(self, folder)
        monkeypatch.setattr(scorer, "candidates", lambda *args, **more: 1 / 0)
        return scorer

    trial = shadow.begin(tried)
    visit(shop)
    monkeypatch.setattr(learner.CollaborativeLearner, "load", broken)
    ask_in_shadow()
    assert day_of(shop).failed >= 5
    trial.refresh_from_db()
    assert "ZeroDivisionError" in trial.error and "ZeroDivisionError" in " ".join(shadow.in_words(trial))


def test_it_ends_by_hand_and_by_going_live(shop, live, tried):
    shadow.begin(tried)
    shadow.end(tried)
    visit(shop)
    assert ask_in_shadow() == 0
    shadow.begin(tried)
    runs.promote(tried)
    assert ask_in_shadow() == 0
    assert not Shadow.objects.of(shop).filter(until=None).exists()


def test_its_files_are_kept_and_what_has_none_cannot_begin(shop, live, tried, go_live, settings):
    settings.ARTIFACTS_KEPT = 0
    shadow.begin(tried)
    go_live(shop, neighbours=7)
    tried.refresh_from_db()
    assert tried.manifest
    artifacts.let_go(tried)
    with pytest.raises(ValueError, match="shadow"):
        shadow.begin(tried)
