"""Filters of lists by time that big tables can answer: half-open ranges on an index, in the shop's days."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from commerce_ai.ids import uuid7_floor

SPAN = ".."  # during=2026-01-01..2026-01-31, both days included


class During(SimpleListFilter):
    """Rows of a span of the shop's days. `during("placed_at")` and `during_id()` make one for a column."""

    title = _("time")
    parameter_name = "during"
    column: ClassVar[str]
    of_id: ClassVar[bool] = False
    of_day: ClassVar[bool] = False

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", _("Today")), ("7", _("Last 7 days")), ("30", _("Last 30 days")), ("90", _("Last 90 days"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if (span := read_span(self.value())) is None:
            return queryset
        first, last = span
        if self.of_day:
            return queryset.filter(**{f"{self.column}__gte": first, f"{self.column}__lte": last})
        start, end = midnight(first), midnight(last + timedelta(days=1))
        low, high = (uuid7_floor(start), uuid7_floor(end)) if self.of_id else (start, end)
        return queryset.filter(**{f"{self.column}__gte": low, f"{self.column}__lt": high})

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        yield from super().choices(changelist)
        if SPAN in (self.value() or "") and (span := read_span(self.value())):
            words = " – ".join(date_format(day, "SHORT_DATE_FORMAT") for day in span)
            query = changelist.get_query_string({self.parameter_name: self.value()})
            yield {"selected": True, "query_string": query, "display": words}


def one_of(column: str, title: Any, values: Iterable[Any]) -> type[SimpleListFilter]:
    """A filter on values that are known: asking a big table for its distinct ones would read it all."""
    known = [(str(each), str(each)) for each in values]

    class OneOf(SimpleListFilter):
        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
            return known

        def queryset(self, request: HttpRequest, queryset: Any) -> Any:
            return queryset.filter(**{column: self.value()}) if self.value() in dict(known) else queryset

    return type("OneOf", (OneOf,), {"title": title, "parameter_name": column})


def chosen_from(name: str, column: str, title: Any) -> type[SimpleListFilter]:
    """A filter that a link sets and a click takes away again: it offers no value but the one that is set."""

    class ChosenFrom(SimpleListFilter):
        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
            value = request.GET.get(name)
            return [] if value is None else [(value, value or str(_("none")))]

        def queryset(self, request: HttpRequest, queryset: Any) -> Any:
            value = self.value()
            try:
                return queryset if value is None else queryset.filter(**{column: value})
            except (ValueError, ValidationError):  # a number is asked for
                return queryset.none()

    return type("ChosenFrom", (ChosenFrom,), {"title": title, "parameter_name": name})


def during(column: str, *, of_day: bool = False) -> type[During]:
    """A filter on an instant, or (`of_day`) on a date."""
    return type("During", (During,), {"column": column, "of_day": of_day})


def during_id(column: str = "id") -> type[During]:
    """A filter on the instant that a UUIDv7 carries: the partition key itself, so that other months aren't touched."""
    return type("DuringId", (During,), {"column": column, "of_id": True})


def span_of(first: date, last: date) -> str:
    """What a link to a filtered list says: ``during=<this>``."""
    return f"{first}{SPAN}{last}"


def read_span(text: str | None) -> tuple[date, date] | None:
    """The first and last day of what the address says, or None where it says nothing sensible."""
    if not text:
        return None
    today = timezone.localdate()
    if text.isdecimal() and 0 < int(text) <= 36_500:
        return today - timedelta(days=int(text) - 1), today
    first, _dots, last = text.partition(SPAN)
    try:
        found = date.fromisoformat(first), date.fromisoformat(last)
    except ValueError:
        return None
    return found if date(1971, 1, 1) <= found[0] <= found[1] <= date(9000, 1, 1) else None


def midnight(day: date) -> datetime:
    """The instant at which a day of the shop begins. The middleware has set its clock."""
    return timezone.make_aware(datetime.combine(day, time.min))
