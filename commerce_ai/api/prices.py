"""Prices: what holds now, and what will from an instant on. Each write is a price change that is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import F, Min, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from commerce_ai.api import errors
from commerce_ai.api.fields import MoneyField, OutsideId, OutsideSerializer
from commerce_ai.api.resources import How, Outcome, Resource, failed
from commerce_ai.shop import bulk
from commerce_ai.shop.models import PriceChange, Product, Shop

SOURCE = "api"
LOOK_BACK = timedelta(days=30)


class PriceSerializer(OutsideSerializer):
    product_id = OutsideId("product")
    price = MoneyField()
    kind = serializers.ChoiceField(PriceChange.Kind.choices, default="change", write_only=True)
    starts_at = serializers.DateTimeField(required=False, write_only=True, help_text=_("Now, when it is left out."))
    ends_at = serializers.DateTimeField(allow_null=True, default=None, write_only=True)
    reason = serializers.CharField(allow_blank=True, default="", max_length=255, write_only=True)
    updated_at = serializers.DateTimeField(read_only=True)

    def validate(self, attrs: Any) -> Any:
        if attrs.get("ends_at") and attrs["ends_at"] < attrs.get("starts_at", timezone.now()):
            raise serializers.ValidationError({"ends_at": [_("It ends before it starts.")]})
        return attrs


class Prices(Resource):
    name = "prices"
    id_field = "product_id"
    key_fields = ("product_id",)
    serializer = PriceSerializer
    read_scope, write_scope = "catalogue:read", "prices:write"
    topics = ("catalogue",)
    single = ("GET", "PUT")

    def rows(self, shop_id: int) -> QuerySet[Any]:
        return Product.objects.of(shop_id).filter(price__isnull=False).annotate(product_external_id=F("external_id"))

    def find(self, shop_id: int, external_id: str) -> Any:
        rows = Product.objects.of(shop_id).annotate(product_external_id=F("external_id"))
        if (found := rows.filter(external_id=external_id).first()) is None:
            raise errors.not_found()
        return found

    def write(self, shop: Shop, rows: Sequence[dict[str, Any]], how: How) -> list[Outcome]:
        now = timezone.now()
        products = Product.objects.of(shop).filter(external_id__in=[row["product_id"] for row in rows])
        known = {each.external_id: each for each in products.order_by("pk").select_for_update()}
        outcomes, changes = [], []
        for row in rows:
            product = known.get(row["product_id"])
            if product is None:
                message = failed(_("There is no product %(id)s.") % {"id": row["product_id"]}, "product_id")
                outcomes.append(message if how is How.MERGE else Outcome("missing"))
            elif row.get("price") is None:
                outcomes.append(failed(_("This field is required."), "price"))
            elif "starts_at" not in row and row.get("ends_at") is None and row["price"] == product.price:
                outcomes.append(Outcome("unchanged"))
            else:
                outcomes.append(Outcome("updated"))
                changes.append((product, row))
        _keep(shop, [_change(shop, product, row, now) for product, row in changes])
        hold_now(shop, [product.pk for product, _row in changes])
        return outcomes


def note_changes(shop: Shop, moved: Mapping[str, tuple[Decimal | None, Decimal]]) -> None:
    """Keep the change of prices that were written with their products: outside id → (before, now)."""
    now = timezone.now()
    ids = bulk.resolve(Product, shop, moved)
    _keep(
        shop,
        [(shop.pk, ids[name], "change", new, old, None, now, None, "", SOURCE) for name, (old, new) in moved.items()],
    )


def hold_now(shop: Shop, product_ids: Sequence[int]) -> None:
    """Whoever writes a price that holds now also writes the product's: the change that started last holds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE shop_product p SET price = c.price, updated_at = clock_timestamp() FROM ("
            " SELECT DISTINCT ON (product_id) product_id, price FROM shop_pricechange"
            " WHERE shop_id = %(shop)s AND product_id = ANY(%(products)s)"
            " AND starts_at <= clock_timestamp() AND coalesce(ends_at > clock_timestamp(), true)"
            " ORDER BY product_id, starts_at DESC, id DESC) c"
            " WHERE p.shop_id = %(shop)s AND p.id = c.product_id AND p.price IS DISTINCT FROM c.price",
            {"shop": shop.pk, "products": list(product_ids)},
        )


_COLUMNS = (
    "shop", "product", "kind", "price", "previous_price", "prior_price", "starts_at", "ends_at", "reason", "source",
)  # fmt: skip


def _keep(shop: Shop, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        bulk.upsert(PriceChange, _COLUMNS, rows, key=("product", "starts_at", "kind"))


def _change(shop: Shop, product: Product, row: dict[str, Any], now: datetime) -> tuple[Any, ...]:
    starts_at = row.get("starts_at") or now
    kind = row.get("kind", PriceChange.Kind.CHANGE)
    prior = _lowest_before(shop, product, starts_at) if kind == PriceChange.Kind.REDUCTION else None
    return (
        shop.pk, product.pk, kind, row["price"], product.price, prior, starts_at, row.get("ends_at"),
        row.get("reason", ""), SOURCE,
    )  # fmt: skip


def _lowest_before(shop: Shop, product: Product, starts_at: datetime) -> Decimal | None:
    """The lowest price of the thirty days before: of those that began then, and the one that held at their start."""
    changes = PriceChange.objects.of(shop).filter(product=product, starts_at__lt=starts_at)
    lowest = changes.filter(starts_at__gt=starts_at - LOOK_BACK).aggregate(lowest=Min("price"))["lowest"]
    before = changes.filter(starts_at__lte=starts_at - LOOK_BACK).order_by("-starts_at").first()
    found = [each for each in (lowest, before.price if before else None) if each is not None]
    return min(found) if found else product.price
