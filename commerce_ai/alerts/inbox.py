"""What waits for a person, the worth most first, and what a person does about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from commerce_ai.alerts import incidents, raising
from commerce_ai.alerts.models import Alert, Incident
from commerce_ai.shop.models import Shop, ShopMember

MANY = 99  # open alerts that are counted; beyond, "99+"
KEPT = timedelta(days=180)  # of what was resolved
State = Alert.State


def ranked(shop: Shop | int, states: Sequence[str] = (State.OPEN,)) -> QuerySet[Any]:
    """Alerts of these states by money at stake, then severity, then the latest first."""
    rows = Alert.objects.of(shop).filter(state__in=states).select_related("incident", "assigned_to", "product")
    return rows.order_by(F("money").desc(nulls_last=True), "-severity", "-last_seen", "-pk")


def open_count(shop: Shop) -> int:
    """How many are open, counted up to `MANY` + 1. One query on a small partial index."""
    return Alert.objects.of(shop).filter(state=State.OPEN).values("pk")[: MANY + 1].count()


def open_incidents(shop: Shop, most: int = 15) -> list[Incident]:
    """Incidents with an open alert, the worth most first."""
    return incidents.ranked(Incident.objects.of(shop).filter(closed_at__isnull=True, alerts__gt=0))[:most]


def acknowledge(shop: Shop, alerts: Sequence[int]) -> list[Alert]:
    """Somebody knows: it stays, and no longer counts as open."""
    return _change(shop, alerts, [State.OPEN, State.SNOOZED], {"state": State.ACKNOWLEDGED, "snoozed_until": None})


def snooze(shop: Shop, alerts: Sequence[int], until: datetime) -> list[Alert]:
    """Not now: it is open again at `until`, and told again."""
    if until <= timezone.now():
        raise ValueError("snoozing ends in the future")
    change = {"state": State.SNOOZED, "snoozed_until": until}
    return _change(shop, alerts, [State.OPEN, State.ACKNOWLEDGED, State.SNOOZED], change)


def reopen(shop: Shop, alerts: Sequence[int]) -> list[Alert]:
    return _change(shop, alerts, [State.ACKNOWLEDGED, State.SNOOZED], {"state": State.OPEN, "snoozed_until": None})


def assign(shop: Shop, alerts: Sequence[int], user: Any) -> list[Alert]:
    """Give it to somebody of the shop, or (None) to nobody. Raises ValueError for a stranger."""
    if user is not None and not ShopMember.objects.of(shop).filter(user=user).exists():
        raise ValueError("who is assigned must be a member of the shop")
    unresolved = [State.OPEN, State.ACKNOWLEDGED, State.SNOOZED]
    return _change(shop, alerts, unresolved, {"assigned_to": user})


def resolve(shop: Shop, alerts: Sequence[int]) -> list[Alert]:
    """It is done with. If it is found again within a day, it is the same alert."""
    change = {"state": State.RESOLVED, "resolved_at": timezone.now(), "snoozed_until": None}
    return _change(shop, alerts, [State.OPEN, State.ACKNOWLEDGED, State.SNOOZED], change)


def forget(now: datetime | None = None) -> int:
    """Delete incidents that were closed long ago, with their alerts; how many rows."""
    return Incident.objects.filter(closed_at__lt=(now or timezone.now()) - KEPT).delete()[0]


@transaction.atomic
def _change(shop: Shop, alerts: Sequence[int], states: Sequence[str], change: dict[str, Any]) -> list[Alert]:
    """Change those of the shop's alerts that are in one of `states`; the changed."""
    raising.one_at_a_time(shop.pk)
    rows = Alert.objects.of(shop).filter(pk__in=alerts, state__in=states).select_related("incident")
    found = list(rows.order_by("pk"))
    for alert in found:
        for name, value in change.items():
            setattr(alert, name, value)
        alert.save(update_fields=list(change))
    for incident in {each.incident_id: each.incident for each in found}.values():
        incidents.refresh(incident, timezone.now())
    return found
