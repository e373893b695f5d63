"""What was bought."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from commerce_ai.shop.models import columns
from commerce_ai.shop.models.goods import Product
from commerce_ai.shop.models.people import Customer
from commerce_ai.shop.models.tenancy import ShopModel
from commerce_ai.shop.personal import Basis, Handling, Keep, Personal


class Door(models.IntegerChoices):
    """Which door a row came in by. The higher one wins; within a door the later `updated_at`."""

    TRACKING = 1, _("tracking")
    FILE = 2, _("file")
    SYSTEM = 3, _("API or webhook")


class Order(ShopModel):
    """An order. Money is in `currency`, and reports count orders in the shop's own; `total` is what is paid.

    `updated_at` is when the source last changed the order, not when the row was written.
    """

    class Status(models.TextChoices):
        PENDING = "pending", _("pending")
        PAID = "paid", _("paid")
        FULFILLED = "fulfilled", _("fulfilled")
        CANCELLED = "cancelled", _("cancelled")
        REFUNDED = "refunded", _("refunded")

    external_id = columns.external_id()
    number = models.CharField(_("number"), max_length=64, blank=True, default="")
    customer = columns.covered_key(Customer, models.SET_NULL, _("customer"), null=True, blank=True)
    anonymous_id = models.CharField(_("anonymous id"), max_length=255, blank=True, default="")
    email_hash = models.BinaryField(_("e-mail hash"), max_length=32, null=True, blank=True)
    status = models.CharField(_("status"), max_length=16, choices=Status, default=Status.PAID)
    currency = columns.currency()
    total = columns.money(_("total"))
    discount = columns.money(_("discount"), default=0)
    shipping = columns.money(_("shipping"), default=0)
    tax = columns.money(_("tax"), default=0)
    coupon = models.CharField(_("coupon"), max_length=64, blank=True, default="")
    channel = models.CharField(_("channel"), max_length=64, blank=True, default="")
    shipping_country = columns.country(_("delivery country"))
    billing_country = columns.country(_("billing country"))
    address_hash = models.BinaryField(_("delivery address hash"), max_length=32, null=True, blank=True)
    attributes = models.JSONField(_("attributes"), default=dict, blank=True)
    placed_at = models.DateTimeField(_("placed at"))
    cancelled_at = models.DateTimeField(_("cancelled at"), null=True, blank=True)
    updated_at = models.DateTimeField(_("changed at"), default=now)
    door = models.PositiveSmallIntegerField(_("door"), choices=Door, default=Door.SYSTEM)
    source = columns.source()

    handling = Handling(Basis.CONTRACT, Keep.ERASED)
    personal = {
        "external_id": "tells orders apart",
        "number": "names the order to the customer",
        "customer": "purchase history",
        "anonymous_id": Personal("ties the order to the visit", basis=Basis.INTEREST),
        "email_hash": Personal("fraud checks on guests", basis=Basis.INTEREST),
        "address_hash": Personal("fraud checks", basis=Basis.INTEREST),
        "coupon": "what was agreed on the price",
        "shipping_country": "delivery, taxes",
        "billing_country": "taxes",
        "attributes": "what the shop itself keeps about the order",
    }

    class Meta:
        verbose_name, verbose_name_plural = _("order"), _("orders")
        constraints = [
            columns.outside_key("order"),
            columns.named_outside("order"),
            columns.iso_currency("order"),
            columns.iso_country("order", "shipping_country"),
            columns.iso_country("order", "billing_country"),
            *columns.not_negative("order", "total", "discount", "shipping", "tax"),
            models.CheckConstraint(condition=Q(door__in=[1, 2, 3]), name="shop_order_door"),
        ]
        indexes = [
            models.Index(fields=["shop", "placed_at"], name="shop_order_placed"),
            models.Index(
                fields=["customer", "placed_at"], name="shop_order_customer", condition=Q(customer__isnull=False)
            ),
            models.Index(fields=["shop", "anonymous_id"], name="shop_order_anonymous"),
            models.Index(fields=["shop", "email_hash"], name="shop_order_email", condition=Q(email_hash__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.number or self.external_id


class OrderLine(ShopModel):
    """A product on an order. `discount` and `tax` are of the whole line; what comes back is a Return."""

    order = models.ForeignKey(Order, models.CASCADE, verbose_name=_("order"), related_name="lines", db_index=False)
    position = models.PositiveIntegerField(_("position"))
    product = models.ForeignKey(
        Product, models.SET_NULL, verbose_name=_("product"), related_name="+", null=True, blank=True
    )
    sku = models.CharField("SKU", max_length=255, blank=True, default="")
    title = models.CharField(_("title"), max_length=500, blank=True, default="")
    quantity = columns.quantity(_("quantity"))
    unit_price = columns.money(_("unit price"))
    discount = columns.money(_("discount"), default=0)
    tax = columns.money(_("tax"), default=0)
    unit_cost = columns.money(_("unit cost"), null=True, blank=True)
    decision_id = models.UUIDField(_("decision"), null=True, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("order line"), _("order lines")
        constraints = [
            models.UniqueConstraint(fields=["order", "position"], name="shop_orderline_once"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="shop_orderline_quantity_positive"),
            *columns.not_negative("orderline", "unit_price", "discount", "tax", "unit_cost"),
        ]
        indexes = [
            models.Index(fields=["shop", "id"], name="shop_orderline_shop"),
            models.Index(
                fields=["decision_id"], name="shop_orderline_decision", condition=Q(decision_id__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.order_id}/{self.position}"
