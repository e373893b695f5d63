from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from commerce_ai import registry
from commerce_ai.console.admin.learning import PageAdmin
from commerce_ai.console.filters import during_id
from commerce_ai.console.scope import scope_of
from commerce_ai.console.views import decisions as pages
from commerce_ai.decisions.models import Decision, Outcome


class PluginFilter(admin.SimpleListFilter):
    """By name from the registry: asking a big table for its distinct values would read it all."""

    title = _("plugin")
    parameter_name = "plugin"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(each.slug, each.verbose_name) for each in registry.plugins()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(plugin=self.value()) if self.value() else queryset


class OutcomeFilter(admin.SimpleListFilter):
    """What came of it, at the least."""

    title = _("what came of it")
    parameter_name = "came"
    _WANTED = {"purchase": "purchases__gt", "click": "clicks__gt", "impression": "impressions__gt"}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("purchase", _("a purchase")), ("click", _("a click")), ("impression", _("an impression"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if (wanted := self._WANTED.get(self.value() or "")) is None:
            return queryset
        shop = scope_of(request).shop
        found = Outcome.objects.of(shop.pk if shop else 0).filter(decision_id=OuterRef("pk"), **{wanted: 0})
        return queryset.filter(Exists(found))


@admin.register(Decision)
class DecisionAdmin(PageAdmin):
    """What was answered, on whose version, and why. The newest first; by id, so that other months aren't touched."""

    list_display = ("made", "plugin", "kind", "placement", "about", "version", "latency", "flags")
    list_filter = (during_id(), PluginFilter, OutcomeFilter)
    search_fields = ("id__exact",)
    search_help_text = _("A whole decision id.")
    ordering = ("-id",)
    sortable_by = ()
    next_step = _("No decisions yet. Switch a plugin on, train it, and ask it something:")
    next_step_code = "curl -H 'Authorization: Bearer {key}' '{host}/api/v1/recommendations?placement=home'"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        decision = self.shown(request, object_id)
        return self.show(request, "console/decision.html", pages.context(request, decision), decision)

    @admin.display(description=_("made at"))
    def made(self, decision: Decision) -> str:
        return date_format(timezone.localtime(decision.made_at), "DATETIME_FORMAT")

    @admin.display(description=_("about"), empty_value="-")
    def about(self, decision: Decision) -> Any:
        if decision.customer_id:
            there = reverse("console:customer", args=[decision.customer_id])
            return format_html('{} <a href="{}">#{}</a>', decision.subject, there, decision.customer_id)
        return decision.subject or decision.anonymous_id

    @admin.display(description=_("version"), empty_value="-")
    def version(self, decision: Decision) -> Any:
        return _link("learning_version", decision.version_id, f"v{decision.version_id}")

    @admin.display(description=_("latency"), empty_value="-")
    def latency(self, decision: Decision) -> str | None:
        return None if decision.latency_ms is None else f"{decision.latency_ms:.1f} ms"

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        from uuid import UUID

        if not search_term:
            return queryset, False
        try:
            return queryset.filter(pk=UUID(search_term.strip())), False
        except ValueError:
            return queryset.none(), False


def _link(model: str, pk: int | None, words: str) -> Any:
    return format_html('<a href="{}">{}</a>', reverse(f"admin:{model}_change", args=[pk]), words) if pk else None
