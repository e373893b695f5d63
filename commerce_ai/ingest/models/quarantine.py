"""What became of a file: the load, the report of what was cleaned, and the rows that were turned away."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from commerce_ai.crypto import EncryptedTextField
from commerce_ai.shop.models import ShopModel
from commerce_ai.shop.personal import Basis, Handling, Keep, Personal


class FileLoad(ShopModel):
    """A file that was loaded. Its rows add up: read = loaded + duplicates + left out by a rule + rejected.

    `sha256` is that of the file's bytes: the same file, under whatever name, is not loaded twice.
    """

    format = models.CharField(_("format"), max_length=32)
    table = models.CharField(_("table"), max_length=64, blank=True, default="")
    file_name = models.CharField(_("file"), max_length=255)
    sha256 = models.CharField("SHA-256", max_length=64, blank=True, default="")
    size_bytes = models.BigIntegerField(_("size (bytes)"), default=0)
    rows_read = models.BigIntegerField(_("rows read"), default=0)
    rows_loaded = models.BigIntegerField(_("rows loaded"), default=0)
    rows_duplicate = models.BigIntegerField(_("duplicate rows"), default=0)
    rows_left_out = models.BigIntegerField(_("rows left out"), default=0)
    rows_rejected = models.BigIntegerField(_("rows rejected"), default=0)
    written = models.JSONField(
        _("written"), default=dict, blank=True, help_text=_("By table: rows inserted, updated, unchanged.")
    )
    seconds = models.FloatField(_("seconds"), default=0)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name=_("by"), related_name="+", null=True, blank=True
    )
    started_at = models.DateTimeField(_("started at"), default=timezone.now)

    class Meta:
        verbose_name, verbose_name_plural = _("file load"), _("file loads")
        constraints = [
            models.CheckConstraint(
                condition=Q(rows_read=F("rows_loaded") + F("rows_duplicate") + F("rows_left_out") + F("rows_rejected")),
                name="ingest_fileload_rows_add_up",
            )
        ]
        indexes = [
            models.Index(fields=["shop", "-started_at"], name="ingest_fileload_latest"),
            models.Index(fields=["shop", "sha256"], name="ingest_fileload_content"),
        ]

    def __str__(self) -> str:
        return self.file_name


class CleaningReport(ShopModel):
    """What the load found and did: a list of findings (code, column, count, examples); `words` puts one in words."""

    load = models.OneToOneField(FileLoad, models.CASCADE, verbose_name=_("load"), related_name="report")
    findings = models.JSONField(_("findings"), default=list, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("cleaning report"), _("cleaning reports")
        indexes = [models.Index(fields=["shop"], name="ingest_cleaningreport_shop")]

    def __str__(self) -> str:
        return str(self.load)


class QuarantineRow(ShopModel):
    """A row that was turned away, and why. Corrected, it can be tried again (`files.retry`).

    `values` is the row as it stood in the file, without its personal columns: those are in `sealed`, encrypted.
    """

    class State(models.TextChoices):
        OPEN = "open", _("open")
        SOLVED = "solved", _("solved")
        DISCARDED = "discarded", _("discarded")

    load = models.ForeignKey(
        FileLoad, models.SET_NULL, verbose_name=_("load"), related_name="quarantine", null=True, blank=True
    )
    format = models.CharField(_("format"), max_length=32)
    table = models.CharField(_("table"), max_length=64, blank=True, default="")
    row_number = models.BigIntegerField(_("row"), null=True, blank=True)
    column = models.CharField(_("column"), max_length=255, blank=True, default="")
    reason = models.CharField(_("reason"), max_length=64)
    message = models.TextField(_("what is wrong"))
    values = models.JSONField(_("values"), default=dict, blank=True)
    sealed = EncryptedTextField(_("personal values"), blank=True, default="")
    # What a row says, keyed, so that a file loaded again does not fill the list with the same rows.
    fingerprint = models.BinaryField(_("fingerprint"), max_length=32)
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.OPEN)
    attempts = models.PositiveIntegerField(_("attempts"), default=1)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    solved_at = models.DateTimeField(_("solved at"), null=True, blank=True)
    solved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name=_("solved by"), related_name="+", null=True, blank=True
    )

    handling = Handling(Basis.CONTRACT, Keep.ERASED)
    personal = {
        "values": "corrections by the shop",
        "sealed": "corrections by the shop",
        "message": "corrections by the shop",
        "fingerprint": Personal("tells a row loaded twice", hashed=True),
    }

    class Meta:
        verbose_name, verbose_name_plural = _("quarantined row"), _("quarantined rows")
        constraints = [
            models.UniqueConstraint(fields=["shop", "fingerprint"], name="ingest_quarantinerow_once"),
            models.CheckConstraint(
                condition=Q(state__in=["open", "solved", "discarded"]), name="ingest_quarantinerow_state"
            ),
        ]
        indexes = [
            models.Index(fields=["shop", "state", "-created_at"], name="ingest_quarantinerow_open"),
        ]

    def __str__(self) -> str:
        return f"{self.table or self.format} {self.row_number}: {self.reason}"

    def all_values(self) -> dict[str, Any]:
        """The row with its personal values in clear: for a person who may correct it, and for nothing else."""
        return {**self.values, **(json.loads(self.sealed) if self.sealed else {})}
