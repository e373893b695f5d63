"""Exports and erasures that were asked for: queued in Postgres, carried out by whichever worker is there.

A wake-up says nothing: whoever wakes looks what is due. A worker holds a request by a lease; when it dies, the next
one carries it out, and a result counts only while its maker still holds the lease. All is done within the hour: what
fails is tried for 25 minutes, which leaves room for a worker's death and for slow attempts. What is late all the same
or was given up is told (`troubles`).
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from commerce_ai.privacy.erase import erase
from commerce_ai.privacy.export import export
from commerce_ai.privacy.models import ExportPart, PrivacyRequest
from commerce_ai.shop import tombstones
from commerce_ai.shop.models import Shop

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=11)  # jobs end after ten
KEPT = timedelta(hours=24)  # an export's file
MOST_ATTEMPTS = 10
HOUR = timedelta(hours=1)
TOLD = timedelta(days=30)  # a request that was given up, unless the person was served since
PART_CHARACTERS = 1_000_000
Kind, State = PrivacyRequest.Kind, PrivacyRequest.State


def ask(
    shop: Shop, kind: str, external_id: str, *, by: Any = None, api_key_id: int | None = None, reason: str = ""
) -> PrivacyRequest:
    """Queue an export or an erasure; the one that waits already, where there is one (an export: of the same asker).

    Workers are woken when the caller's transaction commits. Raises ValueError for an empty id.
    """
    person = tombstones.hash_of(shop.pk, tombstones.Kind.CUSTOMER, external_id)
    if person is None:
        raise ValueError("a request is about somebody")
    waiting = PrivacyRequest.objects.of(shop).filter(kind=kind, person=person, state__in=PrivacyRequest.OPEN)
    if kind == Kind.EXPORT:
        waiting = waiting.filter(by=by, api_key_id=api_key_id)
    if (found := waiting.first()) is not None:
        return found
    try:
        with transaction.atomic():
            asked = PrivacyRequest.objects.create(
                shop=shop, kind=kind, person=person, customer=external_id, by=by, api_key_id=api_key_id,
                reason=reason[:64],
            )  # fmt: skip
    except IntegrityError:  # another was quicker; or it is done already, and then there is one more to do
        return waiting.first() or ask(shop, kind, external_id, by=by, api_key_id=api_key_id, reason=reason)
    from commerce_ai.privacy.tasks import wake

    transaction.on_commit(wake)
    return asked


def work(until: float | None = None) -> int:
    """Carry out what is due, oldest first, until `until` (of time.monotonic); how many were tried."""
    tried = 0
    while (until is None or time.monotonic() < until) and (claimed := _claim()) is not None:
        tried += 1
        try:
            _carry_out(claimed)
        except Exception as error:
            # The error's text may hold what it stumbled over.
            logger.error("%s %s failed (%s)", claimed.kind, claimed.pk, type(error).__name__)
            _put_back(claimed, error)
    return tried


def text_of(request: PrivacyRequest) -> Iterator[str]:
    """The export's JSON, part by part; nothing once it was deleted."""
    for part in ExportPart.objects.of(request.shop_id).filter(request=request).order_by("number").iterator(1):
        yield part.text


def troubles(shop: Shop) -> tuple[int, int]:
    """How many requests are open for more than an hour, and how many were given up and not carried out since."""
    now, of = timezone.now(), PrivacyRequest.objects.of(shop)
    late = of.filter(state__in=PrivacyRequest.OPEN, asked_at__lt=now - HOUR).count()
    same = of.filter(kind=OuterRef("kind"), person=OuterRef("person"), asked_at__gt=OuterRef("asked_at"))
    failed = of.filter(state=State.FAILED, asked_at__gt=now - TOLD).exclude(Exists(same))
    return late, failed.count()


def expire() -> int:
    """Delete exports whose time is over; how many."""
    over = PrivacyRequest.objects.filter(kind=Kind.EXPORT, state=State.DONE, expires_at__lte=timezone.now())
    keys = list(over.values_list("pk", flat=True)[:1000])
    with transaction.atomic():
        ExportPart.objects.filter(request__in=keys).delete()
        PrivacyRequest.objects.filter(pk__in=keys).update(state=State.EXPIRED)
    return len(keys)


@transaction.atomic
def _claim() -> PrivacyRequest | None:
    due = PrivacyRequest.objects.filter(state__in=PrivacyRequest.OPEN, due_at__lte=timezone.now())
    found = due.select_for_update(skip_locked=True).order_by("due_at", "pk").first()
    if found is not None:
        found.state, found.attempts, found.due_at = State.RUNNING, found.attempts + 1, timezone.now() + LEASE
        found.save(update_fields=["state", "attempts", "due_at"])
    return found


def _carry_out(request: PrivacyRequest) -> None:
    if request.kind == Kind.ERASURE:
        with transaction.atomic():
            if _is_held(request):
                done = erase(request.shop, request.customer, by=request.by, reason=request.reason)
                _finish(request, erasure_id=done.log_id)
        return
    held = export(request.shop, request.customer, report=lambda share: _report(request, share))
    text = json.dumps(held, ensure_ascii=False)
    pieces = [text[at : at + PART_CHARACTERS] for at in range(0, len(text), PART_CHARACTERS)]
    with transaction.atomic():
        if _is_held(request):  # else it was erased meanwhile, or another worker has it
            ExportPart.objects.bulk_create(
                ExportPart(shop_id=request.shop_id, request=request, number=number, text=piece)
                for number, piece in enumerate(pieces)
            )
            _finish(request, expires_at=timezone.now() + KEPT, size=len(text.encode()))


def _is_held(request: PrivacyRequest) -> bool:
    """Whether the lease is still ours; the row stays locked."""
    rows = PrivacyRequest.objects.of(request.shop_id).filter(pk=request.pk, state=State.RUNNING)
    return rows.filter(attempts=request.attempts).select_for_update().values_list("pk").first() is not None


def _report(request: PrivacyRequest, share: float) -> None:
    rows = PrivacyRequest.objects.of(request.shop_id).filter(pk=request.pk, attempts=request.attempts)
    rows.update(progress=min(max(share, 0.0), 1.0))


def _finish(request: PrivacyRequest, **values: Any) -> None:
    PrivacyRequest.objects.of(request.shop_id).filter(pk=request.pk).update(
        state=State.DONE, customer="", progress=1.0, error="", done_at=timezone.now(), **values
    )


def _put_back(request: PrivacyRequest, error: Exception) -> None:
    """Try again after 10, 20, 40 … seconds, at most five minutes; at last give up, so that somebody asks anew."""
    over = request.attempts >= MOST_ATTEMPTS
    values: dict[str, Any] = {
        "state": State.FAILED if over else State.QUEUED, "error": type(error).__name__[:100],
        "due_at": timezone.now() + timedelta(seconds=min(5 * 2**request.attempts, 300)),
    }  # fmt: skip
    rows = PrivacyRequest.objects.of(request.shop_id).filter(pk=request.pk, state=State.RUNNING)
    rows.filter(attempts=request.attempts).update(**values, **({"customer": ""} if over else {}))
