"""Who changed what: for owners."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE, DELETION
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from commerce_ai.console.filters import during
from commerce_ai.console.models import AuditEntry
from commerce_ai.console.scope import scope_of
from commerce_ai.console.shop_admin import ShownAdmin

MOST_CHOICES, NEWEST = 200, 2000
FLAGS = {ADDITION: _("added"), CHANGE: _("changed"), DELETION: _("deleted")}


class ByFilter(admin.SimpleListFilter):
    title, parameter_name = _("person"), "by"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        users = get_user_model().objects.filter(shop_memberships__shop=scope_of(request).shop).order_by("username")
        return [(str(each.pk), each.get_username()) for each in users[:MOST_CHOICES]]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        wanted = self.value() or ""
        return queryset.filter(entry__user=int(wanted)) if wanted.isdecimal() and len(wanted) < 10 else queryset


class WhatFilter(admin.SimpleListFilter):
    """Kinds of rows among the newest entries: a distinct over all of them would read the table."""

    title, parameter_name = _("what"), "what"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        newest = AuditEntry.objects.filter(shop=scope_of(request).shop).order_by("-entry_id")
        kinds = set(newest.values_list("entry__content_type", flat=True)[:NEWEST])
        found = ContentType.objects.in_bulk(each for each in kinds if each)
        return sorted(((str(pk), str(each.name)) for pk, each in found.items()), key=lambda each: each[1])

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        wanted = self.value() or ""
        known = wanted.isdecimal() and len(wanted) < 10
        return queryset.filter(entry__content_type=int(wanted)) if known else queryset


class DoneFilter(admin.SimpleListFilter):
    title, parameter_name = _("done"), "done"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(str(flag), words) for flag, words in FLAGS.items()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        wanted = self.value() or ""
        return queryset.filter(entry__action_flag=int(wanted)) if wanted in ("1", "2", "3") else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(ShownAdmin):
    """Every change that a person made in the console, and every list that was taken along as a file."""

    list_display = ("at", "by", "done", "kind", "about", "said")
    fields = readonly_fields = list_display
    list_filter = (during("entry__action_time"), ByFilter, WhatFilter, DoneFilter)
    list_select_related = ("entry__user", "entry__content_type")
    search_fields = ("entry__object_repr__icontains", "entry__change_message__icontains")
    search_help_text = _("A part of the row's name, or of what was done.")
    ordering = ("-entry_id",)
    sortable_by = ()
    viewer = "owner"
    next_step = _("Nobody changed anything yet. Whoever does, in the console, is named here.")

    @admin.display(description=_("at"))
    def at(self, row: AuditEntry) -> datetime:
        return row.entry.action_time

    @admin.display(description=_("by"))
    def by(self, row: AuditEntry) -> str:
        return row.entry.user.get_username()

    @admin.display(description=_("done"))
    def done(self, row: AuditEntry) -> Any:
        return FLAGS.get(row.entry.action_flag, row.entry.action_flag)

    @admin.display(description=_("what"), empty_value="-")
    def kind(self, row: AuditEntry) -> str | None:
        return row.entry.content_type.name if row.entry.content_type else None

    @admin.display(description=_("which"), empty_value="-")
    def about(self, row: AuditEntry) -> Any:
        there = row.entry.get_admin_url() if row.entry.object_id and not row.entry.is_deletion() else None
        name = row.entry.object_repr or f"#{row.entry.object_id}"
        return format_html('<a href="{}">{}</a>', there, name) if there else name

    @admin.display(description=_("in words"), empty_value="-")
    def said(self, row: AuditEntry) -> str:
        return row.entry.get_change_message()
