"""What was asked for people and what was erased: for owners, who alone may ask."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from commerce_ai.console.filters import during
from commerce_ai.console.shop_admin import ShownAdmin
from commerce_ai.learning.models import Version
from commerce_ai.privacy import requests
from commerce_ai.privacy.models import ErasureLog, PrivacyRequest

STATE_LABELS = {"queued": "info", "running": "info", "done": "success", "failed": "danger", "expired": "default"}


@admin.register(PrivacyRequest)
class PrivacyRequestAdmin(ShownAdmin):
    list_display = ("__str__", "state_label", "by", "api_key", "asked_at", "done_at", "result")
    list_filter = ("kind", "state", during("asked_at"))
    list_select_related = ("by", "api_key", "erasure")
    ordering = ("-asked_at",)
    exclude = ("customer", "person", "due_at")
    viewer = "owner"
    next_step = _("Nobody was exported or erased yet. Ask for it on the page of a customer, or through the API.")

    @display(description=_("state"), ordering="state", label=STATE_LABELS)
    def state_label(self, request: PrivacyRequest) -> tuple[str, Any]:
        return request.state, request.get_state_display()

    @admin.display(description=_("result"), empty_value="-")
    def result(self, request: PrivacyRequest) -> Any:
        if request.erasure is not None:
            return say("%(rows)s rows") % {"rows": f"{sum(request.erasure.counts.values()):,}"}
        if request.state == PrivacyRequest.State.DONE and request.api_key_id is None:
            there = reverse("admin:privacy_privacyrequest_file", args=[request.pk])
            return format_html('<a href="{}">{}</a>', there, _("Download"))
        return None

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.file_view)
        return [path("<uuid:object_id>/file/", view, name="privacy_privacyrequest_file"), *super().get_urls()]

    def file_view(self, request: HttpRequest, object_id: Any) -> HttpResponseBase:
        """An export that was asked for in the console. Who took it is written down; a key's is the key's alone."""
        asked = self.get_object(request, str(object_id))
        if asked is None:
            raise Http404
        if not self.has_view_permission(request, asked):
            raise PermissionDenied
        if asked.api_key_id is not None or asked.kind != "export" or asked.state != PrivacyRequest.State.DONE:
            raise Http404
        self.log_change(request, asked, str(_("Took the export away.")))
        headers = {
            "Content-Disposition": f'attachment; filename="export-{asked.pk}.json"', "Cache-Control": "no-store",
        }  # fmt: skip
        parts = (part.encode() for part in requests.text_of(asked))
        return StreamingHttpResponse(parts, content_type="application/json", headers=headers)


@admin.register(ErasureLog)
class ErasureLogAdmin(ShownAdmin):
    """The proof that people were erased, however it was asked for: never who they were."""

    list_display = ("__str__", "by", "reason", "asked_at", "done_at", "rows", "trained_on", "settled_at")
    list_filter = (("settled_at", admin.EmptyFieldListFilter), during("asked_at"))
    list_select_related = ("by",)
    ordering = ("-asked_at",)
    exclude = ("names", "person")
    viewer = "owner"
    next_step = _("Nobody was erased yet.")

    @admin.display(description=_("rows"))
    def rows(self, log: ErasureLog) -> str:
        return f"{sum(log.counts.values()):,}"

    @admin.display(description=_("versions trained on the person"), empty_value="-")
    def trained_on(self, log: ErasureLog) -> str | None:
        found = Version.objects.of(log.shop_id).filter(pk__in=log.versions).order_by("pk")
        return ", ".join(str(each) for each in found) or None
