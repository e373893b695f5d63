"""The board in the console: what it shows, whom it lets act, and what its actions do."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from commerce_ai import registry
from commerce_ai.learning.models import Run
from commerce_ai.shop.models import PriceResponse, Product, Shop, ShopMember
from commerce_ai.shop.revision import refresher
from plugins.pricing.models import PriceProposal
from tests.factories import ShopFactory
from tests.pricing.conftest import SETTINGS

BOARD = "/console/pricing/board/"
LIST = "/console/pricing/priceproposal/"


@pytest.fixture
def person(shop: Shop, client: Client, django_user_model: Any) -> Any:
    def enter(role: str) -> Client:
        user = django_user_model.objects.create_user(role, password="x", is_staff=True)
        ShopMember.objects.create(shop=shop, user=user, role=role)
        client.force_login(user)
        return client

    return enter


def test_an_untrained_shop_is_told_the_next_step(person):
    text = person("owner").get(BOARD).content.decode()
    assert "None waits. Load orders with changing prices" in text and "Nothing was learned yet" in text


def test_proposals_are_ranked_by_their_gain_and_a_curve_is_drawn(person, shop, goods, go_live):
    go_live()
    client = person("analyst")
    page = client.get(BOARD)
    gains = [line["proposal"].expected_gain for line in page.context["lines"]]
    assert len(gains) >= 2 and gains == sorted(gains, reverse=True)
    cards = {str(card.title): card.value for card in page.context["cards"]}
    assert cards["Price proposals that wait"] == str(len(gains)) and cards["Live elasticities"] == "0.200"
    first = page.context["lines"][0]["proposal"]
    assert str(first.product) in page.content.decode() and "€" in page.context["lines"][0]["gain"]
    [series] = client.get(BOARD, {"proposal": first.pk}).context["chart"].series
    assert all(low <= value <= high for low, value, high in zip(series.low, series.values, series.high, strict=True))
    assert sum(page.context["chart"].series[0].values) == 8


def test_many_are_approved_at_once_and_those_refused_say_why(person, shop, goods, go_live):
    go_live()
    client = person("operator")
    chosen = list(PriceProposal.objects.of(shop).open().order_by("pk"))
    Product.objects.of(shop).filter(pk=chosen[0].product_id).update(price=1)
    client.post(BOARD, {"action": "approve", "chosen": [each.pk for each in chosen]})
    states = {each.pk: each.state for each in PriceProposal.objects.of(shop).filter(pk__in=[c.pk for c in chosen])}
    assert states.pop(chosen[0].pk) == "proposed" and set(states.values()) == {"approved"}
    text = client.get(BOARD).content.decode()
    assert "approved" in text and "changed since" in text
    for each in chosen[1:]:
        assert Product.objects.get(pk=each.product_id).price == each.price
    assert PriceProposal.objects.get(pk=chosen[1].pk).decided_by.username == "operator"
    client.post(BOARD, {"action": "approve"})
    assert "Choose at least one" in client.get(BOARD).content.decode()
    client.post(BOARD, {"action": "delete", "chosen": [chosen[0].pk]})
    assert PriceProposal.objects.filter(pk=chosen[0].pk).exists()


def test_the_list_decides_in_bulk_too(person, shop, goods, go_live):
    go_live()
    client = person("operator")
    ids = list(PriceProposal.objects.of(shop).open().values_list("pk", flat=True))
    assert client.get(LIST).status_code == 200
    answer = client.post(LIST, {"action": "reject_chosen", "_selected_action": ids})
    assert answer.status_code == 302
    assert set(PriceProposal.objects.of(shop).filter(pk__in=ids).values_list("state", flat=True)) == {"rejected"}


def test_an_analyst_may_look_but_not_act(person, shop, goods, go_live):
    go_live()
    client = person("analyst")
    first = PriceProposal.objects.of(shop).open().first()
    assert "Retrain now" not in client.get(BOARD).content.decode()
    assert client.post(BOARD, {"action": "approve", "chosen": [first.pk]}).status_code == 403
    assert client.post(BOARD, {"action": "retrain"}).status_code == 403
    client.post(LIST, {"action": "approve_chosen", "_selected_action": [first.pk]})
    assert PriceProposal.objects.get(pk=first.pk).state == "proposed"


def test_another_shops_proposals_are_not_there(person, shop, goods, go_live):
    go_live()
    first = PriceProposal.objects.of(shop).open().first()
    other = ShopFactory()
    PriceProposal.objects.of(shop).filter(pk=first.pk).update(shop=other)
    client = person("owner")
    client.post(BOARD, {"action": "approve", "chosen": [first.pk]})
    assert PriceProposal.objects.get(pk=first.pk).state == "proposed"
    assert first.pk not in [line["proposal"].pk for line in client.get(BOARD).context["lines"]]


def test_retrain_queues_the_learner_once(person, shop):
    client = person("operator")
    for _twice in range(2):
        client.post(BOARD, {"action": "retrain"})
    assert Run.objects.of(shop).filter(learner="pricing.elasticity").count() == 1


def test_findings_name_what_is_odd(shop, goods, go_live):
    go_live()
    plugin = registry.plugin("pricing")
    assert plugin.health(shop) == []
    Product.objects.of(shop).filter(external_id="P1").update(cost=None)
    PriceResponse.objects.of(shop).filter(product__category="tea").update(elasticity=0.5, high=1)
    words = " ".join(str(each.message) for each in plugin.health(shop))
    assert "4 of 8 products seem to sell more" in words and "1 products have no cost" in words
    registry.save_settings(shop, "pricing", {**SETTINGS, "catalogue_only": True})
    refresher.poll()
    assert "emergency switch" in str(plugin.health(shop)[0].message)
