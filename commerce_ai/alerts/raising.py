"""Raising and resolving: idempotent by (source, key), and each alert into its incident in the same transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q
from django.utils import timezone

from commerce_ai.alerts import incidents
from commerce_ai.alerts.models import Alert, Severity

FLAPPING = timedelta(hours=24)  # what was resolved and comes back within this is the same alert
_LOCK = 0x616C6572  # "aler", with the shop's number
State = Alert.State


@dataclass(frozen=True)
class Said:
    """What somebody raises."""

    source: str
    key: str
    severity: str
    title: Any
    detail: Any = ""
    url: str = ""
    money: Decimal | float | None = None
    product_id: int | None = None


@transaction.atomic
def raise_alert(shop_id: int, said: Said, *, again: bool = True, at: datetime | None = None) -> Alert:
    """See `commerce_ai.alerts.raise_alert`. What was acknowledged or resolved and becomes worse is open again."""
    now, severity = at or timezone.now(), Severity.named(said.severity)
    one_at_a_time(shop_id)
    alert = _known(shop_id, said, now)
    if alert is None:
        alert = Alert(shop_id=shop_id, source=said.source, key=said.key, first_seen=now, severity=severity, count=0)
        again = True
    elif alert.state == State.RESOLVED or (alert.state != State.SNOOZED and severity > alert.severity):
        alert.state, alert.resolved_at = State.OPEN, None
    alert.severity, alert.last_seen, alert.count = severity, now, alert.count + again
    alert.title, alert.detail, alert.url = str(said.title)[:300], str(said.detail), said.url[:500]
    money: Any = None if said.money is None else round(Decimal(said.money), 4)
    alert.product_id, alert.money = said.product_id, money
    alert.incident = incidents.join(alert, now)
    alert.save()
    incidents.refresh(alert.incident)
    return alert


@transaction.atomic
def resolve(shop_id: int, source: str, key: str, *, at: datetime | None = None) -> bool:
    """See `commerce_ai.alerts.resolve`."""
    one_at_a_time(shop_id)
    alert = Alert.objects.of(shop_id).filter(source=source, key=key).exclude(state=State.RESOLVED).first()
    if alert is None:
        return False
    settle(alert, at or timezone.now())
    return True


def settle(alert: Alert, now: datetime) -> None:
    alert.state, alert.resolved_at, alert.snoozed_until = State.RESOLVED, now, None
    alert.save(update_fields=["state", "resolved_at", "snoozed_until"])
    incidents.refresh(alert.incident, now)


def _known(shop_id: int, said: Said, now: datetime) -> Alert | None:
    """The alert that is not resolved, else the one that was resolved a short while ago."""
    same = Alert.objects.of(shop_id).filter(source=said.source, key=said.key).select_related("incident")
    lately = same.filter(~Q(state=State.RESOLVED) | Q(resolved_at__gt=now - FLAPPING))
    return lately.order_by(F("resolved_at").desc(nulls_first=True)).first()


def one_at_a_time(shop_id: int) -> None:
    """Until the caller's commit: two alerts of one group must find the same incident."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK, shop_id])
