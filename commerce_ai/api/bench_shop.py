"""The shop of the serving benchmark, and how soon a change in it acts. Runs in a process of its own."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from commerce_ai import registry
from commerce_ai.api import keys
from commerce_ai.api.bench_load import Connection, request_for
from commerce_ai.ingest import visitors
from commerce_ai.shop.models import Shop

SLUG = "bench"
SHELVES = 200


def make(products: int, customers: int, orders: int, lively_visitors: int) -> str:
    """Make the shop; a secret key's text. Names: p0…, c0…, o0…, visitors with some history v0…"""
    shop = Shop(slug=SLUG, name="Bench", currency="EUR")
    shop.save()
    numbers = {"shop": shop.pk, "products": products, "customers": customers, "orders": orders, "shelves": SHELVES}
    with connection.cursor() as cursor:
        cursor.execute("SELECT setseed(0.5)")
        cursor.execute(_PRODUCTS, numbers)
        cursor.execute(_CUSTOMERS, numbers)
        cursor.execute("SELECT (SELECT min(id) FROM shop_product), (SELECT min(id) FROM shop_customer)")
        numbers["product"], numbers["customer"] = first_product, _ = cursor.fetchone()
        cursor.execute(_ORDERS, numbers)
        cursor.execute(_LINES, numbers)
        cursor.execute("ANALYZE")
    draw, now = random.Random(1), datetime.now(UTC)  # noqa: S311
    for first in range(0, lively_visitors, 1000):
        seen = [
            visitors.Visit("Product Viewed", first_product + draw.randrange(products), now, anonymous_id=f"v{number}")
            for number in range(first, first + 1000)
            for _ in range(5)
        ]
        visitors.remember(shop.pk, seen)
    registry.switch(shop, "recommendation", True)
    return keys.create_key(shop, "bench", "secret", rate_per_s=1e6, burst=1_000_000)[1]


def reactions(port: int, key: str, times: int = 5) -> dict[str, list[float]]:
    """Seconds from a committed change to the first answer that shows it."""
    shop, house = Shop.objects.get(slug=SLUG), _Storefront(port, key)
    found: dict[str, list[float]] = {"a revoked key": [], "a price change": [], "a sold-out product": []}
    for turn in range(times):
        other, text = keys.create_key(shop, "revoked", "secret")
        _until(lambda text=text: house.get("/api/v1/me", text)[0] == 200, time.perf_counter())  # type: ignore[misc]
        keys.revoke(other)
        since = time.perf_counter()
        found["a revoked key"].append(_until(lambda text=text: house.get("/api/v1/me", text)[0] == 401, since))  # type: ignore[misc]
        shown, price = next(iter(house.items())), f"{turn + 1}.99"
        since = house.put(f"/api/v1/prices/{shown}", {"price": price})
        found["a price change"].append(_until(lambda s=shown, p=price: house.items()[s] == p, since))  # type: ignore[misc]
        since = house.put(f"/api/v1/stock/{shown}", {"on_hand": 0})
        found["a sold-out product"].append(_until(lambda s=shown: s not in house.items(), since))  # type: ignore[misc]
    return found


class _Storefront:
    def __init__(self, port: int, key: str) -> None:
        self._connection, self._key = Connection(port), key

    def get(self, path: str, key: str) -> tuple[int, bytes]:
        return self._connection.ask(request_for(path, key))

    def put(self, path: str, body: Any) -> float:
        """Send it; the instant at which it was answered, and so committed."""
        sent = json.dumps(body).encode()
        head = request_for(path, self._key).replace(b"GET", b"PUT", 1).removesuffix(b"\r\n")
        head += b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(sent)
        status, answer = self._connection.ask(head + sent)
        if status not in (200, 201):
            raise RuntimeError(f"{path}: {status} {answer[:300]!r}")
        return time.perf_counter()

    def items(self) -> dict[str, str]:
        status, body = self.get("/api/v1/recommendations?placement=home&n=10&anonymous_id=watcher", self._key)
        if status != 200:
            raise RuntimeError(f"{status}: {body[:300]!r}")
        return {each["product_id"]: each["price"] for each in json.loads(body)["items"]}


def _until(acts: Callable[[], bool], since: float) -> float:
    while not acts():
        if time.perf_counter() - since > 30:
            raise RuntimeError("the change does not act within 30 s")
        time.sleep(0.005)
    return time.perf_counter() - since


_PRODUCTS = """
    INSERT INTO shop_product (shop_id, external_id, title, description, category, brand, price, url, image_url,
        attributes, tags, gtin, active, is_group, source, created_at, updated_at)
    SELECT %(shop)s, 'p' || n, 'Product ' || n, '', 'Range ' || n %% 20 || ' > Shelf ' || n %% %(shelves)s,
        'Brand ' || n %% 50, 5 + (n * 37 %% 9500) / 100.0, '', '', '{}', '{}', '', true, false, '', now(), now()
    FROM generate_series(0, %(products)s - 1) n
"""
_CUSTOMERS = """
    INSERT INTO shop_customer (shop_id, external_id, email, phone, name, address, country, gender, attributes,
        source, created_at, updated_at)
    SELECT %(shop)s, 'c' || n, '', '', '', '', 'DE', '', '{}', '', now(), now()
    FROM generate_series(0, %(customers)s - 1) n
"""
_ORDERS = """
    INSERT INTO shop_order (shop_id, external_id, number, customer_id, anonymous_id, status, currency, total, discount,
        shipping, tax, coupon, channel, shipping_country, billing_country, attributes, placed_at, updated_at, door,
        source)
    SELECT %(shop)s, 'o' || n, '', %(customer)s + floor(random() * %(customers)s)::int, '', 'paid', 'EUR', 20, 0, 0, 0,
        '', '', '', '', '{}', now() - random() * interval '180 days', now(), 3, ''
    FROM generate_series(0, %(orders)s - 1) n
"""
# Customers keep to one shelf for four in five purchases, and a shelf's first products sell most.
_LINES = """
    INSERT INTO shop_orderline (shop_id, order_id, position, product_id, sku, title, quantity, unit_price, discount,
        tax)
    SELECT o.shop_id, o.id, line,
           %(product)s + CASE WHEN random() < 0.8
        THEN o.customer_id %% %(shelves)s + %(shelves)s * floor(power(random(), 3) * (%(products)s / %(shelves)s))::int
        ELSE floor(power(random(), 2) * %(products)s)::int END, '', '', 1, 10, 0, 0
    FROM shop_order o, generate_series(1, 2) line
"""
