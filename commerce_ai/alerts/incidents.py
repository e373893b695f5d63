"""Which alerts belong together, what an incident's figures are, and which of them comes first."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import F, Q, QuerySet

from commerce_ai.alerts.models import Alert, Incident

WINDOW = timedelta(hours=24)  # how long an incident takes new alerts in
# Never what was told: the teller writes that by itself, and it would be undone.
_FIGURES = ("title", "source", "severity", "money", "alerts", "closed_at", "last_seen")
State = Alert.State


def join(alert: Alert, now: datetime) -> Incident:
    """The incident that an alert belongs to: its own, or one of the same group that is young enough, or a new one.

    A group is a product where the alert is about one, whoever says so; else a source and kind.
    """
    own = alert.incident if alert.incident_id else None
    if own is not None and own.closed_at is None:
        return own
    group = group_of(alert)
    same = Incident.objects.of(alert.shop_id).filter(group=group, opened_at__gt=now - WINDOW)
    # One that was closed within the window takes its kind in again: what flaps is told once.
    found = own if own is not None and own.opened_at > now - WINDOW else same.order_by("-opened_at").first()
    return found or Incident.objects.create(
        shop_id=alert.shop_id, group=group, source=alert.source, title=alert.title, severity=alert.severity,
        opened_at=now, last_seen=now,
    )  # fmt: skip


def group_of(alert: Alert) -> str:
    return f"product:{alert.product_id}" if alert.product_id else f"{alert.source}:{alert.kind}"


def refresh(incident: Incident, now: datetime | None = None) -> None:
    """Bring an incident's figures in line with its alerts; it closes with the last of them that is not resolved."""
    members = list(Alert.objects.of(incident.shop_id).filter(incident=incident).exclude(state=State.RESOLVED))
    if not members:
        incident.alerts, incident.closed_at = 0, incident.closed_at or now
        incident.save(update_fields=["alerts", "closed_at"])
        return
    waiting = [each for each in members if each.state == State.OPEN]
    shown = sorted(waiting or members, key=worth, reverse=True)
    stakes = [each.money for each in shown if each.money is not None]
    incident.title, incident.source = shown[0].title, shown[0].source
    money: Any = sum(stakes) if stakes else None
    incident.severity, incident.money = max(each.severity for each in shown), money
    incident.alerts, incident.closed_at = len(waiting), None
    incident.last_seen = max(each.last_seen for each in members)
    incident.save(update_fields=_FIGURES)


def worth(row: Alert | Incident) -> tuple[Decimal, int, float]:
    """What ranks: money at stake, then severity, then how fresh it is."""
    return row.money or Decimal(0), row.severity, row.last_seen.timestamp()


def ranked(rows: Iterable[Incident]) -> list[Incident]:
    return sorted(rows, key=worth, reverse=True)


def waiting(shop_id: int) -> QuerySet[Incident]:
    """Incidents with an open alert that no channel was told of, or that have become worse since."""
    untold = Q(told_at__isnull=True) | Q(severity__gt=F("told_severity"))
    return Incident.objects.of(shop_id).filter(untold, closed_at__isnull=True, alerts__gt=0)
