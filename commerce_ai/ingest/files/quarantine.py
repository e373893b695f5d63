"""The way back: quarantined rows, corrected or not, through the same pipeline once more."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

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
    name = _("quarantine")
    at = datetime.now(UTC)
    values = {row.pk: {**row.all_values(), **corrections.get(row.pk, {})} for row in rows}
    with Staging() as staging:
        rejects = Rejects(staging, shop_id=shop.pk, format=format, table=table, file=name, limit=1.0)
        loading = Loading(shop, format, table, name, staging, rejects, at, retried=True)
        try:
            with transaction.atomic():
                _again(loading, values)
        except FileError as error:
            # The rows as a whole were refused (a rule of the table between them): all of them stay.
            QuarantineRow.objects.of(shop).filter(pk__in=values).update(message=error.reason)
            retried.problems.update(dict.fromkeys(values, error.reason))
            return
        still = {each["row_number"]: each for frame in staging.parts("rejects") for each in frame.to_dicts()}
    for row in rows:
        row.attempts += 1
        if (bad := still.get(row.pk)) is not None:
            row.column, row.reason, row.message = bad["column"], bad["reason"], bad["message"]
            row.values = json.loads(bad["values"])
            secret = {
                name: value
                for name, value in values[row.pk].items()
                if name not in row.values or row.values[name] != value
            }
            row.sealed = (
                json.dumps({name: value for name, value in secret.items() if value is not None}, ensure_ascii=False)
                if secret
                else ""
            )
            retried.problems[row.pk] = row.message
        else:
            row.state, row.solved_at, row.solved_by = QuarantineRow.State.SOLVED, at, by
            retried.solved.append(row.pk)
        row.save()


def _again(loading: Loading, values: Mapping[int, Mapping[str, str | None]]) -> None:
    if loading.format == "segment" or loading.table == "event":
        lines = [(pk, segment.message_of(dict(each))) for pk, each in values.items()]
        segment.clean_lines(loading, lines)
        pipeline.write_rows(pipeline.steps_of("segment", ""), loading)
        return
    steps = pipeline.steps_of(loading.format, loading.table)
    for frame in _frames(values, united=loading.format == "online-retail"):
        while True:
            try:
                steps.clean(loading, [frame])
                break
            except MissingColumn as error:  # it was empty in every one of the rows
                frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias(str(error.column)))
    pipeline.write_rows(steps, loading)


def _frames(values: Mapping[int, Mapping[str, str | None]], *, united: bool) -> list[pl.DataFrame]:
    """One frame for each set of columns: what a row does not say must not be changed. `united`: one for all."""
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for pk, each in values.items():
        groups[tuple(sorted(name for name, value in each.items() if value not in (None, "")))].append(pk)
    if united:
        groups = {tuple(sorted({name for columns in groups for name in columns})): sorted(values)}
    return [
        pl.DataFrame(
            {ROW: ids, **{name: [values[pk].get(name) for pk in ids] for name in columns}},
            schema={ROW: pl.Int64, **dict.fromkeys(columns, pl.String)},
        )
        for columns, ids in groups.items()
    ]
