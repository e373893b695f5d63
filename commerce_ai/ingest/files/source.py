"""A CSV or Parquet file as frames of a bounded number of rows; whatever is wrong with it becomes one FileError.

Every frame has the file's own columns and `ROW`, the row's number in the file (from 1, header not counted). CSV
columns are text, with None where nothing stands; Parquet columns keep the dtype they have.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from django.conf import settings
from django.utils.translation import gettext as _

from commerce_ai.ingest.files.problems import ROW, FileError, check_header

ROWS_AT_ONCE = 65_536
_PARQUET = b"PAR1"
_BYTE_ORDER_MARKS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}


@dataclass(frozen=True)
class Source:
    """A file that exists, is not empty and not larger than LOAD_MAX_BYTES. `name` is what messages call it."""

    path: Path
    name: str
    bytes: int
    is_parquet: bool
    encoding: str

    def sha256(self) -> str:
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def frames(self) -> Iterator[pl.DataFrame]:
        """At most ROWS_AT_ONCE rows each, in the file's order. Raises FileError at the first thing that is broken."""
        from commerce_ai.ingest.files import separated

        rows = 0
        for frame in _parquet(self) if self.is_parquet else separated.frames(self):
            numbers = pl.int_range(rows + 1, rows + 1 + pl.len(), dtype=pl.Int64).alias(ROW)
            yield frame.with_columns(numbers)
            rows += frame.height
        if not rows:
            raise FileError(_("the file has no rows"), file=self.name)

    def estimated_rows(self) -> int | None:
        """For progress bars only: exact for Parquet, None where it is not known."""
        return pq.ParquetFile(self.path).metadata.num_rows if self.is_parquet else None


def open_source(path: Path | str, *, encoding: str = "", name: str = "") -> Source:
    """The file at `path`, told apart by what is in it. `encoding` is for CSV in anything but UTF-8 or UTF-16 with
    its byte order mark. Raises FileError."""
    path = Path(path)
    name = name or path.name
    if not path.is_file():
        raise FileError(_("there is no such file"), file=str(path))
    size = path.stat().st_size
    limit = settings.LOAD_MAX_BYTES
    if size > limit:
        words = _(
            "the file has %(size)s, the limit is %(limit)s (setting LOAD_MAX_BYTES);"
            " cut it into parts, which may be loaded one after another"
        )
        raise FileError(words % {"size": _human(size), "limit": _human(limit)}, file=name)
    with path.open("rb") as file:
        head = file.read(4)
    if not head:
        raise FileError(_("the file is empty"), file=name)
    looks_like_parquet = head == _PARQUET or path.suffix.lower() in (".parquet", ".pq")
    if not looks_like_parquet:
        _refuse_other_kinds(head, name)
        marked = next((each for mark, each in _BYTE_ORDER_MARKS.items() if head.startswith(mark)), "")
        encoding = marked or encoding or "utf-8"
        try:
            "".encode(encoding)
        except LookupError:
            raise FileError(_("there is no encoding %(name)s") % {"name": encoding}, file=name) from None
    return Source(path, name, size, looks_like_parquet, encoding)


def _refuse_other_kinds(head: bytes, name: str) -> None:
    kinds = {
        b"PK\x03\x04": _("a workbook or zip archive"),
        b"\x1f\x8b": _("compressed"),
        b"%PDF": "PDF",
        b"\xd0\xcf\x11\xe0": _("an old workbook"),
    }
    for start, kind in kinds.items():
        if head.startswith(start):
            words = _("the file is %(kind)s, not CSV or Parquet: unpack it or save it as CSV")
            raise FileError(words % {"kind": kind}, file=name)


def _parquet(source: Source) -> Iterator[pl.DataFrame]:
    rows = 0
    try:
        file = pq.ParquetFile(source.path)
        check_header(file.schema_arrow.names, source.name)
        for batch in file.iter_batches(batch_size=ROWS_AT_ONCE):
            yield pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch])))
            rows += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        words = _("the file is truncated or damaged, or is not Parquet at all (%(why)s)")
        reason = words % {"why": re.split(r"[.:\n]", str(error).strip())[0]}
        raise FileError(reason, file=source.name, row=rows + 1 if rows else None) from None


def _human(size: int) -> str:
    value, unit = float(size), ""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:,.4g} {unit}"
