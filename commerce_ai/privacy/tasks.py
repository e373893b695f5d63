"""The jobs of this room: requests, the second look after an erasure, and versions that knew the person."""

from __future__ import annotations

import logging
import time

from celery import shared_task
from django.db import transaction
from django.utils import timezone

from commerce_ai import celery
from commerce_ai.privacy import requests, retrain
from commerce_ai.privacy.erase import sweep as sweep_again
from commerce_ai.privacy.keys import rotate_keys
from commerce_ai.privacy.models import ErasureLog

__all__ = ["rotate_keys"]  # a job, like those below

logger = logging.getLogger(__name__)
LONGEST_S = 300


def wake() -> None:
    """Have a worker look, soon; never fails: without Redis the sweep finds what waits."""
    celery.wake(work, "a privacy request")


@shared_task(name="privacy.work")
def work() -> int:
    """Carry out what was asked for; how many requests."""
    return requests.work(time.monotonic() + LONGEST_S)


@shared_task(name="privacy.sweep")
def sweep() -> int:
    """Every ten seconds: look again for those who were just erased, delete exports whose time is over, and carry out
    what nobody was woken for; how many erasures were followed up."""
    followed = follow_up()
    requests.expire()
    requests.work(time.monotonic() + LONGEST_S)
    return followed


@shared_task(name="privacy.settle")
def settle() -> int:
    """Every hour: train again what knew somebody who was erased, and let the files of what it replaced go."""
    return retrain.settle()


def follow_up() -> int:
    """The sweeps that are due; how many."""
    due = ErasureLog.objects.filter(sweep_at__lte=timezone.now()).order_by("sweep_at").values_list("pk", flat=True)
    done = 0
    for pk in list(due[:100]):
        try:
            with transaction.atomic():
                rows = ErasureLog.objects.filter(pk=pk, sweep_at__lte=timezone.now())
                log = rows.select_for_update(of=("self",), skip_locked=True).select_related("shop").first()
                if log is not None:
                    sweep_again(log)
                    done += 1
        except Exception as error:  # it stays due
            logger.error("the sweep after erasure %s failed (%s)", pk, type(error).__name__)
    return done
