"""Rules: which figures and which checks of health raise alerts."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin.models import ADDITION, CHANGE, DELETION
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _

from commerce_ai.alerts import rules, watching
from commerce_ai.alerts.models import AlertRule
from commerce_ai.console import audit
from commerce_ai.console.alerts_form import HealthRuleForm, MetricRuleForm
from commerce_ai.console.dress import dress
from commerce_ai.console.pages import page
from commerce_ai.console.scope import may

METRIC = AlertRule.Check.METRIC


@page(template="console/alerts_rules.html")
def overview(request: Any) -> dict[str, Any]:
    """Every rule of the shop: figures first, then health."""
    found = rules.all_rules(request.shop)
    return {
        "title": _("Alert rules"),
        "figures": [each for each in found if each.check_name == METRIC],
        "checks": [each for each in found if each.check_name != METRIC],
        "may_write": may(request, "operator"),
    }


@page(template="console/alerts_form.html", permission="operator")
def add(request: Any) -> dict[str, Any] | HttpResponse:
    return _edit(request, AlertRule(shop=request.shop))


@page(template="console/alerts_form.html", permission="operator")
def change(request: Any, pk: int) -> dict[str, Any] | HttpResponse:
    """What the rule says, and on which of the last days it would have spoken."""
    return _edit(request, get_object_or_404(AlertRule.objects.of(request.shop), pk=pk))


@page(permission="operator")
def delete(request: Any, pk: int) -> HttpResponse:
    """A figure's rule only: a check of health is switched off."""
    rule = get_object_or_404(AlertRule.objects.of(request.shop), pk=pk, check_name=METRIC)
    if request.method != "POST":
        raise Http404
    watching.forget(rule)
    audit.write(request, [rule], _("Deleted."), DELETION)
    rule.delete()
    messages.success(request, _("The rule is deleted, and what it said is resolved."))
    return HttpResponseRedirect(reverse("console:alert-rules"))


def _edit(request: Any, rule: AlertRule) -> dict[str, Any] | HttpResponse:
    new, is_metric = rule.pk is None, rule.check_name == METRIC
    form = (MetricRuleForm if is_metric else HealthRuleForm)(request.POST or None, instance=rule)
    if request.method == "POST" and form.is_valid():
        kept = form.save(commit=False)
        if form.changed_data and is_metric and not new:
            watching.forget(kept)  # what the old bounds said
            kept.checked_day = None
        kept.save()
        said = _("Added.") if new else _("Changed: %(names)s.") % {"names": ", ".join(form.changed_data)}
        audit.write(request, [kept], said, ADDITION if new else CHANGE)
        messages.success(request, _("Saved."))
        return HttpResponseRedirect(reverse("console:alert-rules"))
    return {
        "title": _("New rule") if new else str(rule), "form": dress(form), "back": reverse("console:alert-rules"),
        "delete": reverse("console:alert-rule-delete", args=[rule.pk]) if not new and is_metric else "",
        "spoken": None if new or not is_metric else watching.spoken(request.shop, rule),
    }  # fmt: skip
