from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from commerce_ai.console.filters import during
from commerce_ai.console.money import money_column
from commerce_ai.console.shop_admin import ShopAdmin, ShopInline
from commerce_ai.shop.models import (
    Location,
    PurchaseOrder,
    PurchaseOrderLine,
    StockLevel,
    StockMovement,
    Supplier,
    SupplierProduct,
)


@admin.register(Location)
class LocationAdmin(ShopAdmin):
    list_display = ("name", "external_id", "kind", "country", "active")
    list_filter = ("active", "kind")
    search_fields = ("external_id__startswith", "name__icontains")
    ordering = ("name",)
    bumps = ("catalogue",)
    next_step = _("No locations yet. Add the first warehouse or shop floor, then load stock levels.")


@admin.register(StockLevel)
class StockLevelAdmin(ShopAdmin):
    list_display = ("product", "location", "on_hand", "reserved", "updated_at")
    list_filter = (during("updated_at"),)
    ordering = ("-updated_at",)
    bumps = ("catalogue",)
    next_step = _("No stock levels yet. Without them every product counts as available; load them from a file:")


@admin.register(StockMovement)
class StockMovementAdmin(ShopAdmin):
    list_display = ("product", "location", "kind", "quantity", "at", "reference", "source")
    list_filter = ("kind", during("at"))
    search_fields = ("external_id__startswith", "reference__startswith")
    ordering = ("-id",)
    next_step = _("No stock movements yet. Receipts, sales and corrections can be loaded from a file:")


class SuppliesInline(ShopInline):
    model = SupplierProduct
    fields = ("product", "sku", "unit_cost", "lead_time_days", "order_multiple", "minimum_quantity", "preferred")
    per_page = 20


@admin.register(Supplier)
class SupplierAdmin(ShopAdmin):
    list_display = ("name", "external_id", "country", "lead_time_days", "lead_time_sd_days", "active")
    list_filter = ("active",)
    search_fields = ("external_id__startswith", "name__icontains")
    ordering = ("name",)
    inlines = (SuppliesInline,)
    next_step = _("No suppliers yet. Add one with its lead time: reorder proposals need it.")


@admin.register(SupplierProduct)
class SupplierProductAdmin(ShopAdmin):
    list_display = (
        "supplier",
        "product",
        "sku",
        money_column("unit_cost", _("unit cost")),
        "lead_time_days",
        "preferred",
    )
    list_filter = ("preferred",)
    search_fields = ("sku__startswith",)
    ordering = ("-id",)
    next_step = _("Nothing says yet who supplies what. Add products on a supplier's page.")


class PurchasedInline(ShopInline):
    model = PurchaseOrderLine
    fields = ("position", "product", "quantity", "quantity_received", "unit_cost")


@admin.register(PurchaseOrder)
class PurchaseOrderAdmin(ShopAdmin):
    list_display = ("external_id", "supplier", "location", "status", "ordered_at", "expected_on", "source")
    list_filter = ("status", during("expected_on", of_day=True))
    search_fields = ("external_id__startswith",)
    ordering = ("-id",)
    inlines = (PurchasedInline,)
    next_step = _("No purchase orders yet. Add one, or load the open ones, so that goods on their way count.")


@admin.register(PurchaseOrderLine)
class PurchaseOrderLineAdmin(ShopAdmin):
    list_display = (
        "purchase_order",
        "position",
        "product",
        "quantity",
        "quantity_received",
        money_column("unit_cost", _("unit cost")),
    )
    ordering = ("-id",)
    next_step = _("No lines yet. Add them on a purchase order's page.")
