"""When plugins' jobs run in this shop: made when a plugin is switched on, then the operator's."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_celery_beat.models import CrontabSchedule, IntervalSchedule
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSingleTimeWidget, UnfoldBooleanSwitchWidget

from commerce_ai import registry
from commerce_ai.console.shop_admin import ShopAdmin, ShopForm
from commerce_ai.models import ScheduleState
from commerce_ai.tasks import run_schedule

for model in [each for each in admin.site._registry if each._meta.app_label == "django_celery_beat"]:
    admin.site.unregister(model)  # rows there belong to a shop's schedule or to the core; they are changed here


class TimingForm(ShopForm):
    """On or off, and either a time of day or a number of minutes."""

    enabled = forms.BooleanField(label=_("On"), required=False, widget=UnfoldBooleanSwitchWidget)
    at = forms.TimeField(
        label=_("Daily at"), required=False, widget=UnfoldAdminSingleTimeWidget, help_text=_("In the shop's time zone.")
    )
    every_minutes = forms.IntegerField(
        label=_("Or every (minutes)"), required=False, min_value=1, max_value=60 * 24 * 31,
        widget=UnfoldAdminIntegerFieldWidget,
    )  # fmt: skip

    class Meta:
        model = ScheduleState
        fields = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        task = self.instance.periodic_task
        self.initial["enabled"] = task.enabled
        if task.interval:
            self.initial["every_minutes"] = max(1, int(task.schedule.run_every.total_seconds()) // 60)
        elif task.crontab and f"{task.crontab.hour}{task.crontab.minute}".isdecimal():
            self.initial["at"] = f"{int(task.crontab.hour):02d}:{int(task.crontab.minute):02d}"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and bool(cleaned.get("at")) == bool(cleaned.get("every_minutes")):
            raise ValidationError(_("Give either a time of day or a number of minutes."))
        return cleaned


@admin.register(ScheduleState)
class ScheduleStateAdmin(ShopAdmin):
    form = TimingForm
    list_display = ("title", "plugin", "timing", "enabled", "succeeded_at", "next_due", "state")
    list_select_related = ("periodic_task__interval", "periodic_task__crontab", "shop")
    fields = ("title", "plugin", "enabled", "at", "every_minutes", "started_at", "succeeded_at", "next_due", "error")
    readonly_fields = ("title", "plugin", "started_at", "succeeded_at", "next_due", "error")
    remover = None
    ordering = ("plugin", "name")
    change_form_outer_after_template = "console/schedule_run.html"
    next_step = _("No schedules yet. They are made when a plugin is first switched on (Settings, Plugins).")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=_("schedule"))
    def title(self, state: ScheduleState) -> str:
        return str(title_of(state))

    @admin.display(description=_("timing"))
    def timing(self, state: ScheduleState) -> Any:
        task = state.periodic_task
        if task.interval:
            return _("every %(minutes)d min") % {"minutes": task.schedule.run_every.total_seconds() // 60}
        if task.crontab and f"{task.crontab.hour}{task.crontab.minute}".isdecimal():
            return _("daily at %(time)s") % {"time": f"{int(task.crontab.hour):02d}:{int(task.crontab.minute):02d}"}
        return str(task.crontab or "")

    @admin.display(description=_("on"), boolean=True)
    def enabled(self, state: ScheduleState) -> bool:
        return state.periodic_task.enabled

    @admin.display(description=_("next due"), empty_value="-")
    def next_due(self, state: ScheduleState) -> datetime | None:
        return next_due(state)

    @admin.display(description=_("last outcome"))
    def state(self, state: ScheduleState) -> Any:
        return (
            state.error.splitlines()[-1][:120] if state.error else _("fine") if state.succeeded_at else _("not run yet")
        )

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """A timing may be shared by several jobs, so another is put in its place instead of changing it."""
        task, cleaned = obj.periodic_task, form.cleaned_data
        task.enabled = cleaned["enabled"]
        if cleaned["every_minutes"]:
            task.crontab = None
            task.interval, _made = IntervalSchedule.objects.get_or_create(
                every=cleaned["every_minutes"] * 60, period=IntervalSchedule.SECONDS
            )
        else:
            task.interval = None
            task.crontab, _made = CrontabSchedule.objects.get_or_create(
                hour=str(cleaned["at"].hour), minute=str(cleaned["at"].minute), day_of_week="*", day_of_month="*",
                month_of_year="*", timezone=obj.shop.tz,
            )  # fmt: skip
        task.save()

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.run_now)
        return [path("<int:object_id>/run/", view, name="commerce_ai_schedulestate_run"), *super().get_urls()]

    def run_now(self, request: HttpRequest, object_id: int) -> HttpResponse:
        state = self.get_object(request, str(object_id))
        if state is None:
            raise Http404
        if not self.has_change_permission(request, state):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        run_schedule.delay(state.pk)
        self.log_change(request, state, str(_("Asked to run now.")))
        messages.success(request, _("%(title)s was asked to run.") % {"title": title_of(state)})
        return HttpResponseRedirect(reverse("admin:commerce_ai_schedulestate_changelist"))


def title_of(state: ScheduleState) -> Any:
    """The schedule's title; its name where the plugin is no longer installed."""
    try:
        found = [each.title for each in registry.plugin(state.plugin).schedules if each.name == state.name]
    except registry.Unknown:
        found = []
    return found[0] if found else state.name


def next_due(state: ScheduleState) -> datetime | None:
    """The next instant its timing asks for, from the last success; None while it is off."""
    task = state.periodic_task
    if not task.enabled:
        return None
    now = timezone.now()
    remaining = task.schedule.remaining_estimate(state.succeeded_at or now)
    if remaining is None:
        return None
    due = now + max(remaining, timedelta()) + timedelta(seconds=30)  # to the minute, as timings are
    return due.replace(second=0, microsecond=0)
