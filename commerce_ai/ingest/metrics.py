"""Figures by shop day, for dashboards: `DailyMetric` rows of these names.

`events`    events by name (dimension) and of all names (dimension empty)
`visitors`  different visitors of the day
`orders`    orders placed that day, cancelled ones left out
`revenue`   their totals, refunded ones left out; only orders in the shop's currency

Events and visitors are added up as batches are projected, in the transaction that marks them projected, so that none
counts twice. Orders and revenue are counted anew for each day that was touched: there is nothing to drift.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import TruncDate
from django.utils import timezone

from commerce_ai.ingest.vocabulary import STANDARD
from commerce_ai.shop.models import DailyMetric, Order, Shop

EVENTS, VISITORS, ORDERS, REVENUE = "events", "visitors", "orders", "revenue"
NAMES = (EVENTS, VISITORS, ORDERS, REVENUE)
OTHER = "Other"
MOST_OWN_NAMES = 100  # names outside the spec that a day breaks events down by; the rest is "Other"
RECENT_DAYS = 2
FUNNEL_DAYS = 180  # that are counted at once after a load
_LOCK = 0x636F756E  # "coun", with the shop's number


def count_events(shop_id: int, counts: Mapping[tuple[date, str], int]) -> None:
    """Add events by (shop's day, name). Once for each batch: the caller's transaction says that it was."""
    if not counts:
        return
    own: dict[date, set[str]] = {}
    if days := {day for day, name in counts if not _is_standard(name)}:
        rows = DailyMetric.objects.of(shop_id).filter(name=EVENTS, day__in=days).exclude(dimension="")
        for day, dimension in rows.values_list("day", "dimension"):
            if not _is_standard(dimension):
                own.setdefault(day, set()).add(dimension)
    figures: Counter[tuple[date, str, str]] = Counter()
    for (day, name), count in sorted(counts.items()):
        if not _is_standard(name):
            known = own.setdefault(day, set())
            if name not in known and len(known) >= MOST_OWN_NAMES:
                name = OTHER
            known.add(name)
        figures[day, EVENTS, name] += count
        figures[day, EVENTS, ""] += count
    _add(shop_id, figures)


def count_visitors(shop_id: int, seen: Iterable[tuple[date, int]]) -> None:
    """Add visitors, each (shop's day, keyed hash of their id) once however often it is said."""
    pairs = sorted(set(seen))
    if not pairs:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ingest_dailyvisitor (shop_id, day, visitor)"
            " SELECT %s, * FROM unnest(%s::date[], %s::bigint[]) ON CONFLICT DO NOTHING RETURNING day",
            [shop_id, [day for day, _who in pairs], [who for _day, who in pairs]],
        )
        new = Counter(day for (day,) in cursor.fetchall())
    _add(shop_id, {(day, VISITORS, ""): count for day, count in new.items()})


def recount_orders(shop: Shop, days: Iterable[date]) -> None:
    """Count orders and revenue of these shop days anew. Any door may call it after it wrote orders."""
    wanted = sorted(set(days))
    if not wanted:
        return
    table = Order._meta.db_table
    with transaction.atomic(), connection.cursor() as cursor:
        # Until the caller's commit: whoever counts next sees the orders that were counted here.
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK, shop.pk])
        cursor.execute(
            f"""
            WITH day AS (SELECT unnest(%(days)s::date[]) AS day),
            counted AS (
                SELECT day, count(o.id) AS orders,
                    coalesce(
                        sum(o.total) FILTER (WHERE o.status <> 'refunded' AND o.currency = %(currency)s), 0
                    ) AS revenue
                FROM day LEFT JOIN {table} o ON o.shop_id = %(shop)s AND o.status <> 'cancelled'
                    AND o.placed_at >= day::timestamp AT TIME ZONE %(tz)s
                    AND o.placed_at < (day + 1)::timestamp AT TIME ZONE %(tz)s
                GROUP BY day
            )
            INSERT INTO shop_dailymetric (shop_id, day, name, dimension, value, updated_at)
            SELECT %(shop)s, day, figure.name, '', figure.value, now()
            FROM counted,
                LATERAL (VALUES ('orders', orders::float8), ('revenue', revenue::float8)) AS figure(name, value)
            ORDER BY figure.name, day
            ON CONFLICT (shop_id, name, day, dimension) DO UPDATE SET value = EXCLUDED.value, updated_at = now()
            WHERE shop_dailymetric.value <> EXCLUDED.value
            """,  # noqa: S608  (a table name of our own)
            {"days": wanted, "shop": shop.pk, "tz": shop.timezone, "currency": shop.currency},
        )


def recount_recent() -> None:
    """Today's and yesterday's orders in every shop, whichever door they came by."""
    for shop in Shop.objects.all():
        today = timezone.now().astimezone(shop.tz).date()
        recount_orders(shop, [today - timedelta(days=back) for back in range(RECENT_DAYS)])


def mend_orders() -> int:
    """Count all days anew in each shop whose figures do not add up to its orders; how many shops that were.

    A door that writes orders of long ago need not know of figures.
    """
    mended = 0
    for shop in Shop.objects.all():
        with connection.cursor() as cursor:
            cursor.execute(_SUMS, {"shop": shop.pk, "currency": shop.currency})
            orders, revenue, orders_said, revenue_said = cursor.fetchone()
            if orders == orders_said and math.isclose(revenue, revenue_said, rel_tol=1e-9, abs_tol=0.005):
                continue
            cursor.execute(_DAYS, {"shop": shop.pk, "tz": shop.timezone})
            recount_orders(shop, [day for (day,) in cursor.fetchall()])
        mended += 1
    return mended


_SUMS = """
    SELECT count(*) FILTER (WHERE status <> 'cancelled'),
        coalesce(
            sum(total) FILTER (WHERE status NOT IN ('cancelled', 'refunded') AND currency = %(currency)s), 0
        )::float8,
        (SELECT coalesce(sum(value), 0) FROM shop_dailymetric
            WHERE shop_id = %(shop)s AND name = 'orders' AND dimension = ''),
        (SELECT coalesce(sum(value), 0) FROM shop_dailymetric
            WHERE shop_id = %(shop)s AND name = 'revenue' AND dimension = '')
    FROM shop_order WHERE shop_id = %(shop)s
"""
_DAYS = """
    SELECT DISTINCT (placed_at AT TIME ZONE %(tz)s)::date FROM shop_order WHERE shop_id = %(shop)s
    UNION SELECT day FROM shop_dailymetric WHERE shop_id = %(shop)s AND name = 'orders'
"""


def forget_visitors(before: date) -> None:
    """Let go of who was there on days before; their count stays."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ingest_dailyvisitor WHERE day < %s", [before])


def count_stored(shop: Shop) -> None:
    """Every event, visitor and order that a shop has: once, after a load that wrote into an empty shop by itself."""
    asked: dict[str, Any] = {"shop": shop.pk, "tz": shop.timezone, "seed": visitor_seed()}
    with connection.cursor() as cursor:
        cursor.execute(_STORED.format(of="e.name", grouped="GROUP BY 1, 2", count="count(*)"), asked)
        counts = {(day, name): count for day, name, count in cursor.fetchall()}
        cursor.execute(_STORED.format(of=VISITOR, grouped="GROUP BY 1, 2", count="1"), asked)
        seen = [(day, who) for day, who, _one in cursor.fetchall()]
    count_events(shop.pk, counts)
    count_visitors(shop.pk, seen)
    placed = Order.objects.of(shop).annotate(day=TruncDate("placed_at", tzinfo=shop.tz))
    recount_orders(shop, placed.values_list("day", flat=True).distinct())
    from commerce_ai.ingest import funnel  # it stands on this module

    # The rest is counted by its job, some days at a time.
    funnel.count(shop, sorted({day for day, _name in counts}, reverse=True)[:FUNNEL_DAYS])


def visitor_seed() -> int:
    """Of the keyed hash that tells a day's visitors apart: nobody without the install's key can name them."""
    digest = hashlib.sha256(b"visitors\0" + settings.HASH_KEY).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


# The visitor behind an event `e`; takes the parameter `seed`.
VISITOR = "hashtextextended(CASE WHEN e.anonymous_id <> '' THEN e.anonymous_id ELSE 'user ' || e.user_id END, %(seed)s)"
_STORED = """
    SELECT (e.occurred_at AT TIME ZONE %(tz)s)::date, {of}, {count}
    FROM shop_event e WHERE e.shop_id = %(shop)s AND e.kind = 'track' {grouped}
"""


def _add(shop_id: int, figures: Mapping[tuple[date, str, str], int]) -> None:
    rows = sorted((name, day, dimension, count) for (day, name, dimension), count in figures.items())
    if not rows:
        return
    names, days, dimensions, counts = (list(column) for column in zip(*rows, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO shop_dailymetric (shop_id, day, name, dimension, value, updated_at)"
            " SELECT %s, day, name, dimension, value, now()"
            " FROM unnest(%s::date[], %s::text[], %s::text[], %s::float8[]) AS new(day, name, dimension, value)"
            " ON CONFLICT (shop_id, name, day, dimension)"
            " DO UPDATE SET value = shop_dailymetric.value + EXCLUDED.value, updated_at = now()",
            [shop_id, days, names, dimensions, counts],
        )


def _is_standard(name: str) -> bool:
    return name in STANDARD or name in _CALLS or name == OTHER


_CALLS = frozenset({"Page", "Screen", "Identify", "Group", "Alias"})
