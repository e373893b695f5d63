"""Experiments over REST, to read: the shop's arms, how many visitors each has, and what may be concluded so far."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from commerce_ai.api import errors
from commerce_ai.api.rest import ShopView
from commerce_ai.decisions.experiments import results
from commerce_ai.decisions.experiments.models import Experiment
from commerce_ai.decisions.experiments.results import ArmResult, Summary
from commerce_ai.decisions.experiments.verdict import verdict

SCOPE = "admin:read"
_HIGHEST = 2**63 - 1


class IntervalSerializer(serializers.Serializer[Any]):
    """An estimate against the first arm with its 95 % interval, which holds however often one looks."""

    estimate = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()


class ArmSerializer(serializers.Serializer[Any]):
    """One arm; the first of an experiment is the control. `lift` and `difference` are null there, before there are
    visitors enough, and where the arms' sizes are wrong."""

    name = serializers.CharField()
    share = serializers.FloatField(help_text=_("Of the visitors that it is meant to get."))
    config = serializers.DictField(help_text=_("The plugin's settings that differ in this arm."))
    version = serializers.IntegerField(allow_null=True, help_text=_("The version that answers; null: the live one."))
    units = serializers.IntegerField(help_text=_("Visitors or customers drawn so far."))
    value = serializers.FloatField(allow_null=True, help_text=_("The metric; null before the first figures."))
    lift = IntervalSerializer(allow_null=True)
    difference = IntervalSerializer(allow_null=True)


class LeftOutSerializer(serializers.Serializer[Any]):
    """Visitors that no figure counts."""

    programs = serializers.IntegerField()
    busy = serializers.IntegerField(help_text=_("Touched more on a day than people do."))
    staff = serializers.IntegerField()


class ExperimentSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    hypothesis = serializers.CharField()
    holdout = serializers.BooleanField(help_text=_("All AI against none."))
    plugin = serializers.CharField()
    placement = serializers.CharField(help_text=_("Empty: all of the plugin's."))
    unit = serializers.ChoiceField(Experiment.Unit.choices)
    metric = serializers.ChoiceField(Experiment.Metric.choices)
    state = serializers.ChoiceField(Experiment.State.choices)
    starts_at = serializers.DateTimeField(allow_null=True)
    stops_at = serializers.DateTimeField(allow_null=True)
    minimum_days = serializers.IntegerField()
    shipped_arm = serializers.CharField(help_text=_("Empty until one is."))
    figures_at = serializers.DateTimeField(source="looked_at", allow_null=True, help_text=_("Made anew every hour."))
    arms = serializers.SerializerMethodField()
    mismatch = serializers.SerializerMethodField()
    blocked = serializers.SerializerMethodField()
    days_left = serializers.SerializerMethodField()
    verdict = serializers.SerializerMethodField()
    left_out = serializers.SerializerMethodField()

    def to_representation(self, instance: Experiment) -> dict[str, Any]:
        self._found = results.summary(instance)  # read once for all the fields below
        return dict(super().to_representation(instance))

    @extend_schema_field(ArmSerializer(many=True))
    def get_arms(self, experiment: Experiment) -> list[dict[str, Any]]:
        found = self._found
        known = {each.name: each for each in found.arms} if found else {}
        weights = sum(each.weight for each in experiment.parsed_arms)
        return [
            {
                "name": arm.name, "share": arm.weight / weights, "config": dict(arm.config), "version": arm.version,
                **_figures(known.get(arm.name), found),
            }
            for arm in experiment.parsed_arms
        ]  # fmt: skip

    @extend_schema_field(
        serializers.FloatField(
            allow_null=True, help_text=_("How likely the arms' sizes are by chance; null before the first figures.")
        )
    )
    def get_mismatch(self, experiment: Experiment) -> float | None:
        return self._found.mismatch if self._found else None

    @extend_schema_field(
        serializers.BooleanField(help_text=_("The arms' sizes are not by chance: no figure may be believed."))
    )
    def get_blocked(self, experiment: Experiment) -> bool:
        return bool(self._found and self._found.blocked)

    @extend_schema_field(
        serializers.IntegerField(allow_null=True, help_text=_("Until a lift of 10 % can be seen; null: not known yet."))
    )
    def get_days_left(self, experiment: Experiment) -> int | None:
        return self._found.days_left if self._found else None

    @extend_schema_field(
        serializers.ListField(child=serializers.CharField(), help_text=_("In words, as in the console."))
    )
    def get_verdict(self, experiment: Experiment) -> list[str]:
        return [] if experiment.state == Experiment.State.DRAFT else verdict(experiment, self._found)

    @extend_schema_field(LeftOutSerializer)
    def get_left_out(self, experiment: Experiment) -> dict[str, int]:
        return {why: experiment.left_out.get(why, 0) for why in ("programs", "busy", "staff")}


_DOCUMENT: dict[str, Any] = {
    "tags": ["experiments"], "auth": [{"key": []}], "responses": ExperimentSerializer,
    "description": f"Scope: `{SCOPE}`",
}  # fmt: skip


class _Reading(ShopView):
    scopes: ClassVar[dict[str, str]] = dict.fromkeys(("GET", "HEAD"), SCOPE)
    serializer_class = ExperimentSerializer
    http_method_names = ("get", "head")

    def get_queryset(self) -> Any:
        return Experiment.objects.of(self.shop_id).select_related("shop")


class Experiments(_Reading):
    @extend_schema(
        **{**_DOCUMENT, "responses": ExperimentSerializer(many=True)}, operation_id="experiments_list",
        summary=_("Experiments and what they show"),
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        pages = self.pagination_class()
        found = pages.paginate_queryset(self.get_queryset(), request, self)
        return pages.get_paginated_response(ExperimentSerializer(found, many=True).data)


class OneExperiment(_Reading):
    @extend_schema(**_DOCUMENT, operation_id="experiments_read", summary=_("One experiment and what it shows"))
    def get(self, request: Request, experiment_id: int) -> Response:
        if experiment_id > _HIGHEST or (found := self.get_queryset().filter(pk=experiment_id).first()) is None:
            raise errors.not_found()
        return Response(ExperimentSerializer(found).data)


def _figures(arm: ArmResult | None, found: Summary | None) -> dict[str, Any]:
    if arm is None or found is None:
        return {"units": 0, "value": None, "lift": None, "difference": None}
    return {
        "units": arm.units, "value": arm.value,
        "lift": None if found.blocked else _interval(arm.lift),
        "difference": None if found.blocked else _interval(arm.difference),
    }  # fmt: skip


def _interval(three: tuple[float, float, float] | None) -> dict[str, float] | None:
    return None if three is None else dict(zip(("estimate", "low", "high"), three, strict=True))
