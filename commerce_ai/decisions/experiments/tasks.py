"""The jobs that keep the figures of experiments fresh, and ask versions in the shadow."""

from __future__ import annotations

import logging
import time

from celery import shared_task
from django.db.models import F, Q
from django.utils import timezone

from commerce_ai.decisions.experiments import lifecycle, results, shadow
from commerce_ai.decisions.experiments.models import Experiment
from commerce_ai.decisions.experiments.shadow_models import Shadow

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


@shared_task(name="decisions.ask_in_shadow")
def ask_in_shadow() -> int:
    """Every version in the shadow, those that were asked longest ago first; how many requests that were."""
    until, done = time.monotonic() + LONGEST_S, 0
    for each in (
        Shadow.objects.filter(until=None).select_related("shop", "version").order_by(F("upto").asc(nulls_first=True))
    ):
        if time.monotonic() > until:
            break
        try:
            done += shadow.look(each)
        except Exception:  # one shop's must not keep the others' from being asked
            logger.exception("%s could not be asked in the shadow", each)
    return done
