"""The way back: quarantined rows, corrected or not, through the same pipeline once more."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl
from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from commerce_ai.ingest.files import pipeline, segment
from commerce_ai.ingest.files.loading import Loading
from commerce_ai.ingest.files.problems import ROW, FileError, MissingColumn
from commerce_ai.ingest.files.rejects import Rejects
from commerce_ai.ingest.files.staging import Staging
from commerce_ai.ingest.models import QuarantineRow
from commerce_ai.shop.models import Shop

Values = Mapping[int, Mapping[str, str | None]]


@dataclass
class Retried:
    """Rows that went in, and for each of the others (by primary key) what is still wrong."""

    solved: list[int] = field(default_factory=list)
    problems: dict[int, str] = field(default_factory=dict)


def retry(
    rows: Iterable[QuarantineRow],
    corrections: Mapping[int, Mapping[str, str | None]] | None = None,
    *,
    by: User | None = None,
) -> Retried:
    """Try quarantined rows again; `corrections` are new values by the row's primary key and the file's column.

    Rows that are solved or discarded already are left alone. What still does not fit stays open, with its corrected
    values and the new reason. Each shop and format is one transaction.
    """
    groups: dict[tuple[int, str, str], list[int]] = defaultdict(list)
    for row in rows:
        groups[row.shop_id, row.format, row.table].append(row.pk)
    retried = Retried()
    for (shop_id, format, table), ids in groups.items():
        shop = Shop.objects.get(pk=shop_id)
        with transaction.atomic():
            locked = QuarantineRow.objects.of(shop).filter(pk__in=ids, state=QuarantineRow.State.OPEN)
            again = list(locked.select_for_update().order_by("pk"))
            if again:
                _retry(shop, format, table, again, corrections or {}, by, retried)
    return retried


def _retry(
    shop: Shop,
    format: str,
    table: str,
    rows: list[QuarantineRow],
    corrections: Mapping[int, Mapping[str, str | None]],
    by: User | None,
    retried: Retried,
) -> None:
    at = datetime.now(UTC)
    values = {row.pk: {**row.all_values(), **_changes(row, corrections.get(row.pk, {}))} for row in rows}
    still: dict[int, dict[str, Any]] = {}
    for part in _parts(format, values):
        still |= _again(shop, format, table, at, {pk: values[pk] for pk in part})
    for row in rows:
        row.attempts += 1
        if (bad := still.get(row.pk)) is not None:
            row.column, row.reason, row.message = bad["column"], bad["reason"], bad["message"]
            row.values, row.sealed = bad["values"], bad["sealed"]
            retried.problems[row.pk] = row.message
        else:
            row.state, row.solved_at, row.solved_by = QuarantineRow.State.SOLVED, at, by
            retried.solved.append(row.pk)
        row.save()


def _again(shop: Shop, format: str, table: str, at: datetime, values: Values) -> dict[int, dict[str, Any]]:
    """One more try, all or nothing but for the rows that come back: their new columns of QuarantineRow, by key."""
    name = _("quarantine")
    with Staging() as staging:
        rejects = Rejects(staging, shop_id=shop.pk, format=format, table=table, file=name, limit=1.0)
        loading = Loading(shop, format, table, name, staging, rejects, at, retried=True)
        try:
            with transaction.atomic():
                _load(loading, values)
        except FileError as error:  # a rule of the table between rows: all of them stay
            bad = {"column": error.column or "", "reason": "rule", "message": error.reason}
            return {
                pk: bad | _split(row.values, each)
                for (pk, each), row in zip(values.items(), _of(shop, values), strict=True)
            }
        found = [each for frame in staging.parts("rejects") for each in frame.to_dicts()]
    return {
        each["row_number"]: {
            "column": each["column"], "reason": each["reason"], "message": each["message"],
            **_split(json.loads(each["values"]), values[each["row_number"]]),
        }
        for each in found
    }  # fmt: skip


def _changes(row: QuarantineRow, corrections: Mapping[str, str | None]) -> dict[str, str | None]:
    """What a form gives back as it was shown is no correction: behind it may lie what was blacked out."""
    return {name: value for name, value in corrections.items() if value != row.values.get(name)}


def _of(shop: Shop, values: Values) -> list[QuarantineRow]:
    rows = QuarantineRow.objects.of(shop).in_bulk(list(values))
    return [rows[pk] for pk in values]


def _split(clear: Mapping[str, Any], values: Mapping[str, str | None]) -> dict[str, Any]:
    """What of a row may stand in clear, and the rest to be encrypted; corrections of clear columns stay clear."""
    given = {name: value for name, value in values.items() if value is not None}
    secret = {name: value for name, value in given.items() if clear.get(name) != value}
    return {"values": dict(clear), "sealed": json.dumps(secret, ensure_ascii=False) if secret else ""}


def _load(loading: Loading, values: Values) -> None:
    if loading.format == "segment" or loading.table == "event":
        segment.clean_lines(loading, [(pk, segment.message_of(dict(each))) for pk, each in values.items()])
        pipeline.write_rows(pipeline.steps_of("segment", ""), loading)
        return
    steps = pipeline.steps_of(loading.format, loading.table)
    ids = sorted(values)
    columns = sorted({name for each in values.values() for name, value in each.items() if value not in (None, "")})
    frame = pl.DataFrame(
        {ROW: ids, **{name: [values[pk].get(name) for pk in ids] for name in columns}},
        schema={ROW: pl.Int64, **dict.fromkeys(columns, pl.String)},
    )
    while True:
        try:
            steps.clean(loading, [frame])
            break
        except MissingColumn as error:  # it was empty in every one of the rows
            frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias(str(error.column)))
    pipeline.write_rows(steps, loading)


def _parts(format: str, values: Values) -> list[list[int]]:
    """Rows of a table go by the columns they have: what a row does not say must not be changed."""
    if format not in ("csv", "parquet"):
        return [list(values)]
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for pk, each in values.items():
        groups[tuple(sorted(name for name, value in each.items() if value not in (None, "")))].append(pk)
    return list(groups.values())
