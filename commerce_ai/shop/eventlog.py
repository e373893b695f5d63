"""The way in for events: each message once, in one transaction, fast enough for the ingest path.

The keys of a batch are inserted first; who is refused there has been here before, under whatever timestamp. The
events of the others are then copied straight into their partitions. Measured against a staging table and one joined
INSERT, this costs the server the same and needs no table of its own on each connection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db import connections, transaction

from commerce_ai.ids import time_of, uuid7
from commerce_ai.shop import partitions
from commerce_ai.shop.copying import NULL, clean_json, copy_in, escape

_KEYS = (
    "INSERT INTO shop_eventkey (shop_id, message_id, received_on)"
    " SELECT * FROM unnest(%s::bigint[], %s::text[], %s::date[]) ON CONFLICT DO NOTHING RETURNING shop_id, message_id"
)
_COPY = (
    "COPY shop_event (id, shop_id, kind, name, message_id, anonymous_id, user_id, customer_id, session_id, product_id,"
    " decision_id, properties, context, platform, occurred_at, received_at) FROM STDIN"
)
_TABS = _COPY.count(",")
_LONGEST = 255
_MILLISECONDS_A_DAY = 86_400_000


class NewEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event to write; the columns of `Event`. JSON comes as text, bytes or a mapping.

    `id` carries the instant of receipt: now. Imports give ``uuid7(occurred_at)`` and make the months first.
    """

    shop_id: int
    name: str
    message_id: str
    occurred_at: datetime
    received_at: datetime
    id: UUID = msgspec.field(default_factory=uuid7)
    kind: str = "track"
    anonymous_id: str = ""
    user_id: str = ""
    customer_id: int | None = None
    session_id: str = ""
    product_id: int | None = None
    decision_id: UUID | None = None
    properties: str | bytes | Mapping[str, Any] = "{}"
    context: str | bytes | Mapping[str, Any] = "{}"
    platform: str = ""


def write_events(events: Sequence[NewEvent], *, using: str = "default") -> list[bool]:
    """Write the events whose message was not received before; for each one whether it was new.

    Of two with one message id the first is written. Joins the caller's transaction, else commits before it
    returns. Raises MissingPartition for an id whose month was not made, ValueError for JSON that is none.
    """
    first: dict[tuple[int, str], int] = {}
    for at, event in enumerate(events):
        first.setdefault((event.shop_id, _mend(event.message_id)), at)
    with transaction.atomic(using=using, savepoint=False), connections[using].cursor() as cursor:
        # In the order of the keys, so that two batches with the same messages never wait for each other in a ring.
        keys = sorted(first)
        cursor.execute(_KEYS, _key_columns([(shop, key, events[first[shop, key]].id) for shop, key in keys]))
        fresh = keys if cursor.rowcount == len(keys) else cursor.fetchall()
        new = [False] * len(events)
        for key in fresh:
            new[first[key]] = True
        if fresh:
            _write([event for event, is_new in zip(events, new, strict=True) if is_new], using)
    return new


def _key_columns(keys: Sequence[tuple[int, str, UUID]]) -> list[str]:
    """The three columns of the keys as array literals: psycopg would look at each element twice."""
    days: dict[int, str] = {}
    for _shop, _key, event_id in keys:
        if (day := (event_id.int >> 80) // _MILLISECONDS_A_DAY) not in days:
            days[day] = time_of(event_id).date().isoformat()
    return [
        "{" + ",".join([str(shop) for shop, _key, _id in keys]) + "}",
        "{" + ",".join([_element(key) for _shop, key, _id in keys]) + "}",
        "{" + ",".join([days[(event_id.int >> 80) // _MILLISECONDS_A_DAY] for _shop, _key, event_id in keys]) + "}",
    ]


def _element(text: str) -> str:
    return '"' + (text.replace("\\", r"\\").replace('"', r"\"") if "\\" in text or '"' in text else text) + '"'


def _write(events: Sequence[NewEvent], using: str) -> None:
    try:
        copy_in(_COPY, ["\n".join(map(_line, events)) + "\n"], using=using)
    except Exception as error:
        if missing := partitions.explain(error):
            raise missing from error
        raise


def _line(event: NewEvent) -> str:
    """One line of COPY's text format. The common event needs no escaping, and one look at the line shows that."""
    cells = (
        f"{event.id.int:032x}",
        str(event.shop_id),
        event.kind[:16],
        _short(event.name),
        _mend(event.message_id),
        _short(event.anonymous_id),
        _short(event.user_id),
        NULL if event.customer_id is None else str(event.customer_id),
        _short(event.session_id),
        NULL if event.product_id is None else str(event.product_id),
        NULL if event.decision_id is None else f"{event.decision_id.int:032x}",
        clean_json(event.properties),
        clean_json(event.context),
        event.platform[:64],
        event.occurred_at.isoformat(),
        event.received_at.isoformat(),
    )
    line = "\t".join(cells)
    nulls = (event.customer_id is None) + (event.product_id is None) + (event.decision_id is None)
    plain = line.count("\\") == nulls and line.count("\t") == _TABS
    if plain and "\n" not in line and "\r" not in line and "\0" not in line:
        return line
    return "\t".join([cell if cell is NULL else escape(cell) for cell in cells])


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST]


def _mend(message_id: str) -> str:
    """The message id as it is kept: what Postgres can't hold in a text is taken out of both tables alike."""
    if not message_id.isascii():
        message_id = message_id.encode("utf-8", "replace").decode()
    return _short(message_id.replace("\0", "") if "\0" in message_id else message_id)
