"""Whom a shop's webhooks come from, and what came: the outbox of what is not applied yet."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from commerce_ai.crypto import EncryptedTextField
from commerce_ai.shop.models import ShopModel
from commerce_ai.shop.personal import Basis, Handling, Keep, Personal


class WebhookSource(ShopModel):
    """A shop on a platform, and the secret that the platform signs its webhooks with."""

    class Platform(models.TextChoices):
        SHOPIFY = "shopify", "Shopify"

    platform = models.CharField(_("platform"), max_length=16, choices=Platform, default=Platform.SHOPIFY)
    domain = models.CharField(_("domain"), max_length=255, help_text=_("As the platform names it: name.myshopify.com."))
    secret = EncryptedTextField(_("secret"))
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    not_personal = {
        "domain": "the shop's own",
        "secret": "a secret of the shop's own",
    }

    class Meta:
        verbose_name, verbose_name_plural = _("webhook source"), _("webhook sources")
        constraints = [models.UniqueConstraint(fields=["platform", "domain"], name="ingest_webhooksource_once")]
        indexes = [models.Index(fields=["shop"], name="ingest_webhooksource_shop")]

    def __str__(self) -> str:
        return self.domain

    def save(self, *args: object, **kwargs: object) -> None:
        self.domain = self.domain.strip().lower()
        super().save(*args, **kwargs)  # type: ignore[arg-type]


class WebhookDelivery(ShopModel):
    """One delivery: committed before it is acknowledged, applied soon after, then emptied. A week later it goes.

    `subject` is what it speaks of (a customer, a product), keyed; with `said_at` it tells an old word from a new one.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        APPLIED = "applied", _("applied")
        STALE = "stale", _("older than what is known")
        UNKNOWN = "unknown", _("unknown topic")
        REFUSED = "refused", _("in quarantine")
        ASIDE = "aside", _("set aside")

    platform = models.CharField(_("platform"), max_length=16, choices=WebhookSource.Platform)
    delivery_id = models.CharField(_("delivery"), max_length=255)
    topic = models.CharField(_("topic"), max_length=64)
    body = EncryptedTextField(_("body"), blank=True, default="")
    subject = models.BinaryField(_("subject"), max_length=32, null=True, blank=True)
    said_at = models.DateTimeField(_("said at"), null=True, blank=True)
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    retry_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    error = models.CharField(_("kind of error"), max_length=100, blank=True, default="")
    received_at = models.DateTimeField(_("received at"), default=timezone.now)
    done_at = models.DateTimeField(_("done at"), null=True, blank=True)

    handling = Handling(Basis.CONTRACT, Keep.PROJECTED)
    personal = {
        "body": "on its way into the customer's and the order's row",
        "subject": Personal("tells an old word from a new one", hashed=True),
    }
    not_personal = {
        "delivery_id": "a number that the platform gives a delivery",
        "topic": "a code of the platform's vocabulary",
        "error": "the name of a kind of error, never its text",
    }

    class Meta:
        verbose_name, verbose_name_plural = _("webhook delivery"), _("webhook deliveries")
        constraints = [
            models.UniqueConstraint(fields=["shop", "platform", "delivery_id"], name="ingest_webhookdelivery_once")
        ]
        indexes = [
            models.Index(fields=["id"], name="ingest_webhook_queue", condition=Q(state="waiting")),
            models.Index(fields=["shop", "-received_at"], name="ingest_webhook_latest"),
            models.Index(
                fields=["shop", "subject", "said_at"], name="ingest_webhook_subject", condition=Q(subject__isnull=False)
            ),
            models.Index(fields=["done_at"], name="ingest_webhook_done", condition=Q(done_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.delivery_id}"
