"""Who was erased, as far as one needs to know to keep them out."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from commerce_ai.shop.models.tenancy import ShopModel


class Tombstone(ShopModel):
    """An id of an erased person, as a keyed hash and in nothing else: what comes later under it is let go."""

    class Kind(models.TextChoices):
        CUSTOMER = "customer", _("customer")
        ANONYMOUS = "anonymous", _("anonymous id")
        EMAIL = "email", _("e-mail")
        PHONE = "phone", _("phone")

    kind = models.CharField(_("kind"), max_length=16, choices=Kind)
    hash = models.BinaryField(_("hash"), max_length=32)
    reason = models.CharField(_("reason"), max_length=64, blank=True, default="")
    at = models.DateTimeField(_("at"), default=now)

    class Meta:
        verbose_name, verbose_name_plural = _("tombstone"), _("tombstones")
        constraints = [models.UniqueConstraint(fields=["shop", "kind", "hash"], name="shop_tombstone_once")]

    def __str__(self) -> str:
        return f"{self.kind} {bytes(self.hash).hex()[:8]}"
