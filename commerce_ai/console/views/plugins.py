"""Plugins in the chosen shop: on or off, settings, schedules; and those that were left out, with their error."""

from __future__ import annotations

import dataclasses
from typing import Any

from django import forms
from django.conf import settings as django_settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from commerce_ai import registry
from commerce_ai.console import audit
from commerce_ai.console.admin.schedules import next_due, title_of
from commerce_ai.console.dress import dress
from commerce_ai.console.health import findings, survey
from commerce_ai.console.pages import page, url_of, visible
from commerce_ai.console.scope import may, scope_of
from commerce_ai.decisions.automatic import AUTOMATIC, SUGGEST
from commerce_ai.models import PluginState, ScheduleState
from commerce_ai.plugin import Plugin

MODES = {
    SUGGEST: gettext_lazy("It suggests only: people decide."),
    AUTOMATIC: gettext_lazy("It acts by itself within its guard-rails; everything can be undone."),
}


@page(template="console/plugins.html")
def overview(request: Any) -> dict[str, Any]:
    """Every installed plugin with its switch and health."""
    states = {
        state.plugin: state for state in PluginState.objects.filter(shop=request.shop).select_related("changed_by")
    }
    seen = survey(request.shop)
    installed = []
    for each in registry.plugins():
        state = states.get(each.slug)
        on = bool(state and state.on)
        installed.append({
            "plugin": each, "on": on, "state": state, "findings": findings(each, request.shop, seen) if on else [],
            "pages": [(found.title, url_of(each.slug, found.path)) for found in visible(request, each)],
        })  # fmt: skip
    left_out = [each for each in django_settings.THIRD_PARTY if each.error]
    return {
        "title": _("Plugins"),
        "installed": installed,
        "left_out": left_out,
        "may_write": scope_of(request).may("operator"),
    }


@require_POST
@page(permission="operator")
def switch(request: Any, slug: str) -> HttpResponse:
    """The master switch: off, and the plugin's answers turn into their fallback within two seconds."""
    plugin = _plugin(slug)
    on = request.POST.get("on") == "1"
    registry.switch(request.shop, slug, on, by=request.user)
    audit.write_of_plugin(request, slug, _("Switched on.") if on else _("Switched off."))
    said = {"plugin": plugin.verbose_name, "fallback": plugin.fallback}
    if on:
        messages.success(request, _("%(plugin)s is on.") % said)
    else:
        messages.warning(request, _("%(plugin)s is off. %(fallback)s") % said)
    return HttpResponseRedirect(reverse("console:plugins"))


@require_POST
@page
def mode(request: Any, slug: str) -> HttpResponse:
    """Suggest or automatic. Automatic acts only once it is earned; back to suggesting at any time."""
    request._plugin = slug
    if not may(request, "operator"):
        raise PermissionDenied
    form_class = _plugin(slug).settings_form_class()
    if form_class is None or "mode" not in form_class.base_fields or request.POST.get("mode") not in MODES:
        raise Http404
    state = PluginState.objects.filter(shop=request.shop, plugin=slug).first()
    kept = state.read_settings(form_class) if state else {}
    now = dataclasses.asdict(registry.default_settings(slug)) | kept | {"mode": request.POST["mode"]}
    registry.save_settings(request.shop, slug, now, by=request.user)
    audit.write_of_plugin(request, slug, _("Changed settings: %(names)s.") % {"names": "mode"})
    messages.success(request, MODES[request.POST["mode"]])
    return HttpResponseRedirect(f"{reverse('admin:index')}")


@page(template="console/plugin.html")
def settings(request: Any, slug: str) -> dict[str, Any] | HttpResponse:
    """One plugin: its settings form, its schedules, what it is made of."""
    plugin = _plugin(slug)
    request._plugin = slug  # a page of the plugin: its group writes here
    may_write = may(request, "operator")
    form_class = plugin.settings_form_class()
    form = None
    if form_class is not None:
        state = PluginState.objects.filter(shop=request.shop, plugin=slug).first()
        kept = state.read_settings(form_class) if state else {}
        hidden = _hidden(form_class)
        if request.method == "POST":
            if not may_write:
                raise PermissionDenied
            form = form_class(_with_kept(request.POST, kept, hidden))
            if form.is_valid():
                registry.save_settings(request.shop, slug, form.cleaned_data, by=request.user)
                audit.write_of_plugin(
                    request, slug, _("Changed settings: %(names)s.") % {"names": ", ".join(_moved(form, kept))}
                )
                messages.success(request, _("Saved. It acts within two seconds."))
                return HttpResponseRedirect(request.path)
        else:
            form = form_class(initial={name: value for name, value in kept.items() if name not in hidden})
        for name in hidden & kept.keys():
            if kept[name]:
                form.fields[name].required = False
                form.fields[name].widget.attrs["placeholder"] = _("kept; type to replace")
        for field in form.fields.values():
            field.disabled = field.disabled or not may_write
    states = ScheduleState.objects.filter(shop=request.shop, plugin=slug).order_by("name")
    schedules = [
        (title_of(state), state, next_due(state), reverse("admin:commerce_ai_schedulestate_change", args=[state.pk]))
        for state in states.select_related("periodic_task__interval", "periodic_task__crontab", "shop")
    ]
    return {
        "title": plugin.verbose_name, "plugin": plugin, "form": dress(form) if form else None, "schedules": schedules,
        "may_write": may_write, "learners": registry.learners_of(slug).values(),
    }  # fmt: skip


def _plugin(slug: str) -> Plugin:
    try:
        return registry.plugin(slug)
    except registry.Unknown as error:
        raise Http404 from error


def _hidden(form: type[forms.Form]) -> set[str]:
    return {name for name, field in form.base_fields.items() if isinstance(field.widget, forms.PasswordInput)}


def _with_kept(posted: Any, kept: dict[str, Any], hidden: set[str]) -> Any:
    """A secret never goes back to the browser, so an empty field means: as it was. ``<name>-clear`` empties it."""
    data = posted.copy()
    for name in hidden & kept.keys():
        if not data.get(name) and not data.get(f"{name}-clear"):
            data[name] = kept[name]
    return data


def _moved(form: forms.Form, kept: dict[str, Any]) -> list[str]:
    return sorted(name for name, value in form.cleaned_data.items() if kept.get(name, object()) != value)
