"""What a message says: for webhooks as JSON, for people as a title and lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as say
from django.utils.translation import ngettext

from commerce_ai.alerts.models import Delivery, Incident, Severity
from commerce_ai.shop.models import Shop
from commerce_ai.shop.money import money_text


def incident(shop: Shop, row: Incident) -> dict[str, Any]:
    """One incident, as a webhook's `data`."""
    money = None if row.money is None else money_text(row.money, shop.currency)
    return {
        "shop": shop.slug, "id": row.pk, "source": row.source, "severity": Severity(row.severity).name.lower(),
        "title": row.title, "alerts": row.alerts, "money": money, "currency": shop.currency,
        "opened_at": row.opened_at.isoformat(), "url": _inbox(),
    }  # fmt: skip


def digest(shop: Shop, rows: Sequence[Incident], of: int) -> dict[str, Any]:
    """Several of them, those worth most first; `of` is how many there are in all."""
    return {"shop": shop.slug, "incidents": [incident(shop, row) for row in rows], "of": of, "url": _inbox()}


def test(shop: Shop) -> dict[str, Any]:
    return {"shop": shop.slug, "title": say("A test: alerts of %(shop)s reach you here.") % {"shop": shop.name}}


def for_people(delivery: Delivery, shop: Shop) -> tuple[str, str]:
    """Title and text of a message."""
    said = delivery.payload
    if delivery.type == "alert.digest":
        count = said["of"]
        title = ngettext("%(shop)s: %(n)d more alert", "%(shop)s: %(n)d more alerts", count)
        lines = [_line(each) for each in said["incidents"]]
        if count > len(lines):
            lines.append(say("and %(n)d more") % {"n": count - len(lines)})
        return title % {"shop": shop.name, "n": count}, "\n".join([*lines, "", said["url"]]).strip()
    if delivery.type == "alert.test":
        return shop.name, said["title"]
    return f"{shop.name}: {said['title']}"[:250], "\n".join([_line(said), "", said["url"]]).strip()


def _line(said: dict[str, Any]) -> str:
    parts = [f"[{Severity.named(said['severity']).label}] {said['title']}"]
    if said["money"]:
        parts.append(say("%(money)s %(currency)s at stake") % said)
    if said["alerts"] > 1:
        parts.append(ngettext("%(alerts)d alert", "%(alerts)d alerts", said["alerts"]) % said)
    return ", ".join(parts)


def _inbox() -> str:
    return f"{settings.CONSOLE_URL}{reverse('console:alerts')}" if settings.CONSOLE_URL else ""
