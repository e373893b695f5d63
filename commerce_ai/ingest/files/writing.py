"""The last step for a table's own CSV or Parquet: cleaned rows from staging into the table, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import polars as pl
from django.db import connection

from commerce_ai.ingest.files import labels
from commerce_ai.ingest.files.fields import Field
from commerce_ai.ingest.files.loading import Loading
from commerce_ai.ingest.files.parse import INSTANT
from commerce_ai.ingest.files.problems import ROW
from commerce_ai.ingest.files.references import NEW
from commerce_ai.ingest.files.tables import Table
from commerce_ai.ingest.files.typed import is_present
from commerce_ai.shop import bulk, tombstones
from commerce_ai.shop.models import Customer, Door

SOURCE = "file"


def write(loading: Loading, table: Table) -> None:
    """Insert or update every staged row. In the caller's transaction."""
    if not loading.staging.has("rows"):
        return
    presents = [each.column for each in table.fields.values() if is_present(each)]
    products: set[int] = set()
    for frame in _waves(loading, table, _superseded(loading, table)):
        rows = frame.height
        frame = _of_somebody(loading, _make_customers(loading, frame), table)
        if admit := _ADMIT.get(table.name):
            frame = admit(loading, frame)
        if table.name == "price_changes":
            products.update(frame["product_id"])
        for part in _by_present(frame, presents):
            _upsert(loading, table, part)
        loading.progress.advance(rows)
    if products:
        _set_prices(loading.shop.pk, products)


def _upsert(loading: Loading, table: Table, frame: pl.DataFrame) -> None:
    if frame.is_empty():
        return
    given = [name for name in frame.columns if name != ROW and not name.startswith(NEW)]
    update = list(given)
    newest: tuple[str, ...] = ()
    # Constants of a new row; an existing one keeps its own.
    constants: dict[str, object] = {"shop_id": loading.shop.pk, "source": SOURCE, "currency": loading.shop.currency}
    if table.name == "orders":
        constants["door"], newest = int(Door.FILE), ("door", "updated_at")
        update.append("door")
    columns = {field.column for field in table.model._meta.concrete_fields}
    constants = {name: value for name, value in constants.items() if name in columns and name not in given}
    frame = frame.select(*given, *(pl.lit(value).alias(name) for name, value in constants.items()))
    if table.own_key:
        count = labels.append(loading, frame)
    else:
        key = ("shop_id", *table.key) if table.key_has_shop else table.key
        count = bulk.upsert(table.model, frame.columns, frame, key=key, update=update, newest_by=newest)
    loading.wrote(table.name, count.inserted, count.updated, count.unchanged)


def _superseded(loading: Loading, table: Table) -> pl.DataFrame:
    """Numbers of rows whose key comes again further down; of equal rows the first stays."""
    key = list(table.key)
    rows = loading.staging.scan("rows").with_columns(pl.struct(key).hash().alias("_hash"))
    many = (
        rows.group_by("_hash")
        .agg(pl.len().alias("_n"))
        .filter(pl.col("_n") > 1)
        .select("_hash")
        .collect(engine="streaming")
    )
    none = pl.DataFrame(schema={ROW: pl.Int64})
    if many.is_empty():
        return none
    again = rows.join(many.lazy(), on="_hash", how="semi").collect(engine="streaming").drop("_hash")
    others = [name for name in again.columns if name != ROW]
    kept = again.sort(ROW).unique(subset=others, keep="first", maintain_order=True)
    loading.duplicates += again.height - kept.height
    loading.findings.add("duplicate_rows", again.height - kept.height)
    last = kept.unique(subset=key, keep="last", maintain_order=True)
    loading.duplicates += kept.height - last.height
    lost = kept.join(last, on=ROW, how="anti").head(5)[ROW]
    loading.findings.add("repeated_keys", kept.height - last.height, examples=[f"row {row}" for row in lost])
    return again.join(last, on=ROW, how="anti").select(ROW)


def _waves(loading: Loading, table: Table, superseded: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Frames in the file's order; rows that point at others of the same file come after those."""
    own = table.own_reference
    for wave in (False, True) if own else (False,):
        for frame in loading.staging.parts("rows"):
            frame = frame.join(superseded, on=ROW, how="anti", maintain_order="left") if superseded.height else frame
            if own is None or own.column not in frame.columns:
                if not wave:
                    yield frame
                continue
            frame = frame.filter(pl.col(own.column).is_not_null() if wave else pl.col(own.column).is_null())
            yield _own_references(loading, frame, table, own)


def _own_references(loading: Loading, frame: pl.DataFrame, table: Table, own: Field) -> pl.DataFrame:
    texts = frame[own.column]
    known = bulk.resolve(table.model, loading.shop, texts.unique().drop_nulls())
    ids = texts.replace_strict(known, default=None, return_dtype=pl.Int64)
    lost = texts.is_not_null() & ids.is_null()
    loading.findings.add(
        "unknown_reference", int(lost.sum()), column=own.name, examples=texts.filter(lost).unique().head(5)
    )
    return frame.with_columns(ids.alias(own.column))


def _make_customers(loading: Loading, frame: pl.DataFrame) -> pl.DataFrame:
    """Customers whom only these rows name, made with their outside id alone."""
    column = NEW + "customer_id"
    if column not in frame.columns:
        return frame
    names = frame[column].drop_nulls().unique().sort()
    if names.len():
        rows = pl.DataFrame(
            {"shop_id": [loading.shop.pk] * names.len(), "external_id": names, "source": [SOURCE] * names.len()}
        )
        count = bulk.upsert(Customer, rows.columns, rows, key=("shop_id", "external_id"), update=())
        loading.wrote("customers", count.inserted, 0, count.unchanged)
        loading.findings.add("customers_made", count.inserted)
        made = bulk.resolve(Customer, loading.shop, names)
        ids = frame[column].replace_strict(made, default=None, return_dtype=pl.Int64)
        frame = frame.with_columns(pl.coalesce("customer_id", ids).alias("customer_id"))
    return frame


def _of_somebody(loading: Loading, frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Without the rows that are about nobody since the customer was erased."""
    needed = [
        each.column for each in table.fields.values()
        if each.refers is Customer and each.column in frame.columns
        and not table.model._meta.get_field(each.column.removesuffix("_id")).null
    ]  # fmt: skip
    kept = frame.filter(pl.all_horizontal(pl.col(name).is_not_null() for name in needed)) if needed else frame
    loading.left_out += frame.height - kept.height
    return kept


def _by_present(frame: pl.DataFrame, presents: list[str]) -> Iterator[pl.DataFrame]:
    """Groups of rows by which of these columns are empty, each without those: they get the present in a new row,
    and stay as they are in an existing one."""
    columns = [name for name in presents if name in frame.columns and frame[name].null_count()]
    if not columns:
        yield frame
        return
    flags = {name: f"_empty_{name}" for name in columns}
    flagged = frame.with_columns(pl.col(name).is_null().alias(flag) for name, flag in flags.items())
    for empty, part in flagged.group_by(list(flags.values()), maintain_order=True):
        left = [name for name, is_empty in zip(columns, empty, strict=True) if is_empty]
        yield part.drop(*flags.values(), *left)


# --- what certain tables ask of their rows ----------------------------------------------------------------


def _newer_orders(loading: Loading, frame: pl.DataFrame) -> pl.DataFrame:
    """Without the orders that a weightier door, or a later state of this one, has brought already."""
    if "updated_at" not in frame.columns:
        frame = frame.with_columns(pl.col("placed_at").alias("updated_at"))
    frame = frame.with_columns(pl.coalesce("updated_at", "placed_at").alias("updated_at"))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT external_id, door, updated_at, placed_at FROM shop_order"
            " WHERE shop_id = %s AND external_id = ANY(%s) ORDER BY id FOR UPDATE",
            [loading.shop.pk, frame["external_id"].to_list()],
        )
        schema: dict[str, pl.DataType] = {
            "external_id": pl.String(), "_door": pl.Int64(), "_updated_at": INSTANT, "_placed_at": INSTANT,
        }  # fmt: skip
        known = pl.DataFrame(cursor.fetchall(), schema=schema, orient="row")
    both = frame.join(known, on="external_id", how="left", maintain_order="left")
    loading.touch_days(pl.concat([both["placed_at"], both["_placed_at"]]))
    from_api = (pl.col("_door") > int(Door.FILE)).fill_null(False)
    older = ((pl.col("_door") == int(Door.FILE)) & (pl.col("_updated_at") > pl.col("updated_at"))).fill_null(False)
    _leave_out(loading, "known_from_api", both.filter(from_api)["external_id"])
    _leave_out(loading, "older_than_known", both.filter(older)["external_id"])
    return both.filter(~from_api & ~older).drop("_door", "_updated_at", "_placed_at")


def _lines_of_ours(loading: Loading, frame: pl.DataFrame) -> pl.DataFrame:
    """Without the lines of orders that came by API: those brought their own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM shop_order WHERE id = ANY(%s) AND door > %s ORDER BY id FOR UPDATE",
            [frame["order_id"].unique().to_list(), int(Door.FILE)],
        )
        theirs = [id for (id,) in cursor.fetchall()]
    lost = frame.filter(pl.col("order_id").is_in(theirs))
    _leave_out(loading, "known_from_api", lost["order_id"])
    return frame.filter(~pl.col("order_id").is_in(theirs))


def _leave_out(loading: Loading, code: str, names: pl.Series) -> None:
    loading.left_out += names.len()
    loading.findings.add(code, names.len(), examples=names.head(5))


def _not_erased(loading: Loading, frame: pl.DataFrame) -> pl.DataFrame:
    """Without the customers who were erased. The report counts them and names none."""
    gone = tombstones.erased(loading.shop.pk, frame["external_id"])
    loading.left_out += len(gone)
    loading.findings.add("erased", len(gone))
    return frame.filter(~pl.col("external_id").is_in(list(gone))) if gone else frame


_ADMIT: dict[str, Callable[[Loading, pl.DataFrame], pl.DataFrame]] = {
    "customers": _not_erased,
    "orders": _newer_orders,
    "order_lines": _lines_of_ours,
}


def _set_prices(shop_id: int, products: set[int]) -> None:
    """Whoever writes a price that holds now also writes the product's."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE shop_product p SET price = c.price, updated_at = now() FROM ("
            " SELECT DISTINCT ON (product_id) product_id, price FROM shop_pricechange"
            " WHERE shop_id = %s AND product_id = ANY(%s) AND starts_at <= now() AND coalesce(ends_at > now(), true)"
            " ORDER BY product_id, starts_at DESC, id DESC) c"
            " WHERE p.shop_id = %s AND p.id = c.product_id AND p.price IS DISTINCT FROM c.price",
            [shop_id, sorted(products), shop_id],
        )
