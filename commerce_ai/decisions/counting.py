"""Decisions of the last days, and how many there were on each day of the shop."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, DateTimeField, F, Func, QuerySet
from django.db.models.functions import TruncDate
from django.utils import timezone

from commerce_ai.decisions.models import Decision
from commerce_ai.ids import uuid7_floor
from commerce_ai.shop.models import Shop


def decided(shop: Shop, plugin: str, span: timedelta) -> QuerySet[Any]:
    """The plugin's decisions of the last `span`; other months' partitions are not touched."""
    return Decision.objects.of(shop).filter(plugin=plugin, id__gte=uuid7_floor(timezone.now() - span))


def last_days(shop: Shop, days: int) -> list[date]:
    """The shop's last days, today among them, oldest first."""
    today = datetime.now(shop.tz).date()
    return [today - timedelta(days=back) for back in range(days - 1, -1, -1)]


def by_day(rows: QuerySet[Any], shop: Shop, column: str) -> dict[tuple[date, Any], int]:
    """How many of these decisions there were, by the shop's day and the value of a column."""
    made = Func(F("id"), function="uuid_extract_timestamp", output_field=DateTimeField())
    counted = rows.annotate(day=TruncDate(made, tzinfo=shop.tz)).values_list("day", column).annotate(n=Count("id"))
    return {(day, value): n for day, value, n in counted}
