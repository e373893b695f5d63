"""Two shops' keys see nothing of each other, on every route there is; no scope opens more than it says."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core import serializers
from django.db import connection

from commerce_ai import registry
from commerce_ai.api import keys
from commerce_ai.api.errors import unknown_route
from commerce_ai.api.hot_schema import views
from commerce_ai.api.rest import ShopView
from commerce_ai.api.schema import document
from commerce_ai.api.scopes import PUBLISHABLE, SCOPES
from commerce_ai.decisions.models import Experiment
from commerce_ai.decisions.payload import Payload
from commerce_ai.decisions.record import NewDecision, record
from commerce_ai.privacy import requests
from commerce_ai.shop.models import (
    Article,
    Conversation,
    Customer,
    EventKey,
    Location,
    Message,
    Order,
    OrderLine,
    Product,
    Revision,
    Shop,
    StockLevel,
)
from commerce_ai.shop.revision import refresher
from commerce_ai.testing import address_of_nothing
from tests.api.conftest import Call
from tests.plugin_factories import AudienceFactory, CaseFactory, ReorderProposalFactory, SentimentAlertFactory

MARK = "ONLY-SOUTH-KNOWS"
OPEN = ("openapi", "docs", "unknown_route")  # the document, its page, and what is no route
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def south(other_shop: Shop) -> dict[str, str]:
    """The other shop, with one of everything; the ids that stand for it in addresses."""
    product = Product.objects.create(shop=other_shop, external_id="s-product", title=MARK, price=7, category=MARK)
    customer = Customer.objects.create(
        shop=other_shop, external_id="s-customer", email=f"{MARK}@example.org", name=MARK
    )
    order = Order.objects.create(
        shop=other_shop, external_id="s-order", number=MARK, customer=customer, currency="EUR", total=7,
        placed_at=datetime.now(UTC), coupon=MARK,
    )  # fmt: skip
    OrderLine.objects.create(shop=other_shop, order=order, position=1, product=product, quantity=1, unit_price=7)
    place = Location.objects.create(shop=other_shop, external_id="s-place", name=MARK)
    StockLevel.objects.create(shop=other_shop, product=product, location=place, on_hand=7)
    decision = NewDecision(
        shop_id=other_shop.pk, plugin="recommendation", kind="recommendations", customer_id=customer.pk,
        payload=Payload(context={"secret": MARK}), reasons=[MARK],
    )  # fmt: skip
    assert record(decision).stored
    for plugin in registry.plugins():
        registry.switch(other_shop, plugin.slug, True)
    asked = requests.ask(other_shop, "export", "s-customer")
    Article.objects.create(shop=other_shop, external_id="s-article", title=MARK, body=MARK)
    talk = Conversation.objects.create(shop=other_shop, external_id="s-talk", customer=customer)
    Message.objects.create(shop=other_shop, external_id="s-message", conversation=talk, role="customer", text=MARK)
    return {"product_id": "s-product", "customer_id": "s-customer", "decision_id": str(decision.decision_id),
            "request_id": str(asked.pk), "conversation_id": "s-talk", "articles": "s-article", **kept(other_shop, product),
            "products": "s-product", "customers": "s-customer", "orders": "s-order"}  # fmt: skip


def kept(shop: Shop, product: Product) -> dict[str, str]:
    """What plugins have in numbered routes: an audience, a case, a proposal, an alert."""
    rows = {
        "audience_id": AudienceFactory(shop=shop, name=MARK),
        "case_id": CaseFactory(shop=shop, payment_external_id=MARK),
        "alert_id": SentimentAlertFactory(shop=shop, product=product),
        "number": ReorderProposalFactory(shop=shop, product=product),
        "experiment_id": Experiment.objects.create(shop=shop, name=MARK, arms=[{"name": MARK}, {"name": "B"}]),
    }
    return {name: str(row.pk) for name, row in rows.items()}


@pytest.fixture
def north(shop: Shop) -> dict[str, str]:
    """Every kind of key of our shop, where every plugin is on."""
    for plugin in registry.plugins():
        registry.switch(shop, plugin.slug, True)
    Product.objects.create(shop=shop, external_id="n-product", title="Ours", price=1)
    return {
        "secret": keys.create_key(shop, "s", "secret")[1],
        "publishable": keys.create_key(shop, "p", "publishable")[1],
    }


def addresses(south: dict[str, str]) -> Iterator[tuple[str, str, Any]]:
    """Every path with the other shop's ids in it, the methods it has, and its view."""
    for path, view in views():
        if getattr(view, "__name__", "") in OPEN:
            continue
        kind = path.split("/")[3] if path.startswith("/api/v1/") else ""

        def fill(found: re.Match[str], kind: str = kind) -> str:
            return south.get(found[1]) or south.get(kind) or "s-product"

        yield path, re.sub(r"{(\w+)}", fill, path), view


def query_of(view: Any, south: dict[str, str]) -> str:
    """The other shop's ids in every parameter that a route takes."""
    route = getattr(view, "hot", None)
    names = list(route.query.__struct_fields__) if route and route.query else ["cursor", "limit"]
    known = {**south, "exclude": "x", "anonymous_id": "s-visitor", "session_id": "s-visit", "placement": "product",
             "n": "5", "limit": "100", "category": MARK, "q": MARK, "query": MARK}  # fmt: skip
    return "&".join(f"{name}={known[name]}" for name in names if name in known)


def everything_of(shop: Shop) -> str:
    """All rows of a shop, in every table that has shops."""
    found = []
    tables = set(connection.introspection.table_names())
    for model in apps.get_models():
        of_shops = any(field.name == "shop" for field in model._meta.fields) and model is not Revision
        if of_shops and model._meta.db_table in tables and model is not EventKey:  # which has no key to serialize
            found += list(model._default_manager.filter(shop=shop).order_by("pk"))
    return serializers.serialize("json", found)


def test_every_route_is_one_that_asks_for_a_key(db: None, south: dict[str, str]) -> None:
    for path, _address, view in addresses(south):
        if not hasattr(view, "hot"):
            assert issubclass(view.cls, ShopView), path
    assert unknown_route.__name__ in OPEN


@pytest.mark.parametrize("kind", ["secret", "publishable"])
def test_reading_every_route_shows_nothing_of_the_other_shop(
    call: Call, north: dict[str, str], south: dict[str, str], kind: str
) -> None:
    walked = 0
    for path, address, view in addresses(south):
        response = call("GET", f"{address}?{query_of(view, south)}", north[kind])
        text = response.content.decode()
        assert response.status_code < 500, (path, text)
        assert MARK not in text, (path, text)
        if response.status_code != 404:  # which may say of an id that there is none
            assert "s-product" not in text and "s-customer" not in text, (path, text)
        if "{" in path:
            assert response.status_code in (403, 404, 405), (path, response.status_code)
        walked += 1
    assert walked > 30


def test_writing_every_route_leaves_the_other_shop_as_it_was(
    call: Call, north: dict[str, str], south: dict[str, str], other_shop: Shop
) -> None:
    before = everything_of(other_shop)
    bodies: dict[str, Any] = {
        "products": {"external_id": "s-product", "title": "taken"},
        "customers": {"external_id": "s-customer", "name": "taken"},
        "orders": {"external_id": "s-order", "customer_id": "s-customer", "total": 1,
                   "placed_at": "2026-01-01T00:00:00Z",
                   "lines": [{"product_id": "s-product", "quantity": 1, "unit_price": 1}]},
        "stock": {"product_id": "s-product", "location_id": "s-place", "on_hand": 99},
        "prices": {"product_id": "s-product", "price": 99},
    }  # fmt: skip
    event = {"type": "track", "event": "Product Viewed", "userId": "s-customer", "messageId": "m", "anonymousId": "v",
             "properties": {"product_id": "s-product"}}  # fmt: skip
    for path, address, view in addresses(south):
        kind = path.split("/")[3] if path.startswith("/api/v1/") else ""
        body = bodies.get(kind, {"batch": [event], **event, **south})
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            for sent in (body, {"rows": [body]}):
                response = call(method, f"{address}?atomic=false&{query_of(view, south)}", north["secret"], sent)
                assert response.status_code < 500, (method, path, response.content)
                assert MARK not in response.content.decode(), (method, path)
    assert everything_of(other_shop) == before


def test_every_operation_needs_exactly_its_scope(call: Call, shop: Shop, south: dict[str, str]) -> None:
    """A key with every scope but the one is refused; a key with only that one is not."""
    made = {}
    for scope in SCOPES:
        made[scope] = (
            keys.create_key(shop, scope, "secret", [scope])[1],
            keys.create_key(shop, f"all but {scope}", "secret", set(SCOPES) - {scope})[1],
        )
    for plugin in registry.plugins():
        registry.switch(shop, plugin.slug, True)
    refresher.poll()
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            scope = operation["description"].rpartition("Scope: `")[2].rstrip("`")
            if scope not in SCOPES:
                assert operation["operationId"] == "me_get"
                continue
            address = address_of_nothing(path)
            only, without = made[scope]
            refused = call(method.upper(), address, without, {"batch": []})
            assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope"), (method, path)
            assert call(method.upper(), address, only, {"batch": []}).status_code not in (401, 403), (method, path)


def test_a_publishable_key_opens_no_more_than_its_three_scopes(
    call: Call, north: dict[str, str], south: dict[str, str]
) -> None:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            scope = operation["description"].rpartition("Scope: `")[2].rstrip("`")
            if scope in SCOPES and scope not in PUBLISHABLE:
                assert call(method.upper(), address_of_nothing(path), north["publishable"], {}).status_code == 403, (
                    method,
                    path,
                )


def test_a_thousand_customer_ids_yield_nothing_personal(
    call: Call, shop: Shop, north: dict[str, str], south: dict[str, str]
) -> None:
    """Whoever tries ids with a publishable key can't tell a customer from nobody, on any hot route."""
    Customer.objects.bulk_create(
        Customer(shop=shop, external_id=f"C-{n}", name=f"Person {n}", email=f"{n}@example.org")
        for n in range(0, 1000, 2)
    )
    routes = [path for path, _address, view in addresses(south)
              if hasattr(view, "hot") and "GET" in view.hot.methods and "customer_id" in _fields(view)]  # fmt: skip
    assert "/api/v1/recommendations" in routes
    for path in routes:
        seen = set()
        for n in range(1000):
            address = f"{path}?customer_id=C-{n}&product_id=n-product"
            body = json.loads(call("GET", address, north["publishable"]).content)
            body.pop("decision_id", None)
            seen.add(json.dumps(body))
        assert len(seen) == 1, path
        assert "Person" not in seen.pop()


def _fields(view: Any) -> tuple[str, ...]:
    return view.hot.query.__struct_fields__ if view.hot.query else ()


# Manager calls that can't begin with .of(shop), and why.
ACROSS_SHOPS = {
    "commerce_ai/api/keys.py": 2,  # which shop a request is about is what its key is looked up for
    "commerce_ai/api/tasks.py": 2,  # housekeeping of the whole install
}


def test_every_query_in_api_and_plugins_begins_with_the_shop() -> None:
    files = [*(ROOT / "commerce_ai" / "api").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]
    shops_own = {"Shop"}  # not a row of a shop
    for file in files:
        name = str(file.relative_to(ROOT))
        if "/migrations/" in name:
            continue
        found = [line for line, owner in unbounded_queries(file.read_text()) if owner not in shops_own]
        assert len(found) == ACROSS_SHOPS.get(name, 0), f"{name}: .objects. without .of(shop) in lines {found}"


def unbounded_queries(source: str) -> Iterator[tuple[int, str]]:
    """Lines with ``X.objects.something`` where something is not ``of``, and X."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr in (
            "objects", "_default_manager", "_base_manager",
        ) and node.attr != "of":  # fmt: skip
            yield node.lineno, ast.unparse(node.value.value)
