"""What needs a person: alerts, grouped into incidents, in one inbox; and the channels that tell of them.

    from commerce_ai import alerts

    alerts.raise_alert(shop.pk, source="fraud", key=f"ring:{ring.pk}", severity="critical", title=_("…"), money=400)
    alerts.resolve(shop.pk, "fraud", f"ring:{ring.pk}")

Never put a customer's id, name or address into any of the words: nothing here is reached by an erasure.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from commerce_ai.alerts.models import Alert

Severity = Literal["info", "warning", "critical"]


def raise_alert(
    shop_id: int,
    *,
    source: str,
    key: str,
    severity: Severity,
    title: Any,
    detail: Any = "",
    url: str = "",
    money: Decimal | float | None = None,
    product_id: int | None = None,
    again: bool = True,
    at: datetime | None = None,
) -> Alert:
    """Say that something needs a person; the one alert of (source, key) that is not resolved, or a new one.

    `key` reads ``kind:which``: alerts of one source and kind, or about one product, become one incident. `money` is
    what is at stake, in the shop's currency. `again=False` is for a condition that is looked at every few minutes: it
    lasts, and is not counted anew. Short transactions only: alerts of a shop are raised one after another.
    """
    from commerce_ai.alerts import raising

    said = raising.Said(source, key, severity, title, detail, url, money, product_id)
    return raising.raise_alert(shop_id, said, again=again, at=at)


def resolve(shop_id: int, source: str, key: str, at: datetime | None = None) -> bool:
    """Say that it is over; whether there was such an alert."""
    from commerce_ai.alerts import raising

    return raising.resolve(shop_id, source, key, at=at)
