"""CSV, strictly: a row with too few or too many values, a quote that is never closed or a byte that is not text
is an error that names the row, never a guess."""

from __future__ import annotations

import codecs
import csv as plain
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.csv as csv
from django.utils.translation import gettext as _

from commerce_ai.ingest.files.problems import FileError, check_header, shown

if TYPE_CHECKING:
    from commerce_ai.ingest.files.source import Source

BLOCK_BYTES = 8 * 1024 * 1024  # no value may be longer; bounds what is in memory at once
_SEPARATORS = ",;\t|"


def frames(source: Source) -> Iterator[pl.DataFrame]:
    """Frames of text columns, named by the header. Raises FileError."""
    from commerce_ai.ingest.files.source import ROWS_AT_ONCE

    columns, separator = _header(source)
    ragged: list[csv.InvalidRow] = []

    def stop(row: csv.InvalidRow) -> str:
        ragged.append(row)
        return "error"

    with source.path.open("rb") as file:
        watched = _Watched(file if source.encoding == "utf-8" else _Transcoded(file, source.encoding))
        rows, last = 0, None
        try:
            reader = csv.open_csv(
                pa.PythonFile(watched, "r"),
                read_options=csv.ReadOptions(
                    use_threads=False, block_size=BLOCK_BYTES, column_names=columns, skip_rows=1
                ),
                parse_options=csv.ParseOptions(delimiter=separator, newlines_in_values=True, invalid_row_handler=stop),
                convert_options=csv.ConvertOptions(
                    column_types={name: pa.binary() for name in columns}, null_values=[""], strings_can_be_null=True
                ),
            )
            for batch in reader:
                for start in range(0, batch.num_rows, ROWS_AT_ONCE):
                    part = batch.slice(start, ROWS_AT_ONCE)
                    last = part.slice(part.num_rows - 1)
                    yield _text(part, rows, source)
                    rows += part.num_rows
        except UnicodeError as error:
            raise _not_text(source, rows + 1, error) from None
        except pa.ArrowInvalid as error:
            if ragged:
                raise _ragged(ragged[0], columns, source) from None
            if "straddl" in str(error) or "out of sync" in str(error):
                words = _("a value is longer than %(limit)s MB, or a quote is opened and never closed")
                limit = BLOCK_BYTES // 1024**2
                raise FileError(words % {"limit": limit}, file=source.name, row=rows + 1) from None
            raise FileError(str(error).splitlines()[0], file=source.name, row=rows + 1) from None
    if last is not None and watched.ends_within_quotes(last):
        words = _("the file ends within a quoted value: it is truncated")
        raise FileError(words, file=source.name, row=rows, column=columns[-1])


def _header(source: Source) -> tuple[list[str], str]:
    with source.path.open("rb") as file:
        text = file if source.encoding == "utf-8" else _Transcoded(file, source.encoding)
        try:
            line = text.read(256 * 1024).decode("utf-8-sig", errors="replace").lstrip("\r\n")
        except UnicodeError as error:
            raise _not_text(source, 1, error) from None
    line = line.splitlines()[0] if line.strip() else ""
    if not line:
        raise FileError(_("the file is empty"), file=source.name)
    if "\x00" in line:
        raise FileError(_("the file is not text, or its encoding is another one: name it"), file=source.name)
    separator = max(_SEPARATORS, key=line.count) if not line.count(",") else ","
    columns = [name.strip() for name in next(plain.reader([line], delimiter=separator))]
    check_header(columns, source.name)
    return columns, separator


def _text(batch: pa.RecordBatch, rows: int, source: Source) -> pl.DataFrame:
    try:
        table = pa.Table.from_batches([batch]).cast(
            pa.schema([(name, pa.large_string()) for name in batch.column_names])
        )
    except pa.ArrowInvalid:
        raise _first_not_text(batch, rows, source) from None
    return pl.DataFrame(pl.from_arrow(table))


def _first_not_text(batch: pa.RecordBatch, rows: int, source: Source) -> FileError:
    found: tuple[int, str, bytes] | None = None
    for name, column in zip(batch.column_names, batch.columns, strict=True):
        for position, value in enumerate(column.to_pylist()):
            if found and position >= found[0]:
                break
            try:
                (value or b"").decode()
            except UnicodeDecodeError:
                found = (position, name, value)
    assert found is not None
    position, name, value = found
    words = _("%(value)s is not %(encoding)s text; name the file's encoding, as in --encoding latin-1")
    reason = words % {"value": shown(value.decode("latin-1")), "encoding": "UTF-8"}
    return FileError(reason, file=source.name, row=rows + position + 1, column=name)


def _not_text(source: Source, row: int, error: UnicodeError) -> FileError:
    words = _("from here on the file is not %(encoding)s text (%(why)s); is it truncated, or in another encoding?")
    why = getattr(error, "reason", "") or str(error)
    return FileError(words % {"encoding": source.encoding, "why": why}, file=source.name, row=row)


def _ragged(row: csv.InvalidRow, columns: list[str], source: Source) -> FileError:
    # Without threads the number is known; it counts the header.
    number = row.number - 1 if row.number else None
    have, need = row.actual_columns, row.expected_columns
    if have < need:
        words = _("the row ends after %(have)s of %(need)s values: it is cut off, or a separator is missing")
        return FileError(words % {"have": have, "need": need}, file=source.name, row=number, column=columns[have])
    words = _(
        "the row has %(have)s values where the header names %(need)s columns: is a value with a separator not quoted?"
    )
    return FileError(words % {"have": have, "need": need}, file=source.name, row=number, column=columns[-1])


class _Watched(io.RawIOBase):
    """Counts quotes as the bytes pass and keeps the last of them, to tell a file that ends within quotes."""

    def __init__(self, file: BinaryIO | io.RawIOBase) -> None:
        self._file, self._quotes, self._tail = file, 0, b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size) or b""
        self._quotes += data.count(b'"')
        self._tail = (self._tail + data)[-BLOCK_BYTES:] if len(data) < BLOCK_BYTES else data[-BLOCK_BYTES:]
        return data

    def ends_within_quotes(self, last: pa.RecordBatch) -> bool:
        """Whether the last value of the file, as it was read, was opened by a quote that nothing closed."""
        if self._quotes % 2 == 0:
            return False
        value = last.column(last.num_columns - 1)[0].as_py() or b""
        return self._tail.endswith(b'"' + value) or self._tail.endswith(b'"' + value.replace(b'"', b'""'))


class _Transcoded(io.RawIOBase):
    """A file in another encoding, read as UTF-8. Raises UnicodeError where it is not in that encoding."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file = file
        self._decoder: Any = codecs.getincrementaldecoder(encoding)()
        self._left = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while not self._left:
            data = self._file.read(1024 * 1024)
            self._left = self._decoder.decode(data, final=not data).encode()
            if not data:
                break
        size = len(self._left) if size < 0 else size
        out, self._left = self._left[:size], self._left[size:]
        return out
