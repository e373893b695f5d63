"""From batches to facts: customers, identities, orders and figures of the events that were just stored.

A batch is claimed with SKIP LOCKED and marked projected in the transaction that writes what follows from it: a death
in between leaves it to the next claim. Everything written is the same in whatever order batches come. Batches of one
shop are projected by one process at a time, several of them in one go; a batch that fails is tried again alone, later
and later, and after `MOST_ATTEMPTS` set aside with its error, where it hinders nobody.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from commerce_ai.crypto import keyed_hash
from commerce_ai.ingest import consents, metrics, orders, people
from commerce_ai.ingest.models import IngestBatch, QuarantineRow
from commerce_ai.ingest.personal import Contact
from commerce_ai.ingest.vocabulary import ORDER_EVENTS
from commerce_ai.shop import consent
from commerce_ai.shop import contact as contacts
from commerce_ai.shop.consent import Purpose
from commerce_ai.shop.models import Customer, Shop
from commerce_ai.shop.revision import bump

logger = logging.getLogger(__name__)

AT_ONCE = 50
MOST_EVENTS_AT_ONCE = 10_000
MOST_ATTEMPTS = 5
_LOCK = 0x70726F6A  # "proj", with the shop's number: one process at a time projects a shop
# Not the contacts: what can't be decrypted must fail with its batch, not with the claim.
_COLUMNS = "id, shop_id, trusted, events, first_id, last_id, event_ids, attempts, length(contacts) > 0 AS has_contacts"
_WAITS = "projected_at IS NULL AND set_aside_at IS NULL AND (retry_at IS NULL OR retry_at <= now())"


def run(*, until: float | None = None) -> int:
    """Project all that waits; how many batches that were. Stops early when time.monotonic() passes `until`."""
    done = 0
    while until is None or time.monotonic() < until:
        found = _run_some()
        if not found:
            break
        done += found
    return done


def retry(batch: IngestBatch) -> None:
    """Give a batch that was set aside another round of attempts."""
    IngestBatch.objects.of(batch.shop_id).filter(pk=batch.pk).update(
        set_aside_at=None, retry_at=None, attempts=0, error=""
    )


def prune(keep: timedelta = timedelta(days=7), *, at_once: int = 10_000) -> int:
    """Delete batches that were projected longer ago than `keep`, the oldest first; how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM ingest_ingestbatch WHERE id IN"
            " (SELECT id FROM ingest_ingestbatch WHERE projected_at < %s ORDER BY id LIMIT %s)",
            [timezone.now() - keep, at_once],
        )
        return cursor.rowcount


def forget_contacts(before: datetime) -> int:
    """Empty the contacts of batches that were set aside before then, and that nobody looked after; how many."""
    aside = IngestBatch.objects.filter(set_aside_at__lt=before)
    keys = [each.pk for each in aside.only("pk", "contacts") if each.contacts]
    return IngestBatch.objects.filter(pk__in=keys).update(contacts="")


def _run_some() -> int:
    claimed: list[IngestBatch] = []
    try:
        with transaction.atomic():
            claimed = _claim()
            if claimed:
                _project(claimed)
    except (OperationalError, InterfaceError):
        raise  # Postgres is not there, or chose us to end a deadlock: no batch's fault
    except Exception as error:
        if len(claimed) == 1:
            _note_failure(claimed[0], error)
        else:
            for batch in claimed:
                _run_alone(batch.pk)
    return len(claimed)


def _run_alone(pk: int) -> None:
    batch = None
    try:
        with transaction.atomic():
            batch = _claim_one(pk)
            if batch is not None:
                _project([batch])
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        if batch is not None:
            _note_failure(batch, error)


def _claim() -> list[IngestBatch]:
    """The oldest batches of the shop whose turn it is."""
    claimed = list(
        IngestBatch.objects.raw(
            f"""
            SELECT {_COLUMNS} FROM ingest_ingestbatch WHERE {_WAITS} AND shop_id = (
                SELECT shop_id FROM ingest_ingestbatch WHERE {_WAITS} ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
            ) ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
            """,  # noqa: S608
            [AT_ONCE],
        )
    )
    # Large batches fill a transaction by themselves; whoever is left out stays for the next round.
    events = 0
    for place, batch in enumerate(claimed):
        events += batch.events
        if events > MOST_EVENTS_AT_ONCE and place:
            return claimed[:place]
    return claimed


def _claim_one(pk: int) -> IngestBatch | None:
    query = f"SELECT {_COLUMNS} FROM ingest_ingestbatch WHERE {_WAITS} AND id = %s FOR UPDATE SKIP LOCKED"  # noqa: S608
    return next(iter(IngestBatch.objects.raw(query, [pk])), None)


def _note_failure(batch: IngestBatch, error: Exception) -> None:
    """Try again after 2, 4, 8 … s; at last set the batch aside. The error is told without the values in it."""
    attempts = batch.attempts + 1
    aside = attempts >= MOST_ATTEMPTS
    now = timezone.now()
    IngestBatch.objects.of(batch.shop_id).filter(pk=batch.pk).update(
        attempts=attempts, retry_at=now + timedelta(seconds=2**attempts), set_aside_at=now if aside else None,
        error=f"{type(error).__name__}: {str(error).splitlines()[0][:500] if str(error) else ''}",
    )  # fmt: skip
    if aside:
        logger.error("ingest batch %s was set aside after %d attempts", batch.pk, attempts, exc_info=error)


# --- one go -----------------------------------------------------------------------------------------------


class _Row(msgspec.Struct, frozen=True):
    id: UUID
    kind: str
    name: str
    day: date
    visitor: int
    anonymous_id: str
    user_id: str
    customer_id: int | None
    occurred_at: datetime
    consent: dict[str, bool] | None
    properties: dict[str, Any] | None


def _project(batches: Sequence[IngestBatch]) -> None:
    shop = Shop.objects.get(pk=batches[0].shop_id)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK, shop.pk])
    said: dict[str, Contact] = {}
    for batch in batches:
        if batch.has_contacts:  # type: ignore[attr-defined]
            said |= msgspec.json.decode(batch.contacts, type=dict[str, Contact])
    rows = _read(shop, batches)
    metrics.count_events(shop.pk, Counter((row.day, _counted_as(row)) for row in rows))
    may_count = consents.Permits(shop.pk, Purpose.ANALYTICS)
    counted = (row for row in rows if may_count(row.consent, row.customer_id, row.anonymous_id))
    metrics.count_visitors(shop.pk, ((row.day, row.visitor) for row in counted))
    answers_for_more = people.tie(
        shop.pk,
        (
            people.Tie(row.anonymous_id, row.occurred_at, row.user_id, row.customer_id)
            for row in rows
            if row.anonymous_id and row.user_id
        ),
    )
    people.describe(
        shop.pk,
        (
            people.Said(row.customer_id, row.occurred_at, row.properties or {}, said.get(row.id.hex) or Contact())
            for row in rows
            if row.kind == "identify" and row.customer_id is not None
        ),
    )
    trusted = [(batch.first_id, batch.last_id) for batch in batches if batch.trusted and batch.first_id]
    bought = [_order_event(row, said, trusted) for row in rows if row.name in ORDER_EVENTS and row.kind == "track"]
    if bought:
        days, bad = orders.apply(shop, bought)
        metrics.recount_orders(shop, days)
        _quarantine(shop, bad)
    # Last of what is written, as its revision stays locked until the commit.
    consents.hear(
        shop.pk,
        (consents.Word(row.anonymous_id, row.customer_id, row.occurred_at, row.consent) for row in rows if row.consent),
    )
    if answers_for_more:
        bump(consent.TOPIC, shop.pk)
    IngestBatch.objects.of(shop).filter(pk__in=[batch.pk for batch in batches]).update(
        projected_at=timezone.now(), contacts="", error="", retry_at=None
    )


def _counted_as(row: _Row) -> str:
    # Names of pages are as many as pages.
    return row.name if row.kind == "track" else row.kind.title()


def _read(shop: Shop, batches: Sequence[IngestBatch]) -> list[_Row]:
    """The batches' events, in the order of their ids. Properties only of those that are read further."""
    spans = [(batch.first_id, batch.last_id) for batch in batches if batch.first_id and batch.event_ids is None]
    spans += [(each, each) for batch in batches for each in batch.event_ids or ()]
    if not spans:
        return []
    first, last = (list(column) for column in zip(*spans, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            _EVENTS,
            {
                "shop": shop.pk, "tz": shop.timezone, "seed": metrics.visitor_seed(), "orders": list(ORDER_EVENTS),
                "first": first, "last": last, "low": min(first), "high": max(last),
            },
        )  # fmt: skip
        return [
            _Row(*row[:-2], *(msgspec.json.decode(each) if each is not None else None for each in row[-2:]))  # type: ignore[call-arg]
            for row in cursor.fetchall()
        ]


_EVENTS = f"""
    SELECT e.id, e.kind, e.name, (e.occurred_at AT TIME ZONE %(tz)s)::date,
        {metrics.VISITOR},
        e.anonymous_id, e.user_id, e.customer_id, e.occurred_at, e.context->>'consent',
        CASE WHEN e.kind = 'identify' OR e.name = ANY(%(orders)s) THEN e.properties::text END
    FROM unnest(%(first)s::uuid[], %(last)s::uuid[]) AS span(first, last)
    JOIN shop_event e ON e.id BETWEEN span.first AND span.last
    WHERE e.shop_id = %(shop)s AND e.id BETWEEN %(low)s AND %(high)s
    ORDER BY e.id
"""  # noqa: S608  (an expression of our own)


def _order_event(row: _Row, said: dict[str, Contact], trusted: list[tuple[Any, Any]]) -> orders.OrderEvent:
    contact = said.get(row.id.hex)
    return orders.OrderEvent(
        row.name, row.occurred_at, row.properties or {}, row.anonymous_id, row.customer_id,
        contacts.email_hash(contact.email) if contact else None,
        row.customer_id is not None or any(first <= row.id <= last for first, last in trusted),
    )  # fmt: skip


def _quarantine(shop: Shop, bad: list[tuple[orders.OrderEvent, orders.BadOrder]]) -> None:
    named = {event.customer_id for event, _error in bad if event.customer_id is not None}
    users = dict(Customer.objects.of(shop).filter(pk__in=named).values_list("pk", "external_id")) if named else {}
    rows = [
        QuarantineRow(
            shop=shop, format="tracking", table="order", column=error.field, reason="invalid_order",
            message=str(error.message), values=event.properties, sealed=_sender(event, users),
            fingerprint=keyed_hash(f"{shop.pk} {event.name} {event.at} {event.properties}", purpose="quarantine"),
        )
        for event, error in bad
    ]  # fmt: skip
    QuarantineRow.objects.bulk_create(rows, ignore_conflicts=True)


def _sender(event: orders.OrderEvent, users: dict[int, str]) -> str:
    """Who it came from, so that the row can be found when that person is to be erased."""
    who = {"userId": users.get(event.customer_id or 0), "anonymousId": event.anonymous_id}
    given = {name: value for name, value in who.items() if value}
    return json.dumps(given, ensure_ascii=False) if given else ""
