"""Orders with their lines. What the shop's own system says here outweighs files and tracking."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.db.models import F, Prefetch, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from commerce_ai.api.fields import (
    CountryField,
    CurrencyField,
    MoneyField,
    ObjectField,
    OutsideId,
    OutsideSerializer,
    QuantityField,
)
from commerce_ai.api.resources import How, Outcome
from commerce_ai.api.tables import Change, TableResource, resolve_or_make
from commerce_ai.shop import bulk, contact, tombstones
from commerce_ai.shop.models import Customer, Door, Order, OrderLine, Product, Shop

MOST_LINES = 1000


class LineSerializer(OutsideSerializer):
    product_id = OutsideId("product", allow_null=True, default=None)
    sku = serializers.CharField(allow_blank=True, default="", max_length=255)
    title = serializers.CharField(allow_blank=True, default="", max_length=500)
    quantity = QuantityField(least="0.001")
    unit_price = MoneyField()
    discount = MoneyField(default=0, help_text=_("Of the whole line."))
    tax = MoneyField(default=0, help_text=_("Of the whole line."))
    unit_cost = MoneyField(allow_null=True, default=None)
    decision_id = serializers.UUIDField(allow_null=True, default=None)


class OrderSerializer(OutsideSerializer):
    external_id = serializers.CharField(max_length=255)
    number = serializers.CharField(allow_blank=True, default="", max_length=64)
    customer_id = OutsideId("customer", allow_null=True, default=None, help_text=_("Made when it is not known yet."))
    anonymous_id = serializers.CharField(allow_blank=True, default="", max_length=255)
    email = serializers.CharField(
        write_only=True, required=False, allow_blank=True, max_length=320, help_text=_("Kept as a hash.")
    )
    status = serializers.ChoiceField(Order.Status.choices, default="paid")
    currency = CurrencyField(required=False, help_text=_("The shop's own, when it is left out."))
    total = MoneyField(help_text=_("What is paid."))
    discount = MoneyField(default=0)
    shipping = MoneyField(default=0)
    tax = MoneyField(default=0)
    coupon = serializers.CharField(allow_blank=True, default="", max_length=64)
    channel = serializers.CharField(allow_blank=True, default="", max_length=64)
    shipping_country = CountryField(default="")
    billing_country = CountryField(default="")
    attributes = ObjectField(default=dict)
    placed_at = serializers.DateTimeField()
    cancelled_at = serializers.DateTimeField(allow_null=True, default=None)
    updated_at = serializers.DateTimeField(required=False, help_text=_("When your system last changed it."))
    lines = LineSerializer(many=True, default=list, max_length=MOST_LINES)  # type: ignore[call-arg]  # of the list that many=True makes


class Orders(TableResource):
    name = "orders"
    model = Order
    serializer = OrderSerializer
    read_scope, write_scope = "orders:read", "orders:write"
    required = ("total", "placed_at")
    columns = (
        "number", "anonymous_id", "status", "currency", "total", "discount", "shipping", "tax", "coupon", "channel",
        "shipping_country", "billing_country", "attributes", "placed_at", "cancelled_at",
    )  # fmt: skip

    def rows(self, shop_id: int) -> QuerySet[Any]:
        lines = OrderLine.objects.of(shop_id).annotate(product_external_id=F("product__external_id"))
        rows = Order.objects.of(shop_id).annotate(customer_external_id=F("customer__external_id"))
        return rows.prefetch_related(Prefetch("lines", lines.order_by("position")))

    def lock(self, shop: Shop, external_ids: list[str]) -> dict[str, Any]:
        rows = (
            Order.objects.of(shop).filter(external_id__in=external_ids).order_by("pk").select_for_update(of=("self",))
        )
        lines = OrderLine.objects.of(shop).order_by("position")
        return {row.external_id: row for row in rows.prefetch_related(Prefetch("lines", lines))}

    def refusal(self, change: Change, how: How) -> Outcome | None:
        said, old = change.row.get("updated_at"), change.old
        if old is not None and said is not None and old.door == Door.SYSTEM and said < old.updated_at:
            return Outcome("stale")
        return super().refusal(change, how)

    def value(self, name: str, change: Change, shop: Shop) -> Any:
        if name == "currency" and name not in change.row and change.old is None:
            return shop.currency
        return super().value(name, change, shop)

    def complete(self, shop: Shop, changes: list[Change]) -> tuple[list[Change], dict[int, Outcome]]:
        named = {change.row["customer_id"] for change in changes if change.row.get("customer_id")}
        customers = resolve_or_make(Customer, shop, named)
        bought = {
            line["product_id"] for change in changes for line in change.row.get("lines", ()) if line.get("product_id")
        }
        products = bulk.resolve(Product, shop, bought)
        is_barred = tombstones.barred(shop.pk)
        for change in changes:
            row, old, values = change.row, change.old, change.values
            values["customer_id"] = (
                old.customer_id if old and "customer_id" not in row else customers.get(row.get("customer_id") or "")
            )
            values["email_hash"] = (
                contact.email_hash(row["email"]) if "email" in row else old and _bytes(old.email_hash)
            )
            if is_barred and _names_erased(row, is_barred):  # the books keep the order, and nothing of whom
                values |= {"customer_id": None, "email_hash": None, "anonymous_id": "", "attributes": {}}
            values["door"] = int(Door.SYSTEM)
            values["updated_at"] = row.get("updated_at") or (old.updated_at if old else timezone.now())
            change.lines = [_line(line, products) for line in row["lines"]] if "lines" in row else None  # type: ignore[attr-defined]
        return changes, {}

    def has_moved(self, change: Change) -> bool:
        if change.old is not None:
            change.old.email_hash = _bytes(change.old.email_hash)
        moved = super().has_moved(change) or self._lines_moved(change)
        if moved and "updated_at" not in change.row:
            change.values["updated_at"] = timezone.now()
        return moved

    def _lines_moved(self, change: Change) -> bool:
        lines = change.lines  # type: ignore[attr-defined]
        if lines is None or change.old is None:
            return lines is not None
        return lines != [tuple(getattr(line, name) for name in _LINE) for line in change.old.lines.all()]

    def save(self, shop: Shop, changes: list[Change]) -> None:
        self.upsert(shop, changes, newest_by=("door", "updated_at"))
        given = [change for change in changes if change.lines is not None]  # type: ignore[attr-defined]
        if not given:
            return
        ids = bulk.resolve(Order, shop, [change.external_id for change in given])
        rows = [
            (shop.pk, ids[change.external_id], at, *line)
            for change in given
            for at, line in enumerate(change.lines, 1)  # type: ignore[attr-defined]
        ]
        bulk.upsert(OrderLine, ("shop", "order", "position", *_LINE), rows, key=("order", "position"))
        _cut(shop, {ids[change.external_id]: len(change.lines) for change in given})  # type: ignore[attr-defined]


_LINE = (
    "product_id", "sku", "title", "quantity", "unit_price", "discount", "tax", "unit_cost", "decision_id",
)  # fmt: skip


def _line(line: dict[str, Any], products: dict[str, int]) -> tuple[Any, ...]:
    """A line's columns. An unknown product leaves its id as the SKU: what was sold is kept either way."""
    named = line.get("product_id")
    defaults = {"title": "", "discount": 0, "tax": 0, "unit_cost": None, "decision_id": None}
    values = {**defaults, **line, "product_id": products.get(named or ""), "sku": line.get("sku") or named or ""}
    return tuple(values[name] for name in _LINE)


def _cut(shop: Shop, lengths: dict[int, int]) -> None:
    """Delete the lines beyond each order's number of lines."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM shop_orderline l USING unnest(%s::bigint[], %s::int[]) AS o(id, lines)"
            " WHERE l.shop_id = %s AND l.order_id = o.id AND l.position > o.lines",
            [list(lengths), list(lengths.values()), shop.pk],
        )


def _names_erased(row: dict[str, Any], is_barred: tombstones.Barred) -> bool:
    kinds = tombstones.Kind
    named = ((kinds.CUSTOMER, "customer_id"), (kinds.EMAIL, "email"), (kinds.ANONYMOUS, "anonymous_id"))
    return any(is_barred(kind, row.get(name) or "") for kind, name in named)


def _bytes(value: Any) -> bytes | None:
    return None if value is None else bytes(value)
