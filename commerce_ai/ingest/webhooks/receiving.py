"""A delivery into the outbox: signed by the shop it names, stored once, whatever the platform sends again."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta

import msgspec
from django.db.models import Q
from django.utils import timezone

from commerce_ai.crypto import keyed_hash
from commerce_ai.ingest.models import QuarantineRow, WebhookDelivery, WebhookSource
from commerce_ai.ingest.webhooks import shopify
from commerce_ai.shop import tombstones

State = WebhookDelivery.State


@dataclass(frozen=True)
class Delivery:
    """What stands around a body, as the platform's headers say it."""

    platform: str
    domain: str
    topic: str
    delivery_id: str
    signature: str


def source_of(delivery: Delivery, body: bytes) -> WebhookSource | None:
    """Whose webhook it is, if that shop's secret signed the body; else None, and nobody learns which of the two."""
    source = WebhookSource.objects.filter(platform=delivery.platform, domain=delivery.domain.strip().lower()).first()
    secret = source.secret if source is not None else "nobody's"
    expected = base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256))
    is_theirs = hmac.compare_digest(expected, delivery.signature.encode("utf-8", "replace"))
    return source if source is not None and is_theirs else None


def store(source: WebhookSource, delivery: Delivery, body: bytes) -> bool:
    """Commit it to the outbox; False if it came before. What can't be read goes to quarantine, without its words."""
    given_id = delivery.delivery_id[:255] or hashlib.sha256(delivery.topic.encode() + b"\0" + body).hexdigest()
    known, said = delivery.topic in shopify.TOPICS, _object(body)
    row = WebhookDelivery(
        shop_id=source.shop_id, platform=delivery.platform, delivery_id=given_id, topic=delivery.topic[:64]
    )
    if not known:
        row.state, row.done_at = State.UNKNOWN, row.received_at
    elif said is None:
        row.state, row.done_at = State.REFUSED, row.received_at
    else:
        row.body = msgspec.json.encode(said).decode()
        if (named := shopify.subject_of(delivery.topic, said)) is not None:
            text = f"{source.shop_id}\0{delivery.platform}\0{named.kind}\0{named.external_id}"
            row.subject, row.said_at = keyed_hash(text, purpose="webhook subject"), named.said_at
    WebhookDelivery.objects.bulk_create([row], ignore_conflicts=True)
    kept = WebhookDelivery.objects.of(source.shop_id).filter(platform=delivery.platform, delivery_id=given_id)
    is_new = kept.filter(received_at=row.received_at).exists()
    if is_new and known and said is None:
        quarantine(source.shop_id, row, "malformed", "", str(shopify.NOT_AN_OBJECT))
    return is_new


def quarantine(shop_id: int, row: WebhookDelivery, reason: str, column: str, message: str) -> None:
    """That a delivery can't be used, and why. What it said stays encrypted, for a person who may mend it."""
    if row.body and tombstones.names_erased(shop_id, msgspec.json.decode(row.body)):
        return  # of somebody who was erased nothing is kept, not even what can't be used
    fingerprint = keyed_hash(f"{shop_id}\0{row.platform}\0{row.delivery_id}", purpose="quarantine")
    fresh = QuarantineRow(
        shop_id=shop_id, format=f"webhook:{row.platform}"[:32], table=row.topic, column=column[:255],
        reason=reason[:64], message=message, sealed=row.body,
        values={"topic": row.topic, "delivery": row.delivery_id}, fingerprint=fingerprint,
    )  # fmt: skip
    QuarantineRow.objects.bulk_create([fresh], ignore_conflicts=True)


def claim() -> WebhookDelivery | None:
    """The oldest delivery of any shop whose time it is, held until the caller's transaction ends."""
    due = Q(retry_at=None) | Q(retry_at__lte=timezone.now())
    waiting = WebhookDelivery.objects.filter(due, state=State.WAITING)
    return waiting.order_by("pk").select_for_update(skip_locked=True).first()


def prune(keep: timedelta = timedelta(days=7), keep_aside: timedelta = timedelta(days=40)) -> int:
    """Delete deliveries that were done longer ago than `keep`, and those that nobody looked after; how many."""
    now = timezone.now()
    aside = Q(state=State.ASIDE, received_at__lt=now - keep_aside)
    over = WebhookDelivery.objects.filter(Q(done_at__lt=now - keep) | aside)
    return WebhookDelivery.objects.filter(pk__in=list(over.values_list("pk", flat=True)[:10_000])).delete()[0]


def _object(body: bytes) -> dict[str, object] | None:
    try:
        value = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None
    # Postgres holds no NUL, which JSON may write.
    return value if isinstance(value, dict) and b"\\u0000" not in body else None
