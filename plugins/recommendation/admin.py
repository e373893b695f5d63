"""The board: how good the live versions are and what the shop shows to whom, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from commerce_ai import registry
from commerce_ai.api.callers import Subject
from commerce_ai.console import audit, boards
from commerce_ai.console.charts import Chart, Series
from commerce_ai.console.dress import dress
from commerce_ai.console.money import money
from commerce_ai.console.pages import page, url_of
from commerce_ai.console.scope import may
from commerce_ai.decisions import counting
from commerce_ai.learning.live import live
from commerce_ai.learning.models import Version
from commerce_ai.plugin import Card, Health, Need
from commerce_ai.shop.models import Shop
from plugins.recommendation import queries, service
from plugins.recommendation.answers import Answer, Request
from plugins.recommendation.assortment import Filters
from plugins.recommendation.forms import AUTO, ONLY_BESTSELLERS, SLOT, SettingsForm, sources

PLUGIN = service.PLUGIN
VERSIONS = 30  # on the chart and in the list
MANY_FALLBACKS = 0.2


@page(template="recommendation/board.html")
def board(request: Any) -> dict[str, Any] | HttpResponse:
    """Figures, the metric by version beside its baseline, versions, a look through a visitor's eyes; two actions."""
    if request.method == "POST":
        return _act(request)
    shop = request.shop
    settings = registry.settings_for(shop.pk, PLUGIN)
    versions = list(Version.objects.of(shop).filter(slot=SLOT).order_by("-created_at", "-pk")[:VERSIONS])
    look = LookForm(request.GET or None)
    return {
        "cards": [*cards(shop), _coverage(shop)],
        "chart": chart_of(versions[::-1]),
        "versions": [_line(each) for each in versions],
        "running": boards.running(shop, PLUGIN),
        "look": dress(look),
        "answer": (answer := _look(shop, look) if look.is_bound and look.is_valid() else None),
        "items": [(each, money(Decimal(each.price), shop.currency) if each.price else "–") for each in answer.items]
        if answer
        else [],
        "customers": queries.lively_customers(shop.pk),
        "visitors": queries.lively_visitors(shop.pk),
        "sources": [(name, title, name == settings.source) for name, title in sources()],
        "may_change": may(request, "operator"),
    }


class LookForm(forms.Form):
    """Through whose eyes, and where."""

    customer = forms.CharField(
        label=_("Customer"), required=False, max_length=255, widget=forms.TextInput(attrs={"list": "customers"})
    )
    visitor = forms.CharField(
        label=_("or visitor (anonymous id)"),
        required=False,
        max_length=255,
        widget=forms.TextInput(attrs={"list": "visitors"}),
    )
    placement = forms.ChoiceField(
        label=_("Placement"), required=False, choices=[(each, each) for each in service.PLACEMENTS]
    )
    product = forms.CharField(label=_("Product on the page"), required=False, max_length=255)
    category = forms.CharField(label=_("Category"), required=False, max_length=500)


def cards(shop: Shop) -> list[Card]:
    """How many lists were answered in the last 24 hours, and how good the best live version is."""
    answered, fallbacks = answers(shop, timedelta(hours=24))
    address = url_of(PLUGIN, "board/")
    share = say("%(share).0f %% by the fallback") % {"share": 100 * fallbacks / answered} if answered else ""
    return [
        Card(_("Recommendations, last 24 hours"), f"{answered:,}", share, address),
        boards.live_card(shop, SLOT, _("Live recommender"), _("None is live: the bestsellers answer.")),
    ]


def findings(shop: Shop) -> list[Health]:
    """What the core can't know: a source that is not live, the emergency switch, many fallbacks."""
    settings = registry.settings_for(shop.pk, PLUGIN)
    address = url_of(PLUGIN, "board/")
    found = []
    if settings.bestsellers_only:
        found.append(Health("warn", _("Only bestsellers answer: the emergency switch is on."), address))
    elif settings.source not in {AUTO, ONLY_BESTSELLERS, *(each.learner.name for each in live(shop.pk, SLOT))}:
        words = say("%(source)s is to answer first, but has no live version.") % {"source": settings.source}
        found.append(Health("warn", words, address))
    answered, fallbacks = answers(shop, timedelta(hours=24))
    if answered and fallbacks / answered > MANY_FALLBACKS and live(shop.pk, SLOT):
        words = say("%(share).0f %% of the last day's answers came from the fallback.") % {
            "share": 100 * fallbacks / answered
        }
        found.append(Health("warn", words, address))
    return found


def needs(shop: Shop) -> list[Need]:
    """A source that is to answer first and can't."""
    settings = registry.settings_for(shop.pk, PLUGIN)
    names = {each.learner.name for each in live(shop.pk, SLOT)}
    if settings.bestsellers_only or settings.source in {AUTO, ONLY_BESTSELLERS, *names}:
        return []
    words = say("%(source)s is to answer first, but has no live version.") % {"source": settings.source}
    detail = say("Train it, or choose another source on the board.")
    return [Need("recommendation-source", words, detail, url=url_of(PLUGIN, "board/"), tone="warn")]


def answers(shop: Shop, span: timedelta) -> tuple[int, int]:
    """Decisions of this plugin in the last `span`, and how many of them were fallbacks."""
    found = counting.decided(shop, PLUGIN, span)
    counted = found.aggregate(all=Count("id"), fallbacks=Count("id", filter=Q(flags__contains=["fallback"])))
    return counted["all"], counted["fallbacks"]


def chart_of(versions: list[Version]) -> Chart:
    """Each learner's own metric by version, oldest first, and the baseline on the same customers."""
    series = []
    for name in sorted({each.learner for each in versions}):
        metric = _metric(name)
        values = [each.metrics.get(metric) if each.learner == name else None for each in versions]
        base = [each.baseline.get(metric) if each.learner == name else None for each in versions]
        title = name.removeprefix(f"{PLUGIN}.")
        series += [
            Series(title, values),
            Series(say("%(learner)s: baseline") % {"learner": title}, base, dashed=True),
        ]
    return Chart(
        _("Quality on held-out days, by version"),
        [f"v{each.pk}" for each in versions],
        series,
        empty=_("No version was trained yet. Train one to see how it does beside the bestsellers."),
    )


@dataclass(frozen=True)
class Line:
    """One version in the list."""

    version: Version
    metric: str
    figure: float | None
    baseline: float | None
    url: str
    until: datetime | None


def _line(version: Version) -> Line:
    metric = _metric(version.learner)
    return Line(
        version,
        metric,
        version.metrics.get(metric),
        version.baseline.get(metric),
        reverse("admin:learning_version_change", args=[version.pk]),
        version.trained_until,
    )


def _metric(learner: str) -> str:
    try:
        return registry.learner(learner).metric.name
    except registry.Unknown:  # its package was taken away; its versions are still listed
        return ""


def _coverage(shop: Shop) -> Card:
    """How much of what can be sold the best live version knows."""
    best = next(iter(live(shop.pk, SLOT)), None)
    assortment = service.assortment_of(shop.pk)
    sellable = int(np.count_nonzero(assortment.mask()))
    if best is None or not sellable or not hasattr(best.scorer, "product_ids"):
        return Card(_("Products known to it"), "–")
    known = int(np.count_nonzero(assortment.range(best.version_id, best.scorer.product_ids).mask()))
    detail = say("%(known)d of %(sellable)d that can be sold") % {"known": known, "sellable": sellable}
    return Card(_("Products known to it"), f"{100 * known / sellable:.0f} %", detail)


def _look(shop: Shop, look: LookForm) -> Answer:
    """What this visitor would be shown now; nothing is kept of it."""
    asked = look.cleaned_data
    subject = Subject(asked["customer"] or None, asked["visitor"] or None, None, bool(asked["customer"]))
    wanted = Request(
        placement=asked["placement"] or "home",
        filters=Filters(category=asked["category"]),
        products=(asked["product"],) if asked["product"] else (),
    )
    return service.recommend(shop.pk, subject, wanted, keep=False)


def _act(request: HttpRequest) -> HttpResponse:
    if not may(request, "operator"):
        raise PermissionDenied
    shop = request.shop  # type: ignore[attr-defined]
    if request.POST.get("action") == "retrain":
        boards.retrain(request, PLUGIN)
    elif request.POST.get("action") == "source":
        form = SettingsForm(data={**_plain(registry.settings_for(shop.pk, PLUGIN)), "source": request.POST["source"]})
        if form.is_valid():
            registry.save_settings(shop, PLUGIN, form.cleaned_data, by=request.user)
            audit.write_of_plugin(request, PLUGIN, say("Changed settings: %(names)s.") % {"names": "source"})
            messages.success(request, say("The source was changed; it answers within two seconds."))
        else:
            messages.error(request, say("There is no such source."))
    return HttpResponseRedirect(url_of(PLUGIN, "board/"))


def _plain(settings: Any) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in SettingsForm.base_fields}
