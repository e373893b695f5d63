"""Which incidents reach a channel at once, and which wait for the digest.

An incident rests for a minute, so that what belongs to it gathers; then the worth most come first, as far as the day's
budget goes. What is told, and the messages that tell it, are committed together.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from commerce_ai.alerts import incidents, raising, words
from commerce_ai.alerts.budget import budget_of
from commerce_ai.alerts.models import Alert, Channel, Delivery, Incident, Severity
from commerce_ai.shop.models import Shop

GATHERS = timedelta(minutes=1)
MOST_IN_DIGEST = 50
RAISED, DIGEST = "alert.raised", "alert.digest"  # types of messages


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
            raising.one_at_a_time(alert.shop_id)
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
    spent = _told_since(day, shop, channels)
    ready = incidents.waiting(shop.pk).filter(severity__gte=least, opened_at__lte=now - GATHERS)
    made = 0
    for incident in incidents.ranked(ready):
        most = budget.most_a_day if incident.severity == Severity.CRITICAL else budget.for_warnings
        if spent >= most or not (hear := [each for each in channels if each.min_severity <= incident.severity]):
            continue
        spent += 1
        made += _write(shop, hear, RAISED, words.incident(shop, incident), now)
        _told([incident], now)
    return made


def _told_since(day: datetime, shop: Shop, channels: Sequence[Channel]) -> int:
    """How many messages of this day the channel got that got the most: what is told again counts again."""
    rows = Delivery.objects.of(shop).filter(type=RAISED, made_at__gte=day, channel__in=channels)
    return max(rows.values_list("channel").annotate(n=Count("pk")).values_list("n", flat=True), default=0)


def _digest(shop: Shop, channels: Sequence[Channel], now: datetime) -> int:
    """Once a day, from the shop's hour on, what was not told at once. Nothing is sent where nothing waits."""
    hour = now.astimezone(shop.tz).replace(hour=budget_of(shop).digest_hour, minute=0, second=0, microsecond=0)
    if now < hour or Delivery.objects.of(shop).filter(type=DIGEST, made_at__gte=hour).exists():
        return 0
    left = incidents.ranked(incidents.waiting(shop.pk).filter(opened_at__lt=hour, opened_at__lte=now - GATHERS))
    made = 0
    for channel in channels:
        theirs = [each for each in left if each.severity >= channel.min_severity]
        if theirs:
            made += _write(shop, [channel], DIGEST, words.digest(shop, theirs[:MOST_IN_DIGEST], len(theirs)), now)
    lowest = min(each.min_severity for each in channels)
    _told([each for each in left if each.severity >= lowest], now)
    return made


def _write(shop: Shop, channels: Sequence[Channel], type_: str, payload: dict[str, Any], now: datetime) -> int:
    rows = [
        Delivery(shop=shop, channel=each, type=type_, payload=payload, made_at=now, due_at=now) for each in channels
    ]
    return len(Delivery.objects.bulk_create(rows))


def _told(told: Sequence[Incident], now: datetime) -> None:
    for each in told:
        each.told_at, each.told_severity = now, each.severity
        each.save(update_fields=["told_at", "told_severity"])
