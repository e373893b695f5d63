"""A list of the console as CSV: the rows that its filters leave, the columns that it shows, as long as it may be.

What a list hides, the file hides: rows of other shops, contact data, and what an analyst sees masked. Text that a
spreadsheet would take for a formula is quoted (OWASP, CSV injection). Each export is written into the table's history.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from django.contrib.admin.utils import label_for_field, lookup_field
from django.db import models, transaction
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.utils.html import strip_tags
from django.utils.translation import gettext as say

from commerce_ai.console import audit
from commerce_ai.console.scope import shop_of

MOST_ROWS = 100_000
AT_ONCE = 2000
PARAM = "csv"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class _Echo:
    def write(self, text: str) -> str:
        return text


def export(request: HttpRequest, table: Any) -> StreamingHttpResponse:
    """The list that `request` asks for (a `ShopAdmin`'s change list), from its first row to the last."""
    asked = request.GET.copy()
    asked.pop(PARAM, None)
    request.GET = asked  # type: ignore[assignment]  # to the list it would be a filter
    shown = table.get_changelist_instance(request)
    columns = [each for each in shown.list_display if each != "action_checkbox"]
    heads = [str(label_for_field(each, table.model, table)) for each in columns]
    rows = shown.get_queryset(request)
    said = say("Exported as CSV: %(asked)s") % {"asked": request.GET.urlencode() or say("all rows")}
    audit.write_of_table(request, table.model, said)
    made_up = "simulated-" if shop_of(request).settings.get("sample") else ""
    name = f"{made_up}{table.opts.model_name}-{timezone.localdate():%Y-%m-%d}.csv"
    return StreamingHttpResponse(
        _lines(heads, columns, rows, table),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def _lines(heads: list[str], columns: list[Any], rows: Any, table: Any) -> Iterator[str]:
    line = csv.writer(_Echo()).writerow
    yield "\N{ZERO WIDTH NO-BREAK SPACE}" + line(heads)  # Excel takes a file without the mark for Latin-1
    # Outside a transaction Postgres would find all rows before it handed out the first (a cursor WITH HOLD).
    with transaction.atomic():
        for row in rows[:MOST_ROWS].iterator(chunk_size=AT_ONCE):
            yield line([cell(lookup_field(each, row, table)) for each in columns])


def cell(found: tuple[Any, Any, Any]) -> Any:
    """A field's own value, in no language's notation; a computed column's as it is shown, without its tags."""
    field, _attribute, value = found
    if value is None:
        return ""
    if isinstance(field, models.Field) and isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    if hasattr(value, "isoformat"):
        return value.isoformat()
    text = str(value) if field is not None else strip_tags(str(value))
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text
