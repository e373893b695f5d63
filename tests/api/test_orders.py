"""Orders with lines: the shop's own word outweighs files and tracking, and the later state the earlier one."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from commerce_ai.shop.models import Customer, Door, Order, OrderLine, Product, Shop
from tests.api.conftest import Call

ORDER = {
    "external_id": "O-1", "customer_id": "C-1", "total": "25.00", "placed_at": "2026-03-01T10:00:00Z",
    "email": "Ann@Example.org",
    "lines": [{"product_id": "A", "quantity": 2, "unit_price": "10"}, {"sku": "B-9", "quantity": 1.5, "unit_price": 5}],
}  # fmt: skip


@pytest.fixture(autouse=True)
def product(shop: Shop) -> Product:
    return Product.objects.create(shop=shop, external_id="A", title="A")


def test_an_order_is_made_and_read(call: Call, shop: Shop, product: Product, secret_key: str) -> None:
    made = call("POST", "/api/v1/orders", secret_key, ORDER)
    assert made.status_code == 201, made.content
    body = made.json()
    assert (body["currency"], body["status"], body["customer_id"], body["total"]) == ("EUR", "paid", "C-1", "25.00")
    assert "email" not in body
    assert [(line["product_id"], line["sku"], line["quantity"], line["unit_price"]) for line in body["lines"]] == [
        ("A", "A", 2, "10.00"), (None, "B-9", 1.5, "5.00"),
    ]  # fmt: skip
    order = Order.objects.of(shop).get()
    assert order.door == Door.SYSTEM and len(bytes(order.email_hash or b"")) == 32
    assert order.customer and order.customer.external_id == "C-1"
    assert list(order.lines.order_by("position").values_list("product", "quantity")) == [
        (product.pk, Decimal(2)), (None, Decimal("1.5")),
    ]  # fmt: skip
    assert call("GET", "/api/v1/orders/O-1", secret_key).json() == body


def test_the_same_order_again_changes_nothing(call: Call, shop: Shop, secret_key: str) -> None:
    first = call("POST", "/api/v1/orders/bulk", secret_key, {"rows": [ORDER]}).json()
    lines = list(OrderLine.objects.of(shop).values_list("pk", flat=True))
    second = call("POST", "/api/v1/orders/bulk", secret_key, {"rows": [ORDER]}).json()
    assert (first["created"], second["unchanged"]) == (1, 1)
    assert list(OrderLine.objects.of(shop).values_list("pk", flat=True)) == lines
    assert Customer.objects.of(shop).count() == 1


def test_lines_are_replaced_when_they_are_given(call: Call, shop: Shop, secret_key: str) -> None:
    call("POST", "/api/v1/orders", secret_key, ORDER)
    kept = call("PATCH", "/api/v1/orders/O-1", secret_key, {"status": "fulfilled"})
    assert (kept.json()["status"], len(kept.json()["lines"])) == ("fulfilled", 2)
    assert OrderLine.objects.of(shop).count() == 2
    cut = call("PATCH", "/api/v1/orders/O-1", secret_key, {"lines": [{"sku": "Z", "quantity": 3, "unit_price": 1}]})
    assert [line["sku"] for line in cut.json()["lines"]] == ["Z"]
    emptied = call("PUT", "/api/v1/orders/O-1", secret_key, {"total": 0, "placed_at": ORDER["placed_at"]})
    assert emptied.json()["lines"] == [] and emptied.json()["customer_id"] is None


def test_a_later_state_wins(call: Call, secret_key: str) -> None:
    call("POST", "/api/v1/orders", secret_key, {**ORDER, "updated_at": "2026-03-02T00:00:00Z"})
    old = {"status": "pending", "updated_at": "2026-03-01T12:00:00Z"}
    late = call("PATCH", "/api/v1/orders/O-1", secret_key, old)
    assert (late.status_code, late.json()["code"]) == (409, "stale")
    rows = {"rows": [{"external_id": "O-1", **old}]}
    assert call("POST", "/api/v1/orders/bulk", secret_key, rows).json()["stale"] == 1
    assert call("GET", "/api/v1/orders/O-1", secret_key).json()["status"] == "paid"
    new = {"status": "refunded", "updated_at": "2026-03-03T00:00:00Z"}
    assert call("PATCH", "/api/v1/orders/O-1", secret_key, new).json()["status"] == "refunded"


@pytest.mark.parametrize("door", [Door.TRACKING, Door.FILE])
def test_the_shops_word_outweighs_other_doors(call: Call, shop: Shop, secret_key: str, door: int) -> None:
    future = datetime(2030, 1, 1, tzinfo=UTC)
    Order.objects.create(
        shop=shop, external_id="O-1", currency="EUR", total=1, placed_at=future, updated_at=future, door=door
    )
    written = call("PUT", "/api/v1/orders/O-1", secret_key, {**ORDER, "updated_at": "2026-03-01T12:00:00Z"})
    assert (written.status_code, written.json()["total"]) == (200, "25.00"), written.content
    assert Order.objects.of(shop).get().door == Door.SYSTEM


def test_a_wrong_line_is_named(call: Call, shop: Shop, secret_key: str) -> None:
    lines = [{"quantity": 1, "unit_price": 1}, {"quantity": 0, "unit_price": "x"}]
    response = call("POST", "/api/v1/orders", secret_key, {**ORDER, "lines": lines})
    fields = sorted(each["field"] for each in response.json()["errors"])
    assert (response.status_code, fields) == (400, ["lines.1.quantity", "lines.1.unit_price"])
    rows = {"rows": [ORDER, {**ORDER, "external_id": "O-2", "lines": lines}]}
    bulk = call("POST", "/api/v1/orders/bulk", secret_key, rows)
    assert {each["field"] for each in bulk.json()["errors"]} == {"rows.1.lines.1.quantity", "rows.1.lines.1.unit_price"}
    assert not Order.objects.of(shop).exists()


def test_customers_of_other_shops_stay_there(call: Call, shop: Shop, other_shop: Shop, secret_key: str) -> None:
    theirs = Customer.objects.create(shop=other_shop, external_id="C-1")
    Product.objects.create(shop=other_shop, external_id="THEIRS", title="x")
    line = {"product_id": "THEIRS", "quantity": 1, "unit_price": 1}
    call("POST", "/api/v1/orders", secret_key, {**ORDER, "lines": [line]})
    order = Order.objects.of(shop).get()
    assert order.customer_id != theirs.pk and order.customer and order.customer.shop_id == shop.pk
    assert order.lines.get().product_id is None and order.lines.get().sku == "THEIRS"
