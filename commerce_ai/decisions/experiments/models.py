"""Experiments, and what they showed day by day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import Q
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from commerce_ai.decisions.experiments.arms import (
    Arm,
    Audience,
    arms_of,
    audience_of,
    check_arms,
    check_audience,
    check_plugin,
    check_unit,
)
from commerce_ai.shop.models import Shop, ShopModel

TOPIC = "experiments"
_OURS = "a name of ours, of no person"


def new_salt() -> str:
    return uuid4().hex


class Experiment(ShopModel):
    """Arms that units are drawn into by chance, and the one metric that decides. The first arm is the control.

    With `holdout`, the arms are who sees no AI at all and who does, over all plugins; there is at most one running.
    `planned` is how many units the sequential intervals are narrowest at: fixed when it starts.
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        RUNNING = "running", _("running")
        STOPPED = "stopped", _("stopped")
        SHIPPED = "shipped", _("shipped")

    class Unit(models.TextChoices):
        VISITOR = "visitor", _("visitor")
        CUSTOMER = "customer", _("customer")

    class Metric(models.TextChoices):
        CONVERSION = "conversion", _("conversion")
        REVENUE = "revenue", _("revenue per visitor")
        CLICKS = "clicks", _("click-through")
        MARGIN = "margin", _("margin per visitor")
        SATISFACTION = "satisfaction", _("satisfaction")

    name = models.CharField(_("name"), max_length=200)
    hypothesis = models.TextField(_("hypothesis"), blank=True, default="")
    holdout = models.BooleanField(_("holdout from all AI"), default=False)
    plugin = models.CharField(_("plugin"), max_length=64, blank=True, default="")
    placement = models.CharField(
        _("placement"), max_length=64, blank=True, default="", help_text=_("Empty: all of the plugin's.")
    )
    arms = models.JSONField(_("arms"), default=list)
    unit = models.CharField(_("unit"), max_length=16, choices=Unit, default=Unit.VISITOR)
    audience = models.JSONField(_("audience"), default=dict, blank=True)
    metric = models.CharField(_("metric"), max_length=16, choices=Metric, default=Metric.CONVERSION)
    group = models.CharField(
        _("exclusive group"), max_length=64, blank=True, default="",
        help_text=_("Nobody is in two experiments of one group."),
    )  # fmt: skip
    traffic = models.FloatField(
        _("share of units that take part"), default=1.0, validators=[MinValueValidator(0.001), MaxValueValidator(1)]
    )
    place = models.FloatField(_("where its share begins"), default=0.0, editable=False)
    minimum_days = models.PositiveIntegerField(_("days it runs at least"), default=14)
    planned = models.PositiveIntegerField(_("planned units"), default=20_000, validators=[MinValueValidator(100)])
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.DRAFT)
    starts_at = models.DateTimeField(_("start"), null=True, blank=True)
    stops_at = models.DateTimeField(_("stop"), null=True, blank=True)
    shipped_arm = models.CharField(_("shipped arm"), max_length=64, blank=True, default="")
    replaced = models.JSONField(_("settings before"), default=dict, blank=True, editable=False)
    replaced_version = models.BigIntegerField(_("live version before"), null=True, blank=True, editable=False)
    salt = models.CharField(max_length=64, default=new_salt, editable=False)
    created_at = models.DateTimeField(_("created at"), default=now, editable=False)
    looked_at = models.DateTimeField(_("figures of"), null=True, blank=True, editable=False)
    left_out = models.JSONField(_("visitors left out, by why"), default=dict, blank=True, editable=False)

    not_personal = dict.fromkeys(
        ("name", "plugin", "placement", "unit", "group", "state", "metric", "shipped_arm", "salt"), _OURS
    ) | {
        "hypothesis": "what the shop expects of its own change",
        "arms": "names and settings of the shop",
        "audience": "a rule, of nobody in particular",
        "replaced": "settings of the shop",
        "left_out": "counts",
    }

    class Meta:
        verbose_name, verbose_name_plural = _("experiment"), _("experiments")
        constraints = [
            models.UniqueConstraint(
                fields=["shop"], name="decisions_experiment_one_holdout", condition=Q(holdout=True, state="running")
            ),
            models.CheckConstraint(condition=Q(traffic__gt=0, traffic__lte=1), name="decisions_experiment_traffic"),
        ]
        indexes = [models.Index(fields=["shop", "state"], name="decisions_experiment_state")]

    def __str__(self) -> str:
        return self.name

    @property
    def parsed_arms(self) -> tuple[Arm, ...]:
        return arms_of(self.arms)

    @property
    def parsed_audience(self) -> Audience:
        return audience_of(self.audience)

    def clean(self) -> None:
        """Raise ValidationError, by field."""
        if self.holdout:
            return
        found: dict[str, list[str]] = {}
        for field, check in (
            ("plugin", lambda: check_plugin(self.plugin)),
            ("unit", lambda: check_unit(self.unit, self.plugin)),
            ("arms", self._check_arms),
            ("audience", lambda: check_audience(self.audience)),
        ):
            try:
                check()
            except ValidationError as error:
                found[field] = error.messages
        if self.starts_at and self.stops_at and self.stops_at <= self.starts_at:
            found["stops_at"] = [str(_("It stops before it starts."))]
        if found:
            raise ValidationError(found)  # type: ignore[arg-type]

    def _check_arms(self) -> None:
        from commerce_ai.decisions.experiments.canary import check_versions

        check_arms(self.arms, self.plugin)
        check_versions(self.parsed_arms, self.shop_id, self.plugin)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Web processes follow within two seconds."""
        from commerce_ai.shop.revision import bump

        with transaction.atomic():
            super().save(*args, **kwargs)
            bump(TOPIC, self.shop_id)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        from commerce_ai.shop.revision import bump

        with transaction.atomic():
            gone = super().delete(*args, **kwargs)
            bump(TOPIC, self.shop_id)
        return gone


class ExperimentPoint(ShopModel):
    """One arm at the end of one day, from its start until then: what the chart over time is drawn from.

    `value` is the metric, `variance` that of one unit; lift and its interval, which holds at every look, are against
    the control and empty there. Made anew with every refresh, as events come late.
    """

    experiment = models.ForeignKey(
        Experiment, models.CASCADE, verbose_name=_("experiment"), related_name="points", db_index=False
    )
    day = models.DateField(_("day"))
    arm = models.CharField(_("arm"), max_length=64)
    units = models.PositiveIntegerField(_("units"))
    value = models.FloatField(_("value"))
    variance = models.FloatField(_("variance"))
    difference = models.FloatField(_("difference"), null=True, blank=True)
    difference_low = models.FloatField(_("difference, low"), null=True, blank=True)
    difference_high = models.FloatField(_("difference, high"), null=True, blank=True)
    lift = models.FloatField(_("lift"), null=True, blank=True)
    low = models.FloatField(_("lift, low"), null=True, blank=True)
    high = models.FloatField(_("lift, high"), null=True, blank=True)

    not_personal = {"arm": _OURS}

    class Meta:
        verbose_name, verbose_name_plural = _("figure of an experiment"), _("figures of experiments")
        constraints = [models.UniqueConstraint(fields=["experiment", "day", "arm"], name="decisions_point_once")]
        indexes = [models.Index(fields=["shop", "experiment"], name="decisions_point_shop")]

    def __str__(self) -> str:
        return f"{self.experiment_id} {self.day} {self.arm}"


def write_points(
    experiment: Experiment, points: Sequence[ExperimentPoint], left_out: Mapping[str, int] | None = None
) -> None:
    """Replace an experiment's figures by these, in one transaction; `left_out`: visitors that are not in them."""
    with transaction.atomic():
        shop: Shop | int = experiment.shop_id
        Experiment.objects.of(shop).select_for_update().get(pk=experiment.pk)
        ExperimentPoint.objects.of(shop).filter(experiment=experiment).delete()
        ExperimentPoint.objects.bulk_create(points, batch_size=2000)
        experiment.looked_at, experiment.left_out = now(), dict(left_out or {})
        # Not by save: who is in which arm did not move.
        Experiment.objects.of(shop).filter(pk=experiment.pk).update(
            looked_at=experiment.looked_at, left_out=experiment.left_out
        )
