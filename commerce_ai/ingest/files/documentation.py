"""`docs/loading.md`, written from the code: what every table's file may say. A test keeps the page as this says."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from django.utils.translation import override

from commerce_ai.ingest.files import retail_findings
from commerce_ai.ingest.files.fields import KINDS, Field
from commerce_ai.ingest.files.pipeline import MOST_REJECTED
from commerce_ai.ingest.files.report import SAYS
from commerce_ai.ingest.files.retail import FIELDS as RETAIL
from commerce_ai.ingest.files.tables import Table, tables
from commerce_ai.ingest.files.typed import is_present

INTRODUCTION = f"""
# Loading files

<!-- Written by commerce_ai/ingest/files/documentation.py: change that, then run
     UPDATE_DOCS=1 python -m pytest tests/ingest/test_files_docs.py -->

```
python manage.py load online-retail FILE --shop S [--create]           # lines of invoices
python manage.py load csv FILE --table products --shop S               # any table below
python manage.py load parquet FILE --table orders --shop S
python manage.py load segment FILE --shop S                            # one Segment message a line (NDJSON)
```

`--shop` is a shop's short name; `--create` makes it (`--name`, `--currency`, `--timezone`). Every format goes the same
way: read, validate, clean, COPY. The end of a load says what was found and done (the *cleaning report*, kept with the
load), how many rows were written, seconds and peak memory.

**All or nothing.** A file that is truncated, in another encoding, too large (`LOAD_MAX_BYTES`), empty, or without a
needed column is refused with one message that names row and column (exit status 2), and nothing of it is written; so
is one of which more than {MOST_REJECTED:.0%} of the rows can't be taken (`--most-rejected`). Rows are counted from 1;
the header is not one. A load that is killed leaves nothing behind: cleaned rows wait in files under `var/loading`,
personal columns in them encrypted, and one transaction takes them over.

**Quarantine.** A row that can't be taken is kept with the reason, its number and the column; e-mail, phone, name and
address only encrypted. It can be corrected and tried again in the console.

**Again.** The same content, under whatever name, is loaded once (`--again` insists). A row whose key is known changes
that row, and one that says nothing new changes nothing. Of rows with one key in a file the last counts. A column that a
file does not have stays as it is; an empty cell means the column's default.

**Orders** that come by several doors: API and webhook before file before tracking; within a door the later
`updated_at` (where a file has none: `placed_at`).

**CSV**: the first line names the columns, in any letter case; separator comma, semicolon, tab or bar; UTF-8, UTF-16
with its byte order mark, or `--encoding`. Dates are ISO 8601 (2024-03-31T18:00:00Z; without a zone UTC), true and false
may be 1, 0, yes, no, and several texts in one cell are separated by a bar. Decimals come after a point. Money is in the
shop's currency: a row in another one goes to quarantine. References name the other table's external id, and that row
has to be there first.
"""

SEGMENT = """
## `segment`

One message a line, as in the Segment spec: `type` (track, identify, page, screen, group, alias), `userId` or
`anonymousId`, `timestamp` (or `originalTimestamp`), `event`, `properties`, `traits`, `messageId`. Each is stored under
its own instant; `sentAt` is not looked at, since the clock it would correct is long gone. A message without
`messageId` gets one from what it says. Customers that are named count as proven, as with a secret key.
"""


def page() -> str:
    """The whole page, as Markdown."""
    with override("en"):
        parts = [INTRODUCTION.strip(), "", *_retail(), SEGMENT.strip(), "", "## `csv` and `parquet`", "", *_tables()]
    return "\n".join(parts).rstrip() + "\n"


def _retail() -> Iterator[str]:
    yield "## `online-retail`"
    yield ""
    yield from _wrapped(
        "One line of an invoice a row, as in UCI's Online Retail files (their own column names are known too), CSV or"
        " Parquet, prices in pounds. It becomes products, customers, orders, order lines and returns."
    )
    yield ""
    yield from _rows(RETAIL.values())
    yield ""
    yield "What is done, and counted in the report:"
    yield ""
    for code in _RETAIL_RULES:
        yield f"- {SAYS[code]}"
    yield ""
    yield from _wrapped(
        f"Outliers are counted, not removed: a unit price {retail_findings.PRICE_FACTOR:g} times above or below the"
        " product's median, and a quantity whose logarithm is more than"
        f" {retail_findings.QUANTITY_DEVIATIONS:g} robust standard deviations (1.4826 × the median absolute deviation)"
        " from the product's median."
    )
    yield ""


_RETAIL_RULES = (
    "duplicate_rows", "products_merged", "customers_merged", "title_chosen", "price_changed", "country_changed",
    "cancellations", "negative_quantities", "returns_without_order", "shipping_codes", "non_product_codes",
    "stock_corrections", "free_lines", "cancelled_without_goods", "guests", "order_times", "order_customers",
)  # fmt: skip


def _tables() -> Iterator[str]:
    for table in tables().values():
        yield f"### {table.name}"
        yield ""
        yield from _wrapped(" ".join(table.doc.split()))
        yield ""
        yield f"Key: {', '.join(f'`{each}`' for each in _key(table))}."
        yield ""
        yield from _rows(table.fields.values())
        yield ""


def _key(table: Table) -> list[str]:
    return [next(each.name for each in table.fields.values() if each.column == column) for column in table.key]


def _rows(fields: object) -> Iterator[str]:
    yield "| column | | what | meaning |"
    yield "|---|---|---|---|"
    for field in fields:  # type: ignore[attr-defined]
        yield f"| `{field.name}` | {_need(field)} | {_kind(field)} | {_meaning(field)} |"


def _need(field: Field) -> str:
    if field.required:
        return "needed"
    if field.name == "currency":
        return "else the shop's"
    if is_present(field):
        return "else now"
    default = field.default_value()
    return f"else {str(default).lower()}" if default not in (None, "", [], {}) else ""


def _kind(field: Field) -> str:
    if field.refers is not None:
        target = next((each.name for each in tables().values() if each.model is field.refers), "")
        return f"external id in {target}"
    if field.choices:
        return ", ".join(each for each in field.choices if each)
    kind = str(KINDS[field.kind]).replace("|", "\\|")
    return f"{kind}, at most {field.max_length} characters" if field.max_length else kind


def _meaning(field: Field) -> str:
    title = str(field.title)
    said = title[:1].upper() + title[1:]
    return f"{said}. {field.doc}" if field.doc else said


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 118, break_long_words=False, break_on_hyphens=False)
