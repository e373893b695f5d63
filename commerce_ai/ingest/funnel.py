"""How far visitors came, by shop day: `DailyMetric` rows of the name ``funnel``, a dimension a step.

Different visitors of the day who came at least so far: who orders has seen something. An order counts by its own
visit too (its anonymous id), so that a shop need not track *Order Completed*; orders without a visit are in `orders`
only. Who refused analytics is left out. Days are counted anew as a whole, after their events or orders were counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from django.db import connection, transaction

from commerce_ai.ingest import metrics
from commerce_ai.shop.consent import Purpose, refused_sql, spared_sql
from commerce_ai.shop.models import Event, Order, Shop

FUNNEL = "funnel"
VIEW, CART, CHECKOUT, ORDER = "view", "cart", "checkout", "order"
STEPS = (VIEW, CART, CHECKOUT, ORDER)
EVENTS = {
    VIEW: ("Product Viewed", "Product Clicked"),
    CART: ("Product Added", "Cart Viewed", "Wishlist Product Added to Cart"),
    CHECKOUT: (
        "Checkout Started", "Checkout Step Viewed", "Checkout Step Completed", "Payment Info Entered",
    ),
    ORDER: ("Order Completed",),
}  # fmt: skip
LATE = timedelta(days=3)  # an event's id is of the instant it was received: how much later that may be
SETTLED_MINUTES = 10  # what was committed late was counted with an earlier clock: look again for so long
DAYS_AT_ONCE = 60
_LOCK = 0x66756E6E  # "funn", with the shop's number


def count(shop: Shop, days: Iterable[date]) -> None:
    """Count these shop days anew."""
    with connection.cursor() as cursor:
        for day in sorted(set(days)):
            with transaction.atomic():
                cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK, shop.pk])
                cursor.execute(_COUNT, _asked(shop, day))


def count_stale() -> int:
    """Count the days anew, newest first, whose events or orders were counted since; how many days."""
    found = 0
    for shop in Shop.objects.all():
        days = stale(shop)
        count(shop, days)
        found += len(days)
    return found


def stale(shop: Shop) -> list[date]:
    """Days whose figures are older than those of their events, newest first; some at a time.

    Orders alone make only the last days stale: the events of days of long ago may be past their retention.
    """
    names = [name for each in EVENTS.values() for name in each]
    with connection.cursor() as cursor:
        asked: dict[str, Any] = {
            "shop": shop.pk, "names": names, "most": DAYS_AT_ONCE, "minutes": SETTLED_MINUTES, "days": LATE.days,
        }  # fmt: skip
        cursor.execute(_STALE, asked)
        return [day for (day,) in cursor.fetchall()]


def _asked(shop: Shop, day: date) -> dict[str, Any]:
    steps = [(name, place) for place, step in enumerate(STEPS, 1) for name in EVENTS[step]]
    return {
        "shop": shop.pk, "tz": shop.timezone, "day": day, "late": LATE, "seed": metrics.visitor_seed(),
        "names": [name for name, _place in steps], "places": [place for _name, place in steps], "steps": list(STEPS),
    }  # fmt: skip


_FLOOR = "(lpad(to_hex((extract(epoch FROM {})*1000)::bigint), 12, '0') || '70008000000000000000')::uuid"
_START, _END = "(%(day)s::timestamp AT TIME ZONE %(tz)s)", "((%(day)s::date + 1)::timestamp AT TIME ZONE %(tz)s)"
_COUNT = f"""
    WITH {refused_sql(Purpose.ANALYTICS)},
    place AS (SELECT * FROM unnest(%(names)s::text[], %(places)s::int[]) AS known(name, step)),
    reached AS (
        SELECT {metrics.VISITOR} AS visitor, max(place.step) AS step
        FROM {Event._meta.db_table} e JOIN place USING (name)
        WHERE e.shop_id = %(shop)s AND e.kind = 'track'
            AND e.id >= {_FLOOR.format(f"{_START} - interval '1 hour'")}
            AND e.id < {_FLOOR.format(f"{_END} + %(late)s::interval")}
            AND e.occurred_at >= {_START} AND e.occurred_at < {_END}
            AND {spared_sql("e.customer_id", "e.anonymous_id")}
        GROUP BY 1
        UNION ALL
        SELECT hashtextextended(o.anonymous_id, %(seed)s), {len(STEPS)}
        FROM {Order._meta.db_table} o
        WHERE o.shop_id = %(shop)s AND o.anonymous_id <> '' AND o.status <> 'cancelled'
            AND o.placed_at >= {_START} AND o.placed_at < {_END}
            AND {spared_sql("o.customer_id", "o.anonymous_id")}
    ), visitor AS (SELECT max(step) AS step FROM reached GROUP BY visitor)
    INSERT INTO shop_dailymetric (shop_id, day, name, dimension, value, updated_at)
    SELECT %(shop)s, %(day)s, '{FUNNEL}', s.step, (SELECT count(*) FROM visitor v WHERE v.step >= s.place), now()
    FROM unnest(%(steps)s::text[]) WITH ORDINALITY AS s(step, place)
    ON CONFLICT (shop_id, name, day, dimension)
    DO UPDATE SET value = EXCLUDED.value, updated_at = EXCLUDED.updated_at
"""  # noqa: S608  (names of ours)
_STALE = f"""
    SELECT day FROM (
        SELECT day, max(updated_at) FILTER (WHERE name <> '{FUNNEL}') AS counted,
            max(updated_at) FILTER (WHERE name = '{FUNNEL}') AS done
        FROM shop_dailymetric
        WHERE shop_id = %(shop)s AND (
            name = '{FUNNEL}'
            OR (name = '{metrics.ORDERS}' AND dimension = '' AND day >= current_date - %(days)s)
            OR (name = '{metrics.EVENTS}' AND dimension = ANY(%(names)s)))
        GROUP BY day
    ) d
    WHERE counted IS NOT NULL AND (done IS NULL OR counted > done - make_interval(mins => %(minutes)s))
    ORDER BY day DESC LIMIT %(most)s
"""  # noqa: S608
