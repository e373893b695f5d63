"""Figures by day, which dashboards read instead of the rows they came from."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from commerce_ai.shop.models.tenancy import ShopModel


class DailyMetric(ShopModel):
    """One figure of one (shop's) day. `dimension` breaks it down (``channel=email``) and is empty for the whole."""

    day = models.DateField(_("day"))
    name = models.CharField(_("name"), max_length=64)
    dimension = models.CharField(_("of"), max_length=255, blank=True, default="")
    value = models.FloatField(_("value"))
    updated_at = models.DateTimeField(_("computed at"), auto_now=True)

    class Meta:
        verbose_name, verbose_name_plural = _("daily figure"), _("daily figures")
        constraints = [
            models.UniqueConstraint(fields=["shop", "name", "day", "dimension"], name="shop_dailymetric_once")
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.day}: {self.value}"
