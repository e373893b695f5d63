"""Keys of a shop, the secret its server signs customer tokens with, and answers kept for repeated writes."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from commerce_ai.api.scopes import PUBLISHABLE
from commerce_ai.crypto import EncryptedTextField
from commerce_ai.shop.models import ShopModel
from commerce_ai.shop.personal import Basis, Handling, Keep
from commerce_ai.shop.revision import bump


class ApiKey(ShopModel):
    """One key of a shop. Only its prefix and its SHA-256 are kept; the text is shown once, when it is made."""

    class Kind(models.TextChoices):
        PUBLISHABLE = "publishable", _("publishable (browser)")
        SECRET = "secret", _("secret (server)")

    name = models.CharField(_("name"), max_length=100, help_text=_("Where the key is used."))
    kind = models.CharField(_("kind"), max_length=16, choices=Kind)
    prefix = models.CharField(_("begins with"), max_length=11, unique=True, editable=False)
    hash = models.BinaryField(_("SHA-256"), max_length=32, editable=False)
    scopes = ArrayField(models.CharField(max_length=32), verbose_name=_("scopes"), default=list)
    origins = ArrayField(
        models.CharField(max_length=255),
        verbose_name=_("allowed origins"),
        default=list,
        blank=True,
        help_text=_("Pages that may use a publishable key, as in https://shop.example or https://*.shop.example."),
    )
    rate_per_s = models.FloatField(_("requests per second"), null=True, blank=True, help_text=_("Empty: no limit."))
    burst = models.PositiveIntegerField(_("requests at once"), default=200)
    ip_rate_per_s = models.FloatField(
        _("requests per second and address"), null=True, blank=True, help_text=_("Publishable keys. Empty: no limit.")
    )
    ip_burst = models.PositiveIntegerField(_("requests at once and address"), default=100)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        verbose_name=_("created by"),
        null=True,
        blank=True,
        related_name="+",
        editable=False,
    )
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name, verbose_name_plural = _("API key"), _("API keys")
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=["publishable", "secret"]), name="api_apikey_kind"),
            models.CheckConstraint(
                condition=~Q(kind="publishable") | Q(scopes__contained_by=list(PUBLISHABLE)),
                name="api_apikey_publishable_scopes",
            ),
            models.CheckConstraint(
                condition=(Q(rate_per_s__isnull=True) | Q(rate_per_s__gt=0))
                & (Q(ip_rate_per_s__isnull=True) | Q(ip_rate_per_s__gt=0))
                & Q(burst__gte=1, ip_burst__gte=1),
                name="api_apikey_limits",
            ),
        ]
        indexes = [models.Index(fields=["shop", "created_at"], name="api_apikey_shop")]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """A change acts in every process within 2 s, wherever it was made."""
        with transaction.atomic():
            super().save(*args, **kwargs)
            bump("keys", self.shop_id)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        with transaction.atomic():
            deleted = super().delete(*args, **kwargs)
            bump("keys", self.shop_id)
        return deleted


class SigningSecret(ShopModel):
    """What a shop's server signs customer tokens with. The newest signs; all that are not retired are believed."""

    secret = EncryptedTextField(_("secret"))
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    retired_at = models.DateTimeField(_("retired at"), null=True, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("signing secret"), _("signing secrets")
        indexes = [models.Index(fields=["shop", "created_at"], name="api_signingsecret_shop")]

    def __str__(self) -> str:
        return f"{self.shop_id}, {self.created_at:%Y-%m-%d}"


class IdempotentWrite(ShopModel):
    """A write that was answered, so that the same request sent again gets the same answer and changes nothing.

    Committed together with the write itself: a crash leaves either both or none. Kept for a day.
    """

    api_key = models.ForeignKey(ApiKey, models.CASCADE, verbose_name=_("API key"), related_name="+", db_index=False)
    name = models.CharField(_("idempotency key"), max_length=255)  # a keyed hash of it
    request_hash = models.BinaryField(_("SHA-256 of the request"), max_length=32)
    status = models.PositiveSmallIntegerField(_("status"))
    body = EncryptedTextField(_("answer"))
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    handling = Handling(Basis.CONTRACT, Keep.DAY)
    personal = {"body": "the answer to a write, repeated for a day"}

    class Meta:
        verbose_name, verbose_name_plural = _("repeated write"), _("repeated writes")
        constraints = [models.UniqueConstraint(fields=["api_key", "name"], name="api_idempotentwrite_once")]
        indexes = [
            models.Index(fields=["created_at"], name="api_idempotentwrite_created"),
            models.Index(fields=["shop", "created_at"], name="api_idempotentwrite_shop"),
        ]

    def __str__(self) -> str:
        return self.name
