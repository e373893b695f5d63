"""Where people are told, and the outbox of what they are told: a row that is not sent is sent again."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from commerce_ai.alerts.severity import Severity
from commerce_ai.crypto import EncryptedTextField
from commerce_ai.ids import uuid7
from commerce_ai.shop.models import ShopModel
from commerce_ai.shop.personal import Basis, Handling, Keep


class Channel(ShopModel):
    """One place to tell people at. `url` is a secret: it holds passwords and tokens.

    A webhook is signed with `secret`; after a rotation with `old_secret` too, until `old_secret_until`.
    """

    class Kind(models.TextChoices):
        EMAIL = "email", _("E-mail")
        SLACK = "slack", "Slack"
        TEAMS = "teams", "Microsoft Teams"
        DISCORD = "discord", "Discord"
        TELEGRAM = "telegram", "Telegram"
        MATTERMOST = "mattermost", "Mattermost"
        NTFY = "ntfy", "ntfy"
        PUSHOVER = "pushover", "Pushover"
        WEBHOOK = "webhook", _("Signed webhook")

    name = models.CharField(_("name"), max_length=100)
    kind = models.CharField(_("kind"), max_length=16, choices=Kind)
    url = EncryptedTextField(_("address"))
    min_severity = models.PositiveSmallIntegerField(_("least severity"), choices=Severity, default=Severity.WARNING)
    on = models.BooleanField(_("on"), default=True)
    secret = EncryptedTextField(_("signing secret"), blank=True, default="")
    old_secret = EncryptedTextField(_("signing secret before"), blank=True, default="")
    old_secret_until = models.DateTimeField(_("old secret until"), null=True, blank=True)
    last_sent_at = models.DateTimeField(_("last delivery"), null=True, blank=True)
    last_error = models.CharField(_("last error"), max_length=300, blank=True, default="")
    last_error_at = models.DateTimeField(_("last error at"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name=_("made by"), related_name="+", null=True, blank=True
    )

    handling = Handling(Basis.INTEREST, Keep.ACCOUNT)
    personal = {"url": "tells the people who work here; an e-mail address may be one person's"}
    not_personal = {
        "name": "the shop's own name for it",
        "secret": "a secret of the shop's own",
        "old_secret": "a secret of the shop's own",
        "last_error": "what a mail server or a webhook's receiver answered, addresses left out",
    }

    class Meta:
        verbose_name, verbose_name_plural = _("channel"), _("channels")
        indexes = [models.Index(fields=["shop"], name="alerts_channel_shop")]

    def __str__(self) -> str:
        return self.name


class Delivery(ShopModel):
    """One message to one channel. Its id is the webhook's id too: a receiver drops what comes twice.

    It is claimed by moving `due_at` ahead and counting `attempts`, sent, and marked; who dies in between has it sent
    again. `payload` is what a webhook gets, and what the words of other channels are made of.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("waiting")
        SENT = "sent", _("sent")
        FAILED = "failed", _("given up")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    channel = models.ForeignKey(Channel, models.CASCADE, verbose_name=_("channel"), related_name="deliveries")
    type = models.CharField(_("type"), max_length=32)
    payload = models.JSONField(_("message"), default=dict)
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    made_at = models.DateTimeField(_("made at"), default=timezone.now)
    due_at = models.DateTimeField(_("next attempt"), default=timezone.now)
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    error = models.CharField(_("error"), max_length=300, blank=True, default="")

    not_personal = {
        "type": "one of three codes",
        "payload": "titles of alerts, which never speak of a customer",
        "error": "what a mail server or a webhook's receiver answered, addresses left out",
    }

    class Meta:
        verbose_name, verbose_name_plural = _("message"), _("messages")
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state="pending"), name="alerts_delivery_due"),
            models.Index(fields=["shop", "-made_at"], name="alerts_delivery_latest"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.pk}"
