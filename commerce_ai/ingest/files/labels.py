"""Labels: a row names what it is about by kind and outside id, and nothing in the table makes a label unique."""

from __future__ import annotations

import polars as pl
from django.db import models
from django.utils.translation import gettext as _

from commerce_ai.ingest.files.loading import Loading
from commerce_ai.ingest.files.parse import INSTANT
from commerce_ai.ingest.files.problems import ROW, shown
from commerce_ai.shop import bulk, frames, tombstones
from commerce_ai.shop import models as shop

KEY = ("task", "subject_type", "subject_id", "text", "value", "at")
_SUBJECTS: dict[str, type[models.Model]] = {
    "product": shop.Product,
    "order": shop.Order,
    "payment": shop.Payment,
    "review": shop.Review,
    "mention": shop.Mention,
    "message": shop.Message,
    "conversation": shop.Conversation,
}
_SCHEMA = {
    "task": pl.String(), "subject_type": pl.String(), "subject_id": pl.Int64(), "text": pl.String(),
    "value": pl.String(), "at": INSTANT,
}  # fmt: skip


def resolve(loading: Loading, frame: pl.DataFrame) -> tuple[pl.DataFrame, list[tuple[int, str]]]:
    """Our ids in `subject_id`, and the rows (number, what is wrong) whose subject is not known. What is said of a
    row whose person was erased comes without the words: they may be theirs."""
    texts = frame["subject_id"]
    ids = pl.Series("subject_id", [None] * frame.height, dtype=pl.Int64)
    for kind, model in _SUBJECTS.items():
        of_kind = frame["subject_type"] == kind
        named = texts.filter(of_kind).unique().drop_nulls()
        if gone := tombstones.emptied(loading.shop.pk, model, named):
            frame = _without_words(frame, of_kind & texts.is_in(list(gone)).fill_null(False))
        known = bulk.resolve(model, loading.shop, named)
        found = texts.replace_strict(known, default=None, return_dtype=pl.Int64)
        ids = pl.select(pl.when(of_kind).then(found).otherwise(ids)).to_series().alias("subject_id")
    words = _("there is no %(kind)s %(value)s in this shop; load it first")
    lost = frame.select(ROW, "subject_type", texts.alias("of")).filter(texts.is_not_null() & ids.is_null())
    return frame.with_columns(ids), [
        (row, words % {"kind": kind, "value": shown(text)}) for row, kind, text in lost.rows()
    ]


def _without_words(frame: pl.DataFrame, which: pl.Series) -> pl.DataFrame:
    empty = {"text": "", "details": "{}"}
    return frame.with_columns(
        pl.when(which).then(pl.lit(empty[name], dtype=frame[name].dtype)).otherwise(pl.col(name)).alias(name)
        for name in empty
        if name in frame.columns
    )


def append(loading: Loading, frame: pl.DataFrame) -> bulk.UpsertCount:
    """Write the labels that are not there yet, with every column of KEY the same."""
    known = frames.read(
        "SELECT task, subject_type, subject_id, text, value, at FROM shop_label"
        " WHERE shop_id = %s AND task = ANY(%s) AND at BETWEEN %s AND %s",
        [loading.shop.pk, frame["task"].unique().to_list(), frame["at"].min(), frame["at"].max()],
        _SCHEMA,
    )
    new = frame.join(known.unique(), on=list(KEY), how="anti", nulls_equal=True)
    written = bulk.copy_rows(shop.Label, new.columns, new) if new.height else 0
    return bulk.UpsertCount(written, 0, frame.height - written)
