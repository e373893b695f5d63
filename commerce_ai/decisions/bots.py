"""Whose touches are left out: programs, by their browser's name or by how much they touch; and the shop's own staff."""

from __future__ import annotations

from typing import Any

from commerce_ai.decisions.rules import Rules
from commerce_ai.shop.models import Customer

FLOOR = "(lpad(to_hex((extract(epoch FROM {})*1000)::bigint), 12, '0') || '70008000000000000000')::uuid"


def is_bot(event: str) -> str:
    """SQL: whether the browser of the event `event` calls itself a program. Takes the parameter `bots`."""
    return f"coalesce(lower({event}.context->>'user_agent') ~ %(bots)s, false)"


def find_busy(cursor: Any, shop_id: int, rules: Rules, touches: str) -> None:
    """``busy(anonymous_id, day)``: visitors of the table `touches` (anonymous_id, at) who touched too much that day.

    Counted among all events of the day, not only those at hand, so that the order of arrival makes no difference.
    """
    cursor.execute("DROP TABLE IF EXISTS busy; CREATE TEMP TABLE busy (anonymous_id text, day date) ON COMMIT DROP")
    low = FLOOR.format("(date_trunc('day', v.first, 'UTC') - interval '1 day')")
    theirs = (
        "SELECT 1 FROM shop_event e WHERE e.shop_id = %(shop)s AND e.anonymous_id = v.anonymous_id"  # noqa: S608
        f" AND e.id >= {low} AND e.decision_id IS NOT NULL"
    )
    cursor.execute(
        f"""
        WITH visitor AS (
            SELECT anonymous_id, min(at) AS first FROM {touches} WHERE anonymous_id <> '' GROUP BY 1
        ), many AS MATERIALIZED (  -- hardly anybody: only their days are counted
            SELECT v.* FROM visitor v WHERE
                (SELECT count(*) FROM ({theirs} LIMIT %(most)s + 1) AS some_of_theirs) > %(most)s
        )
        INSERT INTO busy SELECT v.anonymous_id, (e.occurred_at AT TIME ZONE 'UTC')::date
        FROM many v JOIN shop_event e ON e.shop_id = %(shop)s AND e.anonymous_id = v.anonymous_id AND e.id >= {low}
            AND e.decision_id IS NOT NULL
        GROUP BY 1, 2 HAVING count(*) > %(most)s
        """,  # noqa: S608  (names of ours)
        {"shop": shop_id, "most": rules.bot_touches_a_day},
    )


def find_staff(cursor: Any, shop_id: int, rules: Rules, customers: str) -> None:
    """``staff(customer_id)``: those of the query `customers` (one column) who work for the shop."""
    cursor.execute(
        "DROP TABLE IF EXISTS staff; CREATE TEMP TABLE staff (customer_id bigint PRIMARY KEY) ON COMMIT DROP"
    )
    if rules.staff_tags:
        cursor.execute(
            f"INSERT INTO staff SELECT c.id FROM shop_customer c JOIN ({customers}) AS here(id) USING (id)"  # noqa: S608
            " WHERE c.shop_id = %(shop)s AND (c.attributes->'tags' ?| %(tags)s) GROUP BY c.id",
            {"shop": shop_id, "tags": list(rules.staff_tags)},
        )
    if rules.staff_domains:
        cursor.execute(f"SELECT DISTINCT id FROM ({customers}) AS here(id) WHERE id IS NOT NULL", {"shop": shop_id})  # noqa: S608
        asked = [pk for (pk,) in cursor.fetchall()]
        known = Customer.objects.of(shop_id).filter(pk__in=asked, email_hash__isnull=False)
        found = [pk for pk, email in known.values_list("pk", "email") if _domain(email) in rules.staff_domains]
        cursor.execute("INSERT INTO staff SELECT unnest(%s::bigint[]) ON CONFLICT DO NOTHING", [found])


def _domain(email: str) -> str:
    return email.rpartition("@")[2].strip().lower()
