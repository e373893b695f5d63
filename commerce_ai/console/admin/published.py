"""What plugins and schedules publish: to be read, not written, here."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from commerce_ai.console.filters import during
from commerce_ai.console.money import money_column, share_column
from commerce_ai.console.shop_admin import ShownAdmin
from commerce_ai.shop.models import (
    CustomerScore,
    DailyMetric,
    DemandForecast,
    PricePlan,
    PriceResponse,
    ProductSignal,
    StockOutlook,
)


@admin.register(DailyMetric)
class DailyMetricAdmin(ShownAdmin):
    list_display = ("day", "name", "dimension", "value", "updated_at")
    list_filter = (during("day", of_day=True),)
    search_fields = ("name__startswith", "dimension__startswith")
    ordering = ("-day", "name", "dimension")
    next_step = _("No daily figures yet. They are computed from events and orders every few minutes: send the first.")


@admin.register(DemandForecast)
class DemandForecastAdmin(ShownAdmin):
    list_display = ("product", "location", "day", "mean", "q10", "q90", "as_of", "version_id")
    list_filter = (during("day", of_day=True),)
    ordering = ("-id",)
    next_step = _("No forecasts yet. Switch the inventory plugin on and train it; it publishes them every day.")


@admin.register(PricePlan)
class PricePlanAdmin(ShownAdmin):
    list_display = (
        "product",
        money_column("price", _("price")),
        "starts_on",
        "ends_on",
        "reason",
        "as_of",
        "version_id",
    )
    list_filter = (during("starts_on", of_day=True),)
    ordering = ("-id",)
    next_step = _("No planned prices yet. Switch the pricing plugin on and train it.")


@admin.register(PriceResponse)
class PriceResponseAdmin(ShownAdmin):
    list_display = ("product", "elasticity", "low", "high", "observations", "pooled_with", "as_of", "version_id")
    ordering = ("-id",)
    next_step = _("No price responses yet. Switch the pricing plugin on and train it.")


@admin.register(StockOutlook)
class StockOutlookAdmin(ShownAdmin):
    list_display = (
        "product", "location", "days_of_cover", "stock_out_on",
        share_column("stock_out_probability", _("probability of it")), "as_of",
    )  # fmt: skip
    list_filter = (during("stock_out_on", of_day=True),)
    ordering = ("-id",)
    next_step = _("No outlook yet. Switch the inventory plugin on: it says when each product will run out.")


@admin.register(CustomerScore)
class CustomerScoreAdmin(ShownAdmin):
    list_display = (
        "customer", "segment", money_column("value", _("expected value")), share_column("churn", _("no further order")),
        "price_sensitivity", "as_of", "version_id",
    )  # fmt: skip
    search_fields = ("segment__startswith",)
    ordering = ("-id",)
    next_step = _("No scores yet. Switch the advertising plugin on and train it.")


@admin.register(ProductSignal)
class ProductSignalAdmin(ShownAdmin):
    list_display = ("product", "sentiment", "quality", "texts", "as_of", "version_id")
    ordering = ("-id",)
    next_step = _("No signals yet. Switch the sentiment plugin on and load reviews.")
