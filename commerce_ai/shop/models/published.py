"""Facts that a plugin publishes for all others. A reader works without them, and says so when it has to.

`version_id` is the learning version that computed a row, `as_of` the instant it was computed for. It is a plain
number: this room does not know that one, and a row outlives its version.
"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from commerce_ai.shop.models import columns
from commerce_ai.shop.models.goods import Product
from commerce_ai.shop.models.people import Customer
from commerce_ai.shop.models.stock import Location
from commerce_ai.shop.models.tenancy import ShopModel
from commerce_ai.shop.personal import Basis, Handling, Keep


class Published(ShopModel):
    version_id = models.BigIntegerField(_("version"), null=True, blank=True)
    as_of = models.DateTimeField(_("as of"))

    class Meta:
        abstract = True


class DemandForecast(Published):
    """Units a product will sell on a (shop's) day at its planned price. No location is all of them together."""

    QUANTILES = {"q05": 0.05, "q10": 0.1, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q90": 0.9, "q95": 0.95, "q99": 0.99}

    product = columns.covered_key(Product, models.CASCADE, _("product"))
    location = columns.covered_key(Location, models.CASCADE, _("location"), null=True, blank=True)
    day = models.DateField(_("day"))
    mean = models.FloatField(_("mean (units)"))
    q05 = models.FloatField(_("5 % quantile (units)"))
    q10 = models.FloatField(_("10 % quantile (units)"))
    q25 = models.FloatField(_("25 % quantile (units)"))
    q50 = models.FloatField(_("median (units)"))
    q75 = models.FloatField(_("75 % quantile (units)"))
    q90 = models.FloatField(_("90 % quantile (units)"))
    q95 = models.FloatField(_("95 % quantile (units)"))
    q99 = models.FloatField(_("99 % quantile (units)"))
    planned_price = columns.money(_("planned price"), null=True, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("demand forecast"), _("demand forecasts")
        constraints = [
            models.UniqueConstraint(
                fields=["product", "location", "day"], name="shop_demandforecast_once", nulls_distinct=False
            ),
            models.CheckConstraint(
                condition=Q(
                    q05__gte=0, q10__gte=F("q05"), q25__gte=F("q10"), q50__gte=F("q25"),
                    q75__gte=F("q50"), q90__gte=F("q75"), q95__gte=F("q90"), q99__gte=F("q95"),
                ),
                name="shop_demandforecast_quantiles_rise",
            ),
            *columns.not_negative("demandforecast", "mean", "planned_price"),
        ]  # fmt: skip
        indexes = [models.Index(fields=["shop", "day"], name="shop_demandforecast_day")]

    def __str__(self) -> str:
        return f"{self.product_id} {self.day}: {self.mean:.1f}"


class PricePlan(Published):
    """The price a product is planned to have from a (shop's) day on, until the last one where that is set."""

    product = columns.covered_key(Product, models.CASCADE, _("product"))
    starts_on = models.DateField(_("from"))
    ends_on = models.DateField(_("until"), null=True, blank=True)
    price = columns.money(_("price"))
    reason = models.CharField(_("reason"), max_length=255, blank=True, default="")

    class Meta:
        verbose_name, verbose_name_plural = _("price plan"), _("price plans")
        constraints = [
            models.UniqueConstraint(fields=["product", "starts_on"], name="shop_priceplan_once"),
            columns.in_order("priceplan", "starts_on", "ends_on"),
            *columns.not_negative("priceplan", "price"),
        ]
        indexes = [models.Index(fields=["shop", "starts_on"], name="shop_priceplan_shop")]

    def __str__(self) -> str:
        return f"{self.product_id} {self.starts_on}: {self.price}"


class PriceResponse(Published):
    """How demand answers to price: elasticity (−2: one per cent dearer sells two per cent less) and its interval."""

    product = columns.covered_key(Product, models.CASCADE, _("product"))
    elasticity = models.FloatField(_("elasticity"))
    low = models.FloatField(_("lower bound"))
    high = models.FloatField(_("upper bound"))
    level = models.FloatField(_("level of the interval"), default=0.9)
    pooled_with = models.CharField(
        _("estimated with"), max_length=500, blank=True, default="", help_text=_("The category it borrows from.")
    )
    observations = models.PositiveIntegerField(_("observations"), default=0)

    class Meta:
        verbose_name, verbose_name_plural = _("price response"), _("price responses")
        constraints = [
            models.UniqueConstraint(fields=["product"], name="shop_priceresponse_once"),
            models.CheckConstraint(
                condition=Q(low__lte=F("elasticity"), high__gte=F("elasticity")), name="shop_priceresponse_in_interval"
            ),
            *columns.within("priceresponse", 0, 1, "level"),
        ]
        indexes = [models.Index(fields=["shop"], name="shop_priceresponse_shop")]

    def __str__(self) -> str:
        return f"{self.product_id}: {self.elasticity:.2f}"


class StockOutlook(Published):
    """How long the stock lasts. No location is all of them together."""

    product = columns.covered_key(Product, models.CASCADE, _("product"))
    location = columns.covered_key(Location, models.CASCADE, _("location"), null=True, blank=True)
    days_of_cover = models.FloatField(_("days of cover"), null=True, blank=True)
    stock_out_on = models.DateField(_("expected out of stock on"), null=True, blank=True)
    stock_out_probability = models.FloatField(
        _("probability of running out before new goods come"), null=True, blank=True
    )

    class Meta:
        verbose_name, verbose_name_plural = _("stock outlook"), _("stock outlooks")
        constraints = [
            models.UniqueConstraint(
                fields=["product", "location"], name="shop_stockoutlook_once", nulls_distinct=False
            ),
            *columns.not_negative("stockoutlook", "days_of_cover"),
            *columns.within("stockoutlook", 0, 1, "stock_out_probability"),
        ]
        indexes = [models.Index(fields=["shop", "stock_out_on"], name="shop_stockoutlook_shop")]

    def __str__(self) -> str:
        return f"{self.product_id}: {self.days_of_cover}"


class CustomerScore(Published):
    """What is expected of a customer over the next `horizon_days`."""

    customer = columns.covered_key(Customer, models.CASCADE, _("customer"))
    horizon_days = models.PositiveIntegerField(_("horizon (days)"), default=365)
    value = models.FloatField(_("expected value"), null=True, blank=True, help_text=_("In the shop's currency."))
    orders = models.FloatField(_("expected orders"), null=True, blank=True)
    churn = models.FloatField(_("probability of no further order"), null=True, blank=True)
    price_sensitivity = models.FloatField(_("price sensitivity (0 to 1)"), null=True, blank=True)
    segment = models.CharField(_("segment"), max_length=64, blank=True, default="")

    handling = Handling(Basis.INTEREST, Keep.ERASED)
    personal = {
        "value": "targeting", "orders": "targeting", "churn": "targeting",
        "price_sensitivity": "targeting; never an individual price", "segment": "targeting",
    }  # fmt: skip

    class Meta:
        verbose_name, verbose_name_plural = _("customer score"), _("customer scores")
        constraints = [
            models.UniqueConstraint(fields=["customer"], name="shop_customerscore_once"),
            *columns.within("customerscore", 0, 1, "churn", "price_sensitivity"),
        ]
        indexes = [models.Index(fields=["shop", "segment"], name="shop_customerscore_segment")]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.segment}"


class ProductSignal(Published):
    """What is said about a product: sentiment from −1 to 1, aspects with theirs, quality from 0 to 1."""

    product = columns.covered_key(Product, models.CASCADE, _("product"))
    sentiment = models.FloatField(_("sentiment (−1 to 1)"), null=True, blank=True)
    texts = models.PositiveIntegerField(_("texts read"), default=0)
    aspects = models.JSONField(_("aspects"), default=dict, blank=True)
    quality = models.FloatField(_("quality (0 to 1)"), null=True, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("product signal"), _("product signals")
        constraints = [
            models.UniqueConstraint(fields=["product"], name="shop_productsignal_once"),
            *columns.within("productsignal", -1, 1, "sentiment"),
            *columns.within("productsignal", 0, 1, "quality"),
        ]
        indexes = [models.Index(fields=["shop"], name="shop_productsignal_shop")]

    def __str__(self) -> str:
        return f"{self.product_id}: {self.sentiment}"
