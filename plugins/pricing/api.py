"""Routes: prices of now, what other prices would do, proposals and decisions on them.

None takes a customer: prices are the same for everybody, and a field that names one is refused as unknown.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.translation import gettext_lazy as _

from commerce_ai.api.errors import ApiError, invalid_field, not_found
from commerce_ai.api.hot import Caller, hot
from commerce_ai.api.pages import cursor_of, read_cursor
from commerce_ai.api.prices import Prices
from commerce_ai.api.resource_views import routes
from commerce_ai.decisions.proposals import State
from commerce_ai.shop.catalogue import catalogue_of
from commerce_ai.shop.money import money_text
from plugins.pricing import service
from plugins.pricing.answers import (
    DecideAnswer,
    DecideBody,
    PricesAnswer,
    PricesQuery,
    ProposalRow,
    ProposalsAnswer,
    ProposalsQuery,
    Refusal,
    SimulateAnswer,
    SimulateBody,
    elasticity_of,
    figures_of,
)
from plugins.pricing.models import PriceProposal


@hot(
    scope="decide",
    plugin="pricing",
    query=PricesQuery,
    answer=PricesAnswer,
    summary=_("Prices of products, now"),
)
def now(request: HttpRequest, caller: Caller, query: PricesQuery, body: None) -> PricesAnswer:
    """Today's price of each `product_id` (repeat it for several): the catalogue's, or an approved plan's.

    `GET /api/v1/prices?product_id=…` answers the same. Prices are the same for every customer.
    """
    try:
        return service.prices(caller.shop_id, query.product_id)
    except service.UnknownProducts as error:
        raise _unknown(error, "product_id") from None


@hot(
    scope="decide",
    plugin="pricing",
    methods=("POST",),
    body=SimulateBody,
    answer=SimulateAnswer,
    summary=_("What other prices would do"),
)
def simulate(request: HttpRequest, caller: Caller, query: None, body: SimulateBody) -> SimulateAnswer:
    """A week of each product at another `price`, or its price changed by `percent`: units, revenue, margin, gain.

    `low` and `high` are what the interval of the elasticity gives. Nothing is changed.
    """
    try:
        return service.simulate(caller.shop_id, body.products)
    except service.UnknownProducts as error:
        raise _unknown(error, "products") from None
    except service.BadPrice as error:
        raise invalid_field(f"products.{error.place}.{error.field}", error) from None


@hot(
    scope="decide",
    plugin="pricing",
    query=ProposalsQuery,
    answer=ProposalsAnswer,
    summary=_("Price proposals"),
)
def proposals(request: HttpRequest, caller: Caller, query: ProposalsQuery, body: None) -> ProposalsAnswer:
    """Proposals in a `state` (proposed, approved, rejected, expired, undone), of one product if it is named.

    Those that can be decided now are the state proposed; a list pages by `cursor`.
    """
    if query.state not in State.values:
        raise invalid_field("state", _("There is no such state. The states are: %s.") % ", ".join(State.values))
    rows = PriceProposal.objects.of(caller.shop_id).filter(state=query.state, pk__gt=read_cursor(query.cursor))
    if query.state == State.PROPOSED:
        rows = rows.filter(pk__in=PriceProposal.objects.of(caller.shop_id).open().values("pk"))
    if query.product_id is not None:
        rows = rows.filter(product__external_id=query.product_id)
    found = list(rows.select_related("product").order_by("pk")[: query.limit + 1])
    following = cursor_of(found[query.limit - 1].pk) if len(found) > query.limit else None
    currency = catalogue_of(caller.shop_id).currency
    return ProposalsAnswer([_row(each, currency) for each in found[: query.limit]], following)


def _decision(verb: str, summary: Any) -> Any:
    @hot(
        scope="prices:write",
        plugin="pricing",
        methods=("POST",),
        body=DecideBody,
        answer=DecideAnswer,
        summary=summary,
    )
    def view(request: HttpRequest, caller: Caller, query: None, body: DecideBody) -> DecideAnswer:
        """Each of `ids` in a transaction of its own: what is refused says why and stops no other.

        Sent twice, the second is refused for what was decided; nothing is done twice.
        """
        outcome, kept = service.decide_on(caller.shop_id, body.ids, verb, caller.key_id)
        refused = [Refusal(pk, why) for pk, why in sorted(outcome.refused.items())]
        return DecideAnswer(outcome.done, refused, str(kept.decision_id), kept.stored)

    return view


_catalogue = routes(Prices())[0].callback


def prices(request: HttpRequest) -> HttpResponse:
    """With a `product_id` in the address the decision of now; without, the core's list of catalogue prices."""
    if request.method in ("GET", "HEAD") and "product_id" in request.GET:
        return now(request)
    return _catalogue(request)


prices.csrf_exempt = True  # type: ignore[attr-defined]  # keys, not cookies, say who calls
# What describes routes finds the core's list here, as before.
prices.cls, prices.initkwargs = _catalogue.cls, _catalogue.initkwargs  # type: ignore[attr-defined]


def _row(each: PriceProposal, currency: str) -> ProposalRow:
    def money(value: Any) -> str | None:
        return None if value is None else money_text(value, currency)

    return ProposalRow(
        id=each.pk, product_id=each.product.external_id, title=each.product.title, state=each.state,
        current_price=money_text(each.current_price, currency), price=money_text(each.price, currency),
        prior_price=money(each.prior_price), starts_on=each.starts_on, expected_gain=money(each.expected_gain),
        gain_low=money(each.gain_low), gain_high=money(each.gain_high),
        elasticity=elasticity_of(each.elasticity, each.elasticity_low, each.elasticity_high),
        effect=figures_of(each.effect, currency), reasons=each.reasons,
        made_at=each.made_at, expires_at=each.expires_at, decided_at=each.decided_at,
        decision_id=str(each.decision_id) if each.decision_id else None,
        version=f"{service.SLOT} v{each.version_id}" if each.version_id else None,
    )  # fmt: skip


def _unknown(error: service.UnknownProducts, field: str) -> ApiError:
    names = ", ".join(str(each) for each in error.args[:10])
    message = _("There is no such product in this shop: %(names)s.") % {"names": names}
    return not_found(field, message)


urlpatterns = [
    path("prices", prices, name="prices"),
    path("prices/now", now, name="prices-now"),
    path("prices/simulate", simulate, name="prices-simulate"),
    path("prices/proposals", proposals, name="price-proposals"),
    path(
        "prices/proposals/approve", _decision("approve", _("Approve price proposals")), name="price-proposals-approve"
    ),
    path("prices/proposals/reject", _decision("reject", _("Reject price proposals")), name="price-proposals-reject"),
    path("prices/proposals/undo", _decision("undo", _("Undo approved price proposals")), name="price-proposals-undo"),
]
