"""What a person changed in the console, written down: in the history of each row, and in the audit trail of its shop.

The only place that writes Django's log. Pages call `write`; the admin's own forms and deletions come by `Audited`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.http import HttpRequest

from commerce_ai.console.models import AuditEntry
from commerce_ai.console.scope import scope_of
from commerce_ai.models import PluginState
from commerce_ai.shop.models import Shop


def write(request: HttpRequest, rows: Iterable[Model], message: Any, flag: int = CHANGE) -> None:
    """One entry a row, in the chosen shop. `flag` is Django's ADDITION, CHANGE or DELETION."""
    if found := list(rows):
        entries: Any = LogEntry.objects.log_actions(_person(request), found, flag, str(message))  # type: ignore[arg-type]
        _keep(entries, _here(request))


def write_of_plugin(request: HttpRequest, slug: str, message: Any) -> None:
    """One entry about what a plugin is set to in the chosen shop."""
    write(request, PluginState.objects.filter(shop=scope_of(request).shop, plugin=slug), message)


def write_of_table(request: HttpRequest, model: type[Model], message: Any) -> None:
    """One entry about a table as a whole."""
    entry = LogEntry.objects.create(
        user_id=_person(request), content_type=ContentType.objects.get_for_model(model), action_flag=CHANGE,
        object_id=None, object_repr=str(model._meta.verbose_name_plural)[:200], change_message=str(message)[:2000],
    )  # fmt: skip
    _keep([entry], _here(request))


class Audited:
    """Before a `ModelAdmin`: what it writes into the log is kept in the trail as well."""

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return _keep(super().log_addition(request, obj, message), _of(request, obj))  # type: ignore[misc]

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return _keep(super().log_change(request, obj, message), _of(request, obj))  # type: ignore[misc]

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        return _keep(super().log_deletions(request, queryset), _here(request))  # type: ignore[misc]


def _keep(entries: Any, shops: list[Shop]) -> Any:
    found = entries if isinstance(entries, list) else [entries]
    AuditEntry.objects.bulk_create(AuditEntry(shop=shop, entry=each) for shop in shops for each in found)
    return entries


def _of(request: HttpRequest, obj: Any) -> list[Shop]:
    """An account is of every shop that it may work in."""
    if isinstance(obj, Shop):
        return [obj]
    if hasattr(obj, "shop_memberships"):
        return list(Shop.objects.filter(pk__in=obj.shop_memberships.values("shop")))
    return _here(request)


def _here(request: HttpRequest) -> list[Shop]:
    shop = scope_of(request).shop
    return [] if shop is None else [shop]


def _person(request: HttpRequest) -> int:
    return int(request.user.pk or 0)
