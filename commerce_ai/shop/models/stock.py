"""Where the goods lie, how they move, and who supplies them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from commerce_ai.shop.models import columns
from commerce_ai.shop.models.goods import Product
from commerce_ai.shop.models.tenancy import ShopModel


class Location(ShopModel):
    """A place that holds stock."""

    class Kind(models.TextChoices):
        WAREHOUSE = "warehouse", _("warehouse")
        STORE = "store", _("store")
        SUPPLIER = "supplier", _("supplier (drop shipping)")

    external_id = columns.external_id()
    name = models.CharField(_("name"), max_length=200)
    kind = models.CharField(_("kind"), max_length=16, choices=Kind, default=Kind.WAREHOUSE)
    country = columns.country()
    active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name, verbose_name_plural = _("location"), _("locations")
        constraints = [
            columns.outside_key("location"),
            columns.named_outside("location"),
            columns.iso_country("location"),
        ]

    def __str__(self) -> str:
        return self.name


class StockLevel(ShopModel):
    """What lies at a location. A product without any level is not tracked; `on_hand` falls below zero when oversold."""

    product = models.ForeignKey(
        Product, models.CASCADE, verbose_name=_("product"), db_index=False, related_name="stock_levels"
    )
    location = models.ForeignKey(Location, models.CASCADE, verbose_name=_("location"), related_name="+")
    on_hand = columns.quantity(_("on hand"), default=0)
    reserved = columns.quantity(_("reserved"), default=0, help_text=_("Ordered by customers, not yet shipped."))
    updated_at = models.DateTimeField(_("changed at"), auto_now=True)

    class Meta:
        verbose_name, verbose_name_plural = _("stock level"), _("stock levels")
        constraints = [
            models.UniqueConstraint(fields=["product", "location"], name="shop_stocklevel_once"),
            *columns.not_negative("stocklevel", "reserved"),
        ]
        indexes = [models.Index(fields=["shop", "updated_at"], name="shop_stocklevel_updated")]

    def __str__(self) -> str:
        return f"{self.product_id} @ {self.location_id}: {self.on_hand}"


class StockMovement(ShopModel):
    """Goods in (positive) or out (negative) at a location."""

    class Kind(models.TextChoices):
        SALE = "sale", _("sale")
        RETURN = "return", _("return")
        RECEIPT = "receipt", _("receipt")
        ADJUSTMENT = "adjustment", _("stocktaking")
        TRANSFER = "transfer", _("transfer")
        LOSS = "loss", _("loss")

    external_id = columns.external_id()
    product = columns.covered_key(Product, models.CASCADE, _("product"))
    location = models.ForeignKey(Location, models.CASCADE, verbose_name=_("location"), related_name="+")
    kind = models.CharField(_("kind"), max_length=16, choices=Kind)
    quantity = columns.quantity(_("quantity"))
    at = models.DateTimeField(_("at"), default=now)
    reference = models.CharField(_("reference"), max_length=255, blank=True, default="")
    source = columns.source()

    class Meta:
        verbose_name, verbose_name_plural = _("stock movement"), _("stock movements")
        constraints = [columns.outside_key("stockmovement"), columns.named_outside("stockmovement")]
        indexes = [
            models.Index(fields=["product", "at"], name="shop_stockmovement_product"),
            models.Index(fields=["shop", "at"], name="shop_stockmovement_shop"),
        ]

    def __str__(self) -> str:
        return f"{self.product_id}: {self.quantity}"


class Supplier(ShopModel):
    """Who delivers, how fast and how surely, and in which quantities."""

    external_id = columns.external_id()
    name = models.CharField(_("name"), max_length=200)
    country = columns.country()
    lead_time_days = models.FloatField(_("lead time (days)"), null=True, blank=True)
    lead_time_sd_days = models.FloatField(_("standard deviation of the lead time (days)"), null=True, blank=True)
    order_multiple = columns.quantity(_("order multiple"), default=1, help_text=_("Pieces in a case."))
    minimum_quantity = columns.quantity(_("least quantity of an order line"), default=0)
    minimum_value = columns.money(_("least value of an order"), default=0)
    active = models.BooleanField(_("active"), default=True)
    updated_at = models.DateTimeField(_("changed at"), auto_now=True)

    class Meta:
        verbose_name, verbose_name_plural = _("supplier"), _("suppliers")
        constraints = [
            columns.outside_key("supplier"),
            columns.named_outside("supplier"),
            columns.iso_country("supplier"),
            models.CheckConstraint(condition=Q(order_multiple__gt=0), name="shop_supplier_order_multiple_positive"),
            *columns.not_negative(
                "supplier", "lead_time_days", "lead_time_sd_days", "minimum_quantity", "minimum_value"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class SupplierProduct(ShopModel):
    """A product that a supplier delivers. What is empty here is as the supplier says; one supplier is preferred."""

    supplier = models.ForeignKey(Supplier, models.CASCADE, verbose_name=_("supplier"), related_name="+")
    product = columns.covered_key(Product, models.CASCADE, _("product"))
    sku = models.CharField(_("supplier's number"), max_length=255, blank=True, default="")
    unit_cost = columns.money(_("unit cost"), null=True, blank=True)
    lead_time_days = models.FloatField(_("lead time (days)"), null=True, blank=True)
    order_multiple = columns.quantity(_("order multiple"), null=True, blank=True)
    minimum_quantity = columns.quantity(_("least quantity of an order line"), null=True, blank=True)
    preferred = models.BooleanField(_("preferred"), default=True)

    class Meta:
        verbose_name, verbose_name_plural = _("supplied product"), _("supplied products")
        constraints = [
            models.UniqueConstraint(fields=["product", "supplier"], name="shop_supplierproduct_once"),
            models.UniqueConstraint(
                fields=["product"], condition=Q(preferred=True), name="shop_supplierproduct_one_preferred"
            ),
            models.CheckConstraint(
                condition=Q(order_multiple__gt=0), name="shop_supplierproduct_order_multiple_positive"
            ),
            *columns.not_negative("supplierproduct", "unit_cost", "lead_time_days", "minimum_quantity"),
        ]
        indexes = [models.Index(fields=["shop"], name="shop_supplierproduct_shop")]

    def __str__(self) -> str:
        return f"{self.supplier_id}: {self.product_id}"


class PurchaseOrder(ShopModel):
    """What the shop ordered from a supplier, or is about to."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("draft")
        PLACED = "placed", _("placed")
        PARTLY_RECEIVED = "partly_received", _("partly received")
        RECEIVED = "received", _("received")
        CANCELLED = "cancelled", _("cancelled")

    external_id = columns.external_id()
    supplier = models.ForeignKey(Supplier, models.RESTRICT, verbose_name=_("supplier"), related_name="+")
    location = models.ForeignKey(Location, models.RESTRICT, verbose_name=_("to"), related_name="+")
    status = models.CharField(_("status"), max_length=16, choices=Status, default=Status.DRAFT)
    ordered_at = models.DateTimeField(_("ordered at"), null=True, blank=True)
    expected_on = models.DateField(_("expected on"), null=True, blank=True)
    received_at = models.DateTimeField(_("received at"), null=True, blank=True)
    decision_id = models.UUIDField(_("decision"), null=True, blank=True)
    source = columns.source()
    created_at = models.DateTimeField(_("created at"), default=now)
    updated_at = models.DateTimeField(_("changed at"), auto_now=True)

    class Meta:
        verbose_name, verbose_name_plural = _("purchase order"), _("purchase orders")
        constraints = [
            columns.outside_key("purchaseorder"),
            columns.named_outside("purchaseorder"),
            columns.in_order("purchaseorder", "ordered_at", "received_at"),
        ]
        indexes = [models.Index(fields=["shop", "status", "expected_on"], name="shop_purchaseorder_open")]

    def __str__(self) -> str:
        return self.external_id


class PurchaseOrderLine(ShopModel):
    """A product on a purchase order; `unit_cost` in the shop's currency."""

    purchase_order = columns.covered_key(PurchaseOrder, models.CASCADE, _("purchase order"))
    position = models.PositiveIntegerField(_("position"))
    product = models.ForeignKey(Product, models.RESTRICT, verbose_name=_("product"), related_name="+")
    quantity = columns.quantity(_("quantity"))
    quantity_received = columns.quantity(_("received"), default=0)
    unit_cost = columns.money(_("unit cost"), null=True, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("purchase order line"), _("purchase order lines")
        constraints = [
            models.UniqueConstraint(fields=["purchase_order", "position"], name="shop_purchaseorderline_once"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="shop_purchaseorderline_quantity_positive"),
            *columns.not_negative("purchaseorderline", "quantity_received", "unit_cost"),
        ]
        indexes = [models.Index(fields=["shop", "id"], name="shop_purchaseorderline_shop")]

    def __str__(self) -> str:
        return f"{self.purchase_order_id}/{self.position}"
