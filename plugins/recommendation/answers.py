"""What is asked and what is answered, between routes, service and console."""

from __future__ import annotations

import msgspec

from commerce_ai.decisions.reasons import Reason
from plugins.recommendation.assortment import EVERYTHING, Filters


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for. `n`, `exclude_purchased`: None is as the shop has set it. Products by their external ids.

    `products` are those of the page (placement product) or in the cart (placement cart).
    """

    placement: str = "home"
    n: int | None = None
    filters: Filters = EVERYTHING
    products: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    exclude_purchased: bool | None = None


class Item(msgspec.Struct, frozen=True):
    """One product of an answer. `price` is in the shop's currency, `position` counts from 1."""

    product_id: str
    title: str
    price: str | None
    image_url: str
    url: str
    position: int
    source: str
    reason: Reason | None


class Answer(msgspec.Struct, frozen=True):
    """Products, best first. Send `decision_id` back with the events that follow, so that their success is counted.

    `version` names the version that chose; with `fallback` none did, and `fallback_reason` says why. `stored` is
    false when the decision could not be kept. `personal`: the visitor's own history was looked at; it is not without
    one, nor without consent to it, and the answer does not say which.
    """

    items: list[Item]
    decision_id: str
    version: str | None
    fallback: bool
    fallback_reason: str
    stored: bool = True
    personal: bool = False
