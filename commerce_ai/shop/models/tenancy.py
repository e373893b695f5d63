"""Shops, who may work in them, and the base of every table that belongs to one."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from commerce_ai.shop.models import columns
from commerce_ai.shop.personal import Handling, Personal


def check_timezone(name: str) -> None:
    """Raise ValidationError unless `name` is an IANA time zone."""
    if name not in zoneinfo.available_timezones():
        raise ValidationError(_("%(name)s is not a time zone, as Europe/Berlin is."), params={"name": name})


class Shop(models.Model):
    """A tenant: one currency, one time zone (its *day* is the shop's day)."""

    slug = models.SlugField(_("short name"), unique=True)
    name = models.CharField(_("name"), max_length=200)
    currency = columns.currency(default="EUR")
    timezone = models.CharField(_("time zone"), max_length=64, default="UTC", validators=[check_timezone])
    country = columns.country()
    settings = models.JSONField(_("settings"), default=dict, blank=True)
    created_at = models.DateTimeField(_("created at"), default=now, editable=False)

    class Meta:
        verbose_name, verbose_name_plural = _("shop"), _("shops")
        constraints = [columns.iso_currency("shop"), columns.iso_country("shop")]

    def __str__(self) -> str:
        return self.name

    @property
    def tz(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.timezone)


class ShopQuerySet(models.QuerySet[Any]):
    def of(self, shop: Shop | int) -> Self:
        """Rows of this shop, and of no other. Every query in api and plugins starts here."""
        return self.filter(shop_id=shop if isinstance(shop, int) else shop.pk)


class ShopModel(models.Model):
    """A row of one shop.

    `personal` names the columns that hold personal data and what each is for, `handling` on which legal basis and for
    how long; `not_personal` names what looks as if it could and does not, with the reason. The register of
    `commerce_ai.privacy` is made from them, and refuses a column of text that is in neither.
    """

    # Every table has an index or a constraint that starts with the shop.
    shop = models.ForeignKey(Shop, models.CASCADE, verbose_name=_("shop"), related_name="+", db_index=False)

    personal: ClassVar[Mapping[str, str | Personal]] = {}
    handling: ClassVar[Handling | None] = None
    not_personal: ClassVar[Mapping[str, str]] = {}

    objects = ShopQuerySet.as_manager()

    class Meta:
        abstract = True


class ShopMember(ShopModel):
    """A person's place in a shop."""

    class Role(models.TextChoices):
        OWNER = "owner", _("owner")
        OPERATOR = "operator", _("operator")
        ANALYST = "analyst", _("analyst")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, verbose_name=_("person"), related_name="shop_memberships"
    )
    role = models.CharField(_("role"), max_length=16, choices=Role, default=Role.ANALYST)
    created_at = models.DateTimeField(_("created at"), default=now, editable=False)

    class Meta:
        verbose_name, verbose_name_plural = _("member"), _("members")
        constraints = [models.UniqueConstraint(fields=["shop", "user"], name="shop_member_once")]

    def __str__(self) -> str:
        return f"{self.user} ({self.get_role_display()})"


class Revision(models.Model):
    """How often a topic moved, for a shop or for all of them. Writers bump it; web processes reload what moved."""

    shop = models.ForeignKey(
        Shop, models.CASCADE, verbose_name=_("shop"), related_name="+", null=True, blank=True, db_index=False
    )
    topic = models.CharField(_("topic"), max_length=64)
    n = models.BigIntegerField(_("number"), default=0)

    class Meta:
        verbose_name, verbose_name_plural = _("revision"), _("revisions")
        constraints = [
            models.UniqueConstraint(fields=["shop", "topic"], name="shop_revision_topic", nulls_distinct=False)
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.n}"
