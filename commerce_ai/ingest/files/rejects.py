"""Rows that are turned away: each with its first reason, and its values as they stood in the file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import polars as pl
from django.utils.translation import gettext as _

from commerce_ai.crypto import encrypt, keyed_hash
from commerce_ai.ingest import personal
from commerce_ai.ingest.files.fields import Field
from commerce_ai.ingest.files.problems import ROW, FileError, shown
from commerce_ai.ingest.files.staging import Staging

SEALED = "ingest_quarantinerow.sealed"  # what QuarantineRow.sealed encrypts for: its table and column
SOON = 10_000  # rows after which a file that is wrong throughout is given up


@dataclass(frozen=True)
class Reject:
    """Row number in the file, the file's column (or empty), a code, and what is wrong in words."""

    row: int
    column: str
    reason: str
    words: str


class Rejects:
    """Collects rejected rows of one file into staging, and gives the file up when they are too many of it."""

    def __init__(self, staging: Staging, *, shop_id: int, format: str, table: str, file: str, limit: float) -> None:
        self._staging, self._file, self._limit = staging, file, limit
        self._named = (shop_id, format, table)
        self._seen: set[bytes] = set()
        self._first: Reject | None = None
        self.repeated = 0  # rejected rows that repeat another one in every value

    @property
    def count(self) -> int:
        return len(self._seen)

    def add(
        self,
        rejects: Iterable[Reject],
        rows: pl.DataFrame,
        fields: Mapping[str, Field],
        clear: Mapping[int, dict[str, str]] | None = None,
    ) -> None:
        """`rows` are the file's own rows, among which those of `rejects` are found by number; `fields` by the
        names of its columns. Columns that are not in `fields` are not kept. `clear` says, by row, what may be shown
        of personal columns."""
        first: dict[int, Reject] = {}
        for each in rejects:
            first.setdefault(each.row, replace(each, words=personal.clean_text(each.words)))
        if not first:
            return
        if self._first is None:
            self._first = first[min(first)]
        known = [name for name in rows.columns if name in fields]
        found = []
        for row in rows.filter(pl.col(ROW).is_in(list(first))).iter_rows(named=True):
            # Empty ones too: a value that is missing is given there.
            values = {name: "" if row[name] is None else _as_text(row[name]) for name in known}
            record = self._record(first[row[ROW]], values, fields, (clear or {}).get(row[ROW], {}))
            if record["fingerprint"] in self._seen:
                self.repeated += 1
                continue
            self._seen.add(record["fingerprint"])
            found.append(record)
        self._staging.add("rejects", pl.DataFrame(found, schema=_SCHEMA))

    def check(self, rows_read: int, *, finished: bool) -> None:
        """Raise FileError, naming the first bad row, when more than the allowed share of the rows is bad."""
        bad = self.count + self.repeated
        if self._first is None or bad <= self._limit * rows_read or (not finished and rows_read < SOON):
            return
        words = _("%(words)s. %(bad)s of %(read)s rows can't be taken, more than %(limit)s: nothing was written")
        reason = words % {
            "words": self._first.words,
            "bad": f"{bad:,}",
            "read": f"{rows_read:,}",
            "limit": f"{self._limit:.0%}",
        }
        raise FileError(reason, file=self._file, row=self._first.row, column=self._first.column or None)

    def _record(
        self, reject: Reject, values: dict[str, str], fields: Mapping[str, Field], shown: dict[str, str]
    ) -> dict[str, Any]:
        fingerprint = fingerprint_of(*self._named, {name: value for name, value in values.items() if value})
        secret = {name: value for name, value in values.items() if value and fields[name].personal}
        clear = {name: personal.clean_text(value) for name, value in values.items() if name not in secret} | shown
        # What was blacked out is not lost: it waits encrypted with the rest.
        secret |= {name: values[name] for name, value in clear.items() if value != values[name]}
        sealed = json.dumps(secret, ensure_ascii=False) if secret else ""
        return {
            "row_number": reject.row,
            "column": reject.column[:255],
            "reason": reject.reason[:64],
            "message": reject.words,
            "values": json.dumps(clear, ensure_ascii=False).replace("\\u0000", ""),
            "sealed": encrypt(sealed, context=SEALED, row=fingerprint.hex()),
            "fingerprint": fingerprint,
        }


def fingerprint_of(shop_id: int, format: str, table: str, values: Mapping[str, str]) -> bytes:
    """What a row says, as 32 bytes that tell nothing about it."""
    text = json.dumps([shop_id, format, table, sorted(values.items())], ensure_ascii=False)
    return keyed_hash(text, purpose="quarantine")


def quote(value: Any, field: Field | None) -> str:
    """`“value”: ` to start a message with; nothing where the value is personal."""
    return "" if field is not None and field.personal else f"{shown(value)}: "


def _as_text(value: Any) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, list):
        return "|".join(str(each) for each in value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, dict):
        return json.dumps(value, default=str, ensure_ascii=False)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


_SCHEMA = {
    "row_number": pl.Int64, "column": pl.String, "reason": pl.String, "message": pl.String, "values": pl.String,
    "sealed": pl.Binary, "fingerprint": pl.Binary,
}  # fmt: skip
