"""The board in the console: what it shows, whom it lets act, and what its actions do."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from commerce_ai import registry
from commerce_ai.decisions.models import Decision
from commerce_ai.learning.models import Run
from commerce_ai.shop.models import Customer, Event, Order, Shop, ShopMember
from commerce_ai.shop.revision import refresher
from plugins.recommendation.answers import Request
from plugins.recommendation.service import recommend
from tests.recommendation.conftest import COLLABORATIVE, POPULARITY
from tests.recommendation.test_service import STRANGER

BOARD = "/console/recommendation/board/"


@pytest.fixture
def person(shop: Shop, client: Client, django_user_model: Any) -> Any:
    def enter(role: str) -> Client:
        user = django_user_model.objects.create_user(role, password="x", is_staff=True)
        ShopMember.objects.create(shop=shop, user=user, role=role)
        client.force_login(user)
        return client

    return enter


def test_an_untrained_shop_is_told_the_next_step(person):
    page = person("owner").get(BOARD)
    assert page.status_code == 200
    text = page.content.decode()
    assert "Load orders and events, then train" in text and "No version was trained yet" in text


def test_versions_their_figures_and_the_baseline_are_shown(person, shop, go_live):
    first, second = go_live(shop, COLLABORATIVE, 0.25), go_live(shop, POPULARITY, 0.125)
    recommend(shop.pk, STRANGER, Request())
    page = person("analyst").get(BOARD)
    text = page.content.decode()
    for each in (first, second):
        assert str(each) in text
    chart = page.context["chart"]
    assert chart.labels == [f"v{first.pk}", f"v{second.pk}"]
    figures = {str(each.label): each.values for each in chart.series}
    assert figures["collaborative"] == [0.25, None] and figures["popularity: baseline"] == [None, 0.0625]
    cards = {str(card.title): card.value for card in page.context["cards"]}
    assert cards["Recommendations, last 24 hours"] == "1" and cards["Live recommender"] == "0.250"
    assert cards["Products known to it"].endswith("%")


def test_a_look_through_a_visitors_eyes_shows_products_and_why(person, shop, go_live):
    go_live(shop)
    client = person("analyst")
    name = Order.objects.of(shop).exclude(customer=None).order_by("-placed_at").first().customer.external_id
    page = client.get(BOARD, {"customer": name, "placement": "home"})
    text = page.content.decode()
    answer = page.context["answer"]
    assert all(item.title in text and item.reason.text for item in answer.items)
    assert name in page.context["customers"]
    anonymous = Event.objects.of(shop).order_by("-id").first().anonymous_id
    assert anonymous in page.context["visitors"]
    assert not Decision.objects.of(shop).exists()


def test_only_this_shops_customers_are_offered(person, shop, other_shop):
    Customer.objects.create(shop=other_shop, external_id="theirs")
    page = person("owner").get(BOARD, {"customer": "theirs"})
    assert page.status_code == 200 and "theirs" not in page.context["customers"]


def test_retrain_queues_each_learner_once(person, shop):
    client = person("operator")
    assert client.post(BOARD, {"action": "retrain"}).status_code == 302
    assert {POPULARITY, COLLABORATIVE} <= set(Run.objects.of(shop).values_list("learner", flat=True))
    count = Run.objects.of(shop).count()
    client.post(BOARD, {"action": "retrain"})
    assert Run.objects.of(shop).count() == count
    assert "Trainings are under way" in client.get(BOARD).content.decode()


def test_the_source_can_be_switched_and_nothing_else_changes(person, shop):
    client = person("operator")
    registry.save_settings(
        shop, "recommendation",
        {"source": "auto", "items": 7, "exclude_purchased": False, "bestsellers_only": False},
    )  # fmt: skip
    refresher.poll()
    client.post(BOARD, {"action": "source", "source": POPULARITY})
    refresher.poll()
    settings = registry.settings_for(shop.pk, "recommendation")
    assert (settings.source, settings.items, settings.exclude_purchased) == (POPULARITY, 7, False)
    client.post(BOARD, {"action": "source", "source": "nonsense"})
    refresher.poll()
    assert registry.settings_for(shop.pk, "recommendation").source == POPULARITY


def test_an_analyst_may_look_but_not_act(person, shop):
    client = person("analyst")
    assert "Retrain now" not in client.get(BOARD).content.decode()
    assert client.post(BOARD, {"action": "retrain"}).status_code == 403
    assert not Run.objects.of(shop).exists()


def test_findings_name_a_source_that_is_not_live_and_the_emergency_switch(shop):
    plugin = registry.plugin("recommendation")
    base = {"items": 10, "exclude_purchased": True}
    registry.save_settings(shop, "recommendation", {**base, "source": POPULARITY, "bestsellers_only": False})
    refresher.poll()
    assert any("no live version" in str(each.message) for each in plugin.health(shop))
    registry.save_settings(shop, "recommendation", {**base, "source": "auto", "bestsellers_only": True})
    refresher.poll()
    assert any("emergency switch" in str(each.message) for each in plugin.health(shop))


def test_many_fallbacks_are_a_finding(shop, go_live):
    recommend(shop.pk, STRANGER, Request())
    go_live(shop)
    found = registry.plugin("recommendation").health(shop)
    assert any("100 % of the last day" in str(each.message) for each in found)
