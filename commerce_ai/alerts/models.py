"""Alerts, the incidents they are grouped into, the rules that raise some of them; channels and what is sent there."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from commerce_ai.alerts.channel_models import Channel, Delivery
from commerce_ai.alerts.severity import Severity
from commerce_ai.shop.models import Product, ShopModel, columns

__all__ = ["Alert", "AlertRule", "Channel", "Delivery", "Incident", "Severity"]

_WORDS = "written by the platform and its plugins about figures, goods and models; never about a customer"
_CODE = "a code of the platform or a plugin"


class Incident(ShopModel):
    """Alerts that a person looks into together. What reaches a channel is an incident, never a single alert.

    `severity`, `money`, `title` and `alerts` are those of its alerts that are open. `told_severity` is how bad it was
    when a channel last heard of it: it is told again only when it has become worse.
    """

    group = models.CharField(_("group"), max_length=255)
    source = models.CharField(_("source"), max_length=64)
    title = models.CharField(_("title"), max_length=300)
    severity = models.PositiveSmallIntegerField(_("severity"), choices=Severity)
    money = columns.money(_("money at stake"), null=True, blank=True)
    alerts = models.PositiveIntegerField(_("open alerts"), default=0)
    opened_at = models.DateTimeField(_("opened at"))
    last_seen = models.DateTimeField(_("last seen"))
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True)
    told_at = models.DateTimeField(_("told at"), null=True, blank=True)
    told_severity = models.PositiveSmallIntegerField(_("severity when told"), null=True, blank=True)

    not_personal = {"group": _CODE, "source": _CODE, "title": _WORDS}

    class Meta:
        verbose_name, verbose_name_plural = _("incident"), _("incidents")
        indexes = [
            models.Index(fields=["shop", "group", "opened_at"], name="alerts_incident_group"),
            models.Index(fields=["shop"], condition=Q(closed_at__isnull=True), name="alerts_incident_open"),
        ]

    def __str__(self) -> str:
        return self.title


class Alert(ShopModel):
    """One thing that needs a person, until it is resolved. One a shop, source and key at a time."""

    class State(models.TextChoices):
        OPEN = "open", _("open")
        ACKNOWLEDGED = "acknowledged", _("acknowledged")
        SNOOZED = "snoozed", _("snoozed")
        RESOLVED = "resolved", _("resolved")

    source = models.CharField(_("source"), max_length=64)
    key = models.CharField(_("key"), max_length=200)
    severity = models.PositiveSmallIntegerField(_("severity"), choices=Severity)
    title = models.CharField(_("title"), max_length=300)
    detail = models.TextField(_("detail"), blank=True, default="")
    url = models.CharField(_("page"), max_length=500, blank=True, default="")
    money = columns.money(_("money at stake"), null=True, blank=True)
    product = models.ForeignKey(
        Product, models.CASCADE, verbose_name=_("product"), related_name="+", null=True, blank=True
    )
    incident = models.ForeignKey(Incident, models.CASCADE, verbose_name=_("incident"), related_name="members")
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.OPEN)
    snoozed_until = models.DateTimeField(_("snoozed until"), null=True, blank=True)
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        verbose_name=_("assigned to"),
        related_name="+",
        null=True,
        blank=True,
    )
    first_seen = models.DateTimeField(_("first seen"))
    last_seen = models.DateTimeField(_("last seen"))
    count = models.PositiveIntegerField(_("times seen"), default=1)
    resolved_at = models.DateTimeField(_("resolved at"), null=True, blank=True)

    not_personal = {"source": _CODE, "key": _CODE, "title": _WORDS, "detail": _WORDS, "url": "a page of the console"}

    class Meta:
        verbose_name, verbose_name_plural = _("alert"), _("alerts")
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "source", "key"], condition=~Q(state="resolved"), name="alerts_alert_unresolved"
            ),
            models.CheckConstraint(
                condition=~Q(state="snoozed") | Q(snoozed_until__isnull=False), name="alerts_alert_snoozed_until"
            ),
        ]
        indexes = [
            models.Index(fields=["shop"], condition=Q(state="open"), name="alerts_alert_open"),
            models.Index(fields=["snoozed_until"], condition=Q(state="snoozed"), name="alerts_alert_snoozed"),
            models.Index(fields=["shop", "source", "key", "-resolved_at"], name="alerts_alert_last"),
            models.Index(fields=["shop", "-last_seen"], name="alerts_alert_seen"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def kind(self) -> str:
        return self.key.partition(":")[0]


class AlertRule(ShopModel):
    """When something is an alert: a figure of `DailyMetric` that is out of bounds, or a check of health.

    Every shop has one rule for each check of health; a person switches it off, sets its threshold or severity.
    `memory` is what a check saw the last time; `checked_day` the last day whose figure was judged.
    """

    class Check(models.TextChoices):
        METRIC = "metric", _("a daily figure")
        STALE_VERSION = "stale_version", _("a live version that is stale (days)")
        DRIFT = "drift", _("a live version whose recipe does worse on newer facts")
        FAILED_RUN = "failed_run", _("a run, a load or a publishing that failed")
        NO_EVENTS = "no_events", _("no events where some are usual (minutes)")
        LOST_DECISIONS = "lost_decisions", _("decisions that were answered and not kept")
        LATE_REQUESTS = "late_requests", _("privacy requests that are late")
        PLUGIN = "plugin", _("what a plugin says of its own health")

    class Comparison(models.TextChoices):
        ABOVE = "above", _("above the threshold")
        BELOW = "below", _("below the threshold")
        CHANGE = "change", _("further from the same weekday than the threshold (%)")
        ODD = "odd", _("further from what is usual than the threshold (robust z)")

    class Direction(models.TextChoices):
        UP = "up", _("upwards")
        DOWN = "down", _("downwards")
        BOTH = "both", _("both ways")

    check_name = models.CharField(_("what is looked at"), max_length=32, choices=Check, default=Check.METRIC)
    on = models.BooleanField(_("on"), default=True)
    severity = models.PositiveSmallIntegerField(_("severity"), choices=Severity, default=Severity.WARNING)
    metric = models.CharField(_("figure"), max_length=64, blank=True, default="")
    dimension = models.CharField(
        _("of"), max_length=255, blank=True, default="", help_text=_("As in topic=delivery; empty for the whole shop.")
    )
    comparison = models.CharField(_("comparison"), max_length=16, choices=Comparison, default=Comparison.ODD)
    direction = models.CharField(
        _("direction"), max_length=8, choices=Direction, default=Direction.BOTH,
        help_text=_("For comparisons with what is usual."),
    )  # fmt: skip
    threshold = models.FloatField(_("threshold"), null=True, blank=True)
    window_days = models.PositiveSmallIntegerField(
        _("days taken together"), default=1, help_text=_("The mean of so many finished days is looked at.")
    )
    memory = models.JSONField(_("seen the last time"), default=dict, blank=True, editable=False)
    checked_day = models.DateField(_("last day judged"), null=True, blank=True, editable=False)

    not_personal = {
        "metric": "the name of a figure of the shop",
        "dimension": "what a figure of the shop is broken down by",
        "memory": "counts by plugin, an instant",
    }

    class Meta:
        verbose_name, verbose_name_plural = _("alert rule"), _("alert rules")
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "check_name"], condition=~Q(check_name="metric"), name="alerts_rule_check_once"
            ),
            models.CheckConstraint(
                condition=~Q(check_name="metric") | (~Q(metric="") & Q(threshold__isnull=False)),
                name="alerts_rule_metric_named",
            ),
            models.CheckConstraint(condition=Q(window_days__gte=1, window_days__lte=28), name="alerts_rule_window"),
        ]
        indexes = [models.Index(fields=["shop", "check_name"], name="alerts_rule_shop")]

    def __str__(self) -> str:
        if self.check_name != self.Check.METRIC:
            return str(self.get_check_name_display())
        return f"{self.metric} {self.dimension}".strip()
