"""Requests of people that run late or were given up, as alerts."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext as _

from commerce_ai.alerts.health import Finding
from commerce_ai.alerts.models import AlertRule
from commerce_ai.privacy import requests
from commerce_ai.shop.models import Shop


def late(shop: Shop, rule: AlertRule) -> list[Finding]:
    """Exports and erasures that people have a right to and did not get. No alert says whose."""
    waiting, given_up = requests.troubles(shop)
    url = reverse("admin:privacy_privacyrequest_changelist")
    found = []
    if waiting:
        title = _("Privacy requests are late: %(count)d") % {"count": waiting}
        found.append(Finding("late", title, _("Open for more than an hour: see whether a worker runs."), url))
    if given_up:
        title = _("Privacy requests failed: %(count)d") % {"count": given_up}
        found.append(Finding("failed", title, _("Given up: ask anew."), f"{url}?state__exact=failed"))
    return found
