"""What came in by the doors: batches of tracking, loaded files and their cleaning, rows that were turned away."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import display

from commerce_ai.console import audit
from commerce_ai.console.admin.learning import PageAdmin
from commerce_ai.console.filters import during
from commerce_ai.console.scope import scope_of
from commerce_ai.console.shop_admin import ShownAdmin
from commerce_ai.ingest import project
from commerce_ai.ingest.files.quarantine import retry
from commerce_ai.ingest.files.report import words
from commerce_ai.ingest.models import CleaningReport, FileLoad, IngestBatch, QuarantineRow

MOST_AT_ONCE = 5_000  # rows that one click tries again


@admin.register(IngestBatch)
class IngestBatchAdmin(ShownAdmin):
    """Requests that were accepted. One whose projection failed again and again is set aside, to be tried from here."""

    list_display = ("received_at", "door", "trusted", "events", "duplicates", "rejected", "projected_at", "error")
    list_filter = ("trusted", ("set_aside_at", admin.EmptyFieldListFilter), during("received_at"))
    ordering = ("-received_at",)
    sortable_by = ()
    exclude = ("event_ids", "contacts")
    actions = ("try_again",)
    next_step = _("No batches yet. Each accepted tracking request is one: send the first with a publishable key.")

    def has_try_permission(self, request: HttpRequest) -> bool:
        return scope_of(request).may("operator")

    @admin.action(description=_("Try again"), permissions=["try"])
    def try_again(self, request: HttpRequest, queryset: Any) -> None:
        batches = list(queryset.filter(set_aside_at__isnull=False)[:MOST_AT_ONCE])
        for batch in batches:
            project.retry(batch)
        audit.write(request, batches, _("Asked to be tried again."))
        count = len(batches)
        messages.success(request, ngettext("%d batch waits again.", "%d batches wait again.", count) % count)


@admin.register(FileLoad)
class FileLoadAdmin(ShownAdmin):
    list_display = (
        "file_name", "format", "table", "rows_read", "rows_loaded", "rows_duplicate", "rows_left_out", "rows_rejected",
        "started_at", "seconds_taken",
    )  # fmt: skip
    list_filter = (during("started_at"),)
    search_fields = ("file_name__icontains",)
    ordering = ("-started_at",)
    readonly_fields = ("cleaning",)
    next_step = _("No file was loaded yet. See what formats and tables there are:")
    next_step_code = "python manage.py load --help"

    @admin.display(description=_("took"), ordering="seconds")
    def seconds_taken(self, load: FileLoad) -> str:
        return f"{load.seconds:.1f} s"

    @admin.display(description=_("cleaning report"), empty_value="-")
    def cleaning(self, load: FileLoad) -> Any:
        report = CleaningReport.objects.of(load.shop_id).filter(load=load).first()
        return _in_words(report) if report else None


@admin.register(CleaningReport)
class CleaningReportAdmin(ShownAdmin):
    list_display = ("load", "count")
    list_select_related = ("load",)
    fields = ("load", "in_words")
    readonly_fields = ("load", "in_words")
    ordering = ("-id",)
    next_step = _("No reports yet. Each loaded file gets one: it counts and names what was cleaned.")

    @admin.display(description=_("findings"))
    def count(self, report: CleaningReport) -> int:
        return len(report.findings)

    @admin.display(description=_("what was found and done"), empty_value="-")
    def in_words(self, report: CleaningReport) -> Any:
        return _in_words(report)


@admin.register(QuarantineRow)
class QuarantineRowAdmin(PageAdmin):
    """Rows that were turned away. Correct one on its page, or try many again after their cause was mended."""

    list_display = ("where", "column", "reason", "message", "state_label", "attempts", "created_at")
    list_filter = ("state", during("created_at"))
    list_select_related = ("load",)
    search_fields = ("reason__startswith", "column__startswith")
    ordering = ("-created_at",)
    actions = ("try_again", "discard")
    next_step = _("Quarantine is empty. Rows that a load turns away wait here with the reason, to be corrected.")

    def has_try_permission(self, request: HttpRequest) -> bool:
        return scope_of(request).may("operator")

    @admin.display(description=_("row"), ordering="load")
    def where(self, row: QuarantineRow) -> str:
        source = row.load.file_name if row.load else row.format
        return f"{source}: {row.row_number}" if row.row_number is not None else source

    @display(description=_("state"), label={"open": "warning", "solved": "success", "discarded": "default"})
    def state_label(self, row: QuarantineRow) -> tuple[str, Any]:
        return row.state, row.get_state_display()

    @admin.action(description=_("Try again"), permissions=["try"])
    def try_again(self, request: Any, queryset: Any) -> None:
        rows = list(queryset.filter(state=QuarantineRow.State.OPEN)[:MOST_AT_ONCE])
        done = retry(rows, by=request.user)
        for row in rows:
            if row.pk in done.solved:
                self.log_change(request, row, str(_("Tried again: it went in.")))
        _tell(request, done)

    @admin.action(description=_("Discard"), permissions=["try"])
    def discard(self, request: HttpRequest, queryset: Any) -> None:
        rows = queryset.filter(state=QuarantineRow.State.OPEN)
        audit.write(request, rows, _("Discarded."))
        count = rows.update(state=QuarantineRow.State.DISCARDED, solved_at=timezone.now(), solved_by=request.user)
        said = ngettext("%d row was discarded.", "%d rows were discarded.", count) % count
        messages.success(request, said)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The row's values as they stood in the file; personal ones are not shown, but can be replaced."""
        row = self.row(request, object_id)
        may_try = self.has_try_permission(request) and row.state == QuarantineRow.State.OPEN
        sealed = [name for name in row.all_values() if name not in row.values] if may_try else []
        columns = [
            *((name, value, False) for name, value in row.values.items()),
            *((name, "", True) for name in sealed),
        ]
        if request.method == "POST":
            if not may_try:
                raise PermissionDenied
            return self._act(request, row, columns)
        context = {"title": str(row), "row": row, "columns": list(enumerate(columns)), "may_try": may_try}
        return self.show(request, "console/quarantine.html", context, row)

    def _act(self, request: Any, row: QuarantineRow, columns: list[tuple[str, Any, bool]]) -> HttpResponse:
        mine = QuarantineRow.objects.of(row.shop_id).filter(pk=row.pk)
        if "discard" in request.POST:
            self.discard(request, mine)
            return HttpResponseRedirect(reverse("admin:ingest_quarantinerow_changelist"))
        given = {name: request.POST.get(f"value-{i}") for i, (name, _value, _hidden) in enumerate(columns)}
        hidden = {name for name, _value, is_hidden in columns if is_hidden}
        corrections = {name: text for name, text in given.items() if text is not None and (text or name not in hidden)}
        done = retry([row], {row.pk: corrections}, by=request.user)
        self.log_change(request, row, str(_("Corrected and tried again.")))
        _tell(request, done)
        if row.pk in done.solved:
            return HttpResponseRedirect(reverse("admin:ingest_quarantinerow_changelist"))
        return HttpResponseRedirect(request.path)


def _tell(request: HttpRequest, done: Any) -> None:
    if done.solved:
        count = len(done.solved)
        messages.success(request, ngettext("%d row went in.", "%d rows went in.", count) % count)
    for message in list(dict.fromkeys(done.problems.values()))[:3]:
        messages.error(request, message)
    if not done.solved and not done.problems:
        messages.info(request, _("There was nothing open to try."))


def _in_words(report: CleaningReport) -> Any:
    lines = format_html_join("", "<li>{}</li>", ((words(each),) for each in report.findings))
    return format_html('<ul class="c-list">{}</ul>', lines) if report.findings else str(_("Nothing had to be cleaned."))
