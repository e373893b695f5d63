"""A person's way out: everything held on them goes, and nothing that comes late brings them back.

What a shop must keep for its books stays, without the person: orders, payments, what was viewed and sold. Rows that
are about nothing but the person are deleted. One transaction: either all of it is done or nothing.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import redis
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models, transaction
from django.db.models import Q
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.crypto import keyed_hash
from commerce_ai.ingest import memory, visitors
from commerce_ai.ingest.models import IngestBatch
from commerce_ai.learning.models import Version
from commerce_ai.privacy import holdings, retrain
from commerce_ai.privacy.holdings import Model, Person
from commerce_ai.privacy.models import ErasureLog, ExportPart, PrivacyRequest
from commerce_ai.shop import tombstones
from commerce_ai.shop.models import (
    Consent,
    Conversation,
    Customer,
    Event,
    Label,
    Message,
    Order,
    Payment,
    Review,
    Shop,
    Tombstone,
)
from commerce_ai.shop.revision import bump

_TIES = {"anonymous_id", "user_id", "session_id", "decision_id"}  # what ties a row to others of the same visit
# Names of the row itself, and what taxes are reckoned by: kept in rows that stay.
_BOOKS = {"external_id", "number", "shipping_country", "billing_country"}


_JUDGED = (Conversation, Message, Order, Payment, Review)  # what a label may be about


logger = logging.getLogger(__name__)

# Seconds after an erasure at which it is looked again: doors follow their list of the erased within two seconds, and
# what was under way in another transaction has ended after a minute.
SWEEPS = (10, 60)


@dataclass(frozen=True)
class Erased:
    """Rows that were changed or deleted, by table; the versions that were trained on the person's facts; the record."""

    counts: Mapping[str, int]
    versions: tuple[int, ...]
    log_id: int


@transaction.atomic
def erase(shop: Shop, customer: Customer | str, by: Any = None, reason: str = "") -> Erased:
    """Erase a customer, or whoever is still held under that outside id; again does no harm. `by` is a user.

    Raises redis.RedisError when Redis can't be reached, with nothing erased.
    """
    asked_at = timezone.now()
    external_id = customer if isinstance(customer, str) else customer.external_id
    batches = _waiting(shop)
    list(Customer.objects.of(shop).filter(external_id=external_id).select_for_update().values_list("pk"))
    person = holdings.person_of(shop, external_id)
    hashed = tombstones.hash_of(shop.pk, tombstones.Kind.CUSTOMER, external_id) or b""
    _bar(person, reason)
    held = holdings.held(person)
    versions = _trained_on(person, held.get(Event, set()))
    counts = _forget(shop, person, held, batches)
    counts["privacy_exportpart"] += _forget_exports(shop, hashed)
    done, done_at = _plain(counts), timezone.now()
    log = ErasureLog.objects.create(
        shop=shop, person=hashed, by=by, reason=reason, asked_at=asked_at, done_at=done_at, counts=done,
        versions=versions, names=_named(person), sweep_at=done_at + timedelta(seconds=SWEEPS[0]),
        settled_at=None if versions else done_at,
    )  # fmt: skip
    retrain.at_once(log)
    bump("customers", shop)
    return Erased(done, tuple(versions), log.pk)


@transaction.atomic
def sweep(log: ErasureLog) -> Mapping[str, int]:
    """Erase once more what another process let in before it knew, or had under way; what was found. After the last
    sweep of an erasure that finds nothing, the person's names go too."""
    shop, said = log.shop, json.loads(log.names)
    batches = _waiting(shop)
    now_known = holdings.person_of(shop, said["customer"])
    remembered = Person(
        shop.pk, now_known.customer_id, said["customer"],
        tuple({*said["anonymous"], *now_known.anonymous_ids}), said["email"], said["phone"],
    )  # fmt: skip
    counts: Counter[str] = Counter()
    for person in (now_known, remembered) if now_known.customer_id else (remembered,):
        _bar(person, log.reason)
        counts += _forget(shop, person, holdings.held(person), batches)
    found, now = _plain(counts), timezone.now()
    log.sweeps = [*log.sweeps, {"at": now.isoformat(timespec="seconds"), "counts": found}]
    following = [each for each in SWEEPS if log.done_at + timedelta(seconds=each) > now]
    if following or found:
        log.sweep_at = max(log.done_at + timedelta(seconds=following[0] if following else 0), now + _AGAIN)
    else:
        log.names, log.sweep_at = "", None
        _rewrite_redis_log()
    log.save(update_fields=["sweeps", "names", "sweep_at"])
    if found:
        bump("customers", shop)
    return found


def _rewrite_redis_log() -> None:
    """Redis keeps what was deleted in the file of its writes until that is written anew."""
    try:
        memory.client().bgrewriteaof()
    except redis.RedisError as error:  # one runs already, or a managed Redis allows nobody to ask
        logger.info("Redis does not write its log anew now (%s)", type(error).__name__)


_AGAIN = timedelta(seconds=SWEEPS[0])


def _waiting(shop: Shop) -> list[int]:
    """Batches that wait to be projected, held; waits for projections under way, which skip what is held here."""
    rows = IngestBatch.objects.of(shop).filter(projected_at__isnull=True).order_by("pk")
    return list(rows.select_for_update().values_list("pk", flat=True))


def _named(person: Person) -> str:
    said = {
        "customer": person.external_id, "anonymous": person.anonymous_ids, "email": person.email,
        "phone": person.phone,
    }  # fmt: skip
    return json.dumps(said, ensure_ascii=False)


def _plain(counts: Mapping[str, int]) -> dict[str, int]:
    return {table: rows for table, rows in sorted(counts.items()) if rows}


def _forget(shop: Shop, person: Person, held: dict[Model, set[Any]], batches: list[int]) -> Counter[str]:
    """Everything but tombstones and exports; rows by table."""
    counts: Counter[str] = Counter()
    for plugin in registry.plugins():  # switched off or not, while the rows can still be asked
        plugin.forget(
            shop.pk, customer_id=person.customer_id or None, external_id=person.external_id,
            anonymous_ids=person.anonymous_ids,
        )  # fmt: skip
    counts["ingest_ingestbatch"] += _forget_contacts(person, batches, held.get(Event, set()))
    for row, _about in holdings.searched(person):
        if not isinstance(row, IngestBatch):
            row.delete()
            counts[row._meta.db_table] += 1
    counts["shop_event"] += _forget_events(person, held.pop(Event, set()))
    for model, keys in held.items():
        # What a row is called in the log may be words of the person's; that somebody changed it stays.
        named = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(model))
        counts["django_admin_log"] += named.filter(object_id__in=[str(key) for key in keys]).update(object_repr="")
        if model is Consent:
            counts["shop_consent"] += _keep_proof(person, keys)
        elif _goes_with_customer(model):
            continue
        elif _is_nothing_alone(model):
            counts[model._meta.db_table] += model._base_manager.filter(pk__in=keys).delete()[0]
        else:
            labels = Label.objects.of(shop).filter(subject_type=model._meta.model_name, subject_id__in=keys)
            if model in _JUDGED:
                emptied = model._base_manager.filter(pk__in=keys)
                tombstones.note_emptied(shop.pk, model, emptied.values_list("external_id", flat=True))
            counts["shop_label"] += labels.update(text="", details={}) if model in _JUDGED else 0
            counts[model._meta.db_table] += model._base_manager.filter(pk__in=keys).update(**_blanks(model))
    for found in Customer.objects.of(shop).filter(pk=person.customer_id):
        _total, deleted = found.delete()
        for label, rows in deleted.items():
            counts[label.lower().replace(".", "_")] += rows
        logged = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(Customer), object_id=found.pk)
        counts["django_admin_log"] += logged.delete()[0]
    visitors.forget(shop.pk, customer_external_id=person.external_id)
    for each in person.anonymous_ids:
        visitors.forget(shop.pk, anonymous_id=each)
    return counts


def _forget_exports(shop: Shop, hashed: bytes) -> int:
    """Copies of the person's data that wait to be taken away, and those that are being made."""
    theirs = PrivacyRequest.objects.of(shop).filter(kind=PrivacyRequest.Kind.EXPORT, person=hashed)
    list(theirs.order_by("pk").select_for_update().values_list("pk"))
    parts = ExportPart.objects.of(shop).filter(request__in=theirs).delete()[0]
    theirs.exclude(state=PrivacyRequest.State.FAILED).update(state=PrivacyRequest.State.EXPIRED, customer="")
    return parts


def _bar(person: Person, reason: str) -> None:
    Tombstone.objects.bulk_create(
        [
            Tombstone(shop_id=person.shop_id, kind=kind, hash=hashed, reason=reason)
            for kind, names in person.names.items()
            for name in sorted(names)
            if (hashed := tombstones.hash_of(person.shop_id, kind, name))
        ],
        ignore_conflicts=True,
    )


def _trained_on(person: Person, events: set[Any]) -> list[int]:
    """Versions of the shop whose files are still here and whose training window holds a fact of the person. Which
    people are in a file only its learner could tell: every learner that may have read the fact is named."""
    facts = _span(person, events)
    if facts is None:
        return []
    first, last = facts
    rows = Version.objects.of(person.shop_id).exclude(manifest="").filter(
        Q(trained_from__isnull=True) | Q(trained_from__lte=last),
        Q(trained_until__isnull=True) | Q(trained_until__gte=first),
    )  # fmt: skip
    return sorted(rows.values_list("pk", flat=True))


def _span(person: Person, events: set[Any]) -> tuple[datetime, datetime] | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT min(at), max(at) FROM (SELECT occurred_at AS at FROM shop_event WHERE id = ANY(%s)"
            " UNION ALL SELECT placed_at FROM shop_order WHERE customer_id = %s) facts",
            [list(events), person.customer_id],
        )
        first, last = cursor.fetchone()
    return None if first is None else (first, last)


def _forget_contacts(person: Person, batches: list[int], events: set[Any]) -> int:
    """Of batches that wait to be projected: what their events said to identify the person."""
    said_by, changed = {each.hex for each in events}, 0
    for batch in IngestBatch.objects.filter(pk__in=batches).only("pk", "contacts").iterator():  # of this shop
        contacts = holdings.value_of(batch.contacts) if batch.contacts else {}
        kept = {key: each for key, each in contacts.items() if key not in said_by and not person.is_named_in(each)}
        if len(kept) < len(contacts):
            batch.contacts = json.dumps(kept, ensure_ascii=False) if kept else ""
            batch.save(update_fields=["contacts"])
            changed += 1
    return changed


def _forget_events(person: Person, events: set[Any]) -> int:
    """What somebody viewed and bought stays counted; who it was, and all they said, goes in every partition."""
    if not events:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_EVENTS, {"shop": person.shop_id, "ids": list(events), "facts": list(_FACTS)})
        return cursor.fetchone()[0]


# Of an event's properties what is about goods and money: orders that wait to be projected still come to the books.
_FACTS = (
    "order_id", "product_id", "sku", "price", "quantity", "position", "currency", "total", "value", "revenue",
    "subtotal", "shipping", "tax", "discount", "status",
)  # fmt: skip

# Keys and events go in one statement, which sees the events' old message ids throughout.
_EVENTS = """
    WITH theirs AS MATERIALIZED (
        SELECT id, message_id FROM shop_event WHERE id = ANY(%(ids)s) AND shop_id = %(shop)s
    ), keys AS (
        DELETE FROM shop_eventkey WHERE shop_id = %(shop)s AND message_id IN (SELECT message_id FROM theirs)
    ), said AS (
        DELETE FROM shop_event e USING theirs t
        WHERE e.id = t.id AND e.kind IN ('identify', 'group', 'alias') RETURNING e.id
    ), done AS (
        UPDATE shop_event e SET anonymous_id = '', user_id = '', session_id = '', customer_id = NULL,
            decision_id = NULL, message_id = e.id::text, context = '{}',
            properties = CASE WHEN jsonb_typeof(e.properties) = 'object' THEN
                (SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(e.properties)
                    WHERE key = ANY(%(facts)s) AND jsonb_typeof(value) IN ('string', 'number'))
                || CASE WHEN jsonb_typeof(e.properties->'products') = 'array' THEN jsonb_build_object('products',
                    (SELECT coalesce(jsonb_agg((SELECT coalesce(jsonb_object_agg(key, value), '{}')
                        FROM jsonb_each(each)
                        WHERE key = ANY(%(facts)s) AND jsonb_typeof(value) IN ('string', 'number'))), '[]')
                        FROM jsonb_array_elements(e.properties->'products') each
                        WHERE jsonb_typeof(each) = 'object')) ELSE '{}' END ELSE '{}' END,
            name = CASE WHEN e.kind = 'track' THEN e.name ELSE '' END
        FROM theirs t WHERE e.id = t.id AND e.kind NOT IN ('identify', 'group', 'alias') RETURNING e.id
    )
    SELECT (SELECT count(*) FROM said) + (SELECT count(*) FROM done)
"""


def _keep_proof(person: Person, keys: set[Any]) -> int:
    """That somebody agreed, or did not, stays provable to whoever knows the id, and to nobody else."""
    hashed = keyed_hash(f"{person.shop_id}\0{person.external_id}", purpose="erased consent").hex()
    for consent in Consent.objects.of(person.shop_id).filter(pk__in=keys):
        consent.customer, consent.evidence = None, ""
        consent.anonymous_id = f"erased:{hashed}:{consent.pk}"
        consent.save(update_fields=["customer", "evidence", "anonymous_id"])
    return len(keys)


def _goes_with_customer(model: Model) -> bool:
    return any(
        holdings.is_owner(each) and getattr(each.remote_field, "on_delete", None) is models.CASCADE
        for each in model._meta.concrete_fields
    )


def _is_nothing_alone(model: Model) -> bool:
    """Whether its rows can't be without a customer, and nobody else deletes them."""
    return any(holdings.is_owner(each) and not each.null for each in model._meta.concrete_fields)


def _blanks(model: Model) -> dict[str, Any]:
    """The columns to empty: those declared personal, those that name the customer or tie a visit together, and JSON,
    which may say anything."""
    personal = getattr(model, "personal", {})
    empty: dict[str, Any] = {}
    for each in model._meta.concrete_fields:
        if holdings.is_owner(each):
            empty[each.attname] = None
        elif each.primary_key or each.name in _BOOKS or (each.is_relation and each.name not in personal) or not (
            each.name in personal or each.name in _TIES or isinstance(each, models.JSONField)
        ):  # fmt: skip
            continue
        elif each.null:
            empty[each.attname] = None
        else:
            empty[each.attname] = each.get_default() if each.has_default() else ""
    return empty
