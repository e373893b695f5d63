"""Fields of rows as the outside world sees them, where DRF's own would be too loose."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from commerce_ai.shop.models.columns import COUNTRY


class OutsideSerializer(serializers.Serializer[Any]):
    """A row. A field that there is not is an error: it would be lost in silence."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := data.keys() - self.fields.keys()):
            raise serializers.ValidationError({str(name): [_("There is no such field.")] for name in sorted(unknown)})
        return super().to_internal_value(data)


class OutsideId(serializers.CharField):
    """Another row by its outside id. Reads the annotation ``<relation>_external_id``."""

    def __init__(self, relation: str, **options: Any) -> None:
        super().__init__(max_length=255, **options)
        self.relation = relation

    def get_attribute(self, instance: Any) -> Any:
        if isinstance(instance, dict):
            return super().get_attribute(instance)
        return getattr(instance, f"{self.relation}_external_id")


class MoneyField(serializers.DecimalField):
    """Money as a string with at least two decimals, in the shop's currency unless the row says another."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_digits=14, decimal_places=4, min_value=Decimal(0), **options)

    def to_representation(self, value: Any) -> Any:
        if value is None:
            return None
        whole, _point, digits = f"{Decimal(value):.4f}".partition(".")
        return f"{whole}.{digits[:2]}{digits[2:].rstrip('0')}"


@extend_schema_field(OpenApiTypes.DOUBLE)
class QuantityField(serializers.DecimalField):
    """Pieces, kilograms, metres: a number with at most three decimals."""

    default_error_messages = {"too_small": _("This must be at least {least}.")}

    def __init__(self, *, least: str | None = None, **options: Any) -> None:
        super().__init__(max_digits=14, decimal_places=3, **options)
        self.least = Decimal(least) if least else None

    def validate_precision(self, value: Decimal) -> Decimal:
        value = super().validate_precision(value)
        if self.least is not None and value < self.least:
            self.fail("too_small", least=self.least)
        return value

    def to_representation(self, value: Any) -> Any:
        if value is None:
            return None
        number = Decimal(value)
        return int(number) if number == number.to_integral_value() else float(number)


@extend_schema_field(OpenApiTypes.OBJECT)
class ObjectField(serializers.JSONField):
    """A JSON object with whatever the shop keeps there."""

    default_error_messages = {"not_an_object": _("This must be an object.")}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            self.fail("not_an_object")
        return data


class CountryField(serializers.CharField):
    """ISO 3166 alpha-2, or empty."""

    default_error_messages = {"invalid": COUNTRY.message}

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_blank=True, max_length=2, **options)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if text and not re.match(COUNTRY.regex, text):
            self.fail("invalid")
        return text


class CurrencyField(serializers.RegexField):
    """ISO 4217."""

    def __init__(self, **options: Any) -> None:
        super().__init__(r"^[A-Z]{3}\Z", **options)
