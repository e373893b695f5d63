"""What a frame must look like before a learner sees it.

A `FrameSchema` is the contract between whoever brings rows (Postgres, a CSV, another plugin) and a learner.
`check` returns the frame with the dtypes that the learner expects, or raises one `FrameError` that names the
source, the column and the first offending row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

Kind = Literal["id", "int", "float", "text", "bool", "timestamp", "date", "list", "any"]

_DTYPES: dict[str, pl.DataType] = {
    "int": pl.Int64(),
    "float": pl.Float64(),
    "text": pl.String(),
    "bool": pl.Boolean(),
    "timestamp": pl.Datetime("us", "UTC"),
    "date": pl.Date(),
}


class FrameError(ValueError):
    """A frame does not fit its schema. `source`, `column` and `row` (1-based, header not counted) say where."""

    def __init__(self, message: str, *, source: str, column: str | None = None, row: int | None = None) -> None:
        self.source, self.column, self.row, self.reason = source, column, row, message
        where = source
        if column is not None:
            where += f", column {column!r}"
        if row is not None:
            where += f", row {row}"
        super().__init__(f"{where}: {message}")


@dataclass(frozen=True)
class Column:
    """One column: its kind, whether it must be there, whether it may be empty, and what it means.

    An ``id`` is an integer or a string and keeps the dtype it came with; ``any`` is passed on unseen.
    """

    kind: Kind
    doc: str = ""
    unit: str = ""
    required: bool = True
    nullable: bool = False
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True)
class FrameSchema:
    """Columns by name. `extra` says what else may stand in the frame: nothing of it is kept (``drop``), or all (``keep``)."""

    columns: Mapping[str, Column]
    extra: Literal["drop", "keep"] = "drop"
    doc: str = ""
    optional: bool = False
    one_of: tuple[tuple[str, ...], ...] = field(default=())

    def check(self, frame: pl.DataFrame, source: str) -> pl.DataFrame:
        """The frame with this schema's dtypes, in its own row order; `FrameError` names what does not fit."""
        for name, column in self.columns.items():
            if name not in frame.columns:
                if column.required:
                    have = ", ".join(frame.columns) or "none"
                    raise FrameError(f"the column is missing; the columns are: {have}", source=source, column=name)
                continue
            frame = frame.with_columns(_cast(frame[name], column, source))
        for group in self.one_of:
            if not any(name in frame.columns for name in group):
                raise FrameError(f"one of the columns {', '.join(group)} is needed", source=source)
        if self.extra == "drop":
            frame = frame.select([name for name in self.columns if name in frame.columns])
        return frame


def _cast(series: pl.Series, column: Column, source: str) -> pl.Series:
    name = series.name
    if column.kind == "id":
        if series.dtype.is_integer():
            result = series.cast(pl.Int64, strict=False)
        elif series.dtype in (pl.String, pl.Categorical):
            result = series.cast(pl.String)
        else:
            raise FrameError(f"an id must be an integer or text, not {series.dtype}", source=source, column=name)
    elif column.kind == "timestamp":
        result = _timestamps(series)
    elif column.kind == "date" and series.dtype == pl.String:
        result = series.str.to_date(strict=False)
    elif column.kind == "bool" and series.dtype == pl.String:
        lowered = series.str.to_lowercase().str.strip_chars()
        result = lowered.replace_strict(
            {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False},
            default=None, return_dtype=pl.Boolean,
        )
    elif column.kind in _DTYPES:
        result = series.cast(_DTYPES[column.kind], strict=False)
    else:
        result = series
    _refuse_lost_values(series, result, column, source)
    return result.alias(name)


def _timestamps(series: pl.Series) -> pl.Series:
    if series.dtype == pl.String:
        # Time zones in text are honoured; text without one is UTC.
        return series.str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    if isinstance(series.dtype, pl.Datetime):
        if series.dtype.time_zone is None:
            return series.dt.replace_time_zone("UTC").dt.cast_time_unit("us")
        return series.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    if series.dtype == pl.Date:
        return series.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if series.dtype.is_integer():
        # Unix seconds, as public data sets have them.
        return pl.from_epoch(series, time_unit="s").dt.replace_time_zone("UTC").dt.cast_time_unit("us")
    return pl.Series(series.name, [None] * len(series), dtype=pl.Datetime("us", "UTC"))


def _refuse_lost_values(before: pl.Series, after: pl.Series, column: Column, source: str) -> None:
    lost = before.is_not_null() & after.is_null()
    if lost.any():
        row = int(lost.arg_true()[0])
        raise FrameError(f"{before[row]!r} is not of kind {column.kind}", source=source, column=before.name, row=row + 1)
    if not column.nullable and after.null_count():
        row = int(after.is_null().arg_true()[0])
        raise FrameError("the value is missing", source=source, column=before.name, row=row + 1)
    if column.kind == "float" and after.dtype == pl.Float64:
        odd = after.is_nan() | after.is_infinite()
        if odd.any():
            row = int(odd.arg_true()[0])
            raise FrameError(f"{after[row]!r} is not a finite number", source=source, column=before.name, row=row + 1)
    for bound, bad, word in (
        (column.at_least, None if column.at_least is None else after < column.at_least, "below"),
        (column.at_most, None if column.at_most is None else after > column.at_most, "above"),
    ):
        if bad is not None and bad.any():
            row = int(bad.arg_true()[0])
            raise FrameError(f"{after[row]!r} is {word} {bound:g}", source=source, column=before.name, row=row + 1)
