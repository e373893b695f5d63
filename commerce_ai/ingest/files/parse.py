"""Values as they stand in a file -> values as they stand in a column, a whole batch at a time.

`parse` never raises for a single bad value: it says which rows are bad and why, and those go to quarantine. It
raises FileError where the column as a whole can't be what it should be (a Parquet column of lists for a price).
"""

from __future__ import annotations

import ipaddress
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from commerce_ai.ingest.files.fields import Field
from commerce_ai.ingest.files.problems import FileError

INSTANT = pl.Datetime("us", "UTC")
TRUE, FALSE = ("true", "1", "yes", "y", "t"), ("false", "0", "no", "n", "f")
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_INSTANT = (
    r"^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s?(Z|UTC|[+-]\d{2}(?::?\d{2})?)?)?$"
)
_FIRST_YEAR, _LAST_YEAR = 1900, 2200


@dataclass(frozen=True)
class Bad:
    """Rows (a Boolean mask) that can't be read, the reason as a code and in words."""

    mask: pl.Series
    reason: str
    words: Any


@dataclass(frozen=True)
class Parsed:
    values: pl.Series
    bad: tuple[Bad, ...] = ()


def parse(series: pl.Series, field: Field, file: str) -> Parsed:
    """The column's values, null where nothing stands or nothing readable does."""
    parsed = _PARSERS[field.kind](series, field, file)
    if field.kind in ("text", "secret", "reference"):
        parsed = _check_text(parsed, field)
    if field.choices or field.kind == "integer":
        parsed = _check_value(parsed, field)
    return parsed


def as_text(series: pl.Series, file: str) -> pl.Series:
    """Text without surrounding blanks, null where nothing is left. Whole numbers lose the `.0` of a spreadsheet."""
    if series.dtype == pl.Null:
        return series.cast(pl.String)
    if series.dtype in (pl.Categorical, pl.Enum) or series.dtype.is_integer() or series.dtype.is_decimal():
        series = series.cast(pl.String)
    elif series.dtype.is_float():
        whole = series.cast(pl.Int64, strict=False)
        series = pl.select(
            pl.when(series == whole).then(whole.cast(pl.String)).otherwise(series.cast(pl.String))
        ).to_series()
    elif series.dtype != pl.String:
        words = _("the column holds %(dtype)s, not text")
        raise FileError(words % {"dtype": _named(series.dtype)}, file=file, column=series.name, row=1)
    stripped = series.str.strip_chars()
    return pl.select(pl.when(stripped != "").then(stripped)).to_series().alias(series.name)


def _text(series: pl.Series, field: Field, file: str) -> Parsed:
    return Parsed(as_text(series, file))


def _check_text(parsed: Parsed, field: Field) -> Parsed:
    values, bad = parsed.values, list(parsed.bad)
    bad.append(
        Bad(
            values.str.contains("\x00", literal=True),
            "text",
            gettext_lazy("it holds a character that is not text (NUL)"),
        )
    )
    if field.max_length:
        words = gettext_lazy("it is longer than %(length)s characters")
        bad.append(Bad(values.str.len_chars() > field.max_length, "length", _Later(words, length=field.max_length)))
    if field.pattern:
        pattern = field.pattern.replace(r"\Z", "$")
        bad.append(
            Bad(~values.str.contains(pattern), "pattern", gettext_lazy("it is not of the form that the column has"))
        )
    return Parsed(values, tuple(bad))


def _check_value(parsed: Parsed, field: Field) -> Parsed:
    values, bad = parsed.values, list(parsed.bad)
    if field.choices and field.kind == "text":
        lowered = values.str.to_lowercase()
        words = gettext_lazy("it is none of %(choices)s")
        named = ", ".join(each for each in field.choices if each)
        bad.append(Bad(~lowered.is_in(list(field.choices)), "choice", _Later(words, choices=named)))
        values = lowered
    if field.kind == "integer" and field.lowest is not None and field.highest is not None:
        words = gettext_lazy("it is not between %(low)s and %(high)s")
        outside = (values < field.lowest) | (values > field.highest)
        bad.append(Bad(outside, "range", _Later(words, low=field.lowest, high=field.highest)))
    return Parsed(values, tuple(bad))


def _decimal(series: pl.Series, field: Field, file: str) -> Parsed:
    dtype = pl.Decimal(field.digits or 14, field.places)
    if series.dtype.is_numeric():
        return _unless_null(series, series.cast(dtype, strict=False), "number", _number_words(field))
    text = _numeric_text(series, file)
    values = pl.select(pl.when(text.str.contains(_NUMBER)).then(text)).to_series().cast(dtype, strict=False)
    return _unless_null(text, values, "number", _number_words(field), _commas(text))


def _number(series: pl.Series, field: Field, file: str) -> Parsed:
    if series.dtype.is_numeric():
        values = series.cast(pl.Float64)
        return Parsed(values, (Bad(~values.is_finite(), "number", _number_words(field)),))
    text = _numeric_text(series, file)
    values = pl.select(pl.when(text.str.contains(_NUMBER)).then(text)).to_series().cast(pl.Float64, strict=False)
    values = pl.select(pl.when(values.is_finite()).then(values)).to_series()
    return _unless_null(text, values, "number", _number_words(field), _commas(text))


def _integer(series: pl.Series, field: Field, file: str) -> Parsed:
    words = gettext_lazy("it is not a whole number")
    if series.dtype.is_integer():
        return _unless_null(series, series.cast(pl.Int64, strict=False), "number", words)
    if series.dtype.is_float() or series.dtype.is_decimal():
        whole = pl.select(pl.when(series == series.floor()).then(series)).to_series()
        return _unless_null(series, whole.cast(pl.Int64, strict=False), "number", words)
    text = _numeric_text(series, file)
    plain = pl.select(pl.when(text.str.contains(r"^[+-]?\d+(\.0+)?$")).then(text.str.replace(r"\.0+$", ""))).to_series()
    return _unless_null(text, plain.cast(pl.Int64, strict=False), "number", words)


def _boolean(series: pl.Series, field: Field, file: str) -> Parsed:
    if series.dtype == pl.Boolean:
        return Parsed(series)
    text = as_text(series, file)
    known = {**dict.fromkeys(TRUE, True), **dict.fromkeys(FALSE, False)}
    values = text.str.to_lowercase().replace_strict(known, default=None, return_dtype=pl.Boolean)
    return _unless_null(text, values, "boolean", gettext_lazy("it is neither true nor false"))


def _instant(series: pl.Series, field: Field, file: str) -> Parsed:
    words = gettext_lazy(
        "it is not a date and time as in 2024-03-31T18:00:00Z (other orders of day and month can't be told apart)"
    )
    if isinstance(series.dtype, pl.Datetime):
        aware = (
            series.dt.replace_time_zone("UTC") if series.dtype.time_zone is None else series.dt.convert_time_zone("UTC")
        )
        return _plausible(Parsed(aware.cast(INSTANT)))
    if series.dtype == pl.Date:
        return _plausible(Parsed(series.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")))
    _refuse_unless_text(series, file, words)
    text = as_text(series, file)
    parts = text.str.extract_groups(_INSTANT).struct.rename_fields(["day", "minute", "second", "part", "zone"])
    zone = pl.col("zone").str.replace(":", "", literal=True)
    whole = pl.concat_str(
        pl.col("day"),
        pl.lit("T"),
        pl.col("minute").fill_null("00:00"),
        pl.lit(":"),
        pl.col("second").fill_null("00"),
        pl.lit("."),
        pl.col("part").fill_null("").str.pad_end(6, "0").str.slice(0, 6),
        pl.when(pl.col("zone").is_null() | pl.col("zone").is_in(["Z", "UTC"]))
        .then(pl.lit("+0000"))
        .when(zone.str.len_chars() == 3)
        .then(zone + "00")
        .otherwise(zone),
    )
    joined = parts.struct.unnest().select(whole.alias(series.name)).to_series()
    values = joined.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us", time_zone="UTC", strict=False)
    return _plausible(_unless_null(text, values, "instant", words))


def _date(series: pl.Series, field: Field, file: str) -> Parsed:
    words = gettext_lazy("it is not a date as in 2024-03-31 (other orders of day and month can't be told apart)")
    if isinstance(series.dtype, pl.Datetime):
        return _plausible(Parsed(series.dt.date()))
    if series.dtype == pl.Date:
        return _plausible(Parsed(series))
    _refuse_unless_text(series, file, words)
    text = as_text(series, file)
    return _plausible(_unless_null(text, text.str.to_date("%Y-%m-%d", strict=False), "date", words))


def _list(series: pl.Series, field: Field, file: str) -> Parsed:
    if isinstance(series.dtype, pl.List):
        return Parsed(series.cast(pl.List(pl.String)))
    text = as_text(series, file)
    parts = (
        text.str.split("|").list.eval(pl.element().str.strip_chars()).list.eval(pl.element().filter(pl.element() != ""))
    )
    too_long = parts.list.eval(pl.element().str.len_chars().max()).list.first() > 100
    return Parsed(
        parts,
        (Bad(too_long.fill_null(False), "length", gettext_lazy("one of the texts is longer than 100 characters")),),
    )


def _json(series: pl.Series, field: Field, file: str) -> Parsed:
    empty = field.default_value()
    kind = type(empty) if isinstance(empty, (dict, list)) else object

    def normal(value: str) -> str | None:
        # Written one way, so that the same object in another order of keys or blanks is the same value.
        read = json.loads(value, parse_constant=_refuse_constant)
        return json.dumps(read, sort_keys=True, ensure_ascii=False) if isinstance(read, kind) else None

    if isinstance(series.dtype, pl.Struct):
        rows = [None if row is None else json.dumps(row, sort_keys=True, default=str) for row in series.to_list()]
        return Parsed(pl.Series(series.name, rows, dtype=pl.String))
    words = gettext_lazy("it is not a JSON object") if kind is dict else gettext_lazy("it is not JSON")
    return _each(series, file, normal, "json", words)


def _ip(series: pl.Series, field: Field, file: str) -> Parsed:
    return _each(
        series, file, lambda each: str(ipaddress.ip_address(each)), "ip", gettext_lazy("it is not an IP address")
    )


def _uuid(series: pl.Series, field: Field, file: str) -> Parsed:
    return _each(series, file, lambda each: str(uuid.UUID(each)), "uuid", gettext_lazy("it is not a UUID"))


def _each(series: pl.Series, file: str, read: Callable[[str], str | None], reason: str, words: Any) -> Parsed:
    text = as_text(series, file)
    known: dict[str, str | None] = {}
    for value in text.unique().drop_nulls():
        try:
            known[value] = read(value)
        except (ValueError, RecursionError):
            known[value] = None
    values = text.replace_strict(known, default=None, return_dtype=pl.String) if known else text
    return _unless_null(text, values, reason, words)


def _refuse_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity are not JSON, and Postgres refuses them


def _plausible(parsed: Parsed) -> Parsed:
    year = parsed.values.dt.year()
    words = gettext_lazy("the year is not between %(first)s and %(last)s")
    outside = (year < _FIRST_YEAR) | (year > _LAST_YEAR)
    return Parsed(
        parsed.values, (*parsed.bad, Bad(outside, "range", _Later(words, first=_FIRST_YEAR, last=_LAST_YEAR)))
    )


def _unless_null(before: pl.Series, after: pl.Series, reason: str, words: Any, *more: Bad) -> Parsed:
    lost = before.is_not_null() & after.is_null()
    return Parsed(after.alias(before.name), (*more, Bad(lost, reason, words)))


def _numeric_text(series: pl.Series, file: str) -> pl.Series:
    _refuse_unless_text(series, file, gettext_lazy("it is not a number"))
    return as_text(series, file)


def _refuse_unless_text(series: pl.Series, file: str, words: Any) -> None:
    if series.dtype not in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        raise FileError(f"{_named(series.dtype)}: {words}", file=file, column=series.name, row=1)


def _commas(text: pl.Series) -> Bad:
    commas = text.str.contains(r"^[+-]?[\d.\s]*,\d*[\d.,]*$")
    return Bad(
        commas, "comma", gettext_lazy("a comma in a number: decimals come after a point, thousands have no sign")
    )


def _number_words(field: Field) -> Any:
    if not field.digits:
        return gettext_lazy("it is not a number")
    words = gettext_lazy("it is not a number with at most %(digits)s digits before the point")
    return _Later(words, digits=field.digits - field.places)


def _named(dtype: pl.DataType) -> str:
    return str(dtype.base_type()).lower()


class _Later:
    """A sentence whose placeholders are filled when it is read, in the reader's language."""

    def __init__(self, words: Any, **values: Any) -> None:
        self._words, self._values = words, values

    def __str__(self) -> str:
        return str(self._words) % self._values


_PARSERS: dict[str, Callable[[pl.Series, Field, str], Parsed]] = {
    "text": _text, "secret": _text, "reference": _text, "decimal": _decimal, "number": _number, "integer": _integer,
    "boolean": _boolean, "instant": _instant, "date": _date, "list": _list, "json": _json, "ip": _ip, "uuid": _uuid,
}  # fmt: skip
