from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from commerce_ai.console.filters import during
from commerce_ai.console.money import money_column
from commerce_ai.console.shop_admin import ShopAdmin, ShopInline
from commerce_ai.shop.models import (
    CompetitorPrice,
    PriceChange,
    Product,
    Promotion,
    PromotionProduct,
    StockLevel,
    SupplierProduct,
)


class StockInline(ShopInline):
    model = StockLevel
    fields = ("location", "on_hand", "reserved")


class SupplyInline(ShopInline):
    model = SupplierProduct
    fields = ("supplier", "sku", "unit_cost", "lead_time_days", "preferred")


@admin.register(Product)
class ProductAdmin(ShopAdmin):
    list_display = (
        "title",
        "external_id",
        "category",
        "brand",
        money_column("price", _("price")),
        "active",
        "updated_at",
    )
    list_filter = ("active", "is_group", during("created_at"))
    search_fields = ("external_id__startswith", "title__icontains")
    ordering = ("-id",)
    inlines = (StockInline, SupplyInline)
    bumps = ("catalogue",)
    next_step = _("No products yet. Send them through the API (POST /api/v1/products), or load a file:")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """A price that a person changes is kept in the price history."""
        super().save_model(request, obj, form, change)
        if change and "price" in form.changed_data and obj.price is not None:
            PriceChange.objects.create(
                shop_id=obj.shop_id, product=obj, price=obj.price, previous_price=form.initial.get("price"),
                starts_at=timezone.now(), source="console",
            )  # fmt: skip


@admin.register(PriceChange)
class PriceChangeAdmin(ShopAdmin):
    list_display = ("product", money_column("price", _("price")), "kind", "starts_at", "ends_at", "reason", "source")
    list_filter = ("kind", during("starts_at"))
    ordering = ("-starts_at",)
    bumps = ("catalogue",)
    next_step = _("No price changes yet. Each one is kept here: change a price on a product's page or by API.")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Whoever writes a price that holds now also writes the product's."""
        super().save_model(request, obj, form, change)
        now = timezone.now()
        if obj.starts_at > now or (obj.ends_at and obj.ends_at <= now):
            return
        holds = Q(starts_at__lte=now) & (Q(ends_at=None) | Q(ends_at__gt=now))
        newest = PriceChange.objects.of(obj.shop_id).filter(holds, product_id=obj.product_id).latest("starts_at", "pk")
        if newest.pk == obj.pk:
            Product.objects.of(obj.shop_id).filter(pk=obj.product_id).update(price=obj.price, updated_at=now)


@admin.register(CompetitorPrice)
class CompetitorPriceAdmin(ShopAdmin):
    list_display = ("product", "competitor", money_column("price", _("price")), "in_stock", "seen_at", "source")
    list_filter = ("in_stock", during("seen_at"))
    search_fields = ("competitor__startswith",)
    ordering = ("-seen_at",)
    next_step = _("No competitors' prices yet. Load what you observe from a file:")


class PromotedInline(ShopInline):
    model = PromotionProduct
    fields = ("product", "price", "feature")


@admin.register(Promotion)
class PromotionAdmin(ShopAdmin):
    list_display = ("name", "kind", "value", "category", "starts_at", "ends_at", "active")
    list_filter = ("active", "kind", during("starts_at"))
    search_fields = ("name__icontains", "external_id__startswith")
    ordering = ("-starts_at",)
    inlines = (PromotedInline,)
    next_step = _("No promotions yet. Forecasts and prices get better when they know of them: add one, or load a file.")


@admin.register(PromotionProduct)
class PromotionProductAdmin(ShopAdmin):
    list_display = ("promotion", "product", money_column("price", _("price")), "feature")
    ordering = ("-id",)
    next_step = _("No products in promotions yet. Add them on a promotion's page.")
