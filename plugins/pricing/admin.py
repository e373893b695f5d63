"""The board: what demand answers to price, and the proposals that wait; and the list of all proposals."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import numpy as np
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F, Q, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from commerce_ai import registry
from commerce_ai.console import boards
from commerce_ai.console import proposals as deciding
from commerce_ai.console.charts import Chart, Series
from commerce_ai.console.filters import chosen_from, one_of
from commerce_ai.console.money import money, money_column
from commerce_ai.console.pages import page, url_of
from commerce_ai.console.proposals import ProposalAdmin, Ways
from commerce_ai.console.scope import may
from commerce_ai.learning.live import live
from commerce_ai.plugin import Approval, Card, Health, Need
from commerce_ai.shop.models import PriceResponse, Shop
from plugins.pricing import automatic, policy
from plugins.pricing.models import PriceProposal
from plugins.pricing.policy import Response, Situation
from plugins.pricing.tasks import PLUGIN, SLOT, rules_of

SHOWN = 25  # proposals on the board
POINTS = 21  # prices on a curve
BINS = np.arange(-6.0, 1.01, 0.5)
CUT, RAISE = "cut", "raise"
WAYS_TO = {CUT: Q(price__lt=F("current_price")), RAISE: Q(price__gte=F("current_price"))}
MOST_GROUPS = 5  # of the proposals that wait, by category; the rest is one row without an approval of all


class ChangeFilter(one_of("change", _("change"), WAYS_TO)):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(WAYS_TO[self.value()]) if self.value() in WAYS_TO else queryset


@admin.register(PriceProposal)
class PriceProposalAdmin(ProposalAdmin):
    list_display = (
        "product",
        money_column("current_price", _("price now")),
        money_column("price", _("proposed")),
        *ProposalAdmin.list_display,
    )
    list_filter = (
        *ProposalAdmin.list_filter,
        ChangeFilter,
        chosen_from("category", "product__category", _("category")),
    )
    search_fields = ("product__external_id__startswith", "product__title__startswith")
    next_step = _("No price proposals yet. Train the pricing plugin; it proposes what is expected to earn more.")


@page(template="pricing/board.html")
def board(request: Any) -> dict[str, Any] | HttpResponse:
    """Figures, a demand curve or all elasticities, the open proposals by expected gain; approve, reject, retrain."""
    if request.method == "POST":
        return _act(request)
    shop = request.shop
    waiting = list(PriceProposal.objects.of(shop).open().select_related("product", "shop")[:SHOWN])
    decided = PriceProposal.objects.of(shop).filter(state=PriceProposal.State.APPROVED)
    selected = next((each for each in waiting if str(each.pk) == request.GET.get("proposal")), None)
    return {
        "cards": [*cards(shop), *_gain(shop)],
        "chart": curve(selected) if selected else elasticities(shop),
        "selected": selected,
        "lines": [_line(each) for each in waiting],
        "decided": decided.select_related("product", "shop").order_by("-decided_at")[:10],
        "running": boards.running(shop, PLUGIN),
        "all_url": reverse("admin:pricing_priceproposal_changelist"),
        "may_change": may(request, "operator"),
    }


def cards(shop: Shop) -> list[Card]:
    """How many proposals wait, and how good the live version is."""
    address = url_of(PLUGIN, "board/")
    waiting = PriceProposal.objects.of(shop).open()
    gain = waiting.aggregate(all=Sum("expected_gain"))["all"]
    best = next(iter(live(shop.pk, SLOT)), None)
    figure = best.metrics.get(best.learner.metric.name) if best else None
    return [
        Card(
            _("Price proposals that wait"),
            f"{waiting.count():,}",
            say("%(gain)s a week expected") % {"gain": money(gain, shop.currency)} if gain else "",
            address,
        ),
        Card(
            _("Live elasticities"),
            "–" if figure is None else f"{figure:.3f}",
            f"{best.learner.metric.name} · {len(best.scorer)} {say('products')}"
            if best
            else _("None is live: the catalogue's prices answer."),
            address,
            "good" if best else "warn",
        ),
    ]


def findings(shop: Shop) -> list[Health]:
    """What the core can't know: the emergency switch, elasticities that make no sense, missing costs."""
    address = url_of(PLUGIN, "board/")
    if registry.settings_for(shop.pk, PLUGIN).catalogue_only:
        return [Health("warn", _("Only catalogue prices answer: the emergency switch is on."), address)]
    found = []
    rows = PriceResponse.objects.of(shop)
    if (count := rows.count()) and (odd := rows.filter(elasticity__gte=0).count()) > count / 5:
        words = say("%(odd)d of %(count)d products seem to sell more when dearer: promotions may be missing.")
        found.append(Health("warn", words % {"odd": odd, "count": count}, address))
    if costless := rows.filter(product__cost__isnull=True).count():
        words = say("%(n)d products have no cost: nothing is proposed for them.") % {"n": costless}
        found.append(Health("warn", words, address))
    return found


def needs(shop: Shop) -> list[Need]:
    """Price cuts and rises that wait, by category, the largest gain first."""
    listed = reverse("admin:pricing_priceproposal_changelist")
    rows = PriceProposal.objects.of(shop).open()
    groups: dict[tuple[str, str], list[Any]] = {}
    for row in rows.values_list("product_id", "product__category", "price", "current_price", "expected_gain",
                                "expires_at"):  # fmt: skip
        groups.setdefault((CUT if row[2] < row[3] else RAISE, row[1]), []).append(row)
    ranked = sorted(groups.items(), key=lambda each: -_sum(each[1]))
    found = []
    for (change, category), members in ranked[:MOST_GROUPS]:
        query = {"change": change, "category": category}
        url = f"{listed}?{urlencode({'state__exact': 'proposed', **query})}"
        found.append(_need(change, category, members, url, f"{url_of(PLUGIN, 'board/')}?{urlencode(query)}"))
    for change in WAYS_TO:
        rest = [row for (way, _category), members in ranked[MOST_GROUPS:] if way == change for row in members]
        if rest:
            url = f"{listed}?{urlencode({'state__exact': 'proposed', 'change': change})}"
            found.append(_need(change, "", rest, url, ""))
    return found


def approvals(shop: Shop) -> list[Approval]:
    """Prices that were approved in the last days."""
    listed = f"{reverse('admin:pricing_priceproposal_changelist')}?state__exact=approved"
    return deciding.lately(PriceProposal, shop, url_of(PLUGIN, "board/"), _changed, listed)


def elasticities(shop: Shop) -> Chart:
    """How many products answer how strongly to their price."""
    values = np.array(PriceResponse.objects.of(shop).values_list("elasticity", flat=True)[:100_000], dtype=float)
    counts, edges = np.histogram(np.clip(values, BINS[0], BINS[-1] - 1e-9), BINS)
    shown = [int(each) for each in counts] if len(values) else []
    return Chart(
        _("Products by elasticity (−2: one per cent dearer sells two per cent less)"),
        [f"{low:g} … {low + 0.5:g}" for low in edges[:-1]] if len(values) else [],
        [Series(_("products"), shown)],
        kind="bar",
        empty=_("Nothing was learned yet. Load orders with changing prices, then train."),
    )


def curve(proposal: PriceProposal) -> Chart:
    """Expected margin a week around the present price of a proposal's product, with its interval."""
    shop = proposal.shop
    units = proposal.effect["units"]["value"]
    here, there = float(proposal.current_price), float(proposal.price)
    now = Situation(
        price=proposal.current_price,
        cost=proposal.cost,
        units=units / (there / here) ** proposal.elasticity,
        highest_price=max(proposal.price, proposal.current_price),
    )
    response = Response(proposal.elasticity, proposal.elasticity_low, proposal.elasticity_high)
    rules = rules_of(registry.settings_for(shop.pk, PLUGIN), shop.currency)
    prices = [policy.to_money(here * share, rules) for share in np.linspace(0.8, 1.2, POINTS)]
    margins = [policy.effect(price, now, response, rules).margin for price in prices]
    return Chart(
        say("Expected margin a week of %(product)s, by price") % {"product": proposal.product},
        [money(price, shop.currency) for price in prices],
        [
            Series(
                _("margin a week"),
                [each.value if each else None for each in margins],
                low=[each.low if each else None for each in margins],
                high=[each.high if each else None for each in margins],
            )
        ],
        unit=shop.currency,
        x_title=_("price"),
    )


def _gain(shop: Shop) -> list[Card]:
    done = PriceProposal.objects.of(shop).filter(state=PriceProposal.State.APPROVED)
    gain = done.aggregate(all=Sum("expected_gain"))["all"]
    return [Card(_("Approved, expected gain a week"), money(gain, shop.currency) if gain else "–")]


def _line(each: PriceProposal) -> dict[str, Any]:
    currency = each.shop.currency
    effect = each.effect

    def change(name: str) -> str:
        figure = effect.get(name)
        return f"{figure['value']:,.1f}" if figure else "–"

    return {
        "proposal": each,
        "now": money(each.current_price, currency),
        "then": money(each.price, currency),
        "step": f"{100 * (each.price / each.current_price - 1):+.1f} %",
        "gain": money(each.expected_gain, currency),
        "interval": deciding.gain_interval(each),
        "units": change("units"),
        "prior": money(each.prior_price, currency),
        "why": each.reasons[0]["message"] if each.reasons else "",
    }


def _need(change: str, category: str, rows: list[Any], url: str, approve: str) -> Need:
    def title(count: int) -> str:
        words = {
            (CUT, True): ngettext("%(n)d price cut in %(where)s", "%(n)d price cuts in %(where)s", count),
            (CUT, False): ngettext("%(n)d more price cut", "%(n)d more price cuts", count),
            (RAISE, True): ngettext("%(n)d price rise in %(where)s", "%(n)d price rises in %(where)s", count),
            (RAISE, False): ngettext("%(n)d more price rise", "%(n)d more price rises", count),
        }
        where = category or say("no category")
        return words[change, bool(approve)] % {"n": count, "where": where}

    return Need(
        kind=f"price-{change}", title=title, gain=_sum(rows), count=len(rows), url=url, approve=approve,
        deadline=min((row[5] for row in rows if row[5]), default=None),
        product_ids=tuple(row[0] for row in rows), gains=tuple(row[4] for row in rows),
        about=say("a lower price") if change == CUT else say("a higher price"),
        # What is nearly sold out sells out sooner when it is cheaper.
        against=("reorder",) if change == CUT else (),
    )  # fmt: skip


def _sum(rows: list[Any]) -> Decimal:
    return sum((row[4] for row in rows if row[4] is not None), Decimal(0))


def _changed(count: int) -> str:
    return ngettext("%(n)d price", "%(n)d prices", count) % {"n": count}


def _group(request: HttpRequest) -> Any:
    """The open proposals of one row of the first page."""
    rows = PriceProposal.objects.of(request.shop).open()  # type: ignore[attr-defined]
    change = request.GET.get("change", "")
    if change not in WAYS_TO or "category" not in request.GET:
        return rows.none()
    return rows.filter(WAYS_TO[change], product__category=request.GET["category"])


def _kept(request: HttpRequest, verb: str, outcome: Any) -> None:
    automatic.keep(request.shop, verb, outcome, by="console")  # type: ignore[attr-defined]


WAYS = Ways(done=_kept)


def _act(request: HttpRequest) -> HttpResponse:
    address = url_of(PLUGIN, "board/")
    if (answer := deciding.act_together(request, _group(request), address, WAYS)) is not None:
        return answer
    if request.POST.get("action") == "retrain":
        if not may(request, "operator"):
            raise PermissionDenied
        boards.retrain(request, PLUGIN)
    else:
        deciding.act(request, PriceProposal, WAYS)
    return HttpResponseRedirect(address)
