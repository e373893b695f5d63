"""The rows that a file's rows point at: outside ids to ours, while the file's own words are still at hand."""

from __future__ import annotations

import polars as pl
from django.db.models import Model
from django.utils.translation import gettext as _

from commerce_ai.ingest.files.fields import Field
from commerce_ai.ingest.files.loading import Loading
from commerce_ai.ingest.files.problems import ROW, shown
from commerce_ai.ingest.files.tables import Table, tables
from commerce_ai.shop import bulk, tombstones
from commerce_ai.shop.models import Conversation, Customer, Order

NEW = "_new_"  # + column: outside ids of rows that the load will make


def resolve(
    loading: Loading, frame: pl.DataFrame, table: Table, field: Field
) -> tuple[pl.DataFrame, list[tuple[int, str]]]:
    """The frame with our ids in the column, and the rows (number, what is wrong) whose reference is not known.

    As the table says, an unknown one may instead be left empty, or be made (its outside id then stands in a column
    `NEW` + column).
    """
    assert field.refers is not None
    column = field.column
    texts = frame[column]
    if field.refers is Customer and (gone := tombstones.erased(loading.shop.pk, texts.unique().drop_nulls())):
        frame = _anonymous(loading, frame, column, gone)
        texts = frame[column]
    if field.refers in (Conversation, Order):
        frame = _of_nobody(
            frame, column, tombstones.emptied(loading.shop.pk, field.refers, texts.unique().drop_nulls())
        )
    known = bulk.resolve(field.refers, loading.shop, texts.unique().drop_nulls())
    ids = texts.replace_strict(known, default=None, return_dtype=pl.Int64)
    unknown = texts.is_not_null() & ids.is_null()
    policy = table.unknown.get(field.name, "reject")
    frame = frame.with_columns(ids.alias(column))
    if policy == "create":
        new = pl.select(pl.when(unknown).then(texts)).to_series()
        return frame.with_columns(new.alias(NEW + column)), []
    if not unknown.any():
        return frame, []
    if policy == "empty":
        loading.findings.add(
            "unknown_reference",
            int(unknown.sum()),
            column=field.name,
            examples=texts.filter(unknown).unique(maintain_order=True).head(5),
        )
        return frame, []
    where = next((each.name for each in tables().values() if each.model is field.refers), "")
    words = _("%(value)s is not known in this shop; load %(table)s first")
    return frame, [
        (row, words % {"value": shown(text), "table": where})
        for row, text in frame.select(ROW, texts.alias("text")).filter(unknown).rows()
    ]


def without_erased(loading: Loading, frame: pl.DataFrame, model: type[Model]) -> pl.DataFrame:
    """Rows that are nobody's by their customer, but somebody's who was erased: by the row's own id, which was emptied
    then, or as a guest's of the same e-mail or phone. They say nothing of a person."""
    if model is Customer:
        return frame
    if "external_id" in frame.columns:
        named = frame["external_id"].drop_nulls()
        frame = _of_nobody(frame, "external_id", tombstones.emptied(loading.shop.pk, model, named))
    guests = frame["customer_id"].is_null() if "customer_id" in frame.columns else pl.lit(True)
    for column, kind in (("email", tombstones.Kind.EMAIL), ("phone", tombstones.Kind.PHONE)):
        if column in frame.columns:
            texts = frame.filter(guests)[column].drop_nulls().unique()
            frame = _of_nobody(frame, column, tombstones.erased(loading.shop.pk, texts, kind), guests)
    return frame


def _anonymous(loading: Loading, frame: pl.DataFrame, column: str, gone: set[str]) -> pl.DataFrame:
    """Rows of people who were erased stay what they are to the books, and say nothing of whom."""
    erased = pl.col(column).is_in(list(gone)).fill_null(False)
    loading.findings.add("erased", frame.filter(erased).height, column="")
    return _of_nobody(frame, column, gone).with_columns(pl.when(~erased).then(column).alias(column))


def _of_nobody(
    frame: pl.DataFrame, column: str, gone: set[str], among: pl.Series | pl.Expr | None = None
) -> pl.DataFrame:
    """Rows under one of `gone` say nothing of a person; all rows as they are where there is none."""
    if not gone:
        return frame
    erased = pl.col(column).is_in(list(gone)).fill_null(False)
    if among is not None:
        erased &= among
    others = [name for name in _OF_A_PERSON if name in frame.columns and frame[name].dtype == pl.String]
    empty = {name: pl.lit(None if name == "ip" else "") for name in others}
    return frame.with_columns(pl.when(~erased).then(name).otherwise(empty[name]).alias(name) for name in others)


_OF_A_PERSON = (
    "anonymous_id", "email", "phone", "address_hash", "device_id", "card_fingerprint", "title", "text", "subject", "ip",
)  # fmt: skip
