"""Routes: what a product will sell, what should be ordered, and the approval of it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated

import msgspec
from django.http import HttpRequest
from django.urls import path
from django.utils.translation import gettext_lazy as _

from commerce_ai.api.errors import ApiError, invalid_field, not_found
from commerce_ai.api.hot import Caller, hot
from commerce_ai.api.pages import cursor_of, read_cursor
from commerce_ai.decisions.proposals import Refused
from commerce_ai.shop.models import Shop
from plugins.inventory import queries, service
from plugins.inventory.answers import Approved, Forecast, ProposalsAnswer
from plugins.inventory.models import ReorderProposal

MOST_QUANTITY = Decimal(10) ** 9
STATES = tuple(ReorderProposal.State.values)


class ForecastsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Days are the shop's; from today, for four weeks, where none is given."""

    product_id: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    first: date | None = msgspec.field(default=None, name="from")
    last: date | None = msgspec.field(default=None, name="to")


class ProposalsQuery(msgspec.Struct, frozen=True, kw_only=True):
    state: str = "proposed"
    product_id: Annotated[str, msgspec.Meta(max_length=255)] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    cursor: str = ""


class ApproveBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`quantity` where it is another one than was proposed."""

    quantity: Decimal | None = None


@hot(
    scope="decide",
    plugin="inventory",
    query=ForecastsQuery,
    answer=Forecast,
    summary=_("Units that a product will sell, day by day"),
)
def forecasts(request: HttpRequest, caller: Caller, query: ForecastsQuery, body: None) -> Forecast:
    """Mean and quantiles of one product's demand, over all locations, `from` a day `to` a day.

    Days that are over or beyond the horizon are left out. Without a live version, or for a product that it does not
    know, the average of the last four weeks answers, and `fallback_reason` says so.
    """
    if query.first is not None and query.last is not None and query.last < query.first:
        raise invalid_field("to", _("It is before `from`."))
    shop = _shop(caller)
    today = queries.today(shop)
    if query.last is not None and query.last < today:
        raise invalid_field("to", _("That day is over."))
    if query.first is not None and (query.first - today).days >= service.MOST_DAYS:
        raise invalid_field("from", _("At most %(days)d days ahead.") % {"days": service.MOST_DAYS - 1})
    first = None if query.first is None else max(query.first, today)
    try:
        return service.forecast(shop, query.product_id, first, query.last)
    except service.UnknownProduct:
        raise not_found("product_id", _("There is no such product in this shop.")) from None


@hot(
    scope="decide",
    plugin="inventory",
    query=ProposalsQuery,
    answer=ProposalsAnswer,
    summary=_("Orders that are proposed"),
)
def reorder_proposals(request: HttpRequest, caller: Caller, query: ProposalsQuery, body: None) -> ProposalsAnswer:
    """Proposals of one `state` (proposed, approved, rejected, expired, undone), oldest first."""
    if query.state not in STATES:
        raise invalid_field("state", _("The states are: %(states)s.") % {"states": ", ".join(STATES)})
    rows = ReorderProposal.objects.of(caller.shop_id).filter(state=query.state, pk__gt=read_cursor(query.cursor))
    if query.product_id:
        rows = rows.filter(product__external_id=query.product_id)
    rows = rows.select_related("product", "supplier", "location", "purchase_line__purchase_order")
    found = list(rows.order_by("pk")[: query.limit + 1])
    after = cursor_of(found[query.limit - 1].pk) if len(found) > query.limit else None
    return ProposalsAnswer([service.shown(row) for row in found[: query.limit]], after)


@hot(
    scope="stock:write",
    plugin="inventory",
    methods=("POST",),
    body=ApproveBody,
    answer=Approved,
    summary=_("Approve a proposed order"),
)
def approve(request: HttpRequest, caller: Caller, query: None, body: ApproveBody, number: int) -> Approved:
    """Write it as a line of a draft purchase order; approvals of one day, supplier and location share one.

    Approving again with the same quantity answers the same and orders nothing more.
    """
    caller.need("decide")
    quantity = body.quantity
    if quantity is not None and not (quantity.is_finite() and 0 < quantity < MOST_QUANTITY):
        raise invalid_field("quantity", _("A quantity above 0."))
    if quantity is not None and quantity != round(quantity, 3):
        raise invalid_field("quantity", _("At most three digits after the point."))
    row = ReorderProposal.objects.of(caller.shop_id).filter(pk=number).first()
    if row is None:
        raise not_found()
    try:
        return service.approve(row, caller.key_id, quantity)
    except Refused as error:
        raise ApiError("conflict", str(error), 409) from None


def _shop(caller: Caller) -> Shop:
    return Shop.objects.get(pk=caller.shop_id)


urlpatterns = [
    path("forecasts", forecasts, name="forecasts"),
    path("reorder-proposals", reorder_proposals, name="reorder-proposals"),
    path("reorder-proposals/<int:number>/approve", approve, name="reorder-proposals-approve"),
]
