"""The jobs of this room: count what came of decisions, and once a day all of it that is recent anew."""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from celery import shared_task
from django.db import connection
from django.utils import timezone

from commerce_ai.decisions import attribution, losses, marks
from commerce_ai.decisions.experiments.tasks import ask_in_shadow, refresh_experiments
from commerce_ai.decisions.rules import rules_of
from commerce_ai.shop.models import Shop

__all__ = ["ask_in_shadow", "attribute", "recount", "refresh_experiments"]

logger = logging.getLogger(__name__)
LONGEST_S = 300  # a job leaves the rest to the next one after this


@shared_task(name="decisions.attribute")
def attribute() -> int:
    """Work off what was marked, shop by shop; how many marks that were."""
    until = time.monotonic() + LONGEST_S
    losses.settle()  # those of this machine's processes that are gone
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM shop_shop s WHERE EXISTS (SELECT 1 FROM decisions_heard h WHERE h.shop_id = s.id)"
            " OR EXISTS (SELECT 1 FROM decisions_stale m WHERE m.shop_id = s.id)"
        )
        waiting = [pk for (pk,) in cursor.fetchall()]
    done = 0
    for shop in Shop.objects.filter(pk__in=waiting).order_by("pk"):
        try:
            done += attribution.run(shop, until=until)
        except Exception:  # one shop's trouble is not another's; its marks wait
            logger.exception("what came of the decisions of shop %s could not be counted", shop.pk)
    return done


@shared_task(name="decisions.recount")
def recount() -> None:
    """Mark what is recent: a customer who became staff, or a cost that changed, marks nothing by itself."""
    for shop in Shop.objects.all():
        marks.recount(shop, since=timezone.now() - rules_of(shop).reach - timedelta(days=1))
