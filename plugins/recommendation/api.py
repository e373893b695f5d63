"""Routes: products for a visitor, and products that go with a product."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from django.http import HttpRequest
from django.urls import path
from django.utils.translation import gettext_lazy as _

from commerce_ai.api.errors import invalid_field, not_found
from commerce_ai.api.hot import Caller, hot
from plugins.recommendation import service
from plugins.recommendation.answers import Answer, Request
from plugins.recommendation.assortment import Filters

Number = Annotated[int, msgspec.Meta(ge=1, le=service.MOST_ITEMS)]
Price = Annotated[float, msgspec.Meta(ge=0)]


class _Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """What both routes take: for whom, how many, and out of what."""

    customer_id: str | None = None
    customer_token: str | None = None
    anonymous_id: str | None = None
    session_id: str | None = None
    n: Number | None = None
    category: str = ""
    brand: str = ""
    price_min: Price | None = None
    price_max: Price | None = None
    in_stock: bool = False
    exclude: list[str] = []
    exclude_purchased: bool | None = None

    def filters(self) -> Filters:
        if self.price_min is not None and self.price_max is not None and self.price_min > self.price_max:
            raise invalid_field("price_min", _("price_min is above price_max."))
        return Filters(self.category.strip(), self.brand.strip(), self.price_min, self.price_max, self.in_stock)


class RecommendationsQuery(_Conditions, frozen=True, kw_only=True):
    placement: str = "home"
    product_id: list[str] = []


class SimilarQuery(_Conditions, frozen=True, kw_only=True):
    product_id: str


@hot(
    scope="recommend",
    plugin="recommendation",
    query=RecommendationsQuery,
    answer=Answer,
    summary=_("Products for a customer, a visitor or a stranger"),
)
def recommendations(request: HttpRequest, caller: Caller, query: RecommendationsQuery, body: None) -> Answer:
    """Products for one `placement`: home, category, product, cart, search or email.

    A secret key names a `customer_id`; a publishable key needs the `customer_token` that the shop's server signed,
    else the answer is for the visitor behind `anonymous_id`. Give `product_id` for the page or (repeated) the cart.
    `exclude` may be repeated. Sold-out and inactive products never come.
    """
    if query.placement not in service.PLACEMENTS:
        known = ", ".join(service.PLACEMENTS)
        raise invalid_field(
            "placement", _("There is no such placement. The placements are: %(known)s.") % {"known": known}
        )
    if query.placement == "product" and not query.product_id:
        raise invalid_field("product_id", _("The placement product needs the product_id of its page."))
    wanted = Request(
        placement=query.placement,
        n=query.n,
        filters=query.filters(),
        products=tuple(query.product_id),
        exclude=tuple(query.exclude),
        exclude_purchased=query.exclude_purchased,
    )
    return service.recommend(caller.shop_id, _subject(caller, query), wanted)


@hot(
    scope="recommend",
    plugin="recommendation",
    query=SimilarQuery,
    answer=Answer,
    summary=_("Products that go with one product"),
)
def similar(request: HttpRequest, caller: Caller, query: SimilarQuery, body: None) -> Answer:
    """What other customers met together with `product_id`, filled up from its category."""
    wanted = Request(
        n=query.n,
        filters=query.filters(),
        exclude=tuple(query.exclude),
        exclude_purchased=query.exclude_purchased,
    )
    try:
        return service.similar(caller.shop_id, _subject(caller, query), query.product_id, wanted)
    except service.UnknownProduct:
        raise not_found("product_id", _("There is no such product in this shop.")) from None


def _subject(caller: Caller, query: _Conditions) -> Any:
    return caller.subject(
        customer_id=query.customer_id,
        customer_token=query.customer_token,
        anonymous_id=query.anonymous_id,
        session_id=query.session_id,
    )


urlpatterns = [
    path("recommendations", recommendations, name="recommendations"),
    path("recommendations/similar", similar, name="recommendations-similar"),
]
