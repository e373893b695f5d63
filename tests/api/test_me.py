"""What a key may do, what a token is worth, and what was decided."""

from __future__ import annotations

import time

from commerce_ai.api import keys
from commerce_ai.api.customer_token import sign
from commerce_ai.decisions.payload import Item, Payload
from commerce_ai.decisions.record import NewDecision, record
from commerce_ai.shop.models import Customer, Shop
from tests.api.conftest import Call


def test_a_key_is_told_its_shop_and_scopes(call: Call, shop: Shop, publishable_key: str) -> None:
    found = call("GET", "/api/v1/me", publishable_key, Origin="https://shop.example")
    assert found.json() == {
        "shop": {"slug": "north", "name": "North", "currency": "EUR", "timezone": "UTC"},
        "kind": "publishable", "scopes": ["chat", "recommend", "track"], "customer_token": "",
    }  # fmt: skip
    assert found["Access-Control-Allow-Origin"] == "https://shop.example"


def test_a_token_is_judged(call: Call, shop: Shop, publishable_key: str) -> None:
    def judged(token: str, customer_id: str = "") -> str:
        path = f"/api/v1/me?customer_token={token}&customer_id={customer_id}"
        return call("GET", path, publishable_key).json()["customer_token"]

    secret, now = keys.signing_secret(shop), int(time.time())
    assert judged(sign(secret, "nobody", now + 60)) == "valid"
    assert judged(sign(secret, "nobody", now - 60)) == "expired"
    assert judged(sign("other", "nobody", now + 60)) == "invalid"
    assert judged(sign(secret, "nobody", now + 60), "somebody") == "mismatch"


def test_a_decision_is_read_back(call: Call, shop: Shop, secret_key: str) -> None:
    customer = Customer.objects.create(shop=shop, external_id="C-1")
    made = NewDecision(
        shop_id=shop.pk, plugin="recommendation", kind="recommendations", placement="home", customer_id=customer.pk,
        payload=Payload(items=[Item("A", 1, 1, "als", 1.0)]), version_id=7, flags=("fallback",), latency_ms=1.5,
    )  # fmt: skip
    record(made)
    found = call("GET", f"/api/v1/decisions/{made.decision_id}", secret_key).json()
    assert (found["decision_id"], found["customer_id"], found["version"]) == (str(made.decision_id), "C-1", 7)
    assert found["payload"]["items"] == [
        {"product_id": "A", "id": 1, "position": 1, "source": "als", "propensity": 1.0},
    ]  # fmt: skip
    assert found["flags"] == ["fallback"] and found["made_at"].endswith("Z")
