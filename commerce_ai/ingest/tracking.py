"""The door of events: a request's messages become Event rows and one IngestBatch, in one transaction.

When `accept` returns, everything it says was stored is committed; what follows from it (customers, orders, figures) is
projected soon after, from the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from django.db import transaction

from commerce_ai.crypto import keyed_hash
from commerce_ai.ids import time_of, uuid7
from commerce_ai.ingest import consents, customers, personal, tasks, visitors
from commerce_ai.ingest.messages import Prove, Reader, Reading, Refused, tidy
from commerce_ai.ingest.models import IngestBatch, QuarantineRow
from commerce_ai.ingest.vocabulary import LONGEST_ID, MOST_EVENT_BYTES
from commerce_ai.shop import partitions, tombstones
from commerce_ai.shop.catalogue import catalogue_of
from commerce_ai.shop.consent import Purpose
from commerce_ai.shop.eventlog import NewEvent, write_events

_ID_ROOM = 0xFFF  # ids of a batch count up in their lowest twelve bits


class Rejection(msgspec.Struct, frozen=True):
    """A message that was turned away into quarantine: its place in the batch, a code, the field, and why."""

    index: int
    code: str
    field: str
    message: str


class Accepted(msgspec.Struct, frozen=True):
    """What became of the messages: stored + duplicates + rejected is how many there were."""

    stored: int
    duplicates: int
    rejected: list[Rejection]


def accept(
    shop_id: int,
    batch: Sequence[msgspec.Raw | bytes],
    *,
    door: str = "tracking",
    trusted: bool = False,
    prove: Prove | None = None,
    sent_at: Any = None,
    context: msgspec.Raw | bytes = b"",
    kind: str | None = None,
    historic: bool = False,
) -> Accepted:
    """Store messages, each the JSON of one call of the Segment spec; good ones although others are bad.

    `trusted`: a secret key or a file sent them, so that the customers they name are proven; else only `prove` (a
    customer token → external id) proves one. `sent_at` and `context` are the request's, `kind` what its route says.
    `historic`: events lie under their own instants instead of now (imports), whose months are made. A message that
    was received before is a duplicate, whatever else it says now, and so is one of a person who was erased. Raises
    Refused for an unreadable `context`.
    """
    first = uuid7()
    received_at = time_of(first)
    reader = Reader(received_at, sent_at=sent_at, trusted=trusted, prove=prove, context=context)
    readings: list[Reading] = []
    rejections: list[Rejection] = []
    refused: list[msgspec.Raw | bytes] = []
    for index, raw in enumerate(batch):
        try:
            readings.append(reader.read(raw, kind))
        except Refused as error:
            rejections.append(Rejection(index, error.code, error.field, str(error.message)))
            refused.append(raw)
    sent = len(readings)
    if is_barred := tombstones.barred(shop_id):
        readings = [each for each in readings if not _is_erased(each, is_barred)]
    if historic and readings:
        instants = [each.occurred_at for each in readings]
        partitions.ensure_months(min(instants).date(), max(instants).date())
    products = _products(shop_id, readings)
    with transaction.atomic():
        proven = {each.user_id for each in readings if each.proven}
        known = customers.resolve(shop_id, proven) if proven else {}
        ids = [uuid7(each.occurred_at) for each in readings] if historic else _ids(first, len(readings))
        events = [
            NewEvent(
                id=event_id, shop_id=shop_id, kind=each.kind, name=each.name,
                message_id=each.message_id or event_id.hex, anonymous_id=each.anonymous_id, user_id=each.user_id,
                customer_id=known.get(each.user_id) if each.proven else None, session_id=each.session_id,
                product_id=products.get(each.product) if each.product else None, decision_id=each.decision_id,
                properties=each.properties, context=each.context, platform=each.platform,
                occurred_at=each.occurred_at, received_at=received_at,
            )
            for event_id, each in zip(ids, readings, strict=True)
        ]  # fmt: skip
        is_new = write_events(events) if events else []
        fresh = [place for place, new in enumerate(is_new) if new]
        if fresh or rejections:
            stored_ids = [ids[place] for place in fresh]
            contacts = {ids[place].hex: contact for place in fresh if (contact := readings[place].contact)}
            IngestBatch.objects.create(
                shop_id=shop_id, door=door, trusted=trusted, events=len(fresh),
                duplicates=sent - len(fresh), rejected=len(rejections),
                first_id=stored_ids[0] if stored_ids else None, last_id=stored_ids[-1] if stored_ids else None,
                event_ids=stored_ids if historic else None,
                contacts=msgspec.json.encode(contacts).decode() if contacts else "",
                received_at=received_at, projected_at=None if fresh else received_at,
            )  # fmt: skip
        if rejections:
            _quarantine(shop_id, door, rejections, refused)
        if fresh and not historic:  # visits of the past start no session, and an import wakes the projection itself
            new_readings = [readings[place] for place in fresh]
            transaction.on_commit(lambda: _follow_up(shop_id, new_readings, products), robust=True)
    return Accepted(len(fresh), sent - len(fresh), rejections)


def _is_erased(reading: Reading, is_barred: tombstones.Barred) -> bool:
    return is_barred(tombstones.Kind.CUSTOMER, reading.user_id) or is_barred(
        tombstones.Kind.ANONYMOUS, reading.anonymous_id
    )


def _ids(first: UUID, count: int) -> list[UUID]:
    """Ids that follow each other and nobody else's: the outbox names them by their first and last."""
    if count > _ID_ROOM:
        raise ValueError(f"a batch has at most {_ID_ROOM} messages")
    start = first.int & ~_ID_ROOM
    return [UUID(int=start + place) for place in range(count)]


def _products(shop_id: int, readings: list[Reading]) -> dict[str, int]:
    """External id → our id of the products that the messages name and the catalogue has."""
    names = {each.product for each in readings}
    for each in readings:
        names.update(each.products)
    names.discard("")
    if not names:
        return {}
    catalogue = catalogue_of(shop_id)
    named = list(names)
    places = catalogue.index_of_external(named)
    return {name: int(catalogue.id[place]) for name, place in zip(named, places.tolist(), strict=True) if place >= 0}


def _follow_up(shop_id: int, readings: list[Reading], products: dict[str, int]) -> None:
    """After the commit: what is quick to lose and quick to have."""
    visits: list[visitors.AnyVisit] = []
    ties: list[tuple[str, str]] = []
    may_remember = consents.Permits(shop_id, Purpose.PERSONALISATION)
    for each in readings:
        customer = each.user_id if each.proven else None
        if not may_remember(each.consent, customer, each.anonymous_id):
            continue
        if each.product:
            if (product_id := products.get(each.product)) is not None:
                visits.append((each.name, product_id, each.occurred_at, customer, each.anonymous_id))
        elif each.products:
            bought = (products[name] for name in each.products if name in products)
            visits += [(each.name, product_id, each.occurred_at, customer, each.anonymous_id) for product_id in bought]
        if customer and each.anonymous_id and each.kind in ("identify", "alias"):
            ties.append((each.anonymous_id, customer))
    visitors.remember(shop_id, visits, ties)
    tasks.wake()


def _quarantine(shop_id: int, door: str, rejections: list[Rejection], refused: list[msgspec.Raw | bytes]) -> None:
    """Keep what was turned away, without anything personal, so that somebody sees and mends it."""
    rows = []
    for rejection, raw in zip(rejections, refused, strict=True):
        data = bytes(raw)
        if tombstones.names_erased(shop_id, shown := _shown(data)):
            continue
        said = b"%d %s %s" % (shop_id, door.encode(), data)
        rows.append(
            QuarantineRow(
                shop_id=shop_id, format=door, table="event", row_number=rejection.index, column=rejection.field[:255],
                reason=rejection.code, message=rejection.message, values=shown,
                fingerprint=keyed_hash(said.decode("utf-8", "replace"), purpose="quarantine"),
            )
        )  # fmt: skip
    QuarantineRow.objects.bulk_create(rows, ignore_conflicts=True)


def _shown(data: bytes) -> dict[str, Any]:
    """A refused message as far as it can be read; of one that is too large only what is short in it."""
    try:
        value = msgspec.json.decode(tidy(data))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(value, dict):
        return {"message": personal.clean(value)} if len(data) <= MOST_EVENT_BYTES else {}
    value.pop("context", None)
    if len(data) > MOST_EVENT_BYTES:
        value = {key: each for key, each in value.items() if len(str(each)) <= LONGEST_ID}
    return personal.clean(value)
