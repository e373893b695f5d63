"""The jobs of this room: tell and send, look at health, judge the day's figures."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from celery import shared_task
from django.db.models import QuerySet

from commerce_ai import celery
from commerce_ai.alerts import health, inbox, outbox, telling, watching
from commerce_ai.alerts.models import Incident
from commerce_ai.shop.models import Shop

logger = logging.getLogger(__name__)
LONGEST_S = 240


def wake() -> None:
    """Have a worker send what is due, soon; never fails: without Redis the next sweep does it."""
    celery.wake(deliver, "a message")


@shared_task(name="alerts.deliver")
def deliver() -> int:
    """Send what is due; how many messages were tried."""
    return outbox.deliver(time.monotonic() + LONGEST_S)


@shared_task(name="alerts.sweep")
def sweep() -> int:
    """Every 20 seconds: what was snoozed, what is to be told, what waits to be sent; how many messages were tried."""
    telling.wake_snoozed()
    open_somewhere = Incident.objects.filter(closed_at__isnull=True, alerts__gt=0).values("shop")
    _in_each(Shop.objects.filter(pk__in=open_somewhere), telling.tell)
    return outbox.deliver(time.monotonic() + LONGEST_S)


@shared_task(name="alerts.check_health")
def check_health() -> int:
    """Every five minutes: raise what the checks of health find, resolve what they find no more; findings."""
    return _in_each(Shop.objects.all(), health.run)


@shared_task(name="alerts.watch")
def watch() -> int:
    """Every hour: judge each finished day once by the shop's rules; how many rules found something."""
    return _in_each(Shop.objects.all(), watching.watch)


@shared_task(name="alerts.forget")
def forget() -> int:
    """Once a day: delete messages and alerts that are over for long; how many rows."""
    return outbox.forget() + inbox.forget()


def _in_each(shops: QuerySet[Shop], act: Callable[[Shop], int]) -> int:
    """The sum of what `act` comes to in each shop: one shop's trouble is not another's."""
    done = 0
    for shop in shops.order_by("pk"):
        try:
            done += act(shop)
        except Exception:
            logger.exception("the alerts of shop %s could not be seen to", shop.pk)
    return done
