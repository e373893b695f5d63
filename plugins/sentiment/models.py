"""What was judged of each text, and what the operator is told about. The texts themselves stand in `shop`."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from commerce_ai.shop.models import Product
from commerce_ai.shop.models.tenancy import ShopModel

NEGATIVE, NEUTRAL, POSITIVE = "negative", "neutral", "positive"


class Feeling(models.TextChoices):
    """The labels that a shop's texts have. A lab's files may have any others."""

    NEGATIVE = NEGATIVE, _("negative")
    NEUTRAL = NEUTRAL, _("neutral")
    POSITIVE = POSITIVE, _("positive")


class Kind(models.TextChoices):
    """Where a text stands; as `Label.subject_type` has it."""

    REVIEW = "review", _("review")
    MENTION = "mention", _("mention")
    MESSAGE = "message", _("message")


class Judgement(ShopModel):
    """How one text feels and what it speaks of. `version_id` is empty where only the rating spoke, or a person."""

    kind = models.CharField(_("kind"), max_length=16, choices=Kind)
    text_id = models.BigIntegerField(_("number of the text"))
    product = models.ForeignKey(
        Product, models.CASCADE, verbose_name=_("product"), related_name="+", null=True, blank=True
    )
    at = models.DateTimeField(_("written at"))
    day = models.DateField(_("day"))
    label = models.CharField(_("label"), max_length=32)
    sentiment = models.FloatField(_("sentiment (−1 to 1)"))
    topics = ArrayField(models.CharField(max_length=60), verbose_name=_("topics"), default=list, blank=True)
    corrected = models.BooleanField(_("by a person"), default=False)
    version_id = models.BigIntegerField(_("version"), null=True, blank=True)
    judged_at = models.DateTimeField(_("judged at"), default=timezone.now)

    not_personal = {
        "kind": "one of three words",
        "label": "one of a few words",
        "topics": "words of the shop's own list",
    }

    class Meta:
        verbose_name, verbose_name_plural = _("judged text"), _("judged texts")
        constraints = [models.UniqueConstraint(fields=["shop", "kind", "text_id"], name="sentiment_judgement_once")]
        indexes = [models.Index(fields=["shop", "day", "label"], name="sentiment_judgement_day")]

    def __str__(self) -> str:
        return f"{self.kind} {self.text_id}: {self.label}"


class SentimentAlert(ShopModel):
    """On one day clearly more texts were negative than before. About the whole shop, one product, or one topic."""

    day = models.DateField(_("day"))
    product = models.ForeignKey(
        Product, models.CASCADE, verbose_name=_("product"), related_name="+", null=True, blank=True
    )
    topic = models.CharField(_("topic"), max_length=60, blank=True, default="")
    texts = models.PositiveIntegerField(_("texts"))
    negative = models.PositiveIntegerField(_("negative texts"))
    expected = models.FloatField(_("expected share of negative texts"))
    chance = models.FloatField(_("chance of so many, had nothing changed"))
    made_at = models.DateTimeField(_("made at"), default=timezone.now)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name=_("seen by"), related_name="+", null=True, blank=True
    )
    acknowledged_at = models.DateTimeField(_("seen at"), null=True, blank=True)

    not_personal = {"topic": "a word of the shop's own list"}

    class Meta:
        verbose_name, verbose_name_plural = _("sentiment alert"), _("sentiment alerts")
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "day", "product", "topic"], name="sentiment_alert_once", nulls_distinct=False
            ),
            models.CheckConstraint(condition=Q(product__isnull=True) | Q(topic=""), name="sentiment_alert_of_one"),
        ]

    def __str__(self) -> str:
        return f"{self.day}: {self.about}"

    @property
    def about(self) -> str:
        """What it is about, for people."""
        return self.product.title if self.product else self.topic or str(_("the whole shop"))

    @property
    def share(self) -> float:
        return self.negative / self.texts if self.texts else 0.0
