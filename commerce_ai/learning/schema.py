"""What a frame must look like before a learner sees it.

A `FrameSchema` is the contract between whoever brings rows (Postgres, a CSV, another plugin) and a learner.
`check` returns the frame with the dtypes that the learner expects, or raises one `FrameError` that names the
source, the column and the first offending row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
_SAYS = {
    "int": "a whole number",
    "float": "a number",
    "text": "text",
    "bool": "true or false",
    "timestamp": "an instant (ISO 8601, or Unix seconds)",
    "date": "a date (YYYY-MM-DD)",
}
# Polars would also make numbers of dates and texts of lists; nobody means that.
_MAY_BECOME: dict[str, Callable[[pl.DataType], bool]] = {
    "int": lambda dtype: dtype.is_numeric() or dtype in (pl.String, pl.Boolean),
    "float": lambda dtype: dtype.is_numeric() or dtype in (pl.String, pl.Boolean),
    "text": lambda dtype: not dtype.is_nested() and dtype not in (pl.Binary, pl.Object),
    "bool": lambda dtype: dtype == pl.Boolean,
    "date": lambda dtype: dtype == pl.Date or isinstance(dtype, pl.Datetime),
}
_BOOLS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_ISO = (
    r"^(?P<day>\d{4}-\d{2}-\d{2})(?:[T ](?P<minute>\d{2}:\d{2})(?::(?P<second>\d{2})(?:[.,](?P<part>\d{1,9}))?)?"
    r"\s?(?P<zone>Z|[+-]\d{2}:?\d{2})?)?$"
)


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

    An ``id`` is an integer or a string and keeps the dtype it came with; ``any`` is passed on unseen. `choices`
    are the only values that a text may take; bounds hold for numbers.
    """

    kind: Kind
    doc: str = ""
    unit: str = ""
    required: bool = True
    nullable: bool = False
    at_least: float | None = None
    at_most: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class FrameSchema:
    """Columns by name. Of other columns nothing is kept (`extra` ``drop``), or all (``keep``).

    `one_of` are groups of columns of which at least one is needed; an `optional` frame may be absent.
    """

    columns: Mapping[str, Column]
    extra: Literal["drop", "keep"] = "drop"
    doc: str = ""
    optional: bool = False
    one_of: tuple[tuple[str, ...], ...] = field(default=())

    def check(self, frame: pl.DataFrame, source: str) -> pl.DataFrame:
        """The frame with this schema's dtypes, in its own row order; `FrameError` names what does not fit."""
        have = ", ".join(frame.columns) or "none"
        for name, column in self.columns.items():
            if name in frame.columns:
                frame = frame.with_columns(_read(frame[name], column, source))
            elif column.required:
                raise FrameError(f"the column is missing; the columns are: {have}", source=source, column=name)
        for group in self.one_of:
            if not any(name in frame.columns for name in group):
                words = " or ".join(repr(name) for name in group)
                raise FrameError(f"a column {words} is needed; the columns are: {have}", source=source)
        if self.extra == "drop":
            frame = frame.select([name for name in self.columns if name in frame.columns])
        return frame

    def describe(self) -> list[str]:
        """One line a column, in words."""
        lines = [f"  {self.doc}"] if self.doc else []
        for name, column in self.columns.items():
            words: list[str] = [column.kind]
            words += [] if column.required else ["optional"]
            words += ["may be empty"] if column.nullable else []
            words += [column.unit] if column.unit else []
            words += [f"one of {', '.join(column.choices)}"] if column.choices else []
            words += [f"at least {column.at_least:g}"] if column.at_least is not None else []
            words += [f"at most {column.at_most:g}"] if column.at_most is not None else []
            lines.append(f"  {name}: {', '.join(words)}. {column.doc}".rstrip())
        return lines + [f"  needed: {' or '.join(group)}" for group in self.one_of]


def _read(before: pl.Series, column: Column, source: str) -> pl.Series:
    after = _cast(before, column, source)
    _refuse(before, before.is_not_null() & after.is_null(), f"is not {_SAYS.get(column.kind, column.kind)}", source)
    if not column.nullable and after.null_count():
        row = int(after.is_null().arg_true()[0])
        raise FrameError("the value is missing", source=source, column=before.name, row=row + 1)
    if column.kind == "id" and after.dtype == pl.String:
        _refuse(after, after.str.strip_chars() == "", "is not an id", source)
    if column.kind == "float":
        _refuse(after, after.is_nan() | after.is_infinite(), "is not a finite number", source)
    if column.at_least is not None:
        _refuse(after, after < column.at_least, f"is below {column.at_least:g}", source)
    if column.at_most is not None:
        _refuse(after, after > column.at_most, f"is above {column.at_most:g}", source)
    if column.choices:
        _refuse(after, ~after.is_in(list(column.choices)), f"is none of {', '.join(column.choices)}", source)
    return after.alias(before.name)


def _refuse(values: pl.Series, bad: pl.Series, words: str, source: str) -> None:
    if bad.any():
        row = int(bad.arg_true()[0])
        raise FrameError(f"{values[row]!r} {words}", source=source, column=values.name, row=row + 1)


def _cast(series: pl.Series, column: Column, source: str) -> pl.Series:
    if series.dtype == pl.Null and column.kind in _DTYPES:
        return series.cast(_DTYPES[column.kind])
    match column.kind:
        case "id":
            if series.dtype.is_integer() or series.dtype == pl.String:
                return series
            if series.dtype in (pl.Categorical, pl.Enum):
                return series.cast(pl.String)
            raise FrameError(f"an id must be an integer or text, not {series.dtype}", source=source, column=series.name)
        case "timestamp":
            return _timestamps(series)
        case "date" if series.dtype == pl.String:
            return series.str.to_date("%Y-%m-%d", strict=False)
        case "bool" if series.dtype == pl.String:
            lowered = series.str.to_lowercase().str.strip_chars()
            return lowered.replace_strict(_BOOLS, default=None, return_dtype=pl.Boolean)
        case "bool" if series.dtype.is_integer():
            # Casting would turn every 2 into True.
            return series.replace_strict({0: False, 1: True}, default=None, return_dtype=pl.Boolean)
        case "int" if series.dtype.is_float():
            # Casting would cut 2.7 to 2.
            whole = pl.select(pl.when(series == series.floor()).then(series)).to_series()
            return whole.cast(pl.Int64, strict=False)
        case "int" | "float" | "text" | "bool" | "date":
            if not _MAY_BECOME[column.kind](series.dtype):
                words = f"{series.dtype} is not {_SAYS[column.kind]}"
                raise FrameError(words, source=source, column=series.name)
            return series.cast(_DTYPES[column.kind], strict=False)
        case _:
            return series


def _timestamps(series: pl.Series) -> pl.Series:
    if series.dtype == pl.String:
        digits = series.str.contains(r"^\d{9,17}$")
        return _from_epoch(series.cast(pl.Int64)) if digits.all() and len(digits) else _from_text(series)
    if isinstance(series.dtype, pl.Datetime):
        if series.dtype.time_zone is None:
            return series.dt.replace_time_zone("UTC").dt.cast_time_unit("us")
        return series.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    if series.dtype == pl.Date:
        return series.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if series.dtype.is_integer():
        return _from_epoch(series.cast(pl.Int64))
    return pl.Series(series.name, [None] * len(series), dtype=_DTYPES["timestamp"])


def _from_epoch(series: pl.Series) -> pl.Series:
    """Unix time: seconds as public data sets have it; milli- and microseconds are told by their size (year 5138)."""
    top = abs(series).max()
    unit = 1 if not isinstance(top, int) or top < 10**11 else 10**3 if top < 10**14 else 10**6
    return (series * (10**6 // unit)).cast(pl.Datetime("us", "UTC"))


def _from_text(series: pl.Series) -> pl.Series:
    """ISO 8601, every row in its own precision; a zone in the text is honoured, text without one is UTC.

    Other orders of day and month are refused: nobody can tell the third of April from the fourth of March.
    """
    parts = series.str.strip_chars().str.extract_groups(_ISO).struct.unnest()
    whole = pl.concat_str(
        pl.col("day"),
        pl.lit("T"),
        pl.col("minute").fill_null("00:00"),
        pl.lit(":"),
        pl.col("second").fill_null("00"),
        pl.lit("."),
        pl.col("part").fill_null("").str.pad_end(6, "0").str.slice(0, 6),
        pl.when(pl.col("zone").is_null() | (pl.col("zone") == "Z"))
        .then(pl.lit("+0000"))
        .otherwise(pl.col("zone").str.replace(":", "", literal=True)),
    )
    text = parts.select(whole.alias(series.name)).to_series()
    return text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us", time_zone="UTC", strict=False)
