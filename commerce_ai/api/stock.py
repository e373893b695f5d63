"""Stock levels: what lies where. A product without any level is not tracked, and always for sale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.db.models import F, QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from commerce_ai.api import errors
from commerce_ai.api.fields import OutsideId, OutsideSerializer, QuantityField
from commerce_ai.api.resources import How, Outcome, Resource, failed
from commerce_ai.shop import bulk
from commerce_ai.shop.models import Location, Product, Shop, StockLevel

USUAL_LOCATION = "main"


class StockSerializer(OutsideSerializer):
    product_id = OutsideId("product")
    location_id = OutsideId("location", default=USUAL_LOCATION, help_text=_("Made when it is not known yet."))
    on_hand = QuantityField()
    reserved = QuantityField(default=0, least="0", help_text=_("Ordered by customers, not yet shipped."))
    updated_at = serializers.DateTimeField(read_only=True)


class LevelSerializer(serializers.Serializer[Any]):
    location_id = OutsideId("location")
    on_hand = QuantityField()
    reserved = QuantityField()
    updated_at = serializers.DateTimeField()


class ProductStockSerializer(serializers.Serializer[Any]):
    product_id = serializers.CharField()
    available = QuantityField(allow_null=True, help_text=_("On hand less reserved, over all locations."))
    levels = LevelSerializer(many=True)


class Stock(Resource):
    name = "stock"
    id_field = "product_id"
    key_fields = ("product_id", "location_id")
    serializer = StockSerializer
    shown = ProductStockSerializer
    read_scope, write_scope = "catalogue:read", "stock:write"
    topics = ("catalogue",)
    single = ("GET", "PUT", "DELETE")

    def rows(self, shop_id: int) -> QuerySet[Any]:
        names = {"product_external_id": F("product__external_id"), "location_external_id": F("location__external_id")}
        return StockLevel.objects.of(shop_id).annotate(**names)

    def find(self, shop_id: int, external_id: str) -> Any:
        if not Product.objects.of(shop_id).filter(external_id=external_id).exists():
            raise errors.not_found()
        levels = list(self.rows(shop_id).filter(product__external_id=external_id).order_by("pk"))
        available = sum((each.on_hand - each.reserved for each in levels), Decimal(0)) if levels else None
        return {"product_id": external_id, "available": available, "levels": levels}

    def write(self, shop: Shop, rows: Sequence[dict[str, Any]], how: How) -> list[Outcome]:
        # The products' rows are held, so that two writers of one new level don't both find it missing.
        products = Product.objects.of(shop).filter(external_id__in=[row["product_id"] for row in rows])
        ids = dict(products.order_by("pk").select_for_update().values_list("external_id", "pk"))
        places = _locations(shop, {_place(row) for row in rows})
        levels = StockLevel.objects.of(shop).filter(product_id__in=ids.values())
        known = {(each.product_id, each.location_id): each for each in levels}
        outcomes, changed = [], []
        for row in rows:
            product, place = ids.get(row["product_id"]), places[_place(row)]
            old = known.get((product, place)) if product is not None else None
            if product is None:
                message = failed(_("There is no product %(id)s.") % {"id": row["product_id"]}, "product_id")
                outcomes.append(message if how is How.MERGE else Outcome("missing"))
                continue
            if old is None and row.get("on_hand") is None:
                outcomes.append(failed(_("This field is required."), "on_hand"))
                continue
            on_hand = row.get("on_hand", old and old.on_hand)
            reserved = row.get("reserved", old.reserved if old else 0)
            if old is not None and (old.on_hand, old.reserved) == (on_hand, reserved):
                outcomes.append(Outcome("unchanged"))
                continue
            outcomes.append(Outcome("updated" if old else "created"))
            changed.append((shop.pk, product, place, on_hand, reserved))
        if changed:
            columns = ("shop", "product", "location", "on_hand", "reserved")
            bulk.upsert(StockLevel, columns, changed, key=("product", "location"))
        return outcomes

    def delete(self, shop: Shop, external_id: str, parameters: Mapping[str, str]) -> None:
        """Forget the product's levels, or the one at ``?location_id=``: without any it is not tracked."""
        self.find(shop.pk, external_id)
        levels = StockLevel.objects.of(shop).filter(product__external_id=external_id)
        if place := parameters.get("location_id"):
            levels = levels.filter(location__external_id=place)
        levels.delete()


def _place(row: dict[str, Any]) -> str:
    return row.get("location_id") or USUAL_LOCATION


def _locations(shop: Shop, names: set[str]) -> dict[str, int]:
    known = bulk.resolve(Location, shop, names)
    missing = sorted(names - known.keys())
    if missing:
        rows = [(shop.pk, each, each[:200]) for each in missing]
        bulk.upsert(Location, ("shop", "external_id", "name"), rows, key=("shop", "external_id"), update=())
        known = bulk.resolve(Location, shop, names)
    return known
