"""What the routes for audiences and assignments take and give."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from commerce_ai.api.fields import OutsideSerializer
from plugins.advertising import audiences
from plugins.advertising.features import SEGMENTS

MOST_ROWS = 10_000


class AssignmentSerializer(OutsideSerializer):
    campaign_id = serializers.CharField(max_length=255)
    customer_id = serializers.CharField(max_length=255)
    treated = serializers.BooleanField()
    propensity = serializers.FloatField(allow_null=True, default=None, min_value=0.000001, max_value=0.999999)
    at = serializers.DateTimeField()


class AssignmentsSerializer(OutsideSerializer):
    rows = AssignmentSerializer(many=True, allow_empty=False, max_length=MOST_ROWS)  # type: ignore[call-arg]


class WrittenSerializer(serializers.Serializer[Any]):
    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    unchanged = serializers.IntegerField()


class AudienceRuleSerializer(OutsideSerializer):
    """Everybody who fits all that is given, and may be targeted."""

    name = serializers.CharField(max_length=200)
    segments = serializers.ListField(child=serializers.ChoiceField(SEGMENTS), default=list, max_length=len(SEGMENTS))
    campaign_id = serializers.CharField(allow_null=True, default=None, max_length=255)
    top_share = serializers.FloatField(allow_null=True, default=None, min_value=0.001, max_value=1)
    minimum_value = serializers.FloatField(allow_null=True, default=None, min_value=0)


class AudienceSerializer(serializers.Serializer[Any]):
    """`size` is null where it would be about fewer than ten people."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    segments = serializers.ListField(child=serializers.CharField())
    campaign_id = serializers.CharField(source="campaign.external_id", allow_null=True, default=None)
    top_share = serializers.FloatField(allow_null=True)
    minimum_value = serializers.FloatField(allow_null=True)
    size = serializers.SerializerMethodField()
    extra_orders = serializers.SerializerMethodField()
    built_at = serializers.DateTimeField(allow_null=True)

    def get_size(self, audience: Any) -> int | None:
        return audiences.shown_size(audience.size)

    def get_extra_orders(self, audience: Any) -> float | None:
        if audience.extra_orders is None or not audiences.shown_size(audience.size):
            return None
        return round(float(audience.extra_orders), 2)
