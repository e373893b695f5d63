"""The measuring side of `benchmark privacy erase`: runs in a process of its own, prints a line a figure."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from django.db import connection

from commerce_ai.ingest.models import QuarantineRow
from commerce_ai.privacy.erase import erase, sweep
from commerce_ai.privacy.export import export
from commerce_ai.privacy.models import ErasureLog
from commerce_ai.shop import partitions
from commerce_ai.shop.models import Customer, Event, EventKey, Identity, Order, Shop

SIZES = (250_000, 1_000_000)
QUARANTINED = 5_000
WHO = "c1"


def measure() -> None:
    """For each size a shop of its own, one person in it who is exported, erased, and looked for again."""
    for events in SIZES:
        shop = _make(events)
        said, spent = _timed(lambda shop=shop: export(shop, WHO))  # type: ignore[misc]
        rows = sum(len(each) for each in said["tables"].values())
        _say(f"export, {events:,} events", {"rows": rows}, spent)
        done, spent = _timed(lambda shop=shop: erase(shop, WHO))  # type: ignore[misc]
        left = export(shop, WHO)["tables"]
        held = sum(len(each) for each in left.values())
        _say(f"erase, {events:,} events", {"rows": sum(done.counts.values()), "rows left": held}, spent)
        _found, spent = _timed(lambda shop=shop: sweep(ErasureLog.objects.of(shop).get()))  # type: ignore[misc]
        _say(f"sweep, {events:,} events", {}, spent)


def _make(events: int) -> Shop:
    """Ten events and one order a customer, half of the events by proven customers; the one has 2,000 of them more."""
    shop = Shop.objects.create(slug=f"bench-{events}", name="Bench")
    start = datetime.now(UTC) - timedelta(days=20)
    numbers: dict[str, Any] = {"shop": shop.pk, "events": events, "customers": events // 10, "start": start}
    partitions.ensure_months(start.date(), datetime.now(UTC).date())
    with connection.cursor() as cursor:
        for sql in (_CUSTOMERS, _IDENTITIES, _EVENTS, _KEYS, _ORDERS):
            cursor.execute(sql, numbers)
        cursor.execute("ANALYZE")
    Customer.objects.of(shop).get(external_id=WHO).save()
    QuarantineRow.objects.bulk_create(
        QuarantineRow(
            shop=shop, format="csv", table="customers", reason="wrong", values={"row": n},
            sealed=f'{{"email": "q{n}@shop.example"}}', fingerprint=n.to_bytes(32, "big"),
        )
        for n in range(QUARANTINED)
    )  # fmt: skip
    return shop


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    found = work()
    return found, time.perf_counter() - started


def _say(name: str, figures: dict[str, float], seconds: float) -> None:
    sys.stdout.write(msgspec.json.encode({"name": name, "figures": figures, "seconds": seconds}).decode() + "\n")
    sys.stdout.flush()


_CUSTOMERS = f"""
    INSERT INTO {Customer._meta.db_table}
        (shop_id, external_id, email, phone, name, address, country, gender, attributes, source, created_at, updated_at)
    SELECT %(shop)s, 'c' || n, '', '', '', '', '', '', '{{}}', 'bench', now(), now()
    FROM generate_series(1, %(customers)s) n
"""  # noqa: S608
_OF_SHOP = f"(SELECT row_number() OVER (ORDER BY id) AS n, id FROM {Customer._meta.db_table} WHERE shop_id = %(shop)s)"  # noqa: S608
_IDENTITIES = f"""
    INSERT INTO {Identity._meta.db_table} (shop_id, anonymous_id, customer_id, proven, at)
    SELECT %(shop)s, 'v' || c.n, c.id, true, now() FROM {_OF_SHOP} c
"""  # noqa: S608
# Ids follow the instants, as in an import. The first 2,000 events are the one's.
_EVENTS = f"""
    INSERT INTO {Event._meta.db_table} (id, shop_id, kind, name, message_id, anonymous_id, user_id, customer_id,
        session_id, properties, context, platform, occurred_at, received_at)
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7'
               || lpad(to_hex(made.n %% 4096), 3, '0')
               || '8' || lpad(to_hex(%(shop)s %% 4096), 3, '0') || lpad(to_hex(made.n), 12, '0'))::uuid,
        %(shop)s, 'track', 'Product Viewed', 'm' || made.n, 'v' || who,
        CASE WHEN c.id IS NULL THEN '' ELSE 'c' || who END,
        c.id, 's' || made.n / 10, '{{"product_id": "p1", "price": 9.99, "remark": "said"}}', '{{"page": "x"}}', 'bench',
        at, at
    FROM (
        SELECT n, CASE WHEN n <= 2000 THEN 1 ELSE 1 + (n::bigint * 6700417) %% %(customers)s END AS who,
            %(start)s::timestamptz + n * interval '1.5 seconds' AS at
        FROM generate_series(1, %(events)s) n
    ) made
    LEFT JOIN {_OF_SHOP} c ON made.n %% 2 = 1 AND c.n = who
"""  # noqa: S608
_KEYS = f"""
    INSERT INTO {EventKey._meta.db_table} (shop_id, message_id, received_on)
    SELECT shop_id, message_id, received_at::date FROM {Event._meta.db_table} WHERE shop_id = %(shop)s
"""  # noqa: S608
_ORDERS = f"""
    INSERT INTO {Order._meta.db_table} (shop_id, external_id, number, customer_id, anonymous_id, status, currency,
        total, discount, shipping, tax, coupon, channel, shipping_country, billing_country, attributes, placed_at,
        updated_at, door, source)
    SELECT %(shop)s, 'o' || c.n, '', c.id, 'v' || c.n, 'paid', 'EUR', 20, 0, 0, 0, '', '', '', '', '{{}}', now(), now(),
        3, 'bench'
    FROM {_OF_SHOP} c
"""  # noqa: S608
