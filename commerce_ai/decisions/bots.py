"""Whose touches are left out: programs, by their browser's name or by how much they touch; and the shop's own staff."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from commerce_ai.decisions.rules import Rules
from commerce_ai.ids import uuid7_floor
from commerce_ai.shop.models import Customer

_SLACK = timedelta(days=2)  # the whole of the first day, and ids that are a little off
FLOOR = "(lpad(to_hex((extract(epoch FROM {})*1000)::bigint), 12, '0') || '70008000000000000000')::uuid"


AGENT = "coalesce(e.context->>'user_agent', '')"


def programs(touches: str) -> str:
    """SQL: of the names in the column `agent` of `touches`, those by which programs call themselves. Parameter `bots`.

    Few browsers are behind many events, and the expression costs more than all else of an event: each name once.
    """
    return (
        f"WITH named AS MATERIALIZED (SELECT DISTINCT agent FROM {touches})"  # noqa: S608  (a name of ours)
        " SELECT agent FROM named WHERE lower(agent) ~ %(bots)s"
    )


def find_busy(cursor: Any, shop_id: int, rules: Rules, touches: str) -> None:
    """``busy(anonymous_id, day)``: visitors of the table `touches` (anonymous_id, at) who touched too much that day.

    Counted among all events of the day, not only those at hand, so that the order of arrival makes no difference.
    """
    cursor.execute("DROP TABLE IF EXISTS busy; CREATE TEMP TABLE busy (anonymous_id text, day date) ON COMMIT DROP")
    cursor.execute(f"SELECT min(at) FROM {touches} WHERE anonymous_id <> ''")  # noqa: S608  (a name of ours)
    (first,) = cursor.fetchone()
    if first is None:
        return
    # One join, so that few visitors are looked up by index and many are read in one pass; the bound is a value, not a
    # column, and leaves out earlier months' partitions.
    asked = {"shop": shop_id, "most": rules.bot_touches_a_day, "low": uuid7_floor(first - _SLACK)}
    cursor.execute(
        f"""
        WITH visitor AS MATERIALIZED (
            SELECT DISTINCT anonymous_id FROM {touches} WHERE anonymous_id <> ''
        ), many AS MATERIALIZED (  -- hardly anybody: only their days are counted
            SELECT e.anonymous_id FROM visitor JOIN shop_event e USING (anonymous_id)
            WHERE e.shop_id = %(shop)s AND e.id >= %(low)s AND e.decision_id IS NOT NULL
            GROUP BY 1 HAVING count(*) > %(most)s
        )
        INSERT INTO busy SELECT e.anonymous_id, (e.occurred_at AT TIME ZONE 'UTC')::date
        FROM many JOIN shop_event e USING (anonymous_id)
        WHERE e.shop_id = %(shop)s AND e.id >= %(low)s AND e.decision_id IS NOT NULL
        GROUP BY 1, 2 HAVING count(*) > %(most)s
        """,  # noqa: S608  (names of ours)
        asked,
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
