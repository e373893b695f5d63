"""The triggers that mark what has to be counted anew: once a statement, in its own transaction, whatever the door.

Used by a migration, so a change here needs another one. A statement's rows are read from its transition table; one
without anything of ours costs the ingest path the scan of its own rows.
"""

from __future__ import annotations

from collections.abc import Iterator

# Table → what is marked of the rows that a statement touched.
_MARKS = {
    "shop_event": (
        "INSERT INTO decisions_heard (shop_id, event_id) SELECT shop_id, id FROM touched"
        " WHERE decision_id IS NOT NULL OR name = 'Order Completed';"
    ),
    "shop_identity": "INSERT INTO decisions_heard (shop_id, identity_id) SELECT shop_id, id FROM touched;",
    "shop_order": "INSERT INTO decisions_stale (shop_id, order_id) SELECT shop_id, id FROM touched;",
    "shop_orderline": "INSERT INTO decisions_stale (shop_id, order_id) SELECT DISTINCT shop_id, order_id FROM touched;",
    "shop_refund": "INSERT INTO decisions_stale (shop_id, order_id) SELECT DISTINCT shop_id, order_id FROM touched;",
    "shop_return": (
        "INSERT INTO decisions_stale (shop_id, order_id) SELECT DISTINCT t.shop_id, coalesce(l.order_id, t.order_id)"
        " FROM touched t LEFT JOIN shop_orderline l ON l.id = t.order_line_id"
        " WHERE coalesce(l.order_id, t.order_id) IS NOT NULL;"
    ),
}
_ONLY_NEW = {"shop_event": ("INSERT",), "shop_identity": ("INSERT", "UPDATE")}


def made() -> Iterator[str]:
    """SQL that makes them."""
    for table, marks in _MARKS.items():
        yield (
            f"CREATE FUNCTION decisions_mark_{table}() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN {marks} RETURN NULL; END $$"
        )
        for verb in _ONLY_NEW.get(table, ("INSERT", "UPDATE", "DELETE")):
            yield (
                f"CREATE TRIGGER decisions_mark_{verb.lower()} AFTER {verb} ON {table}"
                f" REFERENCING {'OLD' if verb == 'DELETE' else 'NEW'} TABLE AS touched"
                f" FOR EACH STATEMENT EXECUTE FUNCTION decisions_mark_{table}()"
            )


def unmade() -> Iterator[str]:
    """SQL that removes them."""
    for table in _MARKS:
        yield f"DROP FUNCTION decisions_mark_{table}() CASCADE"


# Orders of whom a device was taken from: those of the customer, and of the visits that are theirs.
_TAKEN = """
    WITH taken AS (
        SELECT DISTINCT b.shop_id, b.customer_id FROM before b JOIN touched t USING (id)
        WHERE b.customer_id <> t.customer_id OR b.shop_id <> t.shop_id
    )
    INSERT INTO decisions_stale (shop_id, order_id)
    SELECT o.shop_id, o.id FROM taken JOIN shop_order o USING (shop_id, customer_id)
    UNION
    SELECT o.shop_id, o.id FROM taken JOIN shop_identity i USING (shop_id, customer_id)
    JOIN shop_order o ON o.shop_id = i.shop_id AND o.anonymous_id = i.anonymous_id;
"""


def made_for_taken() -> Iterator[str]:
    """SQL that makes the trigger of identities that turn out to be another customer's."""
    yield (
        "CREATE FUNCTION decisions_mark_taken() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {_TAKEN} RETURN NULL; END $$"
    )
    yield (
        "CREATE TRIGGER decisions_mark_taken AFTER UPDATE ON shop_identity"
        " REFERENCING OLD TABLE AS before NEW TABLE AS touched"
        " FOR EACH STATEMENT EXECUTE FUNCTION decisions_mark_taken()"
    )


def unmade_for_taken() -> Iterator[str]:
    yield "DROP FUNCTION decisions_mark_taken() CASCADE"
