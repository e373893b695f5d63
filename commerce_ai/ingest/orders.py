"""Orders from events: `Order Completed` and `Order Updated` say what is in one, others what became of it.

The words about an order are first put together in TrackedOrder, where the last one counts whatever came first; the
Order is then written from there, unless a higher door (file, API, webhook) knows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from django.db import connection
from django.utils.translation import gettext_lazy as _

from commerce_ai.ingest.models import TrackedOrder
from commerce_ai.ingest.vocabulary import ORDER_CONTENT, ORDER_STATUS
from commerce_ai.shop.models import Door, Order, OrderLine, Product, Shop

MOST_LINES = 1000
_LARGEST = Decimal(10) ** 10  # what the money columns hold


class OrderEvent(msgspec.Struct, frozen=True):
    """An order event as it was stored. `trusted`: a secret key sent it, or it named a proven customer."""

    name: str
    at: datetime
    properties: dict[str, Any]
    anonymous_id: str
    customer_id: int | None
    email_hash: bytes | None
    trusted: bool


class BadOrder(ValueError):
    """An order event from which no order can be made: the field at fault, and why."""

    def __init__(self, field: str, message: Any) -> None:
        super().__init__(field)
        self.field, self.message = field, message


class Content(msgspec.Struct):
    """What an order holds. Money as text, exact."""

    currency: str
    total: str
    discount: str
    shipping: str
    tax: str
    coupon: str
    status: str
    lines: list[Line]
    customer_id: int | None = None
    anonymous_id: str = ""
    email_hash: str = ""


class Line(msgspec.Struct):
    sku: str
    title: str
    quantity: str
    unit_price: str
    discount: str


def apply(shop: Shop, events: Iterable[OrderEvent]) -> tuple[set[date], list[tuple[OrderEvent, BadOrder]]]:
    """Write what the events say; the shop days whose figures changed, and the events that can't be used."""
    bad: list[tuple[OrderEvent, BadOrder]] = []
    said: dict[str, list[tuple[OrderEvent, Content | None]]] = {}
    for event in events:
        try:
            order_id = _order_id(event.properties)
            content = _content(event, shop) if event.name in ORDER_CONTENT else None
            said.setdefault(order_id, []).append((event, content))
        except BadOrder as error:
            bad.append((event, error))
    if not said:
        return set(), bad
    known = {each.external_id: each for each in TrackedOrder.objects.of(shop).filter(external_id__in=said)}
    touched = []
    for order_id in sorted(said):
        tracked = known.get(order_id) or TrackedOrder(shop=shop, external_id=order_id)
        for event, content in said[order_id]:
            _put_together(tracked, event, content)
        tracked.save()
        touched.append(tracked)
    days: set[date] = set()
    for tracked in touched:
        days |= _write(shop, tracked)
    return days, bad


def _put_together(tracked: TrackedOrder, event: OrderEvent, content: Content | None) -> None:
    """The last word counts, and a trusted one before all others."""
    if content is not None:
        fresh = msgspec.to_builtins(content)
        if _later(event, fresh, tracked.content_trusted, tracked.content_at, tracked.content):
            tracked.content, tracked.content_at, tracked.content_trusted = fresh, event.at, event.trusted
        if event.name == "Order Completed":
            known = tracked.placed_at
            if known is None or (event.trusted, -event.at.timestamp()) > (tracked.placed_trusted, -known.timestamp()):
                tracked.placed_at, tracked.placed_trusted = event.at, event.trusted
    status = ORDER_STATUS.get(event.name) or (content.status if content else "")
    if status == Order.Status.REFUNDED and event.properties.get("products"):
        status = ""  # some of it came back, not the order
    if status and _later(event, status, tracked.status_trusted, tracked.status_at, tracked.status):
        tracked.status, tracked.status_at, tracked.status_trusted = status, event.at, event.trusted


def _later(event: OrderEvent, value: Any, trusted: bool, at: datetime | None, current: Any) -> bool:
    if at is None:
        return True
    return (event.trusted, event.at, _text_of(value)) > (trusted, at, _text_of(current))


def _text_of(value: Any) -> bytes:
    return msgspec.json.encode(value, order="deterministic")


# --- the order itself -------------------------------------------------------------------------------------


def _write(shop: Shop, tracked: TrackedOrder) -> set[date]:
    """Write the Order and its lines unless a higher door did; the shop days that it was and is placed on."""
    if tracked.content is None or tracked.content_at is None:
        return set()  # only a refund so far: the order may still come
    content = msgspec.convert(tracked.content, Content)
    placed_at = tracked.placed_at or tracked.content_at
    # What a browser says becomes of an order counts only where a browser also said what is in it.
    status_at = tracked.status_at if tracked.status_trusted or not tracked.content_trusted else None
    status = tracked.status if status_at else Order.Status.PAID
    updated_at = max(tracked.content_at, status_at or tracked.content_at)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT placed_at FROM shop_order WHERE shop_id = %s AND external_id = %s", [shop.pk, tracked.external_id]
        )
        before = cursor.fetchone()
        cursor.execute(
            _ORDER,
            {
                "shop": shop.pk, "id": tracked.external_id, "customer": content.customer_id,
                "anonymous": content.anonymous_id, "email": bytes.fromhex(content.email_hash) or None,
                "status": status, "currency": content.currency, "total": content.total, "discount": content.discount,
                "shipping": content.shipping, "tax": content.tax, "coupon": content.coupon, "placed": placed_at,
                "cancelled": status_at if status == Order.Status.CANCELLED else None, "updated": updated_at,
                "door": int(Door.TRACKING),
            },
        )  # fmt: skip
        written = cursor.fetchone()
    if written is None:
        return set()
    _write_lines(shop, written[0], content.lines)
    return {placed_at.astimezone(shop.tz).date()} | ({before[0].astimezone(shop.tz).date()} if before else set())


# The customer may have been erased since the event came.
_ORDER = """
    INSERT INTO shop_order AS old (shop_id, external_id, number, customer_id, anonymous_id, email_hash, status,
        currency, total, discount, shipping, tax, coupon, channel, shipping_country, billing_country, attributes,
        placed_at, cancelled_at, updated_at, door, source)
    VALUES (%(shop)s, %(id)s, '', (SELECT id FROM shop_customer WHERE id = %(customer)s AND shop_id = %(shop)s),
        %(anonymous)s, %(email)s, %(status)s, %(currency)s, %(total)s, %(discount)s, %(shipping)s, %(tax)s, %(coupon)s,
        '', '', '', '{}', %(placed)s, %(cancelled)s, %(updated)s, %(door)s, 'tracking')
    ON CONFLICT (shop_id, external_id) DO UPDATE SET customer_id = EXCLUDED.customer_id,
        anonymous_id = EXCLUDED.anonymous_id, email_hash = EXCLUDED.email_hash, status = EXCLUDED.status,
        currency = EXCLUDED.currency, total = EXCLUDED.total, discount = EXCLUDED.discount,
        shipping = EXCLUDED.shipping, tax = EXCLUDED.tax, coupon = EXCLUDED.coupon, placed_at = EXCLUDED.placed_at,
        cancelled_at = EXCLUDED.cancelled_at, updated_at = EXCLUDED.updated_at
    WHERE old.door <= EXCLUDED.door
    RETURNING id
"""


def _write_lines(shop: Shop, order: int, lines: list[Line]) -> None:
    """Bring the order's lines to `lines`; those that stay keep their row."""
    named = {line.sku for line in lines}
    products = dict(Product.objects.of(shop).filter(external_id__in=named).values_list("external_id", "pk"))
    OrderLine.objects.of(shop).filter(order_id=order, position__gt=len(lines)).delete()
    OrderLine.objects.bulk_create(
        [
            OrderLine(
                shop=shop, order_id=order, position=position, product_id=products.get(line.sku), sku=line.sku,
                title=line.title, quantity=line.quantity, unit_price=line.unit_price, discount=line.discount,
            )
            for position, line in enumerate(lines, 1)
        ],
        update_conflicts=True, unique_fields=["order", "position"],
        update_fields=["product", "sku", "title", "quantity", "unit_price", "discount"],
    )  # fmt: skip


# --- reading an event -------------------------------------------------------------------------------------


def _order_id(properties: Mapping[str, Any]) -> str:
    value = properties.get("order_id") or properties.get("orderId") or properties.get("checkout_id")
    if isinstance(value, bool) or not isinstance(value, (str, int)) or not str(value).strip():
        raise BadOrder("order_id", _("This field is required."))
    if len(order_id := str(value).strip()) > 255:
        raise BadOrder("order_id", _("At most %(n)d characters.") % {"n": 255})
    return order_id


def _content(event: OrderEvent, shop: Shop) -> Content:
    properties = event.properties
    lines = [_line(each) for each in _list(properties.get("products"))[:MOST_LINES]]
    sold = [line for line in lines if Decimal(line.quantity) > 0]
    shipping, tax = _money(properties, "shipping"), _money(properties, "tax")
    discount = _money(properties, "discount")
    total = _money(properties, "total", "value", needed=False)
    if total is None:
        revenue = _money(properties, "revenue", "subtotal", needed=False)
        if revenue is None:
            revenue = sum((Decimal(line.quantity) * Decimal(line.unit_price) for line in sold), Decimal()) - discount
        total = max(revenue, Decimal()) + shipping + tax
    currency = properties.get("currency") or shop.currency
    if not isinstance(currency, str) or len(currency) != 3 or not currency.isalpha() or not currency.isascii():
        raise BadOrder("currency", _("Three capital letters, as in EUR."))
    status = properties.get("status")
    return Content(
        currency=currency.upper(), total=_exact(total), discount=_exact(discount), shipping=_exact(shipping),
        tax=_exact(tax), coupon=str(properties.get("coupon") or "")[:64],
        status=status if event.name == "Order Updated" and status in Order.Status.values else "", lines=sold,
        customer_id=event.customer_id, anonymous_id=event.anonymous_id, email_hash=(event.email_hash or b"").hex(),
    )  # fmt: skip


def _line(given: Any) -> Line:
    if not isinstance(given, dict):
        raise BadOrder("products", _("A list of objects is needed."))
    product = given.get("product_id") or given.get("sku") or given.get("id") or ""
    quantity = _number(given.get("quantity", 1), "products.quantity")
    return Line(
        sku=str(product)[:255], title=str(given.get("name") or given.get("title") or "")[:500],
        quantity=f"{max(quantity, Decimal()):.3f}", unit_price=_exact(_money(given, "price")),
        discount=_exact(_money(given, "discount")),
    )  # fmt: skip


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadOrder("products", _("A list of objects is needed."))
    return value


def _money(given: Mapping[str, Any], *names: str, needed: bool = True) -> Any:
    """The first of `names` that is given, not below zero; else zero, or None where it is not `needed`."""
    for name in names:
        if (value := given.get(name)) not in (None, ""):
            number = _number(value, name)
            if number < 0:
                raise BadOrder(name, _("It must not be negative."))
            return number
    return Decimal() if needed else None


def _number(value: Any, field: str) -> Decimal:
    try:
        number = Decimal(str(value)) if not isinstance(value, bool) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number) >= _LARGEST:
        raise BadOrder(field, _("This is no number."))
    return number


def _exact(number: Decimal) -> str:
    if number >= _LARGEST:
        raise BadOrder("total", _("The number is too large."))
    return f"{number:.4f}"
