"""What has to be counted anew, claimed in the order of its key, so that each key is worked off once a run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection, transaction

from commerce_ai.shop.models import Shop

_LOCK = 0x61747472  # "attr", with the shop's number: one process at a time counts a shop's outcomes
# The columns of `Stale` that hold a key, with their types.
_KEYS = {"order_id": "bigint", "decision_id": "uuid", "day": "date"}
AT_ONCE = {"order_id": 120_000, "decision_id": 120_000, "day": 366}  # marks, of which one key has several


def alone(shop_id: int) -> bool:
    """Be the only one to count this shop's outcomes until the transaction ends; False if another process does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [_LOCK, shop_id])
        return bool(cursor.fetchone()[0])


def claim(cursor: Any, shop_id: int, key: str) -> int:
    """Take the marks of the lowest keys, `AT_ONCE` and whatever else has the same keys, into the table ``todo(key)``
    of this connection. How many different keys that are; a rollback gives all of them back."""
    cursor.execute(f"DROP TABLE IF EXISTS todo; CREATE TEMP TABLE todo (key {_KEYS[key]} PRIMARY KEY) ON COMMIT DROP")
    cursor.execute(
        f"""
        WITH lowest AS (
            SELECT {key} AS key FROM decisions_stale WHERE shop_id = %(shop)s AND {key} IS NOT NULL
            ORDER BY {key} LIMIT %(n)s
        ), last AS (SELECT key FROM lowest ORDER BY key DESC LIMIT 1), taken AS (
            DELETE FROM decisions_stale WHERE shop_id = %(shop)s AND {key} <= (SELECT key FROM last) RETURNING {key}
        )
        INSERT INTO todo SELECT DISTINCT {key} FROM taken
        """,  # noqa: S608  (a column of ours)
        {"shop": shop_id, "n": AT_ONCE[key]},
    )
    found = int(cursor.rowcount)
    cursor.execute("ANALYZE todo")
    return found


def recount(shop: Shop, since: datetime | None = None) -> None:
    """Have everything counted anew: other rules, or what no trigger sees (a customer who became staff, a new cost).

    `since` leaves out what was decided and ordered before, and events, which were heard when they came: it costs what
    was decided and ordered since, whatever lies behind.
    """
    asked = {"shop": shop.pk, "since": since}
    of_order = " AND placed_at >= %(since)s" if since else ""
    of_outcome = " AND made_at >= %(since)s" if since else ""
    with transaction.atomic(), connection.cursor() as cursor:
        if since is None:
            cursor.execute(
                "INSERT INTO decisions_heard (shop_id, event_id) SELECT shop_id, id FROM shop_event"
                " WHERE shop_id = %(shop)s AND decision_id IS NOT NULL",
                asked,
            )
        cursor.execute(
            "INSERT INTO decisions_stale (shop_id, order_id) SELECT shop_id, id FROM shop_order"  # noqa: S608
            f" WHERE shop_id = %(shop)s{of_order}",
            asked,
        )
        cursor.execute(
            "INSERT INTO decisions_stale (shop_id, decision_id) SELECT shop_id, decision_id FROM decisions_outcome"  # noqa: S608
            f" WHERE shop_id = %(shop)s{of_outcome}",
            asked,
        )


def waiting(shop_id: int) -> int:
    """How many marks were not worked off yet."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM decisions_heard WHERE shop_id = %(shop)s)"
            " + (SELECT count(*) FROM decisions_stale WHERE shop_id = %(shop)s)",
            {"shop": shop_id},
        )
        return int(cursor.fetchone()[0])
