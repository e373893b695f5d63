"""Stock and prices: small frequent writes that must act at once."""

from __future__ import annotations

from decimal import Decimal

import pytest

from commerce_ai.shop.catalogue import catalogue_of
from commerce_ai.shop.models import Location, PriceChange, Product, Shop, StockLevel
from commerce_ai.shop.revision import refresher
from tests.api.conftest import Call


@pytest.fixture(autouse=True)
def products(shop: Shop, other_shop: Shop) -> None:
    for name in ("A", "B"):
        Product.objects.create(shop=shop, external_id=name, title=name, price=10)
    Product.objects.create(shop=other_shop, external_id="THEIRS", title="x", price=10)


def test_a_product_is_tracked_once_it_has_a_level(call: Call, shop: Shop, secret_key: str) -> None:
    assert call("GET", "/api/v1/stock/A", secret_key).json() == {"product_id": "A", "available": None, "levels": []}
    made = call("PUT", "/api/v1/stock/A", secret_key, {"on_hand": 5})
    assert (made.status_code, made.json()["available"]) == (201, 5)
    call("PUT", "/api/v1/stock/A", secret_key, {"location_id": "Berlin", "on_hand": 2.5, "reserved": 1})
    found = call("GET", "/api/v1/stock/A", secret_key).json()
    assert found["available"] == 6.5
    assert [(each["location_id"], each["on_hand"], each["reserved"]) for each in found["levels"]] == [
        ("main", 5, 0), ("Berlin", 2.5, 1),
    ]  # fmt: skip
    assert len(call("GET", "/api/v1/stock", secret_key).json()["results"]) == 2
    assert call("DELETE", "/api/v1/stock/A?location_id=Berlin", secret_key).status_code == 204
    assert StockLevel.objects.of(shop).count() == 1
    call("DELETE", "/api/v1/stock/A", secret_key)
    assert call("GET", "/api/v1/stock/A", secret_key).json()["available"] is None


def test_stock_in_bulk(call: Call, shop: Shop, secret_key: str) -> None:
    rows = [{"product_id": "A", "on_hand": 1}, {"product_id": "A", "location_id": "x", "on_hand": 2},
            {"product_id": "B", "on_hand": 0}, {"product_id": "THEIRS", "on_hand": 1},
            {"product_id": "B", "on_hand": 1}]  # fmt: skip
    refused = call("POST", "/api/v1/stock/bulk", secret_key, {"rows": rows})
    assert [each["field"] for each in refused.json()["errors"]] == ["rows.4.product_id"]
    refused = call("POST", "/api/v1/stock/bulk", secret_key, {"rows": rows[:4]})
    assert [each["field"] for each in refused.json()["errors"]] == ["rows.3.product_id"]
    assert not StockLevel.objects.of(shop).exists() and not Location.objects.of(shop).exists()
    partly = call("POST", "/api/v1/stock/bulk?atomic=false", secret_key, {"rows": rows}).json()
    assert [each["status"] for each in partly["results"]] == ["created", "created", "created", "failed", "failed"]
    again = call("POST", "/api/v1/stock/bulk", secret_key, {"rows": [{"product_id": "A", "reserved": 1}]}).json()
    assert again["updated"] == 1
    assert call("GET", "/api/v1/stock/A", secret_key).json()["available"] == 2
    assert call("PUT", "/api/v1/stock/THEIRS", secret_key, {"on_hand": 1}).status_code == 404
    assert call("PUT", "/api/v1/stock/A", secret_key, {"reserved": 1}).status_code == 400


def test_a_sold_out_product_is_seen_after_one_poll(call: Call, shop: Shop, secret_key: str) -> None:
    assert catalogue_of(shop.pk).sellable.tolist() == [True, True]
    call("PUT", "/api/v1/stock/B", secret_key, {"on_hand": 0})
    refresher.poll()
    assert catalogue_of(shop.pk).sellable.tolist() == [True, False]
    call("DELETE", "/api/v1/stock/B", secret_key)
    refresher.poll()
    assert catalogue_of(shop.pk).sellable.tolist() == [True, True]


def test_a_price_acts_and_is_kept(call: Call, shop: Shop, secret_key: str) -> None:
    assert catalogue_of(shop.pk).price.tolist() == [10.0, 10.0]
    set_to = call("PUT", "/api/v1/prices/A", secret_key, {"price": "8.50", "reason": "clearance"})
    assert (set_to.status_code, set_to.json()["price"]) == (200, "8.50"), set_to.content
    refresher.poll()
    assert catalogue_of(shop.pk).price.tolist() == [8.5, 10.0]
    change = PriceChange.objects.of(shop).get()
    assert (change.previous_price, change.price, change.reason) == (10, Decimal("8.5"), "clearance")
    same = call("POST", "/api/v1/prices/bulk", secret_key, {"rows": [{"product_id": "A", "price": 8.5}]}).json()
    assert same["unchanged"] == 1


def test_a_later_price_waits(call: Call, shop: Shop, secret_key: str) -> None:
    later = {"product_id": "A", "price": 7, "starts_at": "2099-01-01T00:00:00Z"}
    assert call("POST", "/api/v1/prices/bulk", secret_key, {"rows": [later]}).json()["updated"] == 1
    assert call("GET", "/api/v1/prices/A", secret_key).json()["price"] == "10.00"
    assert PriceChange.objects.of(shop).count() == 1
    past = {"price": 6, "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2020-02-01T00:00:00Z"}
    call("PUT", "/api/v1/prices/A", secret_key, past)
    assert call("GET", "/api/v1/prices/A", secret_key).json()["price"] == "10.00"
    wrong = call("PUT", "/api/v1/prices/A", secret_key, {**past, "ends_at": "2019-01-01T00:00:00Z"})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, "ends_at")


def test_an_announced_reduction_knows_the_lowest_price_of_thirty_days(call: Call, shop: Shop, secret_key: str) -> None:
    for price, day in ((9, "2026-02-01"), (14, "2026-03-20"), (12, "2026-03-25")):
        call("PUT", "/api/v1/prices/A", secret_key, {"price": price, "starts_at": f"{day}T00:00:00Z"})
    reduced = {"price": 11, "kind": "reduction", "starts_at": "2026-03-31T00:00:00Z"}
    call("PUT", "/api/v1/prices/A", secret_key, reduced)
    assert PriceChange.objects.of(shop).get(kind="reduction").prior_price == 9
    call("PUT", "/api/v1/prices/A", secret_key, {**reduced, "price": 10, "starts_at": "2026-04-22T00:00:00Z"})
    assert PriceChange.objects.of(shop).get(kind="reduction", price=10).prior_price == 11


def test_prices_of_others_and_of_nothing(call: Call, secret_key: str) -> None:
    assert call("PUT", "/api/v1/prices/THEIRS", secret_key, {"price": 1}).status_code == 404
    assert call("GET", "/api/v1/prices/THEIRS", secret_key).status_code == 404
    assert call("DELETE", "/api/v1/prices/A", secret_key).status_code == 405
    assert call("PUT", "/api/v1/prices/A", secret_key, {}).json()["errors"][0]["field"] == "price"
    rows = {"rows": [{"product_id": "THEIRS", "price": 1}, {"product_id": "A"}]}
    partly = call("POST", "/api/v1/prices/bulk?atomic=false", secret_key, rows).json()
    assert [each["errors"][0]["field"] for each in partly["results"]] == ["product_id", "price"]
    listed = call("GET", "/api/v1/prices", secret_key).json()["results"]
    assert [(each["product_id"], each["price"]) for each in listed] == [("A", "10.00"), ("B", "10.00")]
