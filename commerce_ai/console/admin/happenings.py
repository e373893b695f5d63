from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from commerce_ai.console.filters import during, during_id, one_of
from commerce_ai.console.money import money_column
from commerce_ai.console.shop_admin import ShopAdmin, ShopInline, ShownAdmin
from commerce_ai.shop.models import (
    AdSpend,
    Campaign,
    Chargeback,
    Event,
    Order,
    OrderLine,
    Payment,
    Refund,
    Return,
    Shipment,
)

KINDS = ("track", "page", "screen", "identify", "group", "alias")
PURCHASES = _("Nothing here yet. It comes with the first order: by tracking, through the API or from a file.")


@admin.register(Event)
class EventAdmin(ShownAdmin):
    list_display = ("name", "received_at", "anonymous_id", "customer", "product", "platform", "decision_id")
    list_filter = (during_id(), one_of("kind", _("kind"), KINDS))
    search_fields = ("anonymous_id__exact",)
    search_help_text = _("A whole anonymous id.")
    ordering = ("-id",)
    sortable_by = ()
    next_step = _("No events yet. Send the first with a publishable key (Settings, API keys):")
    next_step_code = (
        "curl -u {key}: {host}/v1/track -H 'Content-Type: application/json' "
        """-d '{{"event": "Product Viewed", "anonymousId": "me", "properties": {{"product_id": "42"}}}}'"""
    )


class LineInline(ShopInline):
    model = OrderLine
    fields = ("position", "product", "sku", "title", "quantity", "unit_price", "discount", "tax")


class PaymentInline(ShopInline):
    model = Payment
    fields = ("external_id", "method", "status", "amount", "currency", "at")


@admin.register(Order)
class OrderAdmin(ShopAdmin):
    list_display = (
        "external_id",
        "number",
        "customer",
        "status",
        money_column("total", _("total")),
        "channel",
        "placed_at",
        "door",
    )
    list_filter = ("status", "door", during("placed_at"))
    search_fields = ("external_id__startswith", "number__startswith")
    ordering = ("-placed_at",)
    inlines = (LineInline, PaymentInline)
    next_step = _("No orders yet. They come with Order Completed events, through POST /api/v1/orders, or from a file:")


@admin.register(OrderLine)
class OrderLineAdmin(ShopAdmin):
    list_display = ("order", "position", "product", "sku", "quantity", money_column("unit_price", _("unit price")))
    list_select_related = ("order", "product", "shop")
    search_fields = ("sku__startswith",)
    ordering = ("-id",)
    next_step = PURCHASES


@admin.register(Payment)
class PaymentAdmin(ShopAdmin):
    list_display = ("external_id", "order", "method", "status", money_column("amount", _("amount")), "ip_country", "at")
    list_filter = ("status", during("at"))
    search_fields = ("external_id__startswith", "card_fingerprint__exact", "device_id__exact")
    ordering = ("-id",)
    next_step = PURCHASES

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """What fraud checks join on identifies people: analysts see neither address, device nor card."""
        hidden = () if self.has_change_permission(request) else ("ip", "device_id", "card_fingerprint")
        return [*super().get_exclude(request, obj), *hidden]


@admin.register(Chargeback)
class ChargebackAdmin(ShopAdmin):
    list_display = (
        "external_id",
        "order",
        money_column("amount", _("amount")),
        "reason",
        "is_fraud",
        "occurred_at",
        "known_at",
    )
    list_filter = ("is_fraud", during("known_at"))
    search_fields = ("external_id__startswith",)
    ordering = ("-known_at",)
    next_step = _("No chargebacks. Load those of the past from a file: fraud scores learn from them.")


@admin.register(Refund)
class RefundAdmin(ShopAdmin):
    list_display = ("external_id", "order", money_column("amount", _("amount")), "reason", "at", "source")
    list_filter = (during("at"),)
    search_fields = ("external_id__startswith",)
    ordering = ("-id",)
    next_step = _("No refunds yet. They come with Order Refunded events, through the API or from a file.")


@admin.register(Shipment)
class ShipmentAdmin(ShopAdmin):
    list_display = ("external_id", "order", "status", "carrier", "promised_at", "shipped_at", "delivered_at")
    list_filter = ("status", during("shipped_at"))
    search_fields = ("external_id__startswith", "tracking_number__startswith")
    ordering = ("-id",)
    next_step = _("No shipments yet. They let customer service say where a parcel is: load them from a file.")


@admin.register(Return)
class ReturnAdmin(ShopAdmin):
    list_display = ("external_id", "order", "product", "quantity", "reason", "at", "source")
    list_filter = (during("at"),)
    search_fields = ("external_id__startswith", "sku__startswith")
    ordering = ("-id",)
    next_step = _("No returns yet. Load them from a file: what comes back is not recommended as often.")


class SpendInline(ShopInline):
    model = AdSpend
    fields = ("day", "ad", "impressions", "clicks", "conversions", "cost", "revenue")
    per_page = 31


@admin.register(Campaign)
class CampaignAdmin(ShopAdmin):
    list_display = ("name", "channel", "status", "goal", money_column("budget", _("budget")), "starts_at", "ends_at")
    list_filter = ("status", during("starts_at"))
    search_fields = ("external_id__startswith", "name__icontains")
    ordering = ("-id",)
    inlines = (SpendInline,)
    next_step = _("No campaigns yet. Add one, or load campaigns and their spend from files.")


@admin.register(AdSpend)
class AdSpendAdmin(ShopAdmin):
    list_display = (
        "campaign",
        "day",
        "ad",
        "impressions",
        "clicks",
        "conversions",
        money_column("cost", _("cost")),
        money_column("revenue", _("revenue")),
    )
    list_filter = (during("day", of_day=True),)
    ordering = ("-day",)
    next_step = _("No advertising spend yet. Load it from a file, a row a campaign, ad and day.")
