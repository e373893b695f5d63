"""Messages on their way: claimed, sent, marked. A kill in between loses none; what is sent twice has the same id."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as say

from commerce_ai.alerts import raising, sending, words
from commerce_ai.alerts.models import Channel, Delivery
from commerce_ai.shop.models import Shop

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)  # longer than any sending takes
# How long after each failed attempt the next one is: the steps that Standard Webhooks recommends.
PAUSES_S = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
LONGEST_PAUSE_S = PAUSES_S[-1]
TELLS_AFTER = 3  # attempts, half an hour: a channel that does not work is an alert itself
KEPT = timedelta(days=30)
SOURCE, TEST = "alerts", "alert.test"
State = Delivery.State


def deliver(until: float | None = None) -> int:
    """Send what is due, oldest first, until `until` (of time.monotonic); how many were tried."""
    tried = 0
    while (until is None or time.monotonic() < until) and (claimed := _claim()) is not None:
        tried += 1
        if not claimed.channel.on and claimed.type != TEST:  # a person's wish, not the channel's trouble
            _save(claimed, state=State.FAILED, error=say("The channel is off."))
            continue
        try:
            sending.send(claimed, claimed.channel, claimed.shop)
        except sending.NotSent as error:
            _put_back(claimed, error)
        except Exception as error:  # a library's own: its text may hold the address
            logger.error("message %s could not be sent (%s)", claimed.pk, type(error).__name__)
            _put_back(claimed, sending.NotSent(type(error).__name__))
        else:
            _done(claimed)
    return tried


def send_test(channel: Channel) -> Delivery:
    """Queue a test message and wake a worker when the caller's transaction commits."""
    from commerce_ai.alerts.tasks import wake

    shop = Shop.objects.get(pk=channel.shop_id)
    made = Delivery.objects.create(shop=shop, channel=channel, type=TEST, payload=words.test(shop))
    transaction.on_commit(wake)
    return made


def forget(now: datetime | None = None) -> int:
    """Delete messages that were sent or given up long ago; how many."""
    old = Delivery.objects.exclude(state=State.PENDING).filter(made_at__lt=(now or timezone.now()) - KEPT)
    return old.delete()[0]


@transaction.atomic
def forget_channel(channel: Channel) -> None:
    """Delete a channel, what waits to be sent there, and the alert that it does not work."""
    forget_trouble(channel)
    channel.delete()


def forget_trouble(channel: Channel) -> None:
    """Resolve the alert that a channel does not work: nobody waits for it any more."""
    raising.resolve(channel.shop_id, SOURCE, f"channel:{channel.pk}")


@transaction.atomic
def _claim() -> Delivery | None:
    due = Delivery.objects.filter(state=State.PENDING, due_at__lte=timezone.now()).order_by("due_at")
    found = due.select_for_update(skip_locked=True, of=("self",)).select_related("channel", "shop").first()
    if found is not None:
        found.attempts, found.due_at = found.attempts + 1, timezone.now() + LEASE
        found.save(update_fields=["attempts", "due_at"])
    return found


def _done(delivery: Delivery) -> None:
    now = timezone.now()
    _save(delivery, state=State.SENT, sent_at=now, error="")
    raising.resolve(delivery.shop_id, SOURCE, _key(delivery))
    _note(delivery, last_sent_at=now, last_error="")


def _put_back(delivery: Delivery, error: sending.NotSent) -> None:
    """Try again later, unless it was tried often enough, is only a test, or can never arrive."""
    now, said = timezone.now(), str(error)[:300]
    over = error.final or delivery.type == TEST or delivery.attempts > len(PAUSES_S)
    if over:
        _save(delivery, state=State.FAILED, error=said)
    else:
        pause = max(PAUSES_S[delivery.attempts - 1], min(error.retry_after_s or 0, LONGEST_PAUSE_S))
        _save(delivery, due_at=now + timedelta(seconds=pause), error=said)
    _note(delivery, last_error=said, last_error_at=now, **({"on": False} if error.gone else {}))
    if delivery.type != TEST and (over or delivery.attempts == TELLS_AFTER):
        _tell_others(delivery, said)


def _tell_others(delivery: Delivery, error: str) -> None:
    """An alert that a channel does not work, which the other channels and the inbox show."""
    title = say("Messages do not arrive at the channel %(name)s") % {"name": delivery.channel.name}
    url = reverse("console:alert-channel", args=[delivery.channel_id])
    raising.raise_alert(
        delivery.shop_id, raising.Said(SOURCE, _key(delivery), "warning", title, error, url), again=False
    )


def _key(delivery: Delivery) -> str:
    return f"channel:{delivery.channel_id}"


def _save(delivery: Delivery, **change: Any) -> None:
    Delivery.objects.of(delivery.shop_id).filter(pk=delivery.pk, state=State.PENDING).update(**change)


def _note(delivery: Delivery, **change: Any) -> None:
    Channel.objects.of(delivery.shop_id).filter(pk=delivery.channel_id).update(**change)
