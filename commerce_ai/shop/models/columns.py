"""The columns and constraints that many tables share, so that money, quantities and outside ids are one thing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

Text = Any  # a lazy translation

CURRENCY = RegexValidator(r"^[A-Z]{3}\Z", _("Three capital letters, as in EUR."))
COUNTRY = RegexValidator(r"^[A-Z]{2}\Z", _("Two capital letters, as in DE."))


def external_id() -> models.CharField[str, str]:
    """The outside world's name for the row, unique within the shop (`outside_key`)."""
    return models.CharField(_("external id"), max_length=255)


def outside_key(table: str) -> models.UniqueConstraint:
    return models.UniqueConstraint(fields=["shop", "external_id"], name=f"shop_{table}_external_id")


def named_outside(table: str) -> models.CheckConstraint:
    return models.CheckConstraint(condition=~Q(external_id=""), name=f"shop_{table}_external_id_given")


def money(name: Text, **options: Any) -> models.DecimalField[Decimal | str | float, Decimal]:
    return models.DecimalField(name, max_digits=14, decimal_places=4, **options)


def quantity(name: Text, **options: Any) -> models.DecimalField[Decimal | str | float, Decimal]:
    """Pieces, or kilograms, metres, litres: whatever the product is sold by."""
    return models.DecimalField(name, max_digits=14, decimal_places=3, **options)


def currency(**options: Any) -> models.CharField[str, str]:
    return models.CharField(_("currency"), max_length=3, validators=[CURRENCY], **options)


def country(name: Text = None, **options: Any) -> models.CharField[str, str]:
    """ISO 3166 alpha-2; empty when unknown."""
    return models.CharField(name or _("country"), max_length=2, blank=True, default="", validators=[COUNTRY], **options)


def language() -> models.CharField[str, str]:
    return models.CharField(_("language"), max_length=16, blank=True, default="", help_text=_("BCP 47, as in en-GB."))


def source() -> models.CharField[str, str]:
    """Which platform, file or person a row came from."""
    return models.CharField(_("source"), max_length=64, blank=True, default="")


def covered_key(to: Any, on_delete: Any, name: Text, **options: Any) -> models.ForeignKey[Any, Any]:
    """A foreign key whose column leads an index declared in Meta, and so needs none of its own."""
    return models.ForeignKey(to, on_delete, verbose_name=name, db_index=False, related_name="+", **options)


def not_negative(table: str, *columns: str) -> list[models.CheckConstraint]:
    return [
        models.CheckConstraint(condition=Q(**{f"{column}__gte": 0}), name=f"shop_{table}_{column}_not_negative")
        for column in columns
    ]


def within(table: str, low: float, high: float, *columns: str) -> list[models.CheckConstraint]:
    return [
        models.CheckConstraint(
            condition=Q(**{f"{column}__gte": low, f"{column}__lte": high}), name=f"shop_{table}_{column}_range"
        )
        for column in columns
    ]


def in_order(table: str, first: str, then: str) -> models.CheckConstraint:
    """`then` is not before `first`; either may be empty."""
    return models.CheckConstraint(condition=Q(**{f"{then}__gte": F(first)}), name=f"shop_{table}_{then}_after_{first}")


def iso_currency(table: str) -> models.CheckConstraint:
    return models.CheckConstraint(condition=Q(currency__regex="^[A-Z]{3}$"), name=f"shop_{table}_currency_iso")


def iso_country(table: str, column: str = "country") -> models.CheckConstraint:
    return models.CheckConstraint(
        condition=Q(**{f"{column}__regex": "^([A-Z]{2})?$"}), name=f"shop_{table}_{column}_iso"
    )
