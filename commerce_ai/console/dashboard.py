"""The console's first page: how the shop is, what AI adds, and what needs a person. Aggregates only; few queries."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from commerce_ai import registry
from commerce_ai.console import figures, health, influence, needs
from commerce_ai.console.alerts_bell import bell
from commerce_ai.console.charts import Chart, Series
from commerce_ai.console.filters import read_span, span_of
from commerce_ai.console.money import money
from commerce_ai.console.pages import url_of, visible
from commerce_ai.console.scope import may, scope_of
from commerce_ai.plugin import Approval, Plugin
from commerce_ai.shop.models import Shop

logger = logging.getLogger(__name__)

SPANS = (7, 30, 90, 365)
DEFAULT_SPAN = 30
MOST_DAYS = 3 * 366
MOST_APPROVALS = 8
STEP_WORDS = {
    "view": gettext_lazy("saw a product"), "cart": gettext_lazy("filled a cart"),
    "checkout": gettext_lazy("began to pay"), "order": gettext_lazy("ordered"),
}  # fmt: skip


@dataclass(frozen=True)
class Tile:
    """One figure: what it is, how it moved, and where it comes from."""

    title: Any
    value: str
    url: str
    change: float | None = None
    detail: Any = ""
    tone: str = ""

    @property
    def change_in_words(self) -> str:
        if self.change is None:
            return ""
        return f"{'+' if self.change >= 0 else '−'}{number_format(abs(self.change) * 100, 1)} %"


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's callback: what ``admin/index.html`` shows."""
    scope = scope_of(request)
    context |= {"scope": scope, "shop": scope.shop, "title": _("Overview")}
    if (shop := scope.shop) is None:
        return context
    first, last = _span(request, shop)
    found = figures.read(shop, first, last)
    seen = health.survey(shop)
    on = [plugin for plugin in registry.plugins() if registry.is_on(shop.pk, plugin.slug)]
    modes = needs.modes_of(shop, on)
    funnel = figures.read_funnel(shop, first, last)
    context |= {
        "first": first, "last": last, "spans": _spans(first, last), "today": timezone.localdate(),
        "now": timezone.now().isoformat(), "may_change": may(request, "operator"),
        "tiles": _tiles(shop, found), "charts": _charts(shop, found, funnel) if found.any else [],
        "needs": needs.ranked(shop, on, seen, modes), "approvals": _approvals(shop, on),
        "modes": [
            {"plugin": plugin, "mode": modes[plugin.slug], "url": reverse("console:plugin", args=[plugin.slug])}
            for plugin in on if plugin.slug in modes
        ],
        "alerts": _alerts(request), "funnel": _funnel(funnel, found), "proof": influence.proof(shop),
        "running": influence.running(shop), "influenced": influence.by_plugin(shop, found),
        "models": [line for plugin in on for line in health.models_of(plugin, seen)],
        "plugins": [_plugin(plugin, request, shop, seen) for plugin in on],
    }  # fmt: skip
    if not found.any or not on or not seen.live:
        context["steps"] = _first_steps(shop, found.any, bool(on), bool(seen.live))
    return context


def _span(request: HttpRequest, shop: Shop) -> tuple[date, date]:
    """The chosen range, which stays for the session; without one, the last days that have figures."""
    said = request.GET.get("during") or _of_form(request) or request.session.get("span")
    if (span := read_span(said)) is not None and (span[1] - span[0]).days < MOST_DAYS:
        if request.session.get("span") != said:
            request.session["span"] = said
        return span
    today = timezone.localdate()
    newest = figures.newest_day(shop)
    last = newest if newest and newest < today - timedelta(days=DEFAULT_SPAN) else today
    return last - timedelta(days=DEFAULT_SPAN - 1), last


def _of_form(request: HttpRequest) -> str:
    first, last = request.GET.get("from", ""), request.GET.get("to", "")
    return f"{first}..{last}" if first and last else ""


def _spans(first: date, last: date) -> list[dict[str, Any]]:
    length, ends_today = (last - first).days + 1, last == timezone.localdate()
    return [
        {"days": days, "words": ngettext("%d day", "%d days", days) % days, "chosen": ends_today and days == length}
        for days in SPANS
    ]


def _tiles(shop: Shop, found: figures.Figures) -> list[Tile]:
    span = f"during={span_of(found.first, found.last)}"
    events, orders, daily = (
        f"{reverse(f'admin:shop_{model}_changelist')}?{span}" for model in ("event", "order", "dailymetric")
    )
    total, before = found.total, found.before
    now, then = (figures.ratio(of, figures.ORDERS, figures.VISITORS) for of in (total, before))
    basket, basket_then = (figures.ratio(of, figures.REVENUE, figures.ORDERS) for of in (total, before))
    money_of = lambda value: money(value, shop.currency, rounded=True)  # noqa: E731
    return [
        Tile(_("Revenue"), money_of(total[figures.REVENUE]), orders, _moved(found, figures.REVENUE)),
        Tile(_("Orders"), _whole(total[figures.ORDERS]), orders, _moved(found, figures.ORDERS)),
        Tile(_("Conversion"), _percent(now), f"{daily}&q=visitors", figures.change(now, then)),
        Tile(_("Average order"), money(basket, shop.currency) or "–", orders, figures.change(basket, basket_then)),
        Tile(_("Visitors"), _whole(total[figures.VISITORS]), f"{daily}&q=visitors", _moved(found, figures.VISITORS)),
        Tile(_("Events"), _whole(total[figures.EVENTS]), events, _moved(found, figures.EVENTS)),
    ]


def _funnel(funnel: figures.Funnel, found: figures.Figures) -> list[dict[str, Any]]:
    """A line a step: visitors, of those who saw something, of the step before, and how that moved."""
    if not funnel.any:
        return []
    url = f"{reverse('admin:shop_dailymetric_changelist')}?during={span_of(found.first, found.last)}&q=funnel"
    lines = []
    top, before = figures.STEPS[0], ""
    for step in figures.STEPS:
        # A shop that doesn't track it: everybody who orders came by there.
        untracked = step == "checkout" and funnel.total[step] == funnel.total["order"]
        moved = funnel.trend(step, before) if before else figures.change(funnel.total[step], funnel.before[step])
        lines.append({
            "words": STEP_WORDS[step], "value": _whole(funnel.total[step]), "url": url, "untracked": untracked,
            "width": f"{100 * (funnel.share(step, top) or 0):.2f}", "change": None if untracked else moved,
            "went_on": _percent(funnel.share(step, before), 1) if before else "",
        })  # fmt: skip
        before = before if untracked else step
    return lines


def _alerts(request: HttpRequest) -> dict[str, Any] | None:
    """How many alerts are open, and where they are; None without any."""
    found = bell(request)
    return found if found.get("badge") else None


def _approvals(shop: Shop, on: list[Plugin]) -> list[dict[str, Any]]:
    """What was approved lately over all plugins, newest first, each with its way back."""
    found: list[tuple[Plugin, Approval]] = []
    for plugin in on:
        try:
            found += [(plugin, each) for each in plugin.approvals(shop)]
        except Exception:  # a third party's code must not take the page with it
            logger.exception("approvals() of the plugin %s failed", plugin.slug)
    found.sort(key=lambda pair: pair[1].at, reverse=True)
    return [
        {"plugin": plugin, "row": each, "gain": money(each.gain, shop.currency) if each.gain else ""}
        for plugin, each in found[:MOST_APPROVALS]
    ]


def _charts(shop: Shop, found: figures.Figures, funnel: figures.Funnel) -> list[Chart]:
    labels = [date_format(step, "j M" if step.year == timezone.localdate().year else "j M Y") for step in found.steps]
    by = _("by week") if figures.is_weekly(found.steps) else _("by day")
    series = found.by_step
    return [
        Chart(
            _("Revenue and orders, %(by)s") % {"by": by}, labels,
            [Series(_("Revenue"), series[figures.REVENUE], kind="bar"),
             Series(_("Orders"), series[figures.ORDERS], kind="line", axis="right")],
            unit=shop.currency,
        ),
        Chart(
            _("Visitors and conversion (orders per visitor), %(by)s") % {"by": by}, labels,
            [Series(_("Visitors"), series[figures.VISITORS], kind="bar"),
             Series(_("Conversion"), found.conversion(), kind="line", axis="right")],
            right_unit="percent", empty=_("No visits yet: they are counted from tracked events."),
        ),
        Chart(
            _("Visitors who came on, %(by)s") % {"by": by}, labels,
            [Series(_("saw → cart"), funnel.shares("cart", "view")),
             Series(_("cart → order"), funnel.shares("order", "cart"))],
            unit="percent", empty=_("No funnel yet: it is counted from tracked events every few minutes."),
        ),
    ]  # fmt: skip


def _plugin(plugin: Any, request: HttpRequest, shop: Shop, seen: health.Survey) -> dict[str, Any]:
    pages = visible(request, plugin)
    url = url_of(plugin.slug, pages[0].path) if pages else reverse("console:plugin", args=[plugin.slug])
    return {
        "plugin": plugin, "url": url, "cards": health.cards(plugin, request, shop),
        "findings": health.findings(plugin, shop, seen),
    }  # fmt: skip


def _first_steps(shop: Shop, has_figures: bool, has_plugin: bool, has_version: bool) -> list[dict[str, Any]]:
    """What a new shop does, in order; what is done is ticked."""
    return [
        {"done": has_figures, "title": _("Send events, or load a file"), "url": reverse("admin:api_apikey_changelist"),
         "detail": _("Make a key for the storefront, or load orders:"),
         "code": f"python manage.py load csv orders.csv --table orders --shop {shop.slug}"},
        {"done": has_plugin, "title": _("Switch a plugin on"), "url": reverse("console:plugins"),
         "detail": _("All are off in a new shop; its schedules are made with the first switch. On the command line:"),
         "code": f"python manage.py plugins --shop {shop.slug} --on recommendation"},
        {"done": has_version, "title": _("Train"), "url": reverse("admin:learning_run_add"),
         "detail": _("Or wait for the night: the schedule trains then.")},
    ]  # fmt: skip


def _moved(found: figures.Figures, name: str) -> float | None:
    return figures.change(found.total[name], found.before[name])


def _whole(value: float) -> str:
    return number_format(round(value), 0, use_l10n=True, force_grouping=True)


def _percent(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{number_format(value * 100, digits)} %"
