"""Which incidents reach a channel at once, and which wait for the digest.

An incident rests for a minute, so that what belongs to it gathers; then the worth most come first, as far as the day's
budget goes. What is told, and the messages that tell it, are committed together.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from commerce_ai.alerts import incidents, words
from commerce_ai.alerts.budget import budget_of
from commerce_ai.alerts.models import Alert, Channel, Delivery, Incident, Severity
from commerce_ai.shop.models import Shop

GATHERS = timedelta(minutes=1)
MOST_IN_DIGEST = 50


def tell(shop: Shop, now: datetime | None = None) -> int:
    """Write the messages that are due, of the day's budget and of the digest; how many messages."""
    now = now or timezone.now()
    if not incidents.waiting(shop.pk).exists():
        return 0
    with transaction.atomic():
        # One teller a shop: the budget is counted and spent under this lock.
        shop = Shop.objects.select_for_update(of=("self",), no_key=True).get(pk=shop.pk)
        channels = list(Channel.objects.of(shop).filter(on=True).order_by("pk"))
        if not channels:
            return 0
        return _at_once(shop, channels, now) + _digest(shop, channels, now)


def wake_snoozed(now: datetime | None = None) -> int:
    """Open again what was snoozed until now; how many."""
    now = now or timezone.now()
    due = Alert.objects.filter(state=Alert.State.SNOOZED, snoozed_until__lte=now).select_related("incident")
    woken = 0
    for alert in due[:500]:
        with transaction.atomic():
            still = Alert.objects.of(alert.shop_id).filter(pk=alert.pk, state=Alert.State.SNOOZED)
            if still.update(state=Alert.State.OPEN, snoozed_until=None):
                # What one was asked to remind of is told again.
                Incident.objects.of(alert.shop_id).filter(pk=alert.incident_id).update(told_severity=0)
                alert.incident.refresh_from_db()
                incidents.refresh(alert.incident)
                woken += 1
    return woken


def _at_once(shop: Shop, channels: Sequence[Channel], now: datetime) -> int:
    budget, least = budget_of(shop), max(Severity.WARNING, min(each.min_severity for each in channels))
    day = now.astimezone(shop.tz).replace(hour=0, minute=0, second=0, microsecond=0)
    spent = Incident.objects.of(shop).filter(told_at__gte=day, told_at_once=True).count()
    ready = incidents.waiting(shop.pk).filter(severity__gte=least, opened_at__lte=now - GATHERS)
    made = 0
    for incident in incidents.ranked(ready):
        most = budget.most_a_day if incident.severity == Severity.CRITICAL else budget.for_warnings
        if spent >= most or not (hear := [each for each in channels if each.min_severity <= incident.severity]):
            continue
        # An incident that is told again, now that it is worse, was counted already if that was today.
        spent += not (incident.told_at_once and incident.told_at and incident.told_at >= day)
        made += _write(shop, hear, "alert.raised", words.incident(shop, incident), now)
        _told([incident], now, at_once=True)
    return made


def _digest(shop: Shop, channels: Sequence[Channel], now: datetime) -> int:
    """Once a day, from the shop's hour on, what was not told at once. Nothing is sent where nothing waits."""
    hour = now.astimezone(shop.tz).replace(hour=budget_of(shop).digest_hour, minute=0, second=0, microsecond=0)
    if now < hour or Delivery.objects.of(shop).filter(type="alert.digest", made_at__gte=hour).exists():
        return 0
    left = incidents.ranked(incidents.waiting(shop.pk).filter(opened_at__lt=hour))
    made = 0
    for channel in channels:
        theirs = [each for each in left if each.severity >= channel.min_severity]
        if theirs:
            made += _write(
                shop, [channel], "alert.digest", words.digest(shop, theirs[:MOST_IN_DIGEST], len(theirs)), now
            )
    lowest = min(each.min_severity for each in channels)
    _told([each for each in left if each.severity >= lowest], now, at_once=False)
    return made


def _write(shop: Shop, channels: Sequence[Channel], type_: str, payload: dict[str, Any], now: datetime) -> int:
    rows = [
        Delivery(shop=shop, channel=each, type=type_, payload=payload, made_at=now, due_at=now) for each in channels
    ]
    return len(Delivery.objects.bulk_create(rows))


def _told(told: Sequence[Incident], now: datetime, *, at_once: bool) -> None:
    for each in told:
        each.told_at, each.told_severity, each.told_at_once = now, each.severity, at_once
        each.save(update_fields=["told_at", "told_severity", "told_at_once"])
