"""The webhooks door, from a signed request to the rows."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from commerce_ai.api import applying
from commerce_ai.ingest.models import QuarantineRow, WebhookDelivery, WebhookSource
from commerce_ai.ingest.webhooks import receiving
from commerce_ai.privacy.models import PrivacyRequest
from commerce_ai.shop import contact, tombstones
from commerce_ai.shop.models import Customer, Door, Order, OrderLine, Product, Refund, Shop

DOMAIN, SECRET = "north.myshopify.com", "hush"
CUSTOMER = {
    "id": 207, "email": "ada@mail.example", "phone": "+491701234567", "first_name": "Ada", "last_name": "Lovelace",
    "created_at": "2026-01-01T10:00:00Z", "updated_at": "2026-01-05T10:00:00Z", "verified_email": True,
    "default_address": {"address1": "Main Street 9", "city": "Berlin", "zip": "10115", "country_code": "DE"},
}  # fmt: skip
ORDER = {
    "id": 450, "name": "#1001", "currency": "EUR", "total_price": "41.90", "total_discounts": "2.00",
    "total_tax": "6.00", "financial_status": "paid", "email": "ada@mail.example", "customer": CUSTOMER,
    "created_at": "2026-01-06T10:00:00Z", "updated_at": "2026-01-06T10:00:00Z",
    "shipping_lines": [{"price": "4.90"}], "discount_codes": [{"code": "TEN", "amount": "2.00"}],
    "shipping_address": {"name": "Ada Lovelace", "address1": "Main Street 9", "country_code": "DE"},
    "browser_ip": "203.0.113.77", "note": "leave it with Mrs Lovelace",
    "line_items": [{"id": 1, "variant_id": 808, "sku": "MUG-1", "title": "Mug", "price": "19.50", "quantity": 2}],
}  # fmt: skip
REFUND = {
    "id": 509, "order_id": 450, "created_at": "2026-01-08T10:00:00Z", "note": "broken, says ada@mail.example",
    "transactions": [{"kind": "refund", "status": "success", "amount": "19.50", "currency": "EUR"}],
}  # fmt: skip

Deliver = Callable[..., Any]


@pytest.fixture
def source(shop: Shop) -> WebhookSource:
    return WebhookSource.objects.create(shop=shop, domain=DOMAIN, secret=SECRET)


@pytest.fixture
def deliver(client: Client, source: WebhookSource) -> Deliver:
    """``deliver(topic, body)`` → response; then what waits is applied, as the worker does it."""
    count = iter(range(1000))

    def make(topic: str, body: Any, *, secret: str = SECRET, domain: str = DOMAIN, id: str | None = None) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        signature = base64.b64encode(hmac.digest(secret.encode(), data, hashlib.sha256)).decode()
        headers = {
            "X-Shopify-Topic": topic, "X-Shopify-Hmac-Sha256": signature, "X-Shopify-Shop-Domain": domain,
            "X-Shopify-Webhook-Id": id or f"w{next(count)}",
        }  # fmt: skip
        answer = client.post("/webhooks/shopify/", data, "application/json", headers=headers)
        applying.apply_webhooks()
        return answer

    return make


class TestDoor:
    def test_it_is_committed_before_it_is_acknowledged(self, deliver: Deliver, monkeypatch: Any, shop: Shop) -> None:
        monkeypatch.setattr(applying, "apply_webhooks", lambda: 0)
        assert deliver("customers/create", CUSTOMER).status_code == 200
        row = WebhookDelivery.objects.get()
        assert (row.state, row.shop_id, json.loads(row.body)["email"]) == ("waiting", shop.pk, "ada@mail.example")
        with connection.cursor() as cursor:
            cursor.execute("SELECT body FROM ingest_webhookdelivery")
            assert b"ada" not in bytes(cursor.fetchone()[0])

    @pytest.mark.parametrize(
        "wrong", [{"secret": "guessed"}, {"domain": "south.myshopify.com"}, {"domain": ""}, {"secret": "nobody's"}]
    )
    def test_a_wrong_signature_and_a_shop_that_is_not_here_look_alike(self, deliver: Deliver, wrong: Any) -> None:
        answer = deliver("customers/create", CUSTOMER, **wrong)
        assert answer.status_code == 401
        assert answer.json() == {
            "code": "unauthorized",
            "message": "The signature is not valid.",
            "detail": "",
            "errors": [],
        }
        assert not WebhookDelivery.objects.exists()

    def test_a_shop_s_secret_signs_for_no_other_shop(self, deliver: Deliver, other_shop: Shop) -> None:
        WebhookSource.objects.create(shop=other_shop, domain="south.myshopify.com", secret="other")
        assert deliver("customers/create", CUSTOMER, domain="south.myshopify.com").status_code == 401
        assert deliver("customers/create", CUSTOMER, domain="South.myshopify.com ", secret="other").status_code == 200
        assert Customer.objects.of(other_shop).count() == 1

    def test_only_posts(self, client: Client, source: WebhookSource) -> None:
        assert client.get("/webhooks/shopify/").status_code == 405
        assert client.post("/webhooks/elsewhere/", b"{}", "application/json").status_code == 404

    def test_a_delivery_counts_once(self, deliver: Deliver, shop: Shop) -> None:
        assert deliver("customers/create", CUSTOMER, id="w").status_code == 200
        assert deliver("customers/create", {**CUSTOMER, "email": "other@mail.example"}, id="w").status_code == 200
        assert Customer.objects.of(shop).get().email == "ada@mail.example"
        assert WebhookDelivery.objects.count() == 1

    def test_an_unknown_topic_is_acknowledged_and_counted(self, deliver: Deliver) -> None:
        assert deliver("themes/publish", {"id": 1, "email": "ada@mail.example"}).status_code == 200
        row = WebhookDelivery.objects.get()
        assert (row.state, row.topic, row.body) == ("unknown", "themes/publish", "")

    @pytest.mark.parametrize("body", [b"", b"[1]", b'{"email": "ada@mail.example"', b"\xff\xfe", b"[" * 5000])
    def test_a_body_that_can_t_be_read_goes_to_quarantine_without_its_words(
        self, deliver: Deliver, body: bytes
    ) -> None:
        assert deliver("customers/create", body).status_code == 200
        row = QuarantineRow.objects.get()
        assert (row.format, row.table, row.reason) == ("webhook:shopify", "customers/create", "malformed")
        assert (row.sealed, "ada" in json.dumps(row.values)) == ("", False)


class TestRows:
    def test_a_customer(self, deliver: Deliver, shop: Shop) -> None:
        deliver("customers/create", CUSTOMER)
        found = Customer.objects.of(shop).get()
        assert (found.external_id, found.email, found.phone) == ("207", "ada@mail.example", "+491701234567")
        assert (found.name, found.address, found.country) == ("Ada Lovelace", "Main Street 9, 10115, Berlin", "DE")
        assert found.attributes == {"verified_email": True}
        assert WebhookDelivery.objects.get().body == ""

    def test_an_older_word_that_comes_late_is_left(self, deliver: Deliver, shop: Shop) -> None:
        deliver("customers/update", CUSTOMER)
        deliver("customers/update", {**CUSTOMER, "email": "old@mail.example", "updated_at": "2026-01-04T10:00:00Z"})
        assert Customer.objects.of(shop).get().email == "ada@mail.example"
        assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {"applied", "stale"}

    def test_what_the_shop_keeps_beside_stays(self, deliver: Deliver, shop: Shop) -> None:
        Customer.objects.create(shop=shop, external_id="207", attributes={"loyalty": "gold"}, birth_year=1980)
        deliver("customers/update", CUSTOMER)
        found = Customer.objects.of(shop).get()
        assert (found.attributes, found.birth_year) == ({"loyalty": "gold", "verified_email": True}, 1980)

    def test_a_product_with_variants(self, deliver: Deliver, shop: Shop) -> None:
        variants = [
            {"id": 808, "title": "Pink", "price": "19.50", "sku": "MUG-1"},
            {"id": 809, "title": "Red", "price": "21"},
        ]
        product = {
            "id": 632,
            "title": "Mug",
            "vendor": "Northwind",
            "tags": "a, b",
            "updated_at": "2026-01-05T10:00:00Z",
        }
        deliver("products/create", {**product, "variants": variants})
        rows = {each.external_id: each for each in Product.objects.of(shop)}
        assert rows["632"].is_group
        assert (rows["808"].parent_id, rows["808"].title, str(rows["808"].price)) == (
            rows["632"].pk,
            "Mug - Pink",
            "19.5000",
        )
        assert rows["808"].tags == ["a", "b"]
        deliver("products/delete", {"id": 632})
        assert not Product.objects.of(shop).filter(active=True).exists()

    def test_an_order_with_its_lines_and_buyer(self, deliver: Deliver, shop: Shop) -> None:
        Product.objects.create(shop=shop, external_id="808", title="Mug", price=19)
        deliver("orders/create", ORDER)
        order = Order.objects.of(shop).select_related("customer").get()
        assert (order.number, order.status, str(order.total), str(order.shipping)) == (
            "#1001",
            "paid",
            "41.9000",
            "4.9000",
        )
        assert (order.coupon, order.shipping_country, order.customer.email) == ("TEN", "DE", "ada@mail.example")
        assert bytes(order.email_hash) == contact.email_hash("ada@mail.example")
        line = OrderLine.objects.of(shop).select_related("product").get()
        assert (line.product.external_id, line.sku, int(line.quantity)) == ("808", "MUG-1", 2)

    def test_it_outweighs_a_file_and_a_later_word_outweighs_it(self, deliver: Deliver, shop: Shop) -> None:
        Order.objects.create(
            shop=shop, external_id="450", total=1, currency="EUR", placed_at=timezone.now(), status="paid",
            door=Door.FILE, updated_at=timezone.now(),
        )  # fmt: skip
        deliver("orders/updated", ORDER)
        assert str(Order.objects.of(shop).get().total) == "41.9000"
        cancelled = {"cancelled_at": "2026-01-07T10:00:00Z", "updated_at": "2026-01-07T10:00:00Z"}
        deliver("orders/cancelled", {**ORDER, **cancelled})
        deliver("orders/paid", ORDER)
        assert Order.objects.of(shop).get().status == "cancelled"

    def test_a_refund_waits_for_its_order(self, deliver: Deliver, shop: Shop) -> None:
        deliver("refunds/create", REFUND)
        row = WebhookDelivery.objects.get()
        assert (row.state, row.error, row.attempts) == ("waiting", "TooEarly", 1)
        deliver("orders/create", ORDER)
        WebhookDelivery.objects.update(retry_at=None)
        applying.apply_webhooks()
        refund = Refund.objects.of(shop).get()
        assert (str(refund.amount), refund.order.external_id) == ("19.5000", "450")
        assert refund.reason == "broken, says [removed]"

    def test_what_nothing_can_be_made_of_goes_to_quarantine(self, deliver: Deliver, shop: Shop) -> None:
        broken = copy.deepcopy(ORDER)
        broken["total_price"] = "lots"
        deliver("orders/create", broken)
        row = QuarantineRow.objects.get()
        assert (row.reason, row.column, row.message) == ("unusable", "total_price", "This is no number.")
        assert "ada" not in json.dumps(row.values)
        assert json.loads(row.sealed)["email"] == "ada@mail.example"
        assert not Order.objects.of(shop).exists()
        assert WebhookDelivery.objects.get().body == ""

    def test_what_fails_is_tried_again_and_then_set_aside(self, deliver: Deliver, monkeypatch: Any) -> None:
        def fail(*_arguments: Any) -> None:
            raise RuntimeError("ada@mail.example")

        monkeypatch.setattr(applying, "_refund", fail)
        deliver("customers/create", CUSTOMER)
        for _attempt in range(applying.MOST_ATTEMPTS - 1):
            WebhookDelivery.objects.update(retry_at=None)
            applying.apply_webhooks()
        row = WebhookDelivery.objects.get()
        assert (row.state, row.error) == ("aside", "RuntimeError")
        assert not Customer.objects.exists()  # each attempt was undone as a whole

    @pytest.mark.parametrize("topic", ["customers/create", "orders/create", "refunds/create"])
    def test_names_and_addresses_are_stored_encrypted_only(self, deliver: Deliver, shop: Shop, topic: str) -> None:
        deliver("orders/create", ORDER)
        deliver(topic, {"customers/create": CUSTOMER, "orders/create": ORDER, "refunds/create": REFUND}[topic])
        with connection.cursor() as cursor:
            for table in ("shop_customer", "shop_order", "shop_orderline", "shop_refund", "ingest_webhookdelivery"):
                cursor.execute(f"SELECT t::text FROM {table} t")  # noqa: S608
                text = " ".join(row for (row,) in cursor.fetchall())
                for word in ("ada@", "Ada", "Lovelace", "Main Street", "1701234567", "203.0.113"):
                    assert word not in text, (table, word)


class TestWishes:
    def test_redact_erases_and_nothing_brings_the_person_back(self, deliver: Deliver, shop: Shop) -> None:
        deliver("orders/create", ORDER)
        redact = {
            "shop_domain": DOMAIN,
            "customer": {"id": 207, "email": "ada@mail.example"},
            "orders_to_redact": [450],
        }
        deliver("customers/redact", redact)
        asked = PrivacyRequest.objects.of(shop).get()
        assert (asked.kind, asked.customer, asked.reason) == ("erasure", "207", "shopify")
        from commerce_ai.privacy import requests

        requests.work()
        assert tombstones.erased(shop.pk, ["207"]) == {"207"}
        deliver("orders/updated", {**ORDER, "updated_at": "2026-02-01T10:00:00Z"})
        deliver("customers/update", {**CUSTOMER, "updated_at": "2026-02-01T10:00:00Z"})
        assert not Customer.objects.of(shop).exists()
        order = Order.objects.of(shop).get()
        assert (order.customer_id, order.email_hash) == (None, None)

    def test_a_data_request_becomes_an_export(self, deliver: Deliver, shop: Shop) -> None:
        deliver("customers/create", CUSTOMER)
        deliver("customers/data_request", {"customer": {"id": 207}, "orders_requested": []})
        assert list(PrivacyRequest.objects.of(shop).values_list("kind", flat=True)) == ["export"]

    def test_a_shop_that_leaves_lets_everybody_go(self, deliver: Deliver, shop: Shop, other_shop: Shop) -> None:
        Customer.objects.create(shop=other_shop, external_id="theirs")
        for number in (1, 2):
            deliver("customers/create", {**CUSTOMER, "id": number})
        deliver("shop/redact", {"shop_id": 1, "shop_domain": DOMAIN})
        assert sorted(each.customer for each in PrivacyRequest.objects.all()) == ["1", "2"]


def test_deliveries_are_kept_for_a_week(deliver: Deliver) -> None:
    deliver("customers/create", CUSTOMER)
    assert receiving.prune() == 0
    WebhookDelivery.objects.update(done_at=timezone.now() - timedelta(days=8))
    assert receiving.prune() == 1


@pytest.mark.parametrize(
    ("file", "topic", "made"),
    [
        ("customer", "customers/update", Customer),
        ("order", "orders/updated", Order),
        ("product", "products/update", Product),
    ],
)
def test_shopify_s_own_examples(
    deliver: Deliver, shop: Shop, shared_data: Path, file: str, topic: str, made: Any
) -> None:
    body = json.loads((shared_data / "storefront" / "shopify" / f"{file}.json").read_text())[file]
    assert deliver(topic, body).status_code == 200
    assert WebhookDelivery.objects.get().state == "applied", list(
        QuarantineRow.objects.values_list("column", "message")
    )
    assert made.objects.of(shop).filter(external_id=str(body["id"])).exists()
