"""The chosen shop: by membership, kept in the session, named by a form; roles; the shop's clock."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Group
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.console.scope import may, scope_of
from commerce_ai.models import PluginState
from commerce_ai.shop.models import Product, ShopMember
from tests.factories import (
    CampaignFactory,
    OrderFactory,
    PaymentFactory,
    ProductFactory,
    ShopFactory,
    ShopMemberFactory,
)
from tests.plugin_factories import CaseFactory


@pytest.fixture
def request_as(shop, sign_in):
    def request_as(role, **options):
        request = RequestFactory().get("/console/")
        request.user, request.session = sign_in(role, **options).user, {}
        return request

    return request_as


def chosen(client):
    return client.get(reverse("admin:index")).context["shop"]


def test_the_first_shop_by_name_until_another_is_chosen(owner, shop, other):
    attic = ShopFactory(name="Attic", slug="attic")
    ShopMemberFactory(shop=attic, user=owner.user, role="analyst")
    assert chosen(owner) == attic
    owner.post(reverse("console:shop-switch"), {"shop": shop.pk})
    assert chosen(owner) == shop


@pytest.mark.parametrize("wanted", ["", "x", "-1", "9" * 30, "other"])
def test_a_shop_of_others_cannot_be_chosen(owner, shop, other, wanted):
    owner.post(reverse("console:shop-switch"), {"shop": other.pk if wanted == "other" else wanted})
    assert chosen(owner) == shop


def test_a_membership_that_ended_ends_the_choice(owner, shop, other):
    member = ShopMemberFactory(shop=other, user=owner.user, role="owner")
    owner.post(reverse("console:shop-switch"), {"shop": other.pk})
    member.delete()
    assert chosen(owner) == shop


def test_a_form_acts_in_the_shop_it_was_opened_in(owner, shop, other):
    ShopMemberFactory(shop=other, user=owner.user, role="owner")
    page = owner.get(reverse("admin:shop_location_add")).content.decode()
    assert f'name="_shop" value="{shop.pk}"' in page
    owner.post(reverse("console:shop-switch"), {"shop": other.pk})  # meanwhile, in another tab
    sent = {
        "external_id": "W1",
        "name": "Warehouse",
        "kind": "warehouse",
        "country": "",
        "active": "on",
        "_shop": shop.pk,
    }
    assert owner.post(reverse("admin:shop_location_add"), sent).status_code == 302
    from commerce_ai.shop.models import Location

    assert Location.objects.of(shop).count() == 1 and not Location.objects.of(other).exists()


def test_a_form_cannot_name_a_shop_of_others(owner, shop, other):
    sent = {
        "external_id": "W1",
        "name": "Warehouse",
        "kind": "warehouse",
        "country": "",
        "active": "on",
        "_shop": other.pk,
    }
    owner.post(reverse("admin:shop_location_add"), sent)
    from commerce_ai.shop.models import Location

    assert not Location.objects.of(other).exists()


def test_the_same_external_id_twice_is_said_at_the_form(owner, shop):
    ProductFactory(shop=shop, external_id="P1")
    page = owner.get(reverse("admin:shop_product_add"))
    sent = {
        name: value for name, value in page.context["adminform"].form.initial.items() if isinstance(value, (str, int))
    }
    for formset in page.context["inline_admin_formsets"]:
        sent |= {f"{formset.formset.prefix}-{field}": 0 for field in ("TOTAL_FORMS", "INITIAL_FORMS")}
    sent |= {
        "external_id": "P1",
        "title": "Lamp",
        "attributes": "{}",
        "created_at_0": "2026-01-01",
        "created_at_1": "10:00",
    }
    answer = owner.post(reverse("admin:shop_product_add"), sent)
    assert answer.status_code == 200 and answer.context["adminform"].form.errors
    assert Product.objects.of(shop).count() == 1


@pytest.mark.parametrize(
    ("permission", "allowed"),
    [
        ("", {"analyst", "operator", "owner"}),
        ("analyst", {"analyst", "operator", "owner"}),
        ("operator", {"operator", "owner"}),
        ("owner", {"owner"}),
        ("fraud.view_case", {"analyst", "operator", "owner"}),
        ("fraud.change_case", {"operator", "owner"}),
        ("fraud.approve_case", {"owner"}),
    ],
)
def test_permissions_by_role(request_as, permission, allowed):
    for role in ShopMember.Role.values:
        assert may(request_as(role), permission) == (role in allowed)


def test_a_stranger_has_no_scope(request_as):
    request = request_as("owner", member=False)
    assert scope_of(request).shop is None
    assert not may(request, "") and not may(request, "analyst")


def test_instants_are_shown_on_the_shops_clock(owner, shop):
    order = OrderFactory(shop=shop, placed_at=datetime(2026, 3, 1, 20, 30, tzinfo=UTC))
    page = owner.get(reverse("admin:shop_order_changelist")).content.decode()
    assert "March 2, 2026, 5:30 a.m." in page  # Tokyo
    assert timezone.get_current_timezone_name() == "UTC"
    form = owner.get(reverse("admin:shop_order_change", args=[order.pk])).content.decode()
    assert 'value="05:30:00"' in form


def test_a_person_without_a_shop_is_told_what_to_do(sign_in):
    page = sign_in(member=False).get(reverse("admin:index"))
    assert page.status_code == 200 and "not a member of any shop" in page.content.decode()


def test_a_superuser_without_any_shop_opens_the_first(sign_in):
    someone = sign_in(superuser=True)
    assert reverse("admin:shop_shop_add") in someone.get(reverse("admin:index")).content.decode()
    sent = {"name": "First", "slug": "first", "currency": "EUR", "timezone": "Europe/Berlin", "country": "DE"}
    assert someone.post(reverse("admin:shop_shop_add"), sent).status_code == 302
    assert chosen(someone).slug == "first"


@pytest.mark.django_db
def test_a_plugins_group_makes_a_member_its_operator_and_nobody_elses(shop, sign_in):
    for slug in ("fraud", "sentiment"):
        registry.switch(shop, slug, True)
    analyst = sign_in("analyst")
    board, other = ("/console/fraud/board/", "/console/sentiment/board/")
    retrain = {"action": "retrain"}
    assert analyst.get(board).status_code == 200 and analyst.post(board, retrain).status_code == 403
    analyst.user.groups.add(Group.objects.get(name="plugin: fraud"))
    assert analyst.post(board, retrain).status_code == 302
    assert analyst.post(other, retrain).status_code == 403, "the group is of one plugin"
    campaign = CampaignFactory(shop=shop)
    assert analyst.post(reverse("admin:shop_campaign_change", args=[campaign.pk]), {}).status_code == 403
    stranger = sign_in("analyst", member=False)
    stranger.user.groups.add(Group.objects.get(name="plugin: fraud"))
    assert stranger.get(board).status_code == 403, "a group opens no shop"


@pytest.mark.django_db
def test_a_plugins_group_decides_from_the_list_as_well_as_from_the_board(shop, sign_in):
    registry.switch(shop, "fraud", True)
    case = CaseFactory(shop=shop)
    payment = PaymentFactory(shop=shop, ip="203.0.113.7")
    analyst, listed = sign_in("analyst"), reverse("admin:fraud_case_changelist")
    verdict = {"action": "clear", "_selected_action": case.pk}
    analyst.post(listed, verdict)
    case.refresh_from_db()
    assert case.state == "open"
    analyst.user.groups.add(Group.objects.get(name="plugin: fraud"))
    assert analyst.post(listed, verdict).status_code == 302
    case.refresh_from_db()
    assert case.state == "cleared" and case.decided_by == analyst.user
    page = analyst.get(reverse("admin:shop_payment_change", args=[payment.pk])).content.decode()
    assert "203.0.113.7" not in page, "what is not the plugin's own stays masked"


@pytest.mark.django_db
def test_a_plugins_group_writes_its_settings_and_nobody_elses(shop, sign_in):
    for slug in ("fraud", "recommendation"):
        registry.switch(shop, slug, True)
    analyst = sign_in("analyst")
    theirs, others = (reverse("console:plugin", args=[slug]) for slug in ("recommendation", "fraud"))
    page = analyst.get(theirs)
    sent = {name: field.initial for name, field in page.context["form"].fields.items()} | page.context["form"].initial
    sent = {name: value for name, value in sent.items() if value not in (None, False)}
    assert analyst.post(theirs, sent).status_code == 403
    analyst.user.groups.add(Group.objects.get(name="plugin: recommendation"))
    answer = analyst.post(theirs, {**sent, "bestsellers_only": "on"})
    assert answer.status_code == 302, answer.context["form"].errors
    assert PluginState.objects.get(plugin="recommendation").settings["bestsellers_only"] is True
    assert analyst.post(others, {}).status_code == 403
    on_or_off = reverse("console:plugin-switch", args=["recommendation"])
    assert analyst.post(on_or_off, {"on": "0"}).status_code == 403, "the operators' to decide"
    automatic = {"mode": "automatic"}
    assert analyst.post(reverse("console:plugin-mode", args=["pricing"]), automatic).status_code == 403
    analyst.user.groups.add(Group.objects.get(name="plugin: pricing"))
    assert analyst.post(reverse("console:plugin-mode", args=["pricing"]), automatic).status_code == 302
