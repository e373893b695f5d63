"""`{% chart c %}`, `{{ amount|money:currency }}`, `{{ value|figure }}`: what console pages are made of."""

from __future__ import annotations

import itertools
import json
from datetime import date, datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from commerce_ai.console import money as moneys
from commerce_ai.console.charts import Chart
from commerce_ai.console.scope import NOTHING, Scope, scope_of

register = template.Library()
_number = itertools.count(1)


@register.inclusion_tag("console/chart.html")
def chart(chart: Chart, id: str = "") -> dict[str, Any]:
    """A chart with its data as JSON beside it, and its figures as a table for who can't see it."""
    return {"chart": chart, "data": chart.as_json(), "id": id or f"chart-{next(_number)}"}


@register.filter
def money(value: Any, currency: str) -> str:
    return moneys.money(value, currency)


@register.filter
def figure(value: Any) -> str:
    """A number as people read it: grouped, and with four significant digits where it is small."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int) or (abs(value) >= 1000 and value == int(value)):
        return number_format(value, 0, use_l10n=True, force_grouping=True)
    return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"


@register.filter
def ago(at: datetime | None) -> SafeString | str:
    """``3 days ago``, with the instant itself on hover."""
    if at is None:
        return "–"
    seconds = (timezone.now() - at).total_seconds()
    words = _("%(time)s ago") % {"time": timesince(at, depth=1)} if seconds >= 60 else _("just now")
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), _local(at), words)


@register.filter
def duration(seconds: float | None) -> str:
    """``1 h 02 min``, ``48 s``."""
    if seconds is None:
        return "–"
    whole = int(seconds)
    if whole >= 3600:
        return _("%(hours)d h %(minutes)02d min") % {"hours": whole // 3600, "minutes": whole % 3600 // 60}
    if whole >= 60:
        return _("%(minutes)d min %(seconds)02d s") % {"minutes": whole // 60, "seconds": whole % 60}
    return _("%(seconds)s s") % {"seconds": f"{seconds:.1f}" if seconds < 10 else whole}


@register.filter
def pretty(value: Any) -> str:
    """JSON for reading."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


@register.filter
def cell(value: Any) -> Any:
    """One cell of a chart's table."""
    if isinstance(value, date):
        return value
    return figure(value) if isinstance(value, (int, float)) or value is None else value


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """A symbol that says nothing to a screen reader: words stand beside it."""
    return format_html('<span class="material-symbols-outlined {}" aria-hidden="true">{}</span>', classes, name)


@register.filter
def percent(value: float | None) -> str:
    """A change as a share: ``+3.1 %``."""
    return "–" if value is None else f"{'+' if value >= 0 else '−'}{abs(value) * 100:.1f} %"


@register.filter
def share(value: float | None) -> str:
    """A part of a whole: ``62.5 %``."""
    return "–" if value is None else f"{value * 100:.1f} %"


@register.simple_tag(takes_context=True)
def chosen_scope(context: Any) -> Scope:
    """The scope of the request, on any page of the admin."""
    request = context.get("request")
    return scope_of(request) if request is not None and hasattr(request, "session") else NOTHING


@register.simple_tag(takes_context=True)
def shop_field(context: Any) -> SafeString:
    """The hidden field by which a form acts in the shop it was opened in."""
    if (scope := chosen_scope(context)).shop is None:
        return SafeString()
    return format_html('<input type="hidden" name="_shop" value="{}">', scope.shop.pk)


def _local(at: datetime) -> str:
    return timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S %Z")
