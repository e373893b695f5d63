"""The record of processing activities (GDPR, article 30) as Markdown, from the register."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from django.utils.translation import gettext as _

from commerce_ai.privacy.register import Entry, entries


def markdown(of: Sequence[Entry] | None = None) -> str:
    """A title, what the record does not say by itself, and a table for each kind of row that holds personal data."""
    parts = [f"# {_('Record of processing')}", _introduction()]
    for table, rows in groupby(entries() if of is None else of, key=lambda entry: (entry.model, entry.table)):
        parts += [f"## {table[1]} (`{table[0]}`)", _table(list(rows))]
    return "\n\n".join(parts) + "\n"


def words_of_form(entry: Entry) -> str:
    """How the column stands in the database."""
    return {"encrypted": _("encrypted"), "hashed": _("keyed hash"), "plain": _("in clear")}[entry.form]


def where(entry: Entry) -> str:
    """The column, and the path in its JSON."""
    return f"{entry.column}.{entry.path}" if entry.path else entry.column


def _introduction() -> str:
    return _(
        "What this install keeps of people, made from what its tables declare, plugins included. The shop is the"
        " controller: it adds its name and contact, to whom it passes data on, and transfers abroad."
    )


def _table(rows: Sequence[Entry]) -> str:
    head = [_("Column"), _("Stored"), _("Purpose"), _("Legal basis"), _("Kept")]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        lines.append([f"`{where(row)}`", words_of_form(row), row.purpose, row.basis, row.retention])
    return "\n".join(f"| {' | '.join(_cell(text) for text in line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
