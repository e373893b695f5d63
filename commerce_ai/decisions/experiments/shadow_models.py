"""Versions that answer beside the live ones, for nobody: what came of it, day by day."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from commerce_ai.learning.models import Version
from commerce_ai.shop.models import ShopModel


class Shadow(ShopModel):
    """A version in the shadow, until it is ended. `upto` is the newest decision that was looked at."""

    version = models.ForeignKey(Version, models.CASCADE, verbose_name=_("version"), related_name="+", db_index=False)
    since = models.DateTimeField(_("since"), default=timezone.now)
    until = models.DateTimeField(_("until"), null=True, blank=True)
    upto = models.UUIDField(null=True, blank=True, editable=False)
    error = models.TextField(_("last error"), blank=True, default="")

    not_personal = {"error": "the words of a program's failure"}

    class Meta:
        verbose_name, verbose_name_plural = _("version in the shadow"), _("versions in the shadow")
        constraints = [
            models.UniqueConstraint(fields=["version"], name="decisions_shadow_once", condition=Q(until=None))
        ]
        indexes = [models.Index(fields=["shop", "version"], name="decisions_shadow_version")]

    def __str__(self) -> str:
        return str(self.version)


class ShadowDay(ShopModel):
    """What one day's requests showed; sums are over the `asked` - `failed` that were answered."""

    shadow = models.ForeignKey(Shadow, models.CASCADE, verbose_name=_("shadow"), related_name="days", db_index=False)
    day = models.DateField(_("day"))
    asked = models.PositiveIntegerField(_("asked"), default=0)
    failed = models.PositiveIntegerField(_("failed"), default=0)
    own = models.PositiveIntegerField(_("answered by the version itself"), default=0)
    same_first = models.PositiveIntegerField(_("same first"), default=0)
    overlap = models.FloatField(_("sum of overlaps"), default=0.0)
    fallbacks = models.PositiveIntegerField(_("fallbacks"), default=0)
    live_fallbacks = models.PositiveIntegerField(_("fallbacks of the live version"), default=0)
    ms = models.FloatField(_("ms in all"), default=0.0)
    live_ms = models.FloatField(_("ms in all, live version"), default=0.0)

    class Meta:
        verbose_name, verbose_name_plural = _("day in the shadow"), _("days in the shadow")
        constraints = [models.UniqueConstraint(fields=["shadow", "day"], name="decisions_shadowday_once")]
        indexes = [models.Index(fields=["shop", "shadow"], name="decisions_shadowday_shop")]

    def __str__(self) -> str:
        return f"{self.shadow_id} {self.day}"
