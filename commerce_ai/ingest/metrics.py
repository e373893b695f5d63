"""Figures by shop day, for dashboards: `DailyMetric` rows of these names.

`events`    events by name (dimension) and of all names (dimension empty)
`visitors`  different visitors of the day
`orders`    orders placed that day, cancelled ones left out
`revenue`   their totals, refunded ones left out; only orders in the shop's currency

Events and visitors are added up as batches are projected, in the transaction that marks them projected, so that none
counts twice. Orders and revenue are counted anew for each day that was touched: there is nothing to drift.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from django.db import connection
from django.utils import timezone

from commerce_ai.ingest.vocabulary import STANDARD
from commerce_ai.shop.models import DailyMetric, Order, Shop

EVENTS, VISITORS, ORDERS, REVENUE = "events", "visitors", "orders", "revenue"
NAMES = (EVENTS, VISITORS, ORDERS, REVENUE)
OTHER = "Other"
MOST_OWN_NAMES = 100  # names outside the spec that a day breaks events down by; the rest is "Other"
RECENT_DAYS = 2


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
    with connection.cursor() as cursor:
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
