"""Step two and three for a table's own CSV or Parquet: read every column as what it is, turn away what is not.

What comes out are frames with the database's column names: references still as external ids, personal columns
encrypted, defaults filled in. A column that the file does not have is not there, and is left as it is in the table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import polars as pl
from django.db import models
from django.utils.translation import gettext as _

from commerce_ai.crypto import EncryptedTextField, encrypt
from commerce_ai.ingest import addresses
from commerce_ai.ingest.files import checks, countries, labels, references
from commerce_ai.ingest.files.fields import Field
from commerce_ai.ingest.files.loading import Loading
from commerce_ai.ingest.files.parse import INSTANT, Bad, Parsed, as_text, parse
from commerce_ai.ingest.files.problems import ROW, MissingColumn
from commerce_ai.ingest.files.rejects import Reject, quote
from commerce_ai.ingest.files.tables import Table
from commerce_ai.shop import contact

DTYPES: dict[str, pl.DataType] = {
    "text": pl.String(), "secret": pl.String(), "reference": pl.String(), "number": pl.Float64(), "integer": pl.Int64(),
    "boolean": pl.Boolean(), "instant": INSTANT, "date": pl.Date(), "json": pl.String(), "list": pl.List(pl.String()),
    "ip": pl.String(), "uuid": pl.String(),
}  # fmt: skip


def clean(loading: Loading, frames: Iterable[pl.DataFrame], table: Table) -> None:
    """Every row into staging ("rows") or into quarantine. Raises FileError."""
    fields: dict[str, Field] | None = None
    for frame in frames:
        if fields is None:
            fields = _columns(frame.columns, table, loading)
        loading.staging.add("rows", clean_batch(loading, frame, table, fields))
        loading.read += frame.height
        loading.progress.advance(frame.height)
        loading.rejects.check(loading.read, finished=False)


def clean_batch(loading: Loading, frame: pl.DataFrame, table: Table, fields: Mapping[str, Field]) -> pl.DataFrame:
    """The good rows of one frame; `fields` are by the names of the file's columns."""
    rejects: list[Reject] = []
    columns: dict[str, pl.Series] = {ROW: frame[ROW]}
    for name, field in fields.items():
        parsed = _read(frame[name], field, loading)
        empty = _empty(frame[name])
        rejects += _rejected(parsed, empty, frame, name, field)
        if not field.required:
            loading.findings.add("missing", int(empty.sum()), column=field.name)
        columns[field.name] = parsed.values
    good = pl.DataFrame(columns)
    good = _fill(good, fields.values(), loading)
    good = good.with_columns(  # what names a row is always there, said or not
        constant(each).alias(each.column)
        for each in table.fields.values()
        if each.column in table.key and each.column not in good.columns
    )
    for name, field in fields.items():
        if field.refers is not None and field.refers is not table.model:
            good, unknown = references.resolve(loading, good, table, field)
            rejects += [Reject(row, name, "unknown", words) for row, words in unknown]
    good = references.without_erased(loading, good, table.model)
    if table.name == "labels":
        good, unknown = labels.resolve(loading, good)
        name = next((name for name, each in fields.items() if each.name == "subject_id"), "")
        rejects += [Reject(row, name, "unknown", words) for row, words in unknown]
    rejects += _broken_rules(good, table, fields)
    if rejects:
        loading.rejects.add(rejects, frame, fields)
        for reason, column in dict.fromkeys((each.reason, each.column) for each in rejects):
            rows = {each.row for each in rejects if (each.reason, each.column) == (reason, column)}
            example = _("row %(row)s: %(words)s") % {"row": min(rows), "words": reason}
            loading.findings.add("rejected", len(rows), column=column, examples=[example])
        good = good.filter(~pl.col(ROW).is_in([each.row for each in rejects]))
    return _seal(good, table, fields.values(), loading)


def _columns(have: list[str], table: Table, loading: Loading) -> dict[str, Field]:
    """The file's columns that are the table's, in any letter case."""
    known = {name.strip().lower().replace(" ", "_"): name for name in have if name != ROW}
    fields = {known[name]: field for name, field in table.fields.items() if name in known}
    for field in table.fields.values():
        if field.required and field.name not in known:
            raise MissingColumn(field.name, [name for name in have if name != ROW], file=loading.file)
    unknown = [name for name in have if name not in fields and name != ROW]
    loading.findings.add("unknown_columns", len(unknown), examples=unknown)
    return fields


def _read(series: pl.Series, field: Field, loading: Loading) -> Parsed:
    if field.pattern and "[A-Z]" in field.pattern:
        series = as_text(series, loading.file)
        if field.name == "country" or field.name.endswith("_country"):
            codes = countries.codes_of(series)
            unknown = series.is_not_null() & codes.is_null()
            empty = (codes == "").fill_null(False) & series.is_not_null()
            loading.findings.add(
                "country_unknown", int(empty.sum()), column=field.name, examples=series.filter(empty).unique()
            )
            values = pl.select(pl.when(codes != "").then(codes)).to_series().alias(series.name)
            return Parsed(values, (Bad(unknown, "country", _("it is no country's name or two-letter code")),))
        series = series.str.to_uppercase()
    parsed = parse(series, field, loading.file)
    if field.name == "currency":
        # Nothing here knows a rate: what is not in the shop's own money is for a person to decide.
        words = _("the shop's currency is %(currency)s, and no rate is known") % {"currency": loading.shop.currency}
        other = parsed.values.is_not_null() & (parsed.values != loading.shop.currency)
        return Parsed(parsed.values, (*parsed.bad, Bad(other, "currency", words)))
    return parsed


def _empty(series: pl.Series) -> pl.Series:
    if series.dtype == pl.String:
        return series.is_null() | (series.str.strip_chars() == "")
    return series.is_null()


def _rejected(parsed: Parsed, empty: pl.Series, frame: pl.DataFrame, name: str, field: Field) -> Iterable[Reject]:
    for bad in parsed.bad:
        mask = bad.mask.fill_null(False)
        if mask.any():
            for row, value in frame.filter(mask).select(ROW, pl.col(name).alias("value")).rows():
                yield Reject(row, name, bad.reason, f"{quote(value, field)}{bad.words}")
    if field.required and empty.any():
        for row in frame.filter(empty)[ROW]:
            yield Reject(row, name, "missing", _("a value is needed"))


def _fill(frame: pl.DataFrame, fields: Iterable[Field], loading: Loading) -> pl.DataFrame:
    """Database names, and defaults where the file has the column but no value.

    An instant whose default is the present stays empty here: it must not move when the file is loaded again.
    """
    frame = frame.rename({each.name: each.column for each in fields if each.column != each.name})
    for each in fields:
        if each.name == "currency":
            frame = frame.with_columns(pl.col("currency").fill_null(loading.shop.currency))
        elif not each.nullable and not each.required and not is_present(each):
            frame = (
                frame.with_columns(constant(each).alias("_d"))
                .with_columns(pl.coalesce(each.column, "_d").alias(each.column))
                .drop("_d")
            )
    return frame


def is_present(field: Field) -> bool:
    """Whether the column's default is the instant of writing."""
    return field.kind == "instant" and callable(field.default)


def constant(field: Field) -> pl.Expr:
    """The column's default as a value of its own dtype; not for the present (`is_present`)."""
    value = field.default_value()
    if field.kind == "json":
        value = json.dumps(value)
    if field.kind == "reference":
        return pl.lit(None, dtype=pl.Int64)
    dtype = pl.Decimal(field.digits, field.places) if field.kind == "decimal" else DTYPES[field.kind]
    if field.kind == "text" and value is not None:
        value = str(value)
    return pl.lit(value, dtype=dtype)


def _broken_rules(frame: pl.DataFrame, table: Table, fields: Mapping[str, Field]) -> Iterable[Reject]:
    absent = [each for each in table.fields.values() if each.column not in frame.columns]
    whole = frame.with_columns(
        *(constant(each).alias(each.column) for each in absent if not is_present(each) and each.name != "currency")
    )
    named = {each.column: name for name, each in fields.items()}
    for rule in checks.rules_of(table.model, dict(whole.schema)):
        columns = [_column_of(table.model, each) for each in rule.columns]
        first = next((named[each] for each in columns if each in named), None)
        if first is None:
            continue  # none of the rule's columns is in the file: nothing here can break it
        broken = whole.filter(~rule.holds.fill_null(True))
        for (row,) in broken.select(ROW).rows():
            yield Reject(row, first, "rule", _("the rule is: %(rule)s") % {"rule": rule.words})


def _column_of(model: type[models.Model], name: str) -> str:
    return str(getattr(model._meta.get_field(name), "column", ""))


def _seal(frame: pl.DataFrame, table: Table, fields: Iterable[Field], loading: Loading) -> pl.DataFrame:
    """Encrypt what may not be stored in clear, hash what is joined on, cut addresses to their networks."""
    columns = {each.column: each for each in table.model._meta.concrete_fields}
    for field in fields:
        if field.kind == "ip":
            stored = [addresses.as_stored(loading.shop.pk, each) for each in frame[field.column]]
            frame = frame.with_columns(pl.Series(field.column, stored, dtype=pl.String))
        if field.kind != "secret":
            continue
        texts = frame[field.column].fill_null("")
        hashes = {"email": contact.email_hash, "phone": contact.phone_hash}.get(field.name)
        if hashes and f"{field.name}_hash" in columns:
            sums = pl.Series(f"{field.name}_hash", [hashes(each) for each in texts], dtype=pl.Binary)
            frame = frame.with_columns(sums)
        column = columns.get(field.column)
        if isinstance(column, EncryptedTextField):
            keys = frame["external_id"]
            context = column.context
            # Named by its row as the bulk writer names it: the same text gives the same bytes, and changes nothing.
            sealed = [
                encrypt(text, context=context, row=f"{loading.shop.pk}\x1f{key}")
                for text, key in zip(texts, keys, strict=True)
            ]
            frame = frame.with_columns(pl.Series(field.column, sealed, dtype=pl.Binary))
        else:
            frame = frame.drop(field.column)
    return frame
