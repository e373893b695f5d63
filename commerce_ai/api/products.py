"""Products: what is sold. A price that comes with a product is a price change like any other."""

from __future__ import annotations

from typing import Any

from django.db.models import F, QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from commerce_ai.api.fields import MoneyField, ObjectField, OutsideId, OutsideSerializer
from commerce_ai.api.prices import note_changes
from commerce_ai.api.resources import Outcome, failed
from commerce_ai.api.tables import Change, TableResource
from commerce_ai.shop import bulk
from commerce_ai.shop.models import Product, Shop


class ProductSerializer(OutsideSerializer):
    external_id = serializers.CharField(max_length=255)
    parent_id = OutsideId("parent", allow_null=True, default=None, help_text=_("The product that groups variants."))
    is_group = serializers.BooleanField(default=False)
    title = serializers.CharField(max_length=500)
    description = serializers.CharField(allow_blank=True, default="", max_length=100_000)
    category = serializers.CharField(allow_blank=True, default="", max_length=500, help_text=_("Home > Kitchen > Mugs"))
    brand = serializers.CharField(allow_blank=True, default="", max_length=200)
    price = MoneyField(allow_null=True, default=None)
    cost = MoneyField(allow_null=True, default=None)
    url = serializers.CharField(allow_blank=True, default="", max_length=2000)
    image_url = serializers.CharField(allow_blank=True, default="", max_length=2000)
    attributes = ObjectField(default=dict)
    tags = serializers.ListField(child=serializers.CharField(max_length=100), default=list, max_length=200)
    gtin = serializers.CharField(allow_blank=True, default="", max_length=14)
    active = serializers.BooleanField(default=True)
    created_at = serializers.DateTimeField(required=False, help_text=_("On sale since."))
    updated_at = serializers.DateTimeField(read_only=True)

    def validate(self, attrs: Any) -> Any:
        if attrs.get("is_group") and attrs.get("parent_id"):
            raise serializers.ValidationError({"parent_id": [_("A group of variants has no parent.")]})
        if attrs.get("parent_id") and attrs["parent_id"] == attrs.get("external_id"):
            raise serializers.ValidationError({"parent_id": [_("A product is not its own parent.")]})
        return attrs


class Products(TableResource):
    name = "products"
    model = Product
    serializer = ProductSerializer
    read_scope, write_scope = "catalogue:read", "catalogue:write"
    topics = ("catalogue",)
    required = ("title",)
    columns = (
        "is_group", "title", "description", "category", "brand", "price", "cost", "url", "image_url", "attributes",
        "tags", "gtin", "active", "created_at",
    )  # fmt: skip

    def rows(self, shop_id: int) -> QuerySet[Any]:
        return Product.objects.of(shop_id).annotate(parent_external_id=F("parent__external_id"))

    def complete(self, shop: Shop, changes: list[Change]) -> tuple[list[Change], dict[int, Outcome]]:
        named = {change.row["parent_id"] for change in changes if change.row.get("parent_id")}
        known = bulk.resolve(Product, shop, named)
        # Parents that come with the same batch are written first, and get their number then.
        coming = {change.external_id for change in changes if not change.row.get("parent_id")}
        refused = {}
        for change in changes:
            parent = change.row.get("parent_id")
            if parent and parent not in known and parent not in coming:
                refused[change.at] = failed(_("There is no product %(id)s.") % {"id": parent}, "parent_id")
            elif "parent_id" in change.row:
                change.values["parent_id"] = known.get(parent) if parent else None
            else:
                change.values["parent_id"] = change.old.parent_id if change.old else None
        return [change for change in changes if change.at not in refused], refused

    def has_moved(self, change: Change) -> bool:
        waits = bool(change.row.get("parent_id")) and change.values["parent_id"] is None
        return waits or super().has_moved(change)

    def save(self, shop: Shop, changes: list[Change]) -> None:
        waiting = [each for each in changes if each.row.get("parent_id") and each.values["parent_id"] is None]
        self.upsert(shop, [each for each in changes if each not in waiting])
        if waiting:
            parents = bulk.resolve(Product, shop, {each.row["parent_id"] for each in waiting})
            for each in waiting:
                each.values["parent_id"] = parents[each.row["parent_id"]]
            self.upsert(shop, waiting)
        priced = [each for each in changes if each.values["price"] is not None and each.differs("price")]
        note_changes(shop, {each.external_id: (each.old and each.old.price, each.values["price"]) for each in priced})
