"""Runs and versions. Their pages are the console's own: progress and curves, figures beside the baseline."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from commerce_ai import registry
from commerce_ai.console.filters import during
from commerce_ai.console.pages import render
from commerce_ai.console.shop_admin import ShownAdmin
from commerce_ai.console.views import runs as run_pages
from commerce_ai.console.views import training, versions
from commerce_ai.decisions.experiments import shadow
from commerce_ai.learning import runs
from commerce_ai.learning.models import Run, Version

RUN_LABELS = {
    "queued": "info", "running": "info", "succeeded": "success", "rejected": "warning", "skipped": "warning",
    "failed": "danger", "cancelled": "default",
}  # fmt: skip
VERSION_LABELS = {"live": "success", "candidate": "info", "retired": "default", "rejected": "warning"}


class LearnerFilter(admin.SimpleListFilter):
    title = _("learner")
    parameter_name = "learner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in sorted(registry.learner_paths())]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(learner=self.value()) if self.value() else queryset


class PageAdmin(ShownAdmin):
    """A table whose rows have a page of the console's own instead of a form."""

    def row(self, request: HttpRequest, object_id: Any) -> Any:
        """The row of the chosen shop, or 404."""
        found = self.get_object(request, unquote(str(object_id)))
        if found is None or not self.has_view_permission(request, found):
            raise Http404
        return found

    def shown(self, request: HttpRequest, object_id: Any) -> Any:
        """The row for a page that only shows it."""
        found = self.row(request, object_id)
        if request.method == "POST":
            raise PermissionDenied
        return found

    def show(self, request: HttpRequest, template: str, context: dict[str, Any], row: Any = None) -> HttpResponse:
        return render(request, template, {"opts": self.opts, "original": row, "media": self.media, **context})


@admin.register(Run)
class RunAdmin(PageAdmin):
    list_display = ("__str__", "state_label", "result", "requested_by", "cause", "queued_at", "took")
    list_filter = ("state", LearnerFilter, during("queued_at"))
    list_select_related = ("requested_by",)
    search_fields = ("learner__startswith",)
    ordering = ("-queued_at", "-pk")
    actions = ("compare_chosen",)
    next_step = _("No runs yet. Switch a plugin on (Settings, Plugins) and start its first training.")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) and run_pages.may_train(request)

    @display(description=_("state"), ordering="state", label=RUN_LABELS)
    def state_label(self, run: Run) -> tuple[str, Any]:
        return run.state, run.get_state_display()

    @admin.display(description=_("result"), empty_value="-")
    def result(self, run: Run) -> Any:
        return run_pages.in_short(run)

    @admin.display(description=_("took"), empty_value="-", ordering="seconds")
    def took(self, run: Run) -> Any:
        return run_pages.took(run)

    @admin.action(description=_("Compare side by side"), permissions=["view"])
    def compare_chosen(self, request: HttpRequest, queryset: Any) -> HttpResponse:
        chosen = "&".join(f"run={pk}" for pk in queryset.values_list("pk", flat=True)[: run_pages.MOST_COMPARED])
        return HttpResponseRedirect(f"{reverse('admin:learning_run_compare')}?{chosen}")

    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        return [
            path("compare/", guard(self.compare_view), name="learning_run_compare"),
            path("<int:object_id>/progress/", guard(self.progress_view), name="learning_run_progress"),
            path("<int:object_id>/cancel/", guard(self.cancel_view), name="learning_run_cancel"),
            *super().get_urls(),
        ]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Start a training: choose a learner, set its parameters."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        answer = training.start(request)
        if isinstance(answer, Run):
            self.log_addition(request, answer, str(_("Asked for.")))
            return HttpResponseRedirect(reverse("admin:learning_run_change", args=[answer.pk]))
        return self.show(request, "console/training.html", {**answer, "opts": None})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        run = self.shown(request, object_id)
        return self.show(request, "console/run.html", run_pages.context(request, run), run)

    def progress_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """What changes while a run runs, for polling: without the frame, whose sidebar costs more than the rest."""
        run = self.row(request, object_id)
        return TemplateResponse(request, "console/run_live.html", run_pages.context(request, run))

    def cancel_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        run = self.row(request, object_id)
        if not run_pages.may_train(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if run.is_open:
            runs.cancel(run)
            self.log_change(request, run, str(_("Cancelled.")))
            messages.success(request, _("It is being cancelled."))
        return HttpResponseRedirect(reverse("admin:learning_run_change", args=[run.pk]))

    def compare_view(self, request: HttpRequest) -> HttpResponse:
        chosen = [each for each in request.GET.getlist("run") if each.isdecimal() and len(each) < 19]
        found = list(self.get_queryset(request).filter(pk__in=chosen[: run_pages.MOST_COMPARED]))
        return self.show(request, "console/run_compare.html", {**run_pages.compared(found), "opts": None})


@admin.register(Version)
class VersionAdmin(PageAdmin):
    list_display = ("__str__", "slot", "state_label", "result", "trained_until", "went_live_at", "created_at")
    list_filter = ("state", LearnerFilter, during("created_at"))
    search_fields = ("learner__startswith",)
    ordering = ("-created_at", "-pk")
    next_step = _("No versions yet. A training that ends well makes one: start the first under Runs.")

    @display(description=_("state"), ordering="state", label=VERSION_LABELS)
    def state_label(self, version: Version) -> tuple[str, Any]:
        return version.state, version.get_state_display()

    @admin.display(description=_("result"), empty_value="-")
    def result(self, version: Version) -> Any:
        return run_pages.in_short(version)

    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        return [
            path("<int:object_id>/promote/", guard(self.promote_view), name="learning_version_promote"),
            path("<int:object_id>/roll-back/", guard(self.roll_back_view), name="learning_version_roll_back"),
            path("<int:object_id>/shadow/", guard(self.shadow_view), name="learning_version_shadow"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        version = self.shown(request, object_id)
        return self.show(request, "console/version.html", versions.context(request, version), version)

    def promote_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Asks on GET, acts on POST."""
        version = self._movable(request, object_id)
        if request.method == "POST":
            return self._move(request, version, lambda: runs.promote(version, request.user), _("Sent live by hand."))
        return self.show(request, "console/version_confirm.html", versions.promotion(version), version)

    def roll_back_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        version = self._movable(request, object_id)
        if version.state != Version.State.LIVE:  # moved meanwhile: rolling back would hit another
            return self._refused(request, version, _("%(version)s is not live any more."))
        if version.replaced is None:
            return self._refused(request, version, _("%(version)s is the first: there is none to go back to."))
        if request.method == "POST":
            back = lambda: runs.roll_back(version.shop, version.slot, version.learner, request.user)  # noqa: E731
            return self._move(request, version, back, _("Rolled back by hand."))
        return self.show(request, "console/version_confirm.html", versions.roll_back(version), version)

    def shadow_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Begins to ask it beside the live version, or ends that."""
        version = self._movable(request, object_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if request.POST.get("action") == "end":
            shadow.end(version)
            self.log_change(request, version, str(_("Out of the shadow.")))
            messages.success(request, _("It is not asked any more."))
        elif shadow.may_shadow(version):
            shadow.begin(version)
            self.log_change(request, version, str(_("Into the shadow.")))
            messages.success(request, _("Within ten minutes it is asked what visitors ask from now on."))
        else:
            return self._refused(request, version, _("%(version)s can't be asked in the shadow."))
        return HttpResponseRedirect(reverse("admin:learning_version_change", args=[version.pk]))

    def _movable(self, request: HttpRequest, object_id: int) -> Version:
        version = self.row(request, object_id)
        if not run_pages.may_train(request):
            raise PermissionDenied
        return version

    def _refused(self, request: HttpRequest, version: Version, words: Any) -> HttpResponse:
        messages.error(request, words % {"version": version})
        return HttpResponseRedirect(reverse("admin:learning_version_change", args=[version.pk]))

    def _move(self, request: HttpRequest, version: Version, act: Any, message: Any) -> HttpResponse:
        try:
            now_live = act()
        except runs.NoVersion as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(reverse("admin:learning_version_change", args=[version.pk]))
        for moved in {version.pk: version, now_live.pk: now_live}.values():
            self.log_change(request, moved, str(message))
        said = _("%(version)s is live. Every web process answers from it within two seconds.")
        messages.success(request, said % {"version": now_live})
        return HttpResponseRedirect(reverse("admin:learning_version_change", args=[now_live.pk]))
