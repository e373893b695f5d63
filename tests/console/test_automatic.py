"""Suggest mode becomes automatic: chosen and earned; within guard-rails, shown, undone, and taken back."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.shop.models import Product
from commerce_ai.shop.revision import refresher
from plugins.inventory import automatic as ordering
from plugins.inventory.models import ReorderProposal
from plugins.pricing import automatic as pricing
from plugins.pricing.models import PriceProposal
from tests.factories import ProductFactory, StockOutlookFactory, UserFactory
from tests.plugin_factories import PriceProposalFactory, ReorderProposalFactory

INDEX = "/console/"
EARNED_AFTER = 3


def choose(shop, slug="pricing", mode="automatic", **settings):
    registry.save_settings(shop, slug, {"mode": mode, "earned_after": EARNED_AFTER, **settings})
    refresher.poll()


@pytest.fixture
def on(shop):
    for slug in ("pricing", "inventory"):
        registry.switch(shop, slug, on=True)
    refresher.poll()


def decided(shop, state, count=1, factory=PriceProposalFactory):
    """So many that a person decided, just now."""
    user = UserFactory()
    for _ in range(count):
        factory(shop=shop, state=state, decided_by=user, decided_at=timezone.now(), expected_gain=1)


def propose(shop, percent=-4.0, gain_low=1, **product):
    made = ProductFactory(shop=shop, price=10, cost=5, **product)
    price = Decimal(10) * (1 + Decimal(str(percent)) / 100)
    return PriceProposalFactory(
        shop=shop, product=made, current_price=10, price=price, expected_gain=5, gain_low=gain_low
    )


def states(shop):
    return list(PriceProposal.objects.of(shop).filter(decided_by=None).order_by("pk").values_list("state", flat=True))


def test_it_starts_by_suggesting_and_earning_alone_does_nothing(shop, on):
    decided(shop, "approved", EARNED_AFTER)
    registry.save_settings(shop, "pricing", {"earned_after": EARNED_AFTER})
    refresher.poll()
    propose(shop)
    assert pricing.mode(shop).earned and not pricing.mode(shop).automatic
    assert not pricing.approve_due(shop).done and states(shop) == ["proposed"]


def test_choosing_alone_does_nothing_until_it_is_earned(shop, on):
    choose(shop)
    propose(shop)
    decided(shop, "approved", EARNED_AFTER - 1)
    assert not pricing.approve_due(shop).done
    decided(shop, "approved")
    assert len(pricing.approve_due(shop).done) == 1 and states(shop) == ["approved"]


def test_what_people_refuse_or_undo_takes_it_away_again(shop, on):
    choose(shop)
    decided(shop, "approved", EARNED_AFTER)
    assert pricing.mode(shop).automatic
    decided(shop, "undone")
    mode = pricing.mode(shop)
    assert mode.chosen and not mode.automatic and mode.share == pytest.approx(2 / 3)
    propose(shop)
    assert not pricing.approve_due(shop).done


def test_only_what_is_within_the_guard_rails(shop, on):
    choose(shop, automatic_step_percent=5.0)
    decided(shop, "approved", EARNED_AFTER)
    small, large, unsure, scarce, dearer = (
        propose(shop), propose(shop, percent=-8), propose(shop, gain_low=-1), propose(shop), propose(shop, percent=4),
    )  # fmt: skip
    soon = timezone.now().date() + timedelta(days=3)
    for each in (scarce, dearer):
        StockOutlookFactory(shop=shop, product=each.product, stock_out_on=soon)
    assert sorted(pricing.approve_due(shop).done) == sorted([small.pk, dearer.pk])
    assert {large.pk, unsure.pk, scarce.pk} == set(
        PriceProposal.objects.of(shop).filter(state="proposed").values_list("pk", flat=True)
    )


def test_the_days_most_is_kept_over_several_runs(shop, on):
    choose(shop, most_a_day=2)
    decided(shop, "approved", EARNED_AFTER)
    for _ in range(4):
        propose(shop)
    assert [len(pricing.approve_due(shop).done) for _ in range(3)] == [2, 0, 0]


def test_the_emergency_switch_stops_it(shop, on):
    choose(shop, catalogue_only=True)
    decided(shop, "approved", EARNED_AFTER)
    propose(shop)
    assert not pricing.approve_due(shop).done


def test_it_is_shown_as_automatic_undone_and_not_done_again(sign_in, shop, on):
    choose(shop, earned_after=1)
    decided(shop, "approved", 20)
    proposal = propose(shop)
    pricing.approve_due(shop)
    operator = sign_in("operator")
    page = operator.get(INDEX)
    shown = next(each["row"] for each in page.context["approvals"] if each["row"].automatic)
    assert shown.count == 1 and not shown.by and "acts by itself within its guard-rails" in page.content.decode()
    assert Product.objects.of(shop).get(pk=proposal.product_id).price == Decimal("9.6")
    operator.post(shown.undo, {"action": "undo-batch", "batch": shown.batch})
    assert Product.objects.of(shop).get(pk=proposal.product_id).price == 10
    decided(shop, "approved", 20)
    PriceProposalFactory(
        shop=shop, product=proposal.product, current_price=10, price="9.6", expected_gain=5, gain_low=1
    )
    assert not pricing.approve_due(shop).done, "a person said no a moment ago"


def test_a_no_by_a_program_with_a_key_is_a_persons_no(shop, on):
    choose(shop)
    refused = propose(shop)
    refused.reject(17)
    decided(shop, "approved", 20)
    PriceProposalFactory(shop=shop, product=refused.product, current_price=10, price="9.6", expected_gain=5, gain_low=1)
    assert pricing.mode(shop).automatic and not pricing.approve_due(shop).done


def test_one_click_back_to_suggesting(sign_in, shop, on):
    choose(shop, automatic_step_percent=7.0)
    decided(shop, "approved", EARNED_AFTER)
    operator = sign_in("operator")
    assert "Back to suggesting" in operator.get(INDEX).content.decode()
    operator.post("/console/plugins/pricing/mode/", {"mode": "suggest"})
    refresher.poll()
    settings = registry.settings_for(shop.pk, "pricing")
    assert settings.mode == "suggest" and settings.automatic_step_percent == 7.0
    propose(shop)
    assert not pricing.approve_due(shop).done
    titles = [row.title for row in operator.get(INDEX).context["needs"].rows]
    assert "Dynamic pricing has earned automatic mode" in titles


@pytest.mark.parametrize(("role", "slug", "mode", "status"), [
    ("analyst", "pricing", "automatic", 403), ("operator", "fraud", "automatic", 404),
    ("operator", "pricing", "boundless", 404), ("operator", "nothing", "suggest", 404),
])  # fmt: skip
def test_who_may_not_or_what_is_none_changes_nothing(sign_in, shop, on, role, slug, mode, status):
    assert sign_in(role).post(f"/console/plugins/{slug}/mode/", {"mode": mode}).status_code == status


def test_orders_up_to_a_sum_are_approved_and_dearer_ones_wait(shop, on):
    choose(shop, "inventory", automatic_most_money="40.00")
    decided(shop, "approved", EARNED_AFTER, ReorderProposalFactory)
    cheap, dear, unknown = (
        ReorderProposalFactory(shop=shop, unit_cost=cost, expected_gain=9) for cost in ("3.00", "4.00", None)
    )
    outcome = ordering.approve_due(shop)
    assert outcome.done == [cheap.pk] and not outcome.refused
    row = ReorderProposal.objects.of(shop).get(pk=cheap.pk)
    assert row.automatic and row.batch and row.purchase_line_id and row.decided_by is None
    waiting = ReorderProposal.objects.of(shop).filter(state="proposed").values_list("pk", flat=True)
    assert set(waiting) == {dear.pk, unknown.pk}
