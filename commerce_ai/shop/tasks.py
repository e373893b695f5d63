"""Periodic jobs of the shop's tables."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings
from django.db import OperationalError

from commerce_ai.shop import partitions


@shared_task(name="shop.maintain_partitions", autoretry_for=(OperationalError,), retry_backoff=30, max_retries=5)
def maintain_partitions() -> list[str]:
    """Make the months ahead; drop those past `EVENT_KEEP_MONTHS` (0, the default, keeps all). Names of both.

    A partition that a long query holds is tried again a little later.
    """
    changed = partitions.ensure_ahead(months=2)
    keep = getattr(settings, "EVENT_KEEP_MONTHS", 0)
    return changed + (partitions.prune(keep) if keep else [])
