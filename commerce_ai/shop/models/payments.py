"""How orders were paid, and money that went back."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from commerce_ai.shop.models import columns
from commerce_ai.shop.models.orders import Order
from commerce_ai.shop.models.people import Customer
from commerce_ai.shop.models.tenancy import ShopModel
from commerce_ai.shop.personal import Basis, Handling, Keep


class Payment(ShopModel):
    """An attempt to pay, declined ones too. Card numbers never come here: a fingerprint of the provider's does."""

    class Status(models.TextChoices):
        PENDING = "pending", _("pending")
        AUTHORISED = "authorised", _("authorised")
        CAPTURED = "captured", _("captured")
        DECLINED = "declined", _("declined")
        REFUNDED = "refunded", _("refunded")
        VOIDED = "voided", _("voided")

    external_id = columns.external_id()
    order = models.ForeignKey(
        Order, models.CASCADE, verbose_name=_("order"), related_name="payments", null=True, blank=True
    )
    customer = columns.covered_key(Customer, models.SET_NULL, _("customer"), null=True, blank=True)
    method = models.CharField(_("method"), max_length=32, blank=True, default="")
    provider = models.CharField(_("provider"), max_length=64, blank=True, default="")
    status = models.CharField(_("status"), max_length=16, choices=Status)
    currency = columns.currency()
    amount = columns.money(_("amount"))
    device_id = models.CharField(_("device"), max_length=255, blank=True, default="")
    ip = models.GenericIPAddressField("IP", null=True, blank=True)
    ip_country = columns.country(_("country of the IP address"))
    card_fingerprint = models.CharField(_("card fingerprint"), max_length=255, blank=True, default="")
    card_country = columns.country(_("country of the card"))
    checks = models.JSONField(
        _("checks"), default=dict, blank=True, help_text=_("Address, CVV and 3-D Secure results.")
    )
    at = models.DateTimeField(_("at"), default=now)
    source = columns.source()

    handling = Handling(Basis.INTEREST, Keep.ERASED)
    personal = {
        "external_id": "tells payments apart",
        "device_id": "fraud checks",
        "ip": "fraud checks",
        "ip_country": "fraud checks",
        "card_fingerprint": "fraud checks",
        "card_country": "fraud checks",
        "checks": "fraud checks",
        "customer": "fraud checks",
    }

    class Meta:
        verbose_name, verbose_name_plural = _("payment"), _("payments")
        constraints = [
            columns.outside_key("payment"),
            columns.named_outside("payment"),
            columns.iso_currency("payment"),
            columns.iso_country("payment", "ip_country"),
            columns.iso_country("payment", "card_country"),
            *columns.not_negative("payment", "amount"),
        ]
        indexes = [
            models.Index(fields=["shop", "at"], name="shop_payment_at"),
            models.Index(fields=["customer", "at"], name="shop_payment_customer", condition=Q(customer__isnull=False)),
            models.Index(fields=["shop", "device_id", "at"], name="shop_payment_device"),
            models.Index(fields=["shop", "card_fingerprint", "at"], name="shop_payment_card"),
            models.Index(fields=["shop", "ip", "at"], name="shop_payment_ip", condition=Q(ip__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.external_id} ({self.get_status_display()})"


class Chargeback(ShopModel):
    """Money taken back by the card holder's bank: `occurred_at` the event, `known_at` when the shop learnt of it."""

    external_id = columns.external_id()
    order = models.ForeignKey(
        Order, models.CASCADE, verbose_name=_("order"), related_name="chargebacks", null=True, blank=True
    )
    payment = models.ForeignKey(
        Payment, models.CASCADE, verbose_name=_("payment"), related_name="chargebacks", null=True, blank=True
    )
    amount = columns.money(_("amount"))
    currency = columns.currency()
    reason = models.CharField(_("reason"), max_length=255, blank=True, default="")
    is_fraud = models.BooleanField(_("fraud"), null=True, blank=True, help_text=_("Empty while it is not known."))
    occurred_at = models.DateTimeField(_("occurred at"))
    known_at = models.DateTimeField(_("known at"))
    source = columns.source()

    handling = Handling(Basis.INTEREST, Keep.ERASED)
    personal = {"external_id": "tells chargebacks apart", "reason": "fraud checks"}

    class Meta:
        verbose_name, verbose_name_plural = _("chargeback"), _("chargebacks")
        constraints = [
            columns.outside_key("chargeback"),
            columns.named_outside("chargeback"),
            columns.iso_currency("chargeback"),
            columns.in_order("chargeback", "occurred_at", "known_at"),
            *columns.not_negative("chargeback", "amount"),
            models.CheckConstraint(
                condition=Q(order__isnull=False) | Q(payment__isnull=False), name="shop_chargeback_of_something"
            ),
        ]
        indexes = [models.Index(fields=["shop", "known_at"], name="shop_chargeback_known")]

    def __str__(self) -> str:
        return self.external_id


class Refund(ShopModel):
    """Money given back by the shop."""

    external_id = columns.external_id()
    order = models.ForeignKey(Order, models.CASCADE, verbose_name=_("order"), related_name="refunds")
    payment = models.ForeignKey(
        Payment, models.SET_NULL, verbose_name=_("payment"), related_name="+", null=True, blank=True
    )
    amount = columns.money(_("amount"))
    currency = columns.currency()
    reason = models.CharField(_("reason"), max_length=255, blank=True, default="")
    at = models.DateTimeField(_("at"), default=now)
    source = columns.source()

    handling = Handling(Basis.CONTRACT, Keep.ERASED)
    personal = {"external_id": "tells refunds apart", "reason": "why money was given back"}

    class Meta:
        verbose_name, verbose_name_plural = _("refund"), _("refunds")
        constraints = [
            columns.outside_key("refund"),
            columns.named_outside("refund"),
            columns.iso_currency("refund"),
            *columns.not_negative("refund", "amount"),
        ]
        indexes = [models.Index(fields=["shop", "at"], name="shop_refund_at")]

    def __str__(self) -> str:
        return self.external_id
