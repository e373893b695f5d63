"""The last product events of a visitor, in Redis."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from commerce_ai.ingest import memory, visitors
from commerce_ai.ingest.visitors import Visit, VisitorEvent, recent, remember
from commerce_ai.shop.models import Event, Shop
from tests.ingest.conftest import Send

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)


def viewed(message_id: str, product: str, seconds: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "type": "track", "event": "Product Viewed", "messageId": message_id, "anonymousId": "a1",
        "timestamp": (AT + timedelta(seconds=seconds)).isoformat(), "properties": {"product_id": product}, **fields,
    }  # fmt: skip


def names(events: list[VisitorEvent]) -> list[tuple[str, int]]:
    return [(event.name, event.product_id) for event in events]


def test_what_was_stored_is_remembered_newest_first(
    shop: Shop, products: dict[str, int], publishable_key: str, send: Send
) -> None:
    batch = [
        viewed("1", "p1", 2),
        viewed("2", "p2", 1, event="Product Added"),
        viewed("3", "unknown", 3),
        {"type": "page", "anonymousId": "a1", "messageId": "4"},
        viewed("5", "p3", anonymousId="a2"),
    ]
    assert send("batch", {"batch": batch}, publishable_key).json()["stored"] == 5
    found = recent(shop.pk, anonymous_id="a1")
    assert names(found) == [("Product Viewed", products["p1"]), ("Product Added", products["p2"])]
    assert found[0].at == AT + timedelta(seconds=2)
    assert names(recent(shop.pk, anonymous_id="a2")) == [("Product Viewed", products["p3"])]
    assert recent(shop.pk, anonymous_id="a3") == recent(shop.pk) == []


def test_a_resend_changes_nothing(shop: Shop, products: dict[str, int], publishable_key: str, send: Send) -> None:
    send("track", viewed("1", "p1"), publishable_key)
    send("track", viewed("1", "p1", 60), publishable_key)
    assert len(recent(shop.pk, anonymous_id="a1")) == 1


def test_the_last_fifty_stay(shop: Shop, products: dict[str, int], publishable_key: str, send: Send) -> None:
    for start in (30, 0, 60):  # an older batch may come later
        send("batch", {"batch": [viewed(str(n), "p1", n) for n in range(start, start + 30)]}, publishable_key)
    found = recent(shop.pk, anonymous_id="a1")
    assert [event.at for event in found] == [AT + timedelta(seconds=n) for n in range(89, 39, -1)]
    key = visitors._key(shop.pk, "a", "a1")
    assert 0 < memory.client().ttl(key) <= visitors.LIVES_S


def test_a_customer_is_known_only_where_proven(
    shop: Shop, products: dict[str, int], publishable_key: str, secret_key: str, send: Send
) -> None:
    send("track", viewed("1", "p1", userId="c1"), publishable_key)
    assert recent(shop.pk, customer_external_id="c1") == []
    send("track", viewed("2", "p2", userId="c1"), secret_key)
    assert names(recent(shop.pk, customer_external_id="c1")) == [("Product Viewed", products["p2"])]
    both = recent(shop.pk, customer_external_id="c1", anonymous_id="a1")
    assert {event.product_id for event in both} == {products["p1"], products["p2"]}
    assert len(both) == 2


@pytest.mark.parametrize("tie", [{"type": "identify"}, {"type": "alias", "previousId": "a1"}])
def test_a_proven_tie_brings_the_visit_along(
    shop: Shop, products: dict[str, int], publishable_key: str, secret_key: str, send: Send, tie: dict[str, Any]
) -> None:
    send("track", viewed("1", "p1"), publishable_key)
    said = {"userId": "c1", "anonymousId": "a1", **tie}
    send("batch", {"batch": [said]}, publishable_key)
    assert recent(shop.pk, customer_external_id="c1") == []
    for _ in range(2):
        send("batch", {"batch": [said]}, secret_key)
        assert names(recent(shop.pk, customer_external_id="c1")) == [("Product Viewed", products["p1"])]


def test_an_order_is_remembered_by_its_products(
    shop: Shop, products: dict[str, int], secret_key: str, send: Send
) -> None:
    lines = [{"product_id": "p1", "price": 1}, {"sku": "p3", "price": 1}, {"product_id": "unknown"}, "none"]
    bought = {"event": "Order Completed", "userId": "c1", "properties": {"order_id": "o1", "products": lines}}
    send("track", bought, secret_key)
    found = {event.product_id for event in recent(shop.pk, customer_external_id="c1")}
    assert found == {products["p1"], products["p3"]}


def test_shops_do_not_see_each_others_visitors(shop: Shop, other_shop: Shop) -> None:
    remember(shop.pk, [Visit("Product Viewed", 1, AT, anonymous_id="a1")])
    assert recent(other_shop.pk, anonymous_id="a1") == []


def test_a_forgotten_visitor_is_gone(shop: Shop) -> None:
    remember(shop.pk, [Visit("Product Viewed", 1, AT, customer_external_id="c1", anonymous_id="a1")])
    visitors.forget(shop.pk, customer_external_id="c1", anonymous_id="a1")
    assert recent(shop.pk, customer_external_id="c1", anonymous_id="a1") == []


def test_without_redis_events_are_stored_all_the_same(
    shop: Shop, products: dict[str, int], secret_key: str, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = redis.Redis(unix_socket_path="/nowhere.sock", socket_timeout=0.1)
    monkeypatch.setattr(memory, "client", lambda: nobody)
    monkeypatch.setattr(memory, "_away", memory._Away())
    answer = send("batch", json.dumps({"batch": [viewed("1", "p1")]}), secret_key)
    assert answer.json()["stored"] == 1
    assert Event.objects.of(shop).count() == 1
    assert recent(shop.pk, anonymous_id="a1") == []
    assert not remember(shop.pk, [Visit("Product Viewed", 1, AT, anonymous_id="a1")])
