"""What was asked for a person, and the record of what was erased: who asked, when, how much; never whom."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from commerce_ai.crypto import EncryptedTextField
from commerce_ai.ids import uuid7
from commerce_ai.shop.models import ShopModel
from commerce_ai.shop.personal import Basis, Handling, Keep, Personal


class ErasureLog(ShopModel):
    """One erasure, of a person named by a keyed hash. `counts` are rows by table; `versions` those versions that were,
    or may have been, trained on the person's facts and whose files were still here.

    `sweeps` says when it was looked again for what had been under way, and what was found. Until the last of them the
    person's names are kept, encrypted, in `names`; none is left after it. `settled_at`: no version's files hold the
    person any more.
    """

    person = models.BinaryField(_("hash of the person"), max_length=32)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name=_("by"), related_name="+", null=True, blank=True
    )
    reason = models.CharField(_("reason"), max_length=64, blank=True, default="")
    asked_at = models.DateTimeField(_("asked at"), default=timezone.now)
    done_at = models.DateTimeField(_("done at"))
    counts = models.JSONField(_("rows by table"), default=dict)
    versions = ArrayField(models.BigIntegerField(), verbose_name=_("versions trained on the person"), default=list)
    names = EncryptedTextField(_("names until the last sweep"), blank=True, default="")
    sweep_at = models.DateTimeField(_("next sweep at"), null=True, blank=True)
    sweeps = models.JSONField(_("sweeps"), default=list)
    settled_at = models.DateTimeField(_("in no version since"), null=True, blank=True)

    handling = Handling(Basis.OBLIGATION, Keep.ALWAYS)
    personal = {
        "person": Personal("proof of erasure", hashed=True),
        "names": Personal("finds what was under way while the person was erased", keep=Keep.SWEPT),
    }
    not_personal = {"sweeps": "instants and figures of many rows"}

    class Meta:
        verbose_name, verbose_name_plural = _("erasure"), _("erasures")
        indexes = [
            models.Index(fields=["shop", "-asked_at"], name="privacy_erasure_latest"),
            models.Index(fields=["sweep_at"], name="privacy_erasure_sweep", condition=Q(sweep_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.asked_at:%Y-%m-%d} {bytes(self.person).hex()[:8]}"


class PrivacyRequest(ShopModel):
    """An export or an erasure that somebody asked for, from the wish to the end. It survives whoever works on it.

    A worker holds it by a lease; one that died leaves it to the next. The customer's id is kept, encrypted, until it
    is carried out.
    """

    class Kind(models.TextChoices):
        EXPORT = "export", _("export")
        ERASURE = "erasure", _("erasure")

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        EXPIRED = "expired", _("expired")  # an export whose file was deleted

    OPEN = (State.QUEUED, State.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind)
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.QUEUED)
    person = models.BinaryField(_("hash of the person"), max_length=32)
    customer = EncryptedTextField(_("customer"), blank=True, default="")
    api_key = models.ForeignKey(
        "api.ApiKey", models.SET_NULL, verbose_name=_("API key"), related_name="+", null=True, blank=True
    )
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name=_("by"), related_name="+", null=True, blank=True
    )
    reason = models.CharField(_("reason"), max_length=64, blank=True, default="")
    progress = models.FloatField(_("progress"), default=0.0, help_text=_("From 0 to 1."))
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    error = models.CharField(_("kind of error"), max_length=100, blank=True, default="")
    asked_at = models.DateTimeField(_("asked at"), default=timezone.now)
    due_at = models.DateTimeField(_("next attempt at"), default=timezone.now)  # while one runs: the end of its lease
    done_at = models.DateTimeField(_("done at"), null=True, blank=True)
    expires_at = models.DateTimeField(_("file until"), null=True, blank=True)
    size = models.BigIntegerField(_("bytes"), default=0)
    erasure = models.ForeignKey(
        ErasureLog, models.SET_NULL, verbose_name=_("erasure"), related_name="requests", null=True, blank=True
    )

    handling = Handling(Basis.OBLIGATION, Keep.ALWAYS)
    personal = {
        "person": Personal("proof of what was asked", hashed=True),
        "customer": Personal("whom the request is about", keep=Keep.SWEPT),
    }
    not_personal = {
        "reason": "a code of a small vocabulary, by the people who ask",
        "error": "the name of a kind of error, never its text",
    }

    class Meta:
        verbose_name, verbose_name_plural = _("privacy request"), _("privacy requests")
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "person"], condition=Q(kind="erasure", state__in=["queued", "running"]),
                name="privacy_request_one_erasure",
            ),
            models.CheckConstraint(condition=Q(progress__gte=0, progress__lte=1), name="privacy_request_progress"),
        ]  # fmt: skip
        indexes = [
            models.Index(fields=["shop", "-asked_at"], name="privacy_request_latest"),
            models.Index(
                fields=["due_at"], name="privacy_request_due", condition=Q(state__in=["queued", "running"])
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.asked_at:%Y-%m-%d %H:%M}"

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN


class ExportPart(ShopModel):
    """A piece of an export's JSON, encrypted; deleted a day later, or when the person is erased."""

    request = models.ForeignKey(PrivacyRequest, models.CASCADE, verbose_name=_("request"), related_name="parts")
    number = models.PositiveIntegerField(_("number"))
    text = EncryptedTextField(_("text"))

    handling = Handling(Basis.OBLIGATION, Keep.DAY)
    personal = {"text": "the copy that a person may ask for"}

    class Meta:
        verbose_name, verbose_name_plural = _("part of an export"), _("parts of exports")
        constraints = [models.UniqueConstraint(fields=["request", "number"], name="privacy_exportpart_once")]
        indexes = [models.Index(fields=["shop"], name="privacy_exportpart_shop")]

    def __str__(self) -> str:
        return f"{self.request_id}/{self.number}"
