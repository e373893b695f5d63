"""The words of tracking: what a message may say, and the names of the Segment e-commerce spec v2.

https://segment.com/docs/connections/spec/ (messages) and …/spec/ecommerce/v2/ (event names). Unknown fields are
skipped unseen, so that ``context.ip`` and the like never come in.
"""

from __future__ import annotations

from typing import Any

import msgspec

MOST_EVENT_BYTES = 32 << 10
MOST_BATCH_BYTES = 500 << 10
MOST_EVENTS = 2_500
LONGEST_ID = 255

KINDS = ("track", "identify", "page", "screen", "group", "alias")

PRODUCT_EVENTS = frozenset({
    "Product Clicked", "Product Viewed", "Product Added", "Product Removed", "Product Shared", "Product Reviewed",
    "Product Added to Wishlist", "Product Removed from Wishlist", "Wishlist Product Added to Cart",
})  # fmt: skip
ORDER_CONTENT = frozenset({"Order Completed", "Order Updated"})
ORDER_STATUS = {"Order Refunded": "refunded", "Order Cancelled": "cancelled"}
ORDER_EVENTS = ORDER_CONTENT | frozenset(ORDER_STATUS)
STANDARD = PRODUCT_EVENTS | ORDER_EVENTS | frozenset({
    "Products Searched", "Product List Viewed", "Product List Filtered", "Promotion Viewed", "Promotion Clicked",
    "Cart Viewed", "Cart Shared", "Checkout Started", "Checkout Step Viewed", "Checkout Step Completed",
    "Payment Info Entered", "Coupon Entered", "Coupon Applied", "Coupon Denied", "Coupon Removed",
})  # fmt: skip

# The first version of the spec and common spellings, which clients in the field still send.
_OLD_NAMES = {
    "Viewed Product": "Product Viewed",
    "Clicked Product": "Product Clicked",
    "Added Product": "Product Added",
    "Removed Product": "Product Removed",
    "Viewed Product Category": "Product List Viewed",
    "Viewed Product List": "Product List Viewed",
    "Searched Products": "Products Searched",
    "Completed Order": "Order Completed",
    "Updated Order": "Order Updated",
    "Refunded Order": "Order Refunded",
    "Cancelled Order": "Order Cancelled",
    "Order Canceled": "Order Cancelled",
    "Added Product to Wishlist": "Product Added to Wishlist",
    "Removed Product from Wishlist": "Product Removed from Wishlist",
}
_EXACT = {name: name for name in STANDARD}
_BY_LOWER = {name.lower(): name for name in STANDARD} | {old.lower(): new for old, new in _OLD_NAMES.items()}


def standard_name(name: str) -> str:
    """The spec's spelling of an event's name; any other name as it is."""
    return _EXACT.get(name) or _BY_LOWER.get(name.lower(), name)


class Message(msgspec.Struct, rename="camel", gc=False):
    """One call of a client library. Ids may come as numbers; instants as ISO 8601 or Unix seconds or milliseconds."""

    type: str | None = None
    event: str | None = None
    name: str | None = None
    category: str | None = None
    message_id: str | int | None = None
    anonymous_id: str | int | float | None = None
    user_id: str | int | float | None = None
    previous_id: str | int | float | None = None
    group_id: str | int | float | None = None
    timestamp: str | int | float | None = None
    original_timestamp: str | int | float | None = None
    sent_at: str | int | float | None = None
    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    context: msgspec.Raw = msgspec.Raw(b"{}")


class Envelope(msgspec.Struct, rename="camel", gc=False):
    """What is around one or many messages. `batch` stays undecoded: a bad message must not spoil the good ones."""

    batch: list[msgspec.Raw] | None = None
    sent_at: str | int | float | None = None
    write_key: str | None = None
    context: msgspec.Raw = msgspec.Raw(b"")


class Context(msgspec.Struct, rename="camel", gc=False, omit_defaults=True):
    """What is kept of where an event happened. Its parts are taken as they are: nobody rejects an event over them."""

    traits: Any = None
    session_id: Any = None
    session: Any = None
    customer_token: Any = None
    library: Any = None
    page: Any = None
    campaign: Any = None
    referrer: Any = None
    locale: Any = None
    timezone: Any = None
    user_agent: Any = None
    device: Any = None
    os: Any = None
    app: Any = None
    screen: Any = None
    channel: Any = None
    active: Any = None
    consent: Any = None


class KeptContext(msgspec.Struct, omit_defaults=True):
    """`Event.context`: column names of ours, every value plain."""

    path: str = ""
    url: str = ""
    referrer: str = ""
    title: str = ""
    campaign: dict[str, str] = {}
    locale: str = ""
    timezone: str = ""
    user_agent: str = ""
    device: str = ""
    os: str = ""
    app: str = ""
    screen: str = ""
    consent: dict[str, bool] = {}  # by purpose (`commerce_ai.shop.consent.Purpose`)
