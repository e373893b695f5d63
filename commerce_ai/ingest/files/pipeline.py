"""The one way of every file: read, validate, clean, COPY.

Reading, validating and cleaning touch no table of the shop: cleaned rows wait in staging. Only when the whole file
is known to be good does one transaction write rows, quarantine, report and the load itself. Whatever stops a load
before that commit, kill -9 included, leaves nothing behind.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import polars as pl
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _

from commerce_ai.crypto import decrypt
from commerce_ai.ingest import metrics
from commerce_ai.ingest.files import typed, writing
from commerce_ai.ingest.files.loading import Loading, Progress, Silent, Written
from commerce_ai.ingest.files.problems import FileError
from commerce_ai.ingest.files.rejects import SEALED, Rejects
from commerce_ai.ingest.files.source import Source, open_source
from commerce_ai.ingest.files.staging import Staging
from commerce_ai.ingest.files.tables import table as table_named
from commerce_ai.ingest.models import CleaningReport, FileLoad, QuarantineRow
from commerce_ai.shop import bulk, tombstones
from commerce_ai.shop.models import Shop
from commerce_ai.shop.revision import bump

FORMATS = ("online-retail", "csv", "parquet", "segment")
MOST_REJECTED = 0.2  # share of rejected rows above which a file is refused as a whole


@dataclass(frozen=True)
class Loaded:
    """What became of a file. `already` is the earlier load of the same content, which makes this one do nothing."""

    load: FileLoad
    findings: list[dict[str, Any]] = field(default_factory=list)
    already: bool = False

    @property
    def written(self) -> dict[str, Written]:
        return {name: Written(**counts) for name, counts in self.load.written.items()}


def load_file(
    shop: Shop,
    path: Path | str,
    *,
    format: str,
    table: str = "",
    encoding: str = "",
    name: str = "",
    most_rejected: float = MOST_REJECTED,
    again: bool = False,
    by: User | None = None,
    progress: Progress | None = None,
) -> Loaded:
    """Load the file at `path` into `shop`.

    `format` is one of FORMATS, `table` one of `tables()` for ``csv`` and ``parquet``. A file whose content was loaded
    before is not loaded twice, unless `again`. Raises FileError, with nothing written.
    """
    began, at = monotonic(), datetime.now(UTC)
    source = open_source(path, encoding=encoding, name=name)
    steps = steps_of(format, table, source)
    sha256 = source.sha256()
    before = FileLoad.objects.of(shop).filter(format=format, table=table, sha256=sha256).order_by("-started_at").first()
    if before is not None and not again:
        return Loaded(before, before.report.findings, already=True)
    with Staging() as staging:
        rejects = Rejects(staging, shop_id=shop.pk, format=format, table=table, file=source.name, limit=most_rejected)
        loading = Loading(shop, format, table, source.name, staging, rejects, at, progress=progress or Silent())
        loading.progress.start(_("reading"), source.estimated_rows())
        steps.clean(loading, source.frames() if steps.framed else source)
        rejects.check(loading.read, finished=True)
        with transaction.atomic():
            _one_at_a_time(shop)
            write_rows(steps, loading)
            load = FileLoad(
                shop=shop, format=format, table=table, file_name=source.name[:255], sha256=sha256,
                size_bytes=source.bytes, by=by, started_at=at,
            )  # fmt: skip
            findings = _close(loading, load, monotonic() - began)
    return Loaded(load, findings)


@dataclass(frozen=True)
class Steps:
    """What a format does: `clean` puts rows into staging or quarantine, `write` takes them over. `framed`: `clean`
    wants frames; else the source itself."""

    clean: Callable[[Loading, Any], None]
    write: Callable[[Loading], None]
    framed: bool = True


def steps_of(format: str, table: str, source: Source | None = None) -> Steps:
    """Raises FileError where there is no such format or table, or the file is none of it."""
    if format in ("csv", "parquet"):
        try:
            target = table_named(table)
        except ValueError as error:
            raise FileError(str(error), file=source.name if source else "") from None
        if source is not None and source.is_parquet != (format == "parquet"):
            words = _("the file is not %(format)s; load it as %(other)s")
            other = "parquet" if source.is_parquet else "csv"
            raise FileError(words % {"format": format, "other": other}, file=source.name)
        return Steps(
            clean=lambda loading, frames: typed.clean(loading, frames, target),
            write=lambda loading: writing.write(loading, target),
        )
    if format == "online-retail":
        from commerce_ai.ingest.files import retail, retail_writing

        return Steps(clean=retail.clean, write=retail_writing.write)
    if format == "segment":
        from commerce_ai.ingest.files import segment

        return Steps(clean=segment.clean, write=segment.write, framed=False)
    words = _("there is no format “%(format)s”; the formats are: %(formats)s")
    raise FileError(words % {"format": format, "formats": ", ".join(FORMATS)}, file=source.name if source else "")


def _one_at_a_time(shop: Shop) -> None:
    """Two loads of one shop would wait for each other row by row, or in a ring: the second waits here."""
    key = int.from_bytes(hashlib.sha256(b"file load %d" % shop.pk).digest()[:8], "big", signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])


def write_rows(steps: Steps, loading: Loading) -> None:
    """Staging into the tables, and what tells others of it; in the caller's transaction. Raises FileError."""
    loading.progress.start(_("writing"), loading.read - loading.rejects.count)
    try:
        steps.write(loading)
    except IntegrityError as error:
        diagnosis = getattr(error.__cause__, "diag", None)
        rule = getattr(diagnosis, "constraint_name", None) or _("unknown")
        words = _("the rows together break a rule of the table %(table)s: %(rule)s; nothing was written")
        table = getattr(diagnosis, "table_name", None) or loading.table
        raise FileError(words % {"table": table, "rule": rule}, file=loading.file) from None
    except bulk.BadValue as error:
        raise FileError(error.message, file=loading.file, column=error.column or None) from None
    loading.rejects.check(loading.read, finished=True)
    metrics.recount_orders(loading.shop, loading.days)
    if loading.changed:
        bump("catalogue", loading.shop)
        bump("consent", loading.shop)


def _close(loading: Loading, load: FileLoad, seconds: float) -> list[dict[str, Any]]:
    """The load's own rows, and what tells others: in the same transaction."""
    load.rows_read = loading.read
    load.rows_rejected = loading.rejects.count
    load.rows_duplicate = loading.duplicates + loading.rejects.repeated
    load.rows_left_out = loading.left_out
    load.rows_loaded = load.rows_read - load.rows_rejected - load.rows_duplicate - load.rows_left_out
    load.written = {name: asdict(counts) for name, counts in loading.written.items()}
    load.seconds = round(seconds, 3)
    load.save()
    findings = loading.findings.as_json()
    CleaningReport.objects.create(shop=loading.shop, load=load, findings=findings)
    _store_rejects(loading, load)
    return findings


def _without_erased(loading: Loading, frame: pl.DataFrame) -> pl.DataFrame:
    """What is wrong with a row of somebody erased is of no interest."""
    is_barred = tombstones.barred(loading.shop.pk)
    if is_barred is None or frame.is_empty():
        return frame
    keep = []
    for values, sealed in frame.select("values", "sealed").iter_rows():
        said = [json.loads(values), json.loads(decrypt(sealed, context=SEALED)) if sealed else {}]
        keep.append(not tombstones.names_erased(loading.shop.pk, said, is_barred))
    return frame.filter(pl.Series(keep, dtype=pl.Boolean))


def _store_rejects(loading: Loading, load: FileLoad) -> None:
    for frame in loading.staging.parts("rejects"):
        frame = _without_erased(loading, frame)
        frame = frame.with_columns(
            pl.lit(loading.shop.pk).alias("shop_id"),
            pl.lit(load.pk).alias("load_id"),
            pl.lit(loading.format).alias("format"),
            pl.lit(loading.table).alias("table"),
        )
        # A row that lies there already, open, solved or discarded, stays as it is.
        bulk.upsert(QuarantineRow, frame.columns, frame, key=("shop_id", "fingerprint"), update=())
