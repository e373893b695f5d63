"""Payments are judged again in the shadow by the facts that their decisions keep: no case, no review is taken."""

from __future__ import annotations

from django.utils import timezone

from commerce_ai.decisions.experiments import shadow
from commerce_ai.decisions.experiments.shadow_models import ShadowDay
from commerce_ai.decisions.experiments.tasks import ask_in_shadow
from commerce_ai.decisions.models import Decision
from commerce_ai.learning.models import Version
from commerce_ai.shop.revision import refresher
from plugins.fraud.answers import Request
from plugins.fraud.models import Case
from plugins.fraud.service import score
from tests.fraud.conftest import pay


def test_a_payment_is_judged_again_and_nothing_is_kept(shop, go_live):
    pay(shop)
    live = go_live(shop)
    tried = go_live(shop, rounds=5)
    assert Version.objects.of(shop).get(pk=tried.pk).state == "candidate" != live.state
    refresher.poll()
    shadow.begin(tried)
    for number, amount in enumerate((5.0, 20.0, 900.0)):
        score(
            shop.pk,
            Request(payment_id=f"x{number}", amount=amount, customer_id="c1", device_id="d1", at=timezone.now()),
        )
    before = Decision.objects.of(shop).count(), Case.objects.of(shop).count()
    assert ask_in_shadow() == 3
    assert (Decision.objects.of(shop).count(), Case.objects.of(shop).count()) == before
    day = ShadowDay.objects.of(shop).get()
    assert (day.asked, day.failed, day.own, day.fallbacks) == (3, 0, 3, 0)
    assert day.same_first == day.overlap
