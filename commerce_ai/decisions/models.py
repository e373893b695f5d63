"""What the platform answered: one row a decision, in month partitions like events."""

from __future__ import annotations

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from commerce_ai.decisions.experiments.models import Experiment, ExperimentPoint
from commerce_ai.decisions.experiments.shadow_models import Shadow, ShadowDay
from commerce_ai.decisions.outcome_models import Credit, Heard, Loss, Outcome, Stale
from commerce_ai.ids import time_of, uuid7
from commerce_ai.shop import partitions
from commerce_ai.shop.models import Shop, ShopModel
from commerce_ai.shop.personal import Basis, Handling, Keep

__all__ = [
    "Credit", "Decision", "Experiment", "ExperimentPoint", "Heard", "Loss", "Outcome", "Shadow", "ShadowDay", "Stale",
]  # fmt: skip


class Decision(ShopModel):
    """One answer that may change what a customer sees or a shop does.

    `id` is a UUIDv7, made in the process that decides, and the partition key. Rows are written once. Nothing is
    referenced by a database constraint: versions and customers may go, what was decided stays.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    shop = models.ForeignKey(
        Shop, models.CASCADE, verbose_name=_("shop"), related_name="+", db_index=False, db_constraint=False
    )
    plugin = models.CharField(_("plugin"), max_length=64)
    kind = models.CharField(_("kind"), max_length=64, help_text=_("What was asked, as in recommendations or score."))
    placement = models.CharField(_("placement"), max_length=64, blank=True, default="")
    subject = models.CharField(
        _("subject"), max_length=255, blank=True, default="",
        help_text=_("What it is about, as in order:1001 or product:A7; empty when it is about the visitor."),
    )  # fmt: skip
    customer_id = models.BigIntegerField(_("customer"), null=True, blank=True)
    anonymous_id = models.CharField(_("anonymous id"), max_length=255, blank=True, default="")
    session_id = models.CharField(_("session id"), max_length=255, blank=True, default="")
    payload = models.JSONField(_("payload"), default=dict)
    reasons = models.JSONField(_("reasons"), default=list, blank=True)
    version_id = models.BigIntegerField(_("version"), null=True, blank=True)
    experiment_id = models.BigIntegerField(_("experiment"), null=True, blank=True)
    arm = models.CharField(_("arm"), max_length=64, blank=True, default="")
    latency_ms = models.FloatField(_("latency in ms"), null=True, blank=True)
    flags = ArrayField(models.CharField(max_length=64), verbose_name=_("flags"), default=list, blank=True)
    durable = models.BooleanField(_("durable"), default=False, help_text=_("On disk before it was answered."))

    handling = Handling(Basis.INTEREST, Keep.MONTHS)
    personal = {
        "customer_id": "measures what came of the decision",
        "anonymous_id": "measures what came of the decision",
        "session_id": "measures what came of the decision",
        "subject": "finds the decision on an order",
        "payload": "what was shown or decided",
        "reasons": "why it was decided",
    }

    class Meta:
        verbose_name, verbose_name_plural = _("decision"), _("decisions")
        indexes = [
            # Each costs the hot path a little: only what a reader can't do without.
            models.Index(fields=["shop", "plugin", "id"], name="decisions_decision_recent"),
            models.Index(
                fields=["customer_id", "id"], name="decisions_decision_customer", condition=Q(customer_id__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.plugin}.{self.kind} {self.id}"

    @property
    def made_at(self) -> datetime:
        """When it was decided, to the millisecond: its id says so."""
        return time_of(self.id)


partitions.register(Decision)
