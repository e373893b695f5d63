"""The audit trail: which entries of Django's log are of which shop."""

from __future__ import annotations

from django.contrib.admin.models import LogEntry
from django.db import models
from django.utils.translation import gettext_lazy as _

from commerce_ai.shop.models import ShopModel


class AuditEntry(ShopModel):
    """An entry of the log that was written in a shop. What was done stands in the entry, who did it as well."""

    entry = models.ForeignKey(LogEntry, models.CASCADE, verbose_name=_("entry"), related_name="+")

    class Meta:
        verbose_name, verbose_name_plural = _("audit entry"), _("audit trail")
        constraints = [models.UniqueConstraint(fields=["shop", "entry"], name="console_auditentry_once")]

    def __str__(self) -> str:
        return str(self.entry)
