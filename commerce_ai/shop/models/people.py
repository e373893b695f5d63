"""Customers, how their visits are tied to them, what they agreed to, and who is tied to whom."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from commerce_ai.crypto import EncryptedTextField
from commerce_ai.shop import contact
from commerce_ai.shop.models import columns
from commerce_ai.shop.models.tenancy import ShopModel
from commerce_ai.shop.personal import Basis, Handling, Keep, Personal


class Customer(ShopModel):
    """A person who has an account, or whom an order named. What identifies them is stored encrypted only."""

    class Gender(models.TextChoices):
        UNKNOWN = "", _("unknown")
        FEMALE = "female", _("female")
        MALE = "male", _("male")
        OTHER = "other", _("other")

    external_id = columns.external_id()
    email = EncryptedTextField(_("e-mail"), blank=True, default="")
    phone = EncryptedTextField(_("phone"), blank=True, default="")
    name = EncryptedTextField(_("name"), blank=True, default="")
    address = EncryptedTextField(_("address"), blank=True, default="")
    email_hash = models.BinaryField(_("e-mail hash"), max_length=32, null=True, blank=True)
    phone_hash = models.BinaryField(_("phone hash"), max_length=32, null=True, blank=True)
    country = columns.country()
    birth_year = models.PositiveSmallIntegerField(_("birth year"), null=True, blank=True)
    gender = models.CharField(_("gender"), max_length=8, choices=Gender, blank=True, default=Gender.UNKNOWN)
    attributes = models.JSONField(_("attributes"), default=dict, blank=True)
    source = columns.source()
    created_at = models.DateTimeField(_("customer since"), default=now)
    updated_at = models.DateTimeField(_("changed at"), auto_now=True)

    handling = Handling(Basis.CONTRACT, Keep.ERASED)
    personal = {
        "external_id": "tells customers apart",
        "email": "contact, and joins between doors",
        "phone": "contact, and joins between doors",
        "name": "contact",
        "address": "delivery, fraud checks",
        "email_hash": "joins on the encrypted e-mail",
        "phone_hash": "joins on the encrypted phone",
        "country": "prices, delivery, targeting",
        "birth_year": Personal("targeting, fairness checks", basis=Basis.INTEREST),
        "gender": Personal("targeting, fairness checks", basis=Basis.INTEREST),
        "attributes": "what the shop itself keeps about the customer",
    }

    # Columns that follow from another one, however a row is written.
    derived = {"email_hash": ("email", contact.email_hash), "phone_hash": ("phone", contact.phone_hash)}

    class Meta:
        verbose_name, verbose_name_plural = _("customer"), _("customers")
        constraints = [
            columns.outside_key("customer"),
            columns.named_outside("customer"),
            columns.iso_country("customer"),
            models.CheckConstraint(
                condition=Q(gender__in=["", "female", "male", "other"]), name="shop_customer_gender"
            ),
            *columns.within("customer", 1850, 2200, "birth_year"),
        ]
        indexes = [
            models.Index(
                fields=["shop", "email_hash"], name="shop_customer_email", condition=Q(email_hash__isnull=False)
            ),
            models.Index(
                fields=["shop", "phone_hash"], name="shop_customer_phone", condition=Q(phone_hash__isnull=False)
            ),
            models.Index(fields=["shop", "updated_at"], name="shop_customer_updated"),
        ]

    def __str__(self) -> str:
        return self.external_id

    def save(self, *args: Any, **kwargs: Any) -> None:
        for column, (of, hash_of) in self.derived.items():
            setattr(self, column, hash_of(getattr(self, of)))
        if (fields := kwargs.get("update_fields")) is not None:
            kwargs["update_fields"] = {*fields, *(column for column, (of, _h) in self.derived.items() if of in fields)}
        super().save(*args, **kwargs)


class Identity(ShopModel):
    """An anonymous id that turned out to be a customer.

    *Proven* by the shop's server (secret key or customer token), or only *claimed* by a browser: a claim counts
    visitors and keeps experiments steady, but nothing is answered from that customer's history on its word. At
    most one of each for an anonymous id (the last wins), so that a join never multiplies events.
    """

    anonymous_id = models.CharField(_("anonymous id"), max_length=255)
    customer = models.ForeignKey(Customer, models.CASCADE, verbose_name=_("customer"), related_name="identities")
    proven = models.BooleanField(_("proven"), default=False)
    at = models.DateTimeField(_("at"), default=now)

    handling = Handling(Basis.INTEREST, Keep.ERASED)
    personal = {"anonymous_id": "ties visits to the customer", "customer": "ties visits to the customer"}

    class Meta:
        verbose_name, verbose_name_plural = _("identity"), _("identities")
        constraints = [
            models.UniqueConstraint(fields=["shop", "anonymous_id", "proven"], name="shop_identity_once"),
            models.CheckConstraint(condition=~Q(anonymous_id=""), name="shop_identity_anonymous_id_given"),
        ]

    def __str__(self) -> str:
        return f"{self.anonymous_id} = {self.customer_id}"


class Consent(ShopModel):
    """One yes or no to one purpose; the latest for a customer (or an anonymous visitor) and purpose counts."""

    customer = columns.covered_key(Customer, models.CASCADE, _("customer"), null=True, blank=True)
    anonymous_id = models.CharField(_("anonymous id"), max_length=255, blank=True, default="")
    purpose = models.CharField(_("purpose"), max_length=64)
    granted = models.BooleanField(_("granted"))
    at = models.DateTimeField(_("at"), default=now)
    evidence = models.TextField(_("evidence"), blank=True, default="", help_text=_("Wording shown, form, version."))
    source = columns.source()

    handling = Handling(Basis.OBLIGATION, Keep.ERASED)
    personal = {
        "customer": "proof of consent",
        "anonymous_id": "proof of consent",
        "evidence": "proof of consent",
    }

    class Meta:
        verbose_name, verbose_name_plural = _("consent"), _("consents")
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "customer", "anonymous_id", "purpose", "at"],
                name="shop_consent_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(customer__isnull=False) | ~Q(anonymous_id=""), name="shop_consent_of_somebody"
            ),
        ]
        indexes = [
            models.Index(fields=["customer", "purpose", "-at"], name="shop_consent_customer"),
            models.Index(fields=["shop", "anonymous_id", "purpose", "-at"], name="shop_consent_anonymous"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose}: {self.granted}"


class SocialTie(ShopModel):
    """A tie from one customer to another: who referred, follows or gave a gift to whom."""

    class Kind(models.TextChoices):
        REFERRAL = "referral", _("referral")
        FOLLOW = "follow", _("follow")
        GIFT = "gift", _("gift")

    customer = columns.covered_key(Customer, models.CASCADE, _("customer"))
    other = models.ForeignKey(Customer, models.CASCADE, verbose_name=_("other customer"), related_name="+")
    kind = models.CharField(_("kind"), max_length=16, choices=Kind)
    at = models.DateTimeField(_("at"), default=now)
    source = columns.source()

    handling = Handling(Basis.INTEREST, Keep.ERASED)
    personal = {"customer": "recommendations from people close by", "other": "recommendations from people close by"}

    class Meta:
        verbose_name, verbose_name_plural = _("social tie"), _("social ties")
        constraints = [
            models.UniqueConstraint(fields=["customer", "other", "kind"], name="shop_socialtie_once"),
            models.CheckConstraint(condition=~Q(customer=F("other")), name="shop_socialtie_of_two"),
        ]
        indexes = [models.Index(fields=["shop", "kind"], name="shop_socialtie_kind")]

    def __str__(self) -> str:
        return f"{self.customer_id} {self.kind} {self.other_id}"
