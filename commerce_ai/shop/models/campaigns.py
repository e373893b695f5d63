"""Advertising: campaigns and what they cost."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from commerce_ai.shop.models import columns
from commerce_ai.shop.models.tenancy import ShopModel


class Campaign(ShopModel):
    """A campaign on a channel (search, social, e-mail, …), with its budget for the whole time."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("draft")
        ACTIVE = "active", _("active")
        PAUSED = "paused", _("paused")
        ENDED = "ended", _("ended")

    external_id = columns.external_id()
    name = models.CharField(_("name"), max_length=255)
    channel = models.CharField(_("channel"), max_length=64, blank=True, default="")
    status = models.CharField(_("status"), max_length=16, choices=Status, default=Status.ACTIVE)
    goal = models.CharField(_("goal"), max_length=64, blank=True, default="")
    budget = columns.money(_("budget"), null=True, blank=True)
    starts_at = models.DateTimeField(_("from"), null=True, blank=True)
    ends_at = models.DateTimeField(_("until"), null=True, blank=True)
    attributes = models.JSONField(_("attributes"), default=dict, blank=True)
    source = columns.source()
    updated_at = models.DateTimeField(_("changed at"), auto_now=True)

    class Meta:
        verbose_name, verbose_name_plural = _("campaign"), _("campaigns")
        constraints = [
            columns.outside_key("campaign"),
            columns.named_outside("campaign"),
            columns.in_order("campaign", "starts_at", "ends_at"),
            *columns.not_negative("campaign", "budget"),
        ]

    def __str__(self) -> str:
        return self.name


class AdSpend(ShopModel):
    """What a campaign cost and brought on a day (the shop's day), as the channel reports it.

    `ad` is the ad, keyword or audience where the channel breaks it down; money in the shop's currency.
    """

    campaign = models.ForeignKey(Campaign, models.CASCADE, verbose_name=_("campaign"), related_name="spend")
    day = models.DateField(_("day"))
    ad = models.CharField(_("ad"), max_length=255, blank=True, default="")
    impressions = models.BigIntegerField(_("impressions"), default=0)
    clicks = models.BigIntegerField(_("clicks"), default=0)
    conversions = models.FloatField(_("conversions"), default=0, help_text=_("Channels attribute parts of one."))
    cost = columns.money(_("cost"), default=0)
    revenue = columns.money(_("revenue"), default=0)
    source = columns.source()

    class Meta:
        verbose_name, verbose_name_plural = _("advertising spend"), _("advertising spend")
        constraints = [
            models.UniqueConstraint(fields=["shop", "campaign", "day", "ad"], name="shop_adspend_once"),
            *columns.not_negative("adspend", "impressions", "clicks", "conversions", "cost", "revenue"),
        ]
        indexes = [models.Index(fields=["shop", "day"], name="shop_adspend_day")]

    def __str__(self) -> str:
        return f"{self.campaign_id} {self.day}: {self.cost}"
