"""The board: what a product will sell, what runs out, what to order; approved, edited and exported there."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from commerce_ai import registry
from commerce_ai.console import audit, boards
from commerce_ai.console import proposals as deciding
from commerce_ai.console.charts import Chart, Series
from commerce_ai.console.dress import dress
from commerce_ai.console.filters import chosen_from
from commerce_ai.console.money import money
from commerce_ai.console.pages import page, url_of
from commerce_ai.console.proposals import Ways
from commerce_ai.console.scope import may
from commerce_ai.console.shop_admin import ShopAdmin
from commerce_ai.decisions.proposals import approve_together, chosen
from commerce_ai.learning.live import live
from commerce_ai.plugin import Approval, Card, Health, Need
from commerce_ai.shop.models import Product, Shop, StockOutlook
from plugins.inventory import exporting, queries, service
from plugins.inventory.forms import SLOT
from plugins.inventory.models import ReorderProposal

PLUGIN = service.PLUGIN
LISTED = 25
HISTORY_DAYS = 56
SOON_DAYS = 14
MOST_GROUPS = 5  # of the proposals that wait, by supplier; the rest is one row without an approval of all
MOST_ROWS = 5000  # that are grouped, the largest gain first
WAYS = Ways(approve=service.approve, undo=service.undo)


class LookForm(forms.Form):
    """Which product's forecast is drawn."""

    product = forms.CharField(
        label=_("Product"), required=False, max_length=255, widget=forms.TextInput(attrs={"list": "products"})
    )


@page(template="inventory/board.html")
def board(request: Any) -> dict[str, Any] | HttpResponse:
    """Figures, the forecast of a product, open proposals by urgency, those approved last; five actions."""
    if request.method == "POST":
        return _act(request)
    shop = request.shop
    look = LookForm(request.GET or None)
    wanted = look.cleaned_data["product"] if look.is_bound and look.is_valid() else ""
    rows = urgent(shop)
    approved = ReorderProposal.objects.of(shop).filter(state=ReorderProposal.State.APPROVED)
    return {
        "cards": cards(shop),
        "chart": chart_of(shop, _product(shop, wanted, rows)),
        "look": dress(look),
        "proposals": [_line(row, shop) for row in rows],
        "all_proposals": reverse("admin:inventory_reorderproposal_changelist"),
        "approved": [_line(row, shop) for row in _related(approved).order_by("-decided_at")[:10]],
        "products": [row.product.external_id for row in rows[:50]],
        "live": bool(live(shop.pk, SLOT)),
        "running": boards.running(shop, PLUGIN),
        "may_change": may(request, "operator"),
    }


def urgent(shop: Shop) -> list[ReorderProposal]:
    """Open proposals, the largest expected loss first, then the earliest order-by."""
    return list(_related(ReorderProposal.objects.of(shop).open())[:LISTED])


def cards(shop: Shop) -> list[Card]:
    """How much waits for an order, and how many products run out soon."""
    address = url_of(PLUGIN, "board/")
    waiting = ReorderProposal.objects.of(shop).open().aggregate(rows=Count("pk"), gain=Sum("expected_gain"))
    until = queries.today(shop) + timedelta(days=SOON_DAYS)
    soon = StockOutlook.objects.of(shop).filter(stock_out_on__lte=until).count()
    gain = say("%(money)s of margin a week") % {"money": money(waiting["gain"] or 0, shop.currency, rounded=True)}
    return [
        Card(_("Orders proposed"), f"{waiting['rows']:,}", gain, address, "warn" if waiting["rows"] else "good"),
        Card(_("Products that run out within two weeks"), f"{soon:,}", "", address, "warn" if soon else ""),
        boards.live_card(shop, SLOT, _("Live forecast"), _("None is live: the average answers.")),
    ]


def findings(shop: Shop) -> list[Health]:
    """What the core can't know: the emergency switch, proposals that are late."""
    address = url_of(PLUGIN, "board/")
    found = []
    if registry.settings_for(shop.pk, PLUGIN).ma28_only:
        found.append(Health("warn", _("Only the moving average answers: the emergency switch is on."), address))
    late = ReorderProposal.objects.of(shop).open().filter(order_by__lt=queries.today(shop)).count()
    if late:
        words = say("%(count)d orders should have been placed before today.") % {"count": late}
        found.append(Health("warn", words, address))
    return found


def needs(shop: Shop) -> list[Need]:
    """Orders that wait, by supplier, with the day by which they have to be placed; the largest gain first."""
    listed = reverse("admin:inventory_reorderproposal_changelist")
    columns = ("product_id", "supplier_id", "supplier__name", "order_by", "expected_gain")
    groups: dict[tuple[int, str], list[Any]] = {}
    for row in ReorderProposal.objects.of(shop).open().values_list(*columns)[:MOST_ROWS]:
        groups.setdefault((row[1], row[2]), []).append(row)
    ranked = sorted(groups.items(), key=lambda each: -_sum(each[1]))
    found = []
    for (supplier, name), rows in ranked[:MOST_GROUPS]:
        query = {"supplier": supplier}
        url = f"{listed}?{urlencode({'state__exact': 'proposed', **query})}"
        found.append(_need(shop, name, rows, url, f"{url_of(PLUGIN, 'board/')}?{urlencode(query)}"))
    if rest := [row for _supplier, rows in ranked[MOST_GROUPS:] for row in rows]:
        found.append(_need(shop, "", rest, f"{listed}?state__exact=proposed", ""))
    return found


def approvals(shop: Shop) -> list[Approval]:
    """Orders that were approved in the last days."""
    listed = f"{reverse('admin:inventory_reorderproposal_changelist')}?state__exact=approved"
    return deciding.lately(ReorderProposal, shop, url_of(PLUGIN, "board/"), _lines, listed)


def chart_of(shop: Shop, product: Product | None) -> Chart:
    """Eight weeks of sales, and the forecast with the band in which four of five days fall."""
    empty = _("Nothing is forecast yet. Load orders, then train: the average of four weeks answers until then.")
    if product is None:
        return Chart(_("Demand"), empty=empty)
    past = queries.units_of(shop, product.pk, HISTORY_DAYS)
    today = queries.today(shop)
    rows = list(service.published(shop, product, today, today + timedelta(days=service.MOST_DAYS)))
    before: list[float | None] = [None] * len(past)
    labels = [day.isoformat() for day, _units in past] + [row.day.isoformat() for row in rows]
    return Chart(
        say("Units of %(product)s a day") % {"product": product.title},
        labels,
        [
            Series(_("Sold"), [units for _day, units in past] + [None] * len(rows)),
            Series(
                _("Forecast (10 to 90 %)"),
                before + [round(row.mean, 2) for row in rows],
                low=before + [round(row.q10, 2) for row in rows],
                high=before + [round(row.q90, 2) for row in rows],
                dashed=True,
            ),
        ],
        x_title=_("Day"),
        empty=empty,
    )


def _product(shop: Shop, wanted: str, rows: list[ReorderProposal]) -> Product | None:
    """The product asked for, else the most urgent one, else one that was forecast."""
    if wanted and (found := queries.find_product(shop.pk, wanted)):
        return found
    if rows:
        return rows[0].product
    outlook = StockOutlook.objects.of(shop).select_related("product").order_by("stock_out_on", "pk").first()
    return outlook.product if outlook else None


def _related(rows: Any) -> Any:
    return rows.select_related("product", "supplier", "location", "purchase_line__purchase_order")


def _line(row: ReorderProposal, shop: Shop) -> dict[str, Any]:
    return {
        "row": row,
        "quantity": service.plain(row.quantity),
        "gain": None if row.expected_gain is None else money(row.expected_gain, shop.currency),
        "cost": None if row.unit_cost is None else money(row.quantity * row.unit_cost, shop.currency),
        "why": [reason["message"] for reason in row.reasons],
    }


def _need(shop: Shop, supplier: str, rows: list[Any], url: str, approve: str) -> Need:
    def title(count: int) -> str:
        if not approve:
            return ngettext("%(n)d more order to place", "%(n)d more orders to place", count) % {"n": count}
        words = ngettext("%(n)d order at %(who)s", "%(n)d orders at %(who)s", count)
        return words % {"n": count, "who": supplier}

    day = min(row[3] for row in rows)
    return Need(
        kind="reorder", title=title, detail=say("margin that is else lost"), gain=_sum(rows),
        deadline=datetime.combine(day + timedelta(days=1), time.min, shop.tz), count=len(rows), url=url,
        approve=approve, product_ids=tuple(row[0] for row in rows), gains=tuple(row[4] for row in rows),
        about=say("a new order"),
    )  # fmt: skip


def _sum(rows: list[Any]) -> Decimal:
    return sum((row[4] for row in rows if row[4] is not None), Decimal(0))


def _lines(count: int) -> str:
    return ngettext("%(n)d order line", "%(n)d order lines", count) % {"n": count}


def _group(request: HttpRequest) -> Any:
    """The open proposals of one row of the first page."""
    rows = ReorderProposal.objects.of(request.shop).open()  # type: ignore[attr-defined]
    supplier = request.GET.get("supplier", "")
    if not supplier.isdecimal() or len(supplier) > 18:
        return rows.none()
    return rows.filter(supplier_id=int(supplier)).select_related("product", "supplier", "location")


def _act(request: HttpRequest) -> HttpResponse:
    address = url_of(PLUGIN, "board/")
    if (answer := deciding.act_together(request, _group(request), address, WAYS)) is not None:
        return answer
    if not may(request, "operator"):
        raise PermissionDenied
    shop, action = request.shop, request.POST.get("action", "")  # type: ignore[attr-defined]
    found = chosen(ReorderProposal, shop, request.POST.getlist("proposal"))
    rows = [row for row in found if isinstance(row, ReorderProposal)]
    by = request.user
    if action.startswith("export"):
        audit.write_of_table(request, ReorderProposal, say("Exported as CSV: %(asked)s") % {"asked": action})
        return _export(shop, action.removeprefix("export-"))
    if action == "retrain":
        boards.retrain(request, PLUGIN)
    elif action == "approve":
        wanted = {row.pk: quantity for row in rows if (quantity := _quantity(request, row))}
        ready = [row for row in rows if row.pk in wanted]
        outcome, _batch = approve_together(ready, by, act=lambda row: service.approve(row, by, wanted[row.pk]))
        _tell(request, rows, outcome, deciding.DONE[action])
    elif action == "reject":
        _tell(request, rows, service.each(rows, lambda row: service.reject(row, by)), deciding.DONE[action])
    elif action == "undo":
        _tell(request, rows, service.each(rows, lambda row: service.undo(row, by)), deciding.DONE[action])
    elif action == "edit":
        wanted = {row.pk: quantity for row in rows if (quantity := _quantity(request, row))}
        _tell(
            request,
            rows,
            service.each([row for row in rows if row.pk in wanted], lambda row: service.edit(row, wanted[row.pk])),
            say("Changed the quantity."),
        )
    return HttpResponseRedirect(url_of(PLUGIN, "board/"))


def _export(shop: Shop, state: str) -> HttpResponse:
    """All open proposals as CSV, or all that were approved."""
    approved = state == ReorderProposal.State.APPROVED
    mine = ReorderProposal.objects.of(shop)
    rows = _related(mine.filter(state=state) if approved else mine.open()).order_by("supplier_id", "pk")
    response = HttpResponse(exporting.csv_of(rows), content_type="text/csv; charset=utf-8")
    name = "reorders-approved.csv" if approved else "reorders-open.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _quantity(request: HttpRequest, row: ReorderProposal) -> Decimal | None:
    """What stands in the proposal's field; None where that is no quantity."""
    text = request.POST.get(f"quantity-{row.pk}", "").strip()
    try:
        quantity = Decimal(text or row.quantity)
        if quantity.is_finite() and 0 < quantity < 10**9 and (quantity := round(quantity, 3)):
            return quantity
    except InvalidOperation:
        pass
    messages.error(request, say("%(text)s is no quantity.") % {"text": text[:40]})
    return None


def _tell(request: HttpRequest, chosen_rows: list[ReorderProposal], outcome: Any, done: Any) -> None:
    if outcome.done:
        audit.write(request, [row for row in chosen_rows if row.pk in outcome.done], done)
        messages.success(request, say("%(count)d proposals: done.") % {"count": len(outcome.done)})
    elif not chosen_rows:
        messages.info(request, say("Choose at least one proposal."))
    for words in dict.fromkeys(outcome.refused.values()):
        messages.error(request, words)


@admin.register(ReorderProposal)
class ReorderProposalAdmin(ShopAdmin):
    list_display = ("product", "supplier", "quantity", "order_by", "stock_out_on", "state", "automatic", "made_at")
    list_filter = ("state", "automatic", chosen_from("supplier", "supplier", _("supplier")))
    search_fields = ("product__external_id__startswith",)
    ordering = ("-id",)
    writer = None
    remover = None
    next_step = _("No reorder proposals yet. They come with the next training, once stock and suppliers are loaded.")
