"""The jobs of this room. A wake-up says nothing: whoever wakes looks what there is to project."""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from commerce_ai.ingest import memory

logger = logging.getLogger(__name__)

QUEUE = f"{settings.QUEUE_PREFIX}ingest"
LONGEST_S = 300  # a job hands over to the next one after this
VISITORS_KEPT = timedelta(days=40)  # events come late, but not later
_AWAKE = "ingest:awake"
_SLEEPS_AT_MOST_S = 5  # as often as the sweep comes


def wake() -> None:
    """Have the projection look, soon; never fails. One message wakes it for all that is committed until it looks."""
    try:
        if memory.ask(lambda client: client.set(memory.prefixed(_AWAKE), 1, nx=True, ex=_SLEEPS_AT_MOST_S)):
            project.apply_async(retry=False, expires=60)
    except memory.Unavailable:
        pass
    except Exception as error:  # whatever the broker raises: the sweep comes anyway
        logger.warning("the projection was not woken (%s); the sweep will come", type(error).__name__)


@shared_task(name="ingest.project", queue=QUEUE)
def project() -> int:
    """Project what waits; how many batches that were."""
    from commerce_ai.ingest import project as projection

    try:
        # First: whatever is committed from now on wakes the next job.
        memory.ask(lambda client: client.delete(memory.prefixed(_AWAKE)))
    except memory.Unavailable:
        pass
    return projection.run(until=time.monotonic() + LONGEST_S)


@shared_task(name="ingest.sweep", queue=QUEUE)
def sweep() -> int:
    """What nobody was woken for; now and then the figures of orders that came by other doors, and what has had its
    time."""
    from commerce_ai.ingest import addresses, metrics
    from commerce_ai.ingest import project as projection
    from commerce_ai.ingest.webhooks import receiving

    done = project()
    if _is_time("recount", 60):
        metrics.recount_recent()
    if _is_time("mend", 300):
        metrics.mend_orders()
    if _is_time("prune", 900):
        projection.prune()
        projection.forget_contacts(timezone.now() - VISITORS_KEPT)
        receiving.prune()
        addresses.truncate_stored()
        metrics.forget_visitors(timezone.now().date() - VISITORS_KEPT)
    return done


def _is_time(what: str, every_s: int) -> bool:
    """True once in `every_s` over all workers; True too where nobody can tell."""
    try:
        return bool(memory.ask(lambda client: client.set(memory.prefixed(f"ingest:{what}"), 1, nx=True, ex=every_s)))
    except memory.Unavailable:
        return True


@shared_task(name="ingest.count_funnel")
def count_funnel() -> int:
    """Count anew how far visitors came, on the days whose events were counted since; how many days."""
    from commerce_ai.ingest import funnel

    return funnel.count_stale()
