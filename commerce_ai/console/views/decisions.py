"""What the page of a decision says: what was answered, why, and what came of it; and the rules of what counts."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from commerce_ai.console import audit
from commerce_ai.console.dress import dress
from commerce_ai.console.money import money
from commerce_ai.console.pages import page
from commerce_ai.console.scope import scope_of
from commerce_ai.decisions import marks, outcomes
from commerce_ai.decisions import payload as payloads
from commerce_ai.decisions.models import Credit, Decision, Outcome
from commerce_ai.decisions.rules import EQUAL, LAST, BadRule, Rules, rules_of, save_rules
from commerce_ai.learning.models import Version
from commerce_ai.shop.models import DailyMetric, Event, Order, Shop

MOST_EVENTS, MOST_CREDITS = 50, 50


def context(request: HttpRequest, decision: Decision) -> dict[str, Any]:
    shop = decision.shop_id
    currency = Shop.objects.get(pk=shop).currency
    outcome = Outcome.objects.of(shop).filter(pk=decision.pk).first()
    earned = Credit.objects.of(shop).filter(decision_id=decision.pk).order_by("-placed_at", "line_id")
    credits = list(earned[:MOST_CREDITS])
    orders = Order.objects.of(shop).in_bulk({each.order_id for each in credits})
    version = Version.objects.filter(shop_id=shop, pk=decision.version_id).first() if decision.version_id else None
    return {
        "title": f"{decision.plugin}.{decision.kind}", "decision": decision, "version": version,
        "payload": _payload(decision), "reasons": decision.reasons if isinstance(decision.reasons, list) else [],
        "outcome": outcome, "waiting": outcome is None and marks.waiting(shop) > 0,
        "revenue": money(outcome.revenue, currency) if outcome else "",
        "margin": money(outcome.margin, currency) if outcome else "",
        "credits": [(each, orders.get(each.order_id), money(each.revenue, currency)) for each in credits],
        "events": _events(decision) if scope_of(request).may("operator") else [],
        "may_see": scope_of(request).may("operator"),
    }  # fmt: skip


def _events(decision: Decision) -> list[Event]:
    events = Event.objects.of(decision.shop_id).filter(decision_id=decision.pk)
    return list(events.select_related("product").order_by("occurred_at")[:MOST_EVENTS])


def _payload(decision: Decision) -> payloads.Payload:
    try:
        return payloads.read(decision.payload)
    except msgspec.ValidationError:
        return payloads.Payload(value=decision.payload)


# --- the rules --------------------------------------------------------------------------------------------


class Names(forms.CharField):
    """Names, one a line."""

    widget = forms.Textarea

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, tuple | list) else value

    def to_python(self, value: Any) -> Any:
        return tuple(dict.fromkeys(line.strip() for line in (value or "").splitlines() if line.strip()))


class RulesForm(forms.Form):
    click_days = forms.IntegerField(label=_("Last click within, days"), help_text=_("0: clicks do not count."))
    view_hours = forms.IntegerField(label=_("View-through within, hours"), help_text=_("0: views do not count."))
    same_session = forms.BooleanField(label=_("Same session counts where nothing else does"), required=False)
    any_product = forms.BooleanField(
        label=_("Any product counts"), required=False,
        help_text=_("Otherwise a click counts for what was clicked, and a view for what was shown."),
    )  # fmt: skip
    sharing = forms.ChoiceField(
        label=_("Several plugins for one line"),
        choices=[(EQUAL, _("share it in equal parts")), (LAST, _("the last touch takes it"))],
    )
    impressions = Names(label=_("Events that are impressions"), required=False, help_text=_("One a line."))
    clicks = Names(label=_("Events that are clicks"), required=False, help_text=_("One a line."))
    carts = Names(label=_("Events that add to the cart"), required=False, help_text=_("One a line."))
    bot_words = Names(
        label=_("Words in the browser's name of a bot"), required=False, help_text=_("One a line, in any case.")
    )
    bot_touches_a_day = forms.IntegerField(label=_("A bot touches more often than, a day"))
    staff_tags = Names(label=_("Tags of customers who are staff"), required=False, help_text=_("One a line."))
    staff_domains = Names(
        label=_("E-mail domains of staff"), required=False, help_text=_("One a line, as in shop.example.")
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors:
            try:
                self.rules = Rules(**cleaned)
            except BadRule as error:
                self.add_error(error.field, error.message)
        return cleaned


@page(template="console/attribution.html")
def attribution(request: Any) -> dict[str, Any] | HttpResponse:
    """What counts as come of a decision, and how much was left out of late."""
    may_write = scope_of(request).may("operator")
    if request.method == "POST":
        if not may_write:
            raise PermissionDenied
        form = RulesForm(request.POST)
        if form.is_valid():
            if save_rules(request.shop, form.rules):
                audit.write(request, [request.shop], say("Changed what counts as come of a decision."))
                messages.success(request, say("Saved. Everything is being counted anew by these rules."))
            return HttpResponseRedirect(request.path)
    else:
        form = RulesForm(initial=dataclasses.asdict(rules_of(request.shop)))
    for field in form.fields.values():
        field.disabled = not may_write
    left = DailyMetric.objects.of(request.shop).filter(name__in=(outcomes.BOTS, outcomes.STAFF))
    sums = {outcomes.BOTS: 0.0, outcomes.STAFF: 0.0}
    for name, value in left.order_by("-day").values_list("name", "value"):
        sums[name] += value
    return {
        "title": say("Attribution"), "form": dress(form), "may_write": may_write,
        "bots": round(sums[outcomes.BOTS]), "staff": round(sums[outcomes.STAFF]),
        "waiting": marks.waiting(request.shop.pk),
    }  # fmt: skip
