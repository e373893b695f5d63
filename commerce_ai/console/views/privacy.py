"""What personal data this install keeps, what for and for how long; and the same as a file."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _

from commerce_ai.console.pages import page
from commerce_ai.privacy import record
from commerce_ai.privacy.register import entries


@page(template="console/privacy.html", permission="owner")
def register(request: Any) -> dict[str, Any] | HttpResponse:
    """The register by table; with ``?format=markdown`` the record of processing to download."""
    found = entries()
    if request.GET.get("format") == "markdown":
        return HttpResponse(
            record.markdown(found),
            content_type="text/markdown; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="record-of-processing.md"'},
        )
    tables = [
        (table, [(record.where(entry), record.words_of_form(entry), entry) for entry in rows])
        for table, rows in groupby(found, key=lambda entry: entry.table)
    ]
    return {"title": _("Personal data"), "tables": tables}
