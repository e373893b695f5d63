"""The way to the inbox in the sidebar, with how many alerts are open: one query a request."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from commerce_ai.alerts import inbox
from commerce_ai.console.scope import shop_of


def bell(request: HttpRequest) -> dict[str, Any]:
    """An item of the sidebar; without a badge while nothing is open."""
    if (count := getattr(request, "_open_alerts", None)) is None:
        count = request._open_alerts = inbox.open_count(shop_of(request))  # type: ignore[attr-defined]
    there = reverse("console:alerts")
    item = {
        "title": _("Alerts"), "icon": "notifications", "link": there, "active": request.path.startswith(there),
    }  # fmt: skip
    return {**item, "badge": f"{inbox.MANY}+" if count > inbox.MANY else str(count)} if count else item
