"""Shopify's webhooks as rows of ours, in the words of the REST API. Pure: JSON in, rows out.

https://shopify.dev/docs/api/webhooks. Ids are Shopify's, as text: of a product's variants, those of the variants, with
the product as their group; a product with one variant still has a group. A body is the object without an outer key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.translation import gettext_lazy as _

from commerce_ai.ingest.personal import clean_text

NOT_AN_OBJECT = _("The body is no JSON object.")
MOST_LINES = 1000
Json = dict[str, Any]


class Unusable(ValueError):
    """A body that nothing can be made of: the field at fault, and why."""

    def __init__(self, field: str, message: Any) -> None:
        super().__init__(field)
        self.field, self.message = field, message


@dataclass(frozen=True)
class Subject:
    """What a body speaks of, and when it was so."""

    kind: str
    external_id: str
    said_at: datetime


@dataclass(frozen=True)
class Said:
    """Rows to write, by resource, in the order in which they need each other; what is to be deleted or asked for."""

    rows: list[tuple[str, Json]] = field(default_factory=list)
    refunds: list[Json] = field(default_factory=list)
    inactive: list[str] = field(default_factory=list)  # products no longer sold
    erase: list[str] = field(default_factory=list)  # customers
    export: list[str] = field(default_factory=list)
    erase_everybody: bool = False


def read(topic: str, body: Json) -> Said:
    """What a delivery says. Raises Unusable, KeyError for a topic that is not in TOPICS."""
    return TOPICS[topic](body)


def subject_of(topic: str, body: Json) -> Subject | None:
    """None for what has no later word: refunds, requests."""
    kind, _slash, verb = topic.partition("/")
    said_at = _instant(body.get("updated_at")) or _instant(body.get("created_at"))
    external_id = _id(body.get("id"))
    if kind not in ("customers", "products", "orders") or not external_id or said_at is None:
        return None
    return None if verb in ("redact", "data_request") else Subject(kind, external_id, said_at)


# --- customers --------------------------------------------------------------------------------------------


def _customer(body: Json) -> Said:
    return Said(rows=[("customers", _customer_row(body))])


def _customer_row(body: Json) -> Json:
    address = _dict(body.get("default_address"))
    name = _name(body) or _name(address)
    row: Json = {
        "external_id": _needed_id(body, "id"), "email": _text(body.get("email"), 320),
        "phone": _text(body.get("phone") or address.get("phone"), 64), "name": name, "address": _address(address),
        "country": _country(address),
    }  # fmt: skip
    row = {key: value for key, value in row.items() if value}  # what it does not say stays as it is
    row["attributes"] = {
        key: body[key]
        for key in ("state", "verified_email", "accepts_marketing", "tax_exempt", "orders_count", "currency")
        if isinstance(body.get(key), (str, int, bool))
    }
    if since := _instant(body.get("created_at")):
        row["created_at"] = since.isoformat()
    return row


def _deleted_customer(body: Json) -> Said:
    return Said(erase=[_needed_id(body, "id")])


# --- products ---------------------------------------------------------------------------------------------


def _product(body: Json) -> Said:
    product_id, variants = _needed_id(body, "id"), [each for each in _list(body.get("variants")) if _id(each.get("id"))]
    images = {_id(each.get("id")): _text(each.get("src"), 2000) for each in _list(body.get("images"))}
    first_image = _text(_dict(body.get("image")).get("src"), 2000) or next(iter(images.values()), "")
    title, is_active = _text(body.get("title"), 500), body.get("status", "active") == "active"
    tags = body.get("tags")
    common = {
        "description": _text(body.get("body_html"), 100_000), "brand": _text(body.get("vendor"), 200),
        "category": _text(body.get("product_type"), 500), "image_url": first_image, "active": is_active,
        "tags": [each.strip()[:100] for each in tags.split(",") if each.strip()][:200] if isinstance(tags, str) else [],
    }  # fmt: skip
    if not title:
        raise Unusable("title", _("This field is required."))
    group = {"external_id": product_id, "title": title, "is_group": bool(variants), **common}
    rows: list[tuple[str, Json]] = [("products", group)]
    for each in variants:
        named = _text(each.get("title"), 250)
        rows.append(("products", {
            **common, "external_id": _id(each["id"]), "parent_id": product_id,
            "title": title if named in ("", "Default Title") else f"{title[:240]} - {named}",
            "price": _money(each, "price"), "image_url": images.get(_id(each.get("image_id")), first_image),
            "gtin": barcode if (barcode := _text(each.get("barcode"), 14)).isdecimal() else "",
            "attributes": {"sku": sku} if (sku := _text(each.get("sku"), 255)) else {},
        }))  # fmt: skip
    return Said(rows=rows)


def _deleted_product(body: Json) -> Said:
    return Said(inactive=[_needed_id(body, "id")])


# --- orders -----------------------------------------------------------------------------------------------

_STATUS = {
    "pending": "pending", "authorized": "pending", "partially_paid": "pending", "paid": "paid",
    "partially_refunded": "paid", "refunded": "refunded", "voided": "cancelled",
}  # fmt: skip


def _order(body: Json) -> Said:
    if body.get("test") is True:
        return Said()
    placed = _instant(body.get("processed_at")) or _instant(body.get("created_at"))
    if placed is None:
        raise Unusable("created_at", _("An instant is needed."))
    cancelled = _instant(body.get("cancelled_at"))
    status = "cancelled" if cancelled else _STATUS.get(str(body.get("financial_status")), "pending")
    if status == "paid" and body.get("fulfillment_status") == "fulfilled":
        status = "fulfilled"
    lines = [_line(each) for each in _list(body.get("line_items"))[:MOST_LINES] if _number(each, "quantity") > 0]
    customer = _dict(body.get("customer"))
    row = {
        "external_id": _needed_id(body, "id"), "number": _text(body.get("name"), 64), "status": status,
        "currency": _text(body.get("currency"), 3).upper() or None, "total": _money(body, "total_price"),
        "discount": _money(body, "total_discounts") or "0", "tax": _money(body, "total_tax") or "0",
        "shipping": str(sum((_number(each, "price") for each in _list(body.get("shipping_lines"))), Decimal())),
        "coupon": _text(next((each.get("code") for each in _list(body.get("discount_codes"))), ""), 64),
        "channel": _text(body.get("source_name"), 64), "email": _text(body.get("email"), 320),
        "shipping_country": _country(_dict(body.get("shipping_address"))),
        "billing_country": _country(_dict(body.get("billing_address"))),
        "customer_id": _id(customer.get("id")) or None, "placed_at": placed.isoformat(),
        "cancelled_at": cancelled.isoformat() if cancelled else None, "lines": lines,
    }  # fmt: skip
    if row["currency"] is None:
        del row["currency"]
    if updated := _instant(body.get("updated_at")):
        row["updated_at"] = updated.isoformat()
    rows: list[tuple[str, Json]] = [("customers", _customer_row(customer))] if _id(customer.get("id")) else []
    return Said(
        rows=[*rows, ("orders", row)],
        refunds=[_refund_row({"order_id": body["id"], **each}) for each in _list(body.get("refunds"))],
    )


def _line(given: Json) -> Json:
    tax = sum((_number(each, "price") for each in _list(given.get("tax_lines"))), Decimal())
    return {
        "product_id": _id(given.get("variant_id")) or _id(given.get("product_id")) or None,
        "sku": _text(given.get("sku"), 255), "title": _text(given.get("name") or given.get("title"), 500),
        "quantity": str(_number(given, "quantity")), "unit_price": _money(given, "price") or "0",
        "discount": _money(given, "total_discount") or "0", "tax": str(tax),
    }  # fmt: skip


def _refund(body: Json) -> Said:
    return Said(refunds=[_refund_row(body)])


def _refund_row(body: Json) -> Json:
    done = [each for each in _list(body.get("transactions")) if each.get("kind") == "refund"]
    done = [each for each in done if each.get("status") == "success"]
    at = _instant(body.get("processed_at")) or _instant(body.get("created_at"))
    if at is None:
        raise Unusable("created_at", _("An instant is needed."))
    return {
        "external_id": _needed_id(body, "id"), "order_id": _needed_id(body, "order_id"), "at": at,
        "amount": sum((_number(each, "amount") for each in done), Decimal()),
        "currency": _text(next((each.get("currency") for each in done), ""), 3).upper(),
        "reason": clean_text(_text(body.get("note"), 255)),
    }  # fmt: skip


# --- requests of people -----------------------------------------------------------------------------------


def _redact_customer(body: Json) -> Said:
    return Said(erase=[_needed_id(_dict(body.get("customer")), "id", "customer.id")])


def _data_request(body: Json) -> Said:
    return Said(export=[_needed_id(_dict(body.get("customer")), "id", "customer.id")])


def _redact_shop(body: Json) -> Said:
    return Said(erase_everybody=True)


TOPICS: dict[str, Callable[[Json], Said]] = {
    "customers/create": _customer, "customers/update": _customer, "customers/enable": _customer,
    "customers/disable": _customer, "customers/delete": _deleted_customer,
    "products/create": _product, "products/update": _product, "products/delete": _deleted_product,
    **{f"orders/{verb}": _order for verb in (
        "create", "updated", "paid", "partially_fulfilled", "fulfilled", "cancelled",
    )},
    "refunds/create": _refund,
    "customers/redact": _redact_customer, "customers/data_request": _data_request, "shop/redact": _redact_shop,
}  # fmt: skip


# --- values -----------------------------------------------------------------------------------------------


def _id(value: Any) -> str:
    return str(value)[:255] if isinstance(value, (int, str)) and not isinstance(value, bool) and value != "" else ""


def _needed_id(body: Json, name: str, path: str = "") -> str:
    if not (found := _id(body.get(name))):
        raise Unusable(path or name, _("This field is required."))
    return found


def _dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Json]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(value: Any, most: int) -> str:
    return value.strip()[:most] if isinstance(value, str) else ""


def _name(body: Json) -> str:
    said = f"{_text(body.get('first_name'), 250)} {_text(body.get('last_name'), 249)}".strip()
    return said or _text(body.get("name"), 500)


def _address(address: Json) -> str:
    parts = ("company", "address1", "address2", "zip", "city", "province", "country")
    return ", ".join(text for name in parts if (text := _text(address.get(name), 500)))[:2000]


def _country(address: Json) -> str:
    code = _text(address.get("country_code"), 8).upper()
    return code if len(code) == 2 and code.isalpha() and code.isascii() else ""


def _money(body: Json, name: str) -> str | None:
    return None if body.get(name) in (None, "") else str(_number(body, name))


def _number(body: Json, name: str) -> Decimal:
    value = body.get(name)
    if value in (None, ""):
        return Decimal()
    try:
        number = Decimal(str(value)) if not isinstance(value, bool) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise Unusable(name, _("This is no number."))
    return number


def _instant(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None
