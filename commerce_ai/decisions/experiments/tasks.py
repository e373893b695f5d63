"""The job that keeps the figures of experiments fresh."""

from __future__ import annotations

import logging
import time

from celery import shared_task
from django.db.models import Q
from django.utils import timezone

from commerce_ai.decisions.experiments import lifecycle, results
from commerce_ai.decisions.experiments.models import Experiment

logger = logging.getLogger(__name__)
LONGEST_S = 400


@shared_task(name="decisions.refresh_experiments")
def refresh_experiments() -> int:
    """Every experiment that runs, or whose drawn visitors still count; those of the oldest figures first.

    One whose time is over is stopped: it draws nobody since then anyway.
    """
    for over in Experiment.objects.filter(state=Experiment.State.RUNNING, stops_at__lte=timezone.now()):
        lifecycle.stop(over, at=over.stops_at)
    until, done = time.monotonic() + LONGEST_S, 0
    lately = Q(stops_at__gte=timezone.now() - 2 * results.COUNTED_AFTER_STOP)
    rows = Experiment.objects.filter(Q(state=Experiment.State.RUNNING) | lately, starts_at__lte=timezone.now())
    for each in rows.select_related("shop").order_by("looked_at", "pk"):
        if time.monotonic() > until:
            break
        try:
            results.refresh(each)
            done += 1
        except Exception:  # one shop's figures must not keep the others' from coming
            logger.exception("the figures of experiment %d could not be made", each.pk)
    return done
