"""The inbox: what waits for a person, the worth most first, and what they do about it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from commerce_ai.alerts import inbox
from commerce_ai.alerts.models import Alert, Channel, Severity
from commerce_ai.console import audit
from commerce_ai.console.pages import page
from commerce_ai.console.scope import may
from commerce_ai.shop.models import Shop

MOST = 200
State = Alert.State
SHOWN = {
    "open": (State.OPEN,),
    "acknowledged": (State.ACKNOWLEDGED,),
    "snoozed": (State.SNOOZED,),
    "resolved": (State.RESOLVED,),
    "all": tuple(State.values),
}
TITLES = {
    "open": gettext_lazy("Open"),
    "acknowledged": gettext_lazy("Acknowledged"),
    "snoozed": gettext_lazy("Snoozed"),
    "resolved": gettext_lazy("Resolved"),
    "all": gettext_lazy("All"),
}
SNOOZES = {
    "1": gettext_lazy("an hour"),
    "4": gettext_lazy("four hours"),
    "24": gettext_lazy("a day"),
    "168": gettext_lazy("a week"),
}


@page(template="console/alerts.html")
def overview(request: Any) -> dict[str, Any] | HttpResponse:
    """Alerts of a state, source, severity or one's own; what is ticked is acknowledged, given, snoozed, resolved."""
    if request.method == "POST":
        return _act(request)
    state = request.GET.get("state", "open")
    state = state if state in SHOWN else "open"
    rows, said = inbox.ranked(request.shop, SHOWN[state]), request.GET
    if source := said.get("source", ""):
        rows = rows.filter(source=source)
    if (severity := said.get("severity", "")) in {str(each) for each in Severity.values}:
        rows = rows.filter(severity=int(severity))
    if mine := said.get("mine", "") == "1":
        rows = rows.filter(assigned_to=request.user)
    found = list(rows[: MOST + 1])
    return {
        "title": _("Alerts"),
        "alerts": found[:MOST],
        "more": len(found) > MOST,
        "states": [(name, title, name == state) for name, title in TITLES.items()],
        "state": state,
        "sources": _sources(request.shop),
        "source": source,
        "severities": [(str(value), title) for value, title in Severity.choices],
        "severity": severity,
        "mine": mine,
        "filtered": bool(source or severity or mine or state != "open"),
        "may_act": may(request, "operator"),
        "members": _members(request.shop),
        "snoozes": SNOOZES.items(),
        "has_channel": Channel.objects.of(request.shop).filter(on=True).exists(),
    }


def _act(request: Any) -> HttpResponse:
    if not may(request, "operator"):
        raise PermissionDenied
    shop, sent = request.shop, request.POST
    ticked = [int(each) for each in sent.getlist("alert") if each.isdecimal() and len(each) < 19]
    action = sent.get("action", "")
    try:
        changed, words = _done(request, shop, action, ticked)
    except ValueError:
        messages.error(request, _("That can't be done."))
        return _back(request)
    if not changed:
        messages.warning(request, _("Tick an alert first; what is resolved stays so."))
        return _back(request)
    audit.write(request, changed, words)
    count = ngettext("%(n)d alert: %(done)s", "%(n)d alerts: %(done)s", len(changed))
    messages.success(request, count % {"n": len(changed), "done": words})
    return _back(request)


def _done(request: Any, shop: Shop, action: str, ticked: list[int]) -> tuple[list[Alert], str]:
    """What was changed, and the words for it. Raises ValueError."""
    sent = request.POST
    if action == "acknowledge":
        return inbox.acknowledge(shop, ticked), _("Acknowledged.")
    if action == "resolve":
        return inbox.resolve(shop, ticked), _("Resolved.")
    if action == "reopen":
        return inbox.reopen(shop, ticked), _("Opened again.")
    if action == "snooze":
        if (hours := sent.get("hours", "")) not in SNOOZES:
            raise ValueError(hours)
        until = timezone.now() + timedelta(hours=int(hours))
        return inbox.snooze(shop, ticked, until), _("Snoozed for %(time)s.") % {"time": SNOOZES[hours]}
    if action == "assign":
        if not (number := sent.get("user", "")):
            return inbox.assign(shop, ticked, None), _("Given to nobody.")
        user = get_user_model().objects.filter(pk=int(number)).first()
        if user is None:
            raise ValueError(number)
        return inbox.assign(shop, ticked, user), _("Given to %(person)s.") % {"person": user.get_username()}
    raise ValueError(action)


def _back(request: HttpRequest) -> HttpResponse:
    query = request.META.get("QUERY_STRING", "")
    return HttpResponseRedirect(reverse("console:alerts") + (f"?{query}" if query else ""))


def _members(shop: Shop) -> Any:
    users = get_user_model().objects.filter(shop_memberships__shop=shop, is_active=True)
    return users.order_by("username")[:MOST]


def _sources(shop: Shop) -> list[str]:
    return list(Alert.objects.of(shop).order_by("source").values_list("source", flat=True).distinct()[:50])
