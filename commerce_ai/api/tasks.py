"""What the API leaves to the worker: when each key was last used, and answers that need not be repeated any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from celery import shared_task
from django.db.models import Q
from django.utils import timezone

from commerce_ai.api import limits
from commerce_ai.api.applying import apply_webhooks
from commerce_ai.api.models import ApiKey, IdempotentWrite

__all__ = ["apply_webhooks"]  # a job, like those below

KEEP_ANSWERS = timedelta(hours=24)


@shared_task(name="commerce_ai.api.note_last_used")
def note_last_used() -> int:
    """Bring the uses that Redis noted into the keys' rows; how many moved."""
    moved = 0
    for key_id, at in limits.last_used().items():
        instant = datetime.fromtimestamp(at, UTC)
        rows = ApiKey.objects.filter(Q(last_used_at__lt=instant) | Q(last_used_at=None), pk=key_id)
        moved += rows.update(last_used_at=instant)
    return moved


@shared_task(name="commerce_ai.api.forget_answers")
def forget_answers() -> int:
    """Delete the answers of writes that are older than a day; how many."""
    return IdempotentWrite.objects.filter(created_at__lt=timezone.now() - KEEP_ANSWERS).delete()[0]
