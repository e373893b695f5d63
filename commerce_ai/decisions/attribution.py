"""From events and orders to what came of each decision: four steps, each claims marks and leaves marks for the next.

    events, identities ─▶ orders, decisions ─▶ credits ─▶ decisions ─▶ outcomes ─▶ days ─▶ figures

Every step makes what it touches anew from the facts, in one transaction with the marks that it takes: late, doubled
and shuffled facts give the same rows, and a death in between leaves the marks to the next run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from commerce_ai.decisions import bots, credits, marks, outcomes
from commerce_ai.decisions.bots import FLOOR
from commerce_ai.decisions.rules import Rules, rules_of
from commerce_ai.ids import uuid7_floor
from commerce_ai.shop.models import Shop

AT_ONCE = 500_000  # events
DECISION_WAITS = timedelta(minutes=10)  # an event may come before its decision was committed, but not longer
_MEMORY = "SET LOCAL work_mem = '64MB'"

Step = Callable[[Any, Shop, Rules], int]


def run(shop: Shop, *, until: float | None = None) -> int:
    """Work off all marks of a shop; how many keys that were. Stops early when time.monotonic() passes `until`.

    Joins no transaction: each batch commits by itself. Returns at once where another process is at it.
    """
    done = 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM decisions_heard WHERE shop_id = %s", [shop.pk])
        newest = int(cursor.fetchone()[0])  # what has to wait for its decision is heard again under a higher number
    steps: tuple[Step, ...] = (
        lambda cursor, shop, rules: _hear(cursor, shop, rules, newest), credits.renew, outcomes.renew, outcomes.sum_up,
    )  # fmt: skip
    for step in steps:
        while until is None or time.monotonic() < until:
            with transaction.atomic(), connection.cursor() as cursor:
                if not marks.alone(shop.pk):
                    return done
                cursor.execute(_MEMORY)
                # The rules of this transaction: whoever changes them marks everything anew.
                rules = rules_of(Shop.objects.get(pk=shop.pk))
                found = step(cursor, shop, rules)
            done += found
            if not found:
                break
    return done


def _hear(cursor: Any, shop: Shop, rules: Rules, newest: int) -> int:
    """Take events and identities that were written; mark the decisions and orders that they may change."""
    now = datetime.now(UTC)
    asked = {
        "shop": shop.pk, "newest": newest, "n": AT_ONCE, "reach": rules.reach, "most": rules.bot_touches_a_day,
        "young": uuid7_floor(now - DECISION_WAITS), "future": uuid7_floor(now + DECISION_WAITS),
    }  # fmt: skip
    cursor.execute(_TABLES)
    cursor.execute(_TAKE, asked)
    found = int(cursor.rowcount)
    if not found:
        return 0
    cursor.execute("ANALYZE heard")
    cursor.execute(_TOUCHES, asked)
    cursor.execute("ANALYZE heard_touch")
    cursor.execute(_AGAIN, asked)
    cursor.execute(
        # Once is enough: marks are taken under the lock that we hold.
        "INSERT INTO decisions_stale (shop_id, decision_id) SELECT %(shop)s, t.decision_id"
        " FROM (SELECT DISTINCT decision_id FROM heard_touch WHERE decision_id IS NOT NULL) t WHERE NOT EXISTS ("
        " SELECT 1 FROM decisions_stale s WHERE s.shop_id = %(shop)s AND s.decision_id = t.decision_id)",
        asked,
    )
    bots.find_busy(cursor, shop.pk, rules, "heard_touch")
    cursor.execute(_OF_BUSY, asked)
    cursor.execute(_WHO, asked)
    cursor.execute("ANALYZE who")
    cursor.execute(_ORDERS, asked)
    return found


_TABLES = """
    DROP TABLE IF EXISTS heard, heard_touch, who;
    CREATE TEMP TABLE heard (event_id uuid, identity_id bigint) ON COMMIT DROP;
    CREATE TEMP TABLE heard_touch (
        id uuid, decision_id uuid, anonymous_id text, customer_id bigint, at timestamptz, first timestamptz
    ) ON COMMIT DROP;
    CREATE TEMP TABLE who (
        n bigint GENERATED ALWAYS AS IDENTITY, anonymous_id text, customer_id bigint, first timestamptz,
        last timestamptz
    ) ON COMMIT DROP;
"""
_TAKE = """
    WITH taken AS (
        DELETE FROM decisions_heard WHERE id IN (
            SELECT id FROM decisions_heard WHERE shop_id = %(shop)s AND id <= %(newest)s ORDER BY id LIMIT %(n)s
        ) RETURNING event_id, identity_id
    )
    INSERT INTO heard SELECT event_id, identity_id FROM taken
"""
_TOUCHES = """
    INSERT INTO heard_touch
    SELECT e.id, e.decision_id, e.anonymous_id, e.customer_id, e.occurred_at,
        e.occurred_at - CASE WHEN e.name = 'Order Completed' THEN interval '1 day' ELSE '0' END
    FROM (SELECT DISTINCT event_id FROM heard WHERE event_id IS NOT NULL) h
    JOIN shop_event e ON e.id = h.event_id AND e.shop_id = %(shop)s
"""
# A decision whose row is not there yet: look again later.
_AGAIN = """
    INSERT INTO decisions_heard (shop_id, event_id)
    SELECT %(shop)s, t.id FROM heard_touch t
    WHERE t.decision_id BETWEEN %(young)s AND %(future)s
        AND NOT EXISTS (SELECT 1 FROM decisions_decision d WHERE d.id = t.decision_id)
"""
# Who has just crossed the line takes the rest of that day along.
_OF_BUSY = f"""
    WITH theirs AS (
        SELECT DISTINCT e.decision_id FROM busy b JOIN shop_event e ON e.shop_id = %(shop)s
            AND e.anonymous_id = b.anonymous_id AND e.id >= {FLOOR.format("(b.day - 1)::timestamp AT TIME ZONE 'UTC'")}
            AND (e.occurred_at AT TIME ZONE 'UTC')::date = b.day AND e.decision_id IS NOT NULL
    ), of_decisions AS (
        INSERT INTO decisions_stale (shop_id, decision_id) SELECT %(shop)s, decision_id FROM theirs
    )
    INSERT INTO decisions_stale (shop_id, order_id)
    SELECT DISTINCT %(shop)s::bigint, c.order_id FROM theirs JOIN decisions_credit c USING (decision_id)
"""  # noqa: S608  (made of constants only)
_WHO = """
    INSERT INTO who (anonymous_id, customer_id, first, last)
    SELECT anonymous_id, customer_id, min(first), max(at) + %(reach)s FROM heard_touch
    WHERE anonymous_id <> '' OR customer_id IS NOT NULL GROUP BY anonymous_id, customer_id
    UNION ALL
    SELECT i.anonymous_id, i.customer_id, '-infinity', 'infinity'
    FROM (SELECT DISTINCT identity_id FROM heard WHERE identity_id IS NOT NULL) h
    JOIN shop_identity i ON i.id = h.identity_id AND i.shop_id = %(shop)s
"""
_ORDERS = """
    WITH customers AS (
        SELECT n, customer_id FROM who WHERE customer_id IS NOT NULL
        UNION
        SELECT w.n, i.customer_id FROM who w
        JOIN shop_identity i ON i.shop_id = %(shop)s AND i.anonymous_id = w.anonymous_id
    ), names AS (
        SELECT n, anonymous_id FROM who WHERE anonymous_id <> ''
        UNION
        SELECT c.n, i.anonymous_id FROM customers c
        JOIN shop_identity i ON i.customer_id = c.customer_id AND i.shop_id = %(shop)s
    )
    INSERT INTO decisions_stale (shop_id, order_id)
    SELECT %(shop)s, found.id FROM (
        SELECT o.id FROM names JOIN who w USING (n)
        JOIN shop_order o ON o.shop_id = %(shop)s AND o.anonymous_id = names.anonymous_id
            AND o.placed_at BETWEEN w.first AND w.last
        UNION
        SELECT o.id FROM customers JOIN who w USING (n)
        JOIN shop_order o ON o.shop_id = %(shop)s AND o.customer_id = customers.customer_id
            AND o.placed_at BETWEEN w.first AND w.last
    ) found WHERE NOT EXISTS (
        SELECT 1 FROM decisions_stale s WHERE s.shop_id = %(shop)s AND s.order_id = found.id)
"""
