"""From Postgres into polars: `COPY (SELECT …) TO STDOUT` on Django's own connection, with the schema given.

The same connection sees what a transaction, or a test, has written and not yet committed. Nothing is inferred: a
column has the type that the schema says, or the error names it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import polars as pl
import psycopg
from django.db import connections

__all__ = ["FrameMismatch", "read", "read_batches"]

Schema: TypeAlias = "Mapping[str, pl.DataType | type[pl.DataType]]"

_ROWS_AT_ONCE = 500_000
# Read by polars' CSV reader itself; everything else comes as text and is cast below.
_DIRECT = {pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.Float32, pl.Float64}


class FrameMismatch(TypeError):
    """The rows are not what the schema says; the message names the column."""


def read(
    sql: str, params: Sequence[Any] | Mapping[str, Any], schema: Schema, *, using: str = "default"
) -> pl.DataFrame:
    """The rows of `sql` as a frame with exactly the columns and types of `schema`, in its order.

    `params` are bound by psycopg (``%s``, ``%(name)s``), never formatted into the text. Types: integers, Float64 (also
    for numeric), Decimal, Boolean, String (also for uuid, json), Categorical, Date, Datetime("us", "UTC") for
    timestamptz, List for arrays of numbers or text, Binary for bytea. NULL is null, the empty text stays empty.
    Raises FrameMismatch, django.db.Error.
    """
    return pl.concat(list(read_batches(sql, params, schema, using=using)))


def read_batches(
    sql: str,
    params: Sequence[Any] | Mapping[str, Any],
    schema: Schema,
    *,
    rows: int = _ROWS_AT_ONCE,
    using: str = "default",
) -> Iterator[pl.DataFrame]:
    """As `read`, in frames of at most `rows` rows, at least one. The connection is busy until the last was taken."""
    connection = connections[using]
    connection.ensure_connection()
    with connection.cursor() as cursor, connection.wrap_database_errors:
        # COPY takes no parameters of its own: psycopg binds them on our side, with its quoting.
        bound = psycopg.ClientCursor(connection.connection).mogrify(sql, params) if params else sql
        bound = bound.strip().removesuffix(";")
        if len(schema) == 1:  # a line with one empty field would be taken for no line at all
            bound = f"SELECT given.*, 0 AS {_FILLER} FROM ({bound}) AS given"  # noqa: S608 (the caller's own)
        with cursor.copy(f"COPY ({bound}) TO STDOUT (FORMAT csv, HEADER true)") as copy:
            data = iter(copy)  # one block is one row, whatever line breaks are in it
            header = bytes(next(data))
            names = _check(header, schema)
            block, batches = [header], 0
            for row in data:
                block.append(bytes(row))
                if len(block) > rows:
                    yield _parse(block, names, schema)
                    block, batches = [header], batches + 1
            if len(block) > 1 or not batches:
                yield _parse(block, names, schema)


def _check(header: bytes, schema: Schema) -> list[str]:
    names = pl.read_csv(io.BytesIO(header), has_header=False, infer_schema=False).row(0)
    wanted, found = list(schema), [str(name) for name in names]
    for name in found:
        if name == _FILLER and len(wanted) == 1:
            continue
        if found.count(name) > 1:
            raise FrameMismatch(f"column {name} is selected twice")
        if name not in schema:
            raise FrameMismatch(f"column {name} is selected, but not in the schema ({', '.join(wanted)})")
    for name in wanted:
        if name not in found:
            raise FrameMismatch(f"column {name} is in the schema, but not selected ({', '.join(found)})")
    return found


def _parse(blocks: list[bytes], names: list[str], schema: Schema) -> pl.DataFrame:
    data = b"".join(blocks)
    direct = {name: schema[name] if _base(schema.get(name)) in _DIRECT else pl.String for name in names}
    try:
        frame = pl.read_csv(data, schema=direct)
    except pl.exceptions.PolarsError:
        # Once more as text, and cast one by one: the error then names the column.
        frame = pl.read_csv(data, schema=dict.fromkeys(names, pl.String))
    return frame.select([_cast(frame[name], dtype) for name, dtype in schema.items()])


def _base(dtype: Any) -> Any:
    return dtype.base_type() if isinstance(dtype, pl.DataType) else dtype


def _cast(column: pl.Series, dtype: Any) -> pl.Series:
    if column.dtype == dtype:
        return column
    write = _CASTS.get(_base(dtype))
    try:
        return write(column, dtype) if write else column.cast(dtype, strict=True)
    except (pl.exceptions.PolarsError, ValueError) as error:
        raise FrameMismatch(f"column {column.name} is not {dtype} throughout") from error


def _boolean(column: pl.Series, dtype: Any) -> pl.Series:
    if not column.drop_nulls().is_in(["t", "f"]).all():
        raise ValueError
    return column == "t"


def _instant(column: pl.Series, dtype: Any) -> pl.Series:
    unit: Any = getattr(dtype, "time_unit", "us")
    zone = getattr(dtype, "time_zone", None)
    if zone is None:
        return column.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit=unit, strict=True)
    read = column.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%#z", time_unit=unit, time_zone="UTC", strict=True)
    return read.dt.convert_time_zone(zone)


def _date(column: pl.Series, dtype: Any) -> pl.Series:
    return column.str.to_date("%Y-%m-%d", strict=True)


def _binary(column: pl.Series, dtype: Any) -> pl.Series:
    return column.str.strip_prefix("\\x").str.decode("hex", strict=True)


def _list(column: pl.Series, dtype: Any) -> pl.Series:
    """Arrays as Postgres writes them, and vectors: ``{1,2}``, ``{a,"b c",NULL}``, ``[0.1,0.2]``."""
    if _base(dtype.inner) in _DIRECT:
        inner = (
            column.str.strip_chars("{}[]")
            .str.split(",")
            .list.eval(pl.element().filter(pl.element() != "").replace("NULL", None).cast(dtype.inner, strict=True))
        )
        return inner.cast(dtype)
    values = [None if text is None else _texts(text) for text in column]
    return pl.Series(column.name, values, dtype=pl.List(pl.String)).cast(dtype, strict=True)


def _texts(array: str) -> list[str | None]:
    return [
        None if quoted is None and plain == "NULL" else plain if quoted is None else _ESCAPED.sub(r"\1", quoted)
        for quoted, plain in ((found[1], found[2]) for found in _ELEMENT.finditer(array[1:-1]))
    ]


_FILLER = "one_column_only"
_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^,]+)', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_CASTS = {pl.Boolean: _boolean, pl.Datetime: _instant, pl.Date: _date, pl.Binary: _binary, pl.List: _list}
