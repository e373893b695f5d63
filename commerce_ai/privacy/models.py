"""The record of what was erased: who asked, when, how much; never whom."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from commerce_ai.shop.models import ShopModel


class ErasureLog(ShopModel):
    """One erasure, of a person named by a keyed hash. `counts` are rows by table; `versions` those versions whose
    training window holds the person's facts and whose files are still here: the next scheduled run replaces them."""

    person = models.BinaryField(_("hash of the person"), max_length=32)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name=_("by"), related_name="+", null=True, blank=True
    )
    reason = models.CharField(_("reason"), max_length=64, blank=True, default="")
    asked_at = models.DateTimeField(_("asked at"), default=timezone.now)
    done_at = models.DateTimeField(_("done at"))
    counts = models.JSONField(_("rows by table"), default=dict)
    versions = ArrayField(models.BigIntegerField(), verbose_name=_("versions trained on the person"), default=list)

    class Meta:
        verbose_name, verbose_name_plural = _("erasure"), _("erasures")
        indexes = [models.Index(fields=["shop", "-asked_at"], name="privacy_erasure_latest")]

    def __str__(self) -> str:
        return f"{self.asked_at:%Y-%m-%d} {bytes(self.person).hex()[:8]}"
