"""The two routes over HTTP: who may ask for whom, what comes back, and what a browser's key never learns."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from commerce_ai import registry
from commerce_ai.api import customer_token, keys
from commerce_ai.decisions.models import Decision
from commerce_ai.shop.models import Order, Product, Shop
from commerce_ai.shop.revision import refresher
from plugins.recommendation import api
from tests.recommendation.test_service import look_at, sellable

RECOMMENDATIONS = "/api/v1/recommendations"
SIMILAR = "/api/v1/recommendations/similar"


@pytest.fixture
def secret(shop: Shop) -> str:
    return keys.create_key(shop, "server", "secret")[1]


@pytest.fixture
def publishable(shop: Shop) -> str:
    return keys.create_key(shop, "browser", "publishable", origins=["https://shop.example"])[1]


@pytest.fixture
def get(client: Client, db: None) -> Any:
    def ask(key: str, path: str = RECOMMENDATIONS, **query: Any) -> Any:
        refresher.poll()
        return client.get(path, query, headers={"Authorization": f"Bearer {key}"})

    return ask


def bought(shop: Shop) -> tuple[str, set[str]]:
    """A customer with a long history, and what they bought."""
    orders = Order.objects.of(shop).exclude(customer=None).select_related("customer")
    names = [each.customer.external_id for each in orders]
    name = max(sorted(set(names)), key=names.count)
    lines = orders.filter(customer__external_id=name).values_list("lines__sku", flat=True)
    return name, set(lines)


def test_an_answer_has_products_a_decision_and_a_version(shop, secret, get, go_live):
    version = go_live(shop)
    name, owned = bought(shop)
    response = get(secret, customer_id=name, n=8, placement="home")
    assert response.status_code == 200
    answer = response.json()
    assert len(answer["items"]) == 8 and not answer["fallback"] and answer["fallback_reason"] == ""
    assert answer["version"] == f"recommendation.collaborative v{version.pk}"
    first = answer["items"][0]
    product = Product.objects.of(shop).get(external_id=first["product_id"])
    assert first["title"] == product.title and first["price"] == f"{product.price:.2f}"
    assert first["position"] == 1 and first["reason"]["text"]
    assert not owned & {item["product_id"] for item in answer["items"]}
    kept = Decision.objects.of(shop).get(id=UUID(answer["decision_id"]))
    assert [item["product_id"] for item in kept.payload["items"]] == [item["product_id"] for item in answer["items"]]


def test_a_publishable_key_never_answers_from_a_named_customers_history(shop, publishable, secret, get, go_live):
    go_live(shop)
    name, owned = bought(shop)
    stranger = get(publishable).json()
    named = get(publishable, customer_id=name)
    assert named.status_code == 200
    assert [item["product_id"] for item in named.json()["items"]] == [item["product_id"] for item in stranger["items"]]
    assert {item["reason"]["code"] for item in named.json()["items"]} == {"popular"}
    # Naming somebody who exists and somebody who does not looks the same.
    nobody = get(publishable, customer_id="does-not-exist").json()
    assert _without_id(nobody) == _without_id(named.json())
    known = get(secret, customer_id=name).json()
    assert [item["product_id"] for item in known["items"]] != [item["product_id"] for item in stranger["items"]]


def test_a_signed_token_makes_a_browser_speak_for_its_customer(shop, publishable, secret, get, go_live):
    go_live(shop)
    name, _owned = bought(shop)
    token = customer_token.sign(keys.signing_secret(shop), name, int(time.time()) + 60)
    by_token = get(publishable, customer_token=token).json()
    assert _without_id(by_token) == _without_id(get(secret, customer_id=name).json())
    old = customer_token.sign(keys.signing_secret(shop), name, int(time.time()) - 1)
    assert _without_id(get(publishable, customer_token=old).json()) == _without_id(get(publishable).json())


def test_a_session_speaks_only_of_what_it_saw_itself(shop, publishable, get, go_live):
    go_live(shop)
    look_at(shop, "browser-1", "P00003")
    answer = get(publishable, anonymous_id="browser-1", session_id="s-1").json()
    named = {item["reason"]["params"].get("product_id") for item in answer["items"]} - {None}
    assert named == {"P00003"}
    kept = Decision.objects.of(shop).get(id=UUID(answer["decision_id"]))
    assert (kept.anonymous_id, kept.session_id, kept.customer_id) == ("browser-1", "s-1", None)


def test_filters(shop, secret, get, go_live):
    go_live(shop)
    items = get(secret, category="Kitchen", price_min="20", price_max="60", n=100).json()["items"]
    rows = Product.objects.of(shop).filter(external_id__in=[item["product_id"] for item in items])
    assert rows.count() == len(items) > 0
    assert all(each.category.startswith("Kitchen > ") and 20 <= each.price <= 60 for each in rows)
    everything = get(secret, n=100, exclude_purchased="false").json()["items"]
    assert {item["product_id"] for item in everything} == sellable(shop)
    excluded = [item["product_id"] for item in everything[:3]]
    left = get(secret, n=100, exclude=excluded).json()["items"]
    assert {item["product_id"] for item in left} == sellable(shop) - set(excluded)


def test_the_page_of_a_product_starts_with_what_goes_with_it(shop, secret, get, go_live):
    go_live(shop)
    on_page = get(secret, placement="product", product_id="P00003", n=5).json()["items"]
    alike = get(secret, SIMILAR, product_id="P00003", n=5).json()["items"]
    assert [item["product_id"] for item in on_page] == [item["product_id"] for item in alike]
    assert on_page[0]["reason"]["code"] == "goes_with"


@pytest.mark.parametrize(
    ("path", "query", "field", "says"),
    [
        (RECOMMENDATIONS, {"placement": "nowhere"}, "placement", "home, category, product, cart, search, email"),
        (RECOMMENDATIONS, {"placement": "product"}, "product_id", "needs the product_id"),
        (RECOMMENDATIONS, {"n": "0"}, "n", ">= 1"),
        (RECOMMENDATIONS, {"n": "101"}, "n", "<= 100"),
        (RECOMMENDATIONS, {"n": "many"}, "n", "int"),
        (RECOMMENDATIONS, {"price_min": "-1"}, "price_min", ">= 0"),
        (RECOMMENDATIONS, {"price_min": "9", "price_max": "3"}, "price_min", "above price_max"),
        (RECOMMENDATIONS, {"price_min": "nan"}, "price_min", ">= 0"),
        (SIMILAR, {}, "product_id", "required"),
    ],
)
def test_errors_name_the_field(shop, secret, get, path, query, field, says):
    response = get(secret, path, **query)
    assert response.status_code == 400, response.content
    body = response.json()
    assert body["code"] == "invalid" and body["errors"][0]["field"] == field
    assert says in body["errors"][0]["message"]


def test_similar_to_a_product_of_nobody_or_of_another_shop(shop, other_shop, secret, get):
    Product.objects.create(shop=other_shop, external_id="theirs", title="T", price=1)
    answers = [get(secret, SIMILAR, product_id=name) for name in ("theirs", "nobodys")]
    assert [each.status_code for each in answers] == [404, 404]
    assert answers[0].json() == answers[1].json()


def test_off_is_not_found_and_on_again_answers(shop, secret, get):
    registry.switch(shop, "recommendation", False)
    off = get(secret)
    assert off.status_code == 404 and off.json()["code"] == "plugin_off"
    registry.switch(shop, "recommendation", True)
    assert get(secret).status_code == 200


def test_before_any_training_bestsellers_answer_and_say_so(shop, secret, get):
    answer = get(secret).json()
    assert answer["fallback"] and answer["version"] is None and answer["fallback_reason"]
    assert len(answer["items"]) == 10


def test_each_shop_answers_with_its_own_products(shop, other_shop, secret, get, go_live):
    go_live(shop)
    go_live(other_shop)
    theirs = keys.create_key(other_shop, "server", "secret")[1]
    Product.objects.of(other_shop).update(title="theirs")
    from commerce_ai.shop.revision import bump

    Product.objects.of(other_shop).filter(pk__gt=0).update(updated_at="2099-01-01T00:00Z")
    bump("catalogue", other_shop)
    assert {item["title"] for item in get(theirs, n=100).json()["items"]} == {"theirs"}
    assert "theirs" not in {item["title"] for item in get(secret, n=100).json()["items"]}


def test_a_key_without_the_scope_is_refused(shop, get):
    key = keys.create_key(shop, "browser", "publishable", ["track"])[1]
    assert get(key).status_code == 403


def test_a_browser_on_an_allowed_origin_only(shop, publishable, client, db):
    refresher.poll()
    headers = {"Authorization": f"Bearer {publishable}"}
    allowed = client.get(RECOMMENDATIONS, headers={**headers, "Origin": "https://shop.example"})
    assert allowed.status_code == 200 and allowed["Access-Control-Allow-Origin"] == "https://shop.example"
    refused = client.get(RECOMMENDATIONS, headers={**headers, "Origin": "https://evil.example"})
    assert refused.status_code == 403


def test_the_routes_say_what_they_are():
    assert api.recommendations.hot.plugin == "recommendation" and api.recommendations.hot.scope == "recommend"
    assert "placement" in api.recommendations.hot.description


def _without_id(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "decision_id"}


def test_the_routes_stand_in_the_openapi_document(client, db):
    document = client.get("/api/v1/openapi.json").json()
    route = document["paths"]["/api/v1/recommendations"]["get"]
    names = {each["name"] for each in route["parameters"]}
    assert {"placement", "customer_id", "customer_token", "anonymous_id", "category", "exclude", "n"} <= names
    assert "/api/v1/recommendations/similar" in document["paths"]
