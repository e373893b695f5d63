"""Parcels on their way out, and goods that came back."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from commerce_ai.shop.models import columns
from commerce_ai.shop.models.goods import Product
from commerce_ai.shop.models.orders import Order, OrderLine
from commerce_ai.shop.models.people import Customer
from commerce_ai.shop.models.stock import Location
from commerce_ai.shop.models.tenancy import ShopModel
from commerce_ai.shop.personal import Basis, Handling, Keep


class Shipment(ShopModel):
    """A parcel on its way to the customer."""

    class Status(models.TextChoices):
        PENDING = "pending", _("pending")
        SHIPPED = "shipped", _("shipped")
        DELIVERED = "delivered", _("delivered")
        LOST = "lost", _("lost")
        RETURNED = "returned", _("returned")

    external_id = columns.external_id()
    order = models.ForeignKey(Order, models.CASCADE, verbose_name=_("order"), related_name="shipments")
    location = models.ForeignKey(
        Location, models.SET_NULL, verbose_name=_("from"), related_name="+", null=True, blank=True
    )
    status = models.CharField(_("status"), max_length=16, choices=Status, default=Status.PENDING)
    carrier = models.CharField(_("carrier"), max_length=64, blank=True, default="")
    tracking_number = models.CharField(_("tracking number"), max_length=255, blank=True, default="")
    promised_at = models.DateTimeField(_("promised for"), null=True, blank=True)
    shipped_at = models.DateTimeField(_("shipped at"), null=True, blank=True)
    delivered_at = models.DateTimeField(_("delivered at"), null=True, blank=True)
    source = columns.source()

    handling = Handling(Basis.CONTRACT, Keep.ERASED)
    personal = {"external_id": "tells parcels apart", "tracking_number": "answers where a parcel is"}

    class Meta:
        verbose_name, verbose_name_plural = _("shipment"), _("shipments")
        constraints = [
            columns.outside_key("shipment"),
            columns.named_outside("shipment"),
            columns.in_order("shipment", "shipped_at", "delivered_at"),
        ]

    def __str__(self) -> str:
        return self.external_id


class Return(ShopModel):
    """Goods that came back, or an order line that was cancelled after the fact."""

    external_id = columns.external_id()
    order = models.ForeignKey(
        Order, models.CASCADE, verbose_name=_("order"), related_name="returns", null=True, blank=True
    )
    order_line = models.ForeignKey(
        OrderLine, models.SET_NULL, verbose_name=_("order line"), related_name="+", null=True, blank=True
    )
    customer = models.ForeignKey(
        Customer, models.SET_NULL, verbose_name=_("customer"), related_name="+", null=True, blank=True
    )
    product = columns.covered_key(Product, models.SET_NULL, _("product"), null=True, blank=True)
    sku = models.CharField("SKU", max_length=255, blank=True, default="")
    quantity = columns.quantity(_("quantity"))
    amount = columns.money(_("amount"), null=True, blank=True)
    reason = models.CharField(_("reason"), max_length=255, blank=True, default="")
    at = models.DateTimeField(_("at"), default=now)
    source = columns.source()

    handling = Handling(Basis.CONTRACT, Keep.ERASED)
    personal = {
        "external_id": "tells returns apart",
        "customer": "who gave goods back",
        "reason": "why goods came back",
    }

    class Meta:
        verbose_name, verbose_name_plural = _("return"), _("returns")
        constraints = [
            columns.outside_key("return"),
            columns.named_outside("return"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="shop_return_quantity_positive"),
            *columns.not_negative("return", "amount"),
        ]
        indexes = [
            models.Index(fields=["product", "at"], name="shop_return_product"),
            models.Index(fields=["shop", "at"], name="shop_return_at"),
        ]

    def __str__(self) -> str:
        return self.external_id
