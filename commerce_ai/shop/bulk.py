"""Many rows at once: COPY, and COPY into a staging table followed by INSERT … ON CONFLICT."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import polars as pl
from django.db import connections, models, transaction
from django.utils.timezone import now

from commerce_ai.crypto import EncryptedTextField, encrypt
from commerce_ai.shop.copying import BadValue, Cell, cell_of, copy_in, lines
from commerce_ai.shop.eventlog import NewEvent, write_events
from commerce_ai.shop.models import Customer, Shop
from commerce_ai.shop.tombstones import without_erased

__all__ = ["BadValue", "NewEvent", "UpsertCount", "copy_rows", "resolve", "upsert", "write_events"]

Field: TypeAlias = "models.Field[Any, Any]"
Rows = pl.DataFrame | Iterable[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class UpsertCount:
    """Rows by what became of them. `repeated` were superseded by a later row of the same batch and key."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    repeated: int = 0

    def __add__(self, other: UpsertCount) -> UpsertCount:
        return UpsertCount(
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.repeated + other.repeated,
        )


def copy_rows(model: type[models.Model], columns: Sequence[str], rows: Rows, *, using: str = "default") -> int:
    """Append `rows` (tuples in the order of `columns`, or a frame that has them); how many.

    Columns are field names (`shop` or `shop_id`). What is left out gets the field's default. A row that is there
    already is an IntegrityError, a value that does not fit a BadValue; then nothing is written.
    """
    given = _given(model, columns, rows, key=())
    constants = _constants(model, given.fields)
    cells = given.cells + _cells([field for field, _value in constants])
    extra = tuple(value for _field, value in constants)
    names = _quoted([*given.fields, *(field for field, _value in constants)])
    statement = f"COPY {_name(model._meta.db_table)} ({', '.join(names)}) FROM STDIN"
    with transaction.atomic(using=using, savepoint=False):
        return copy_in(statement, lines(cells, ((*row, *extra) for row in given.rows)), using=using)


def upsert(
    model: type[models.Model],
    columns: Sequence[str],
    rows: Rows,
    *,
    key: Sequence[str],
    update: Sequence[str] | None = None,
    newest_by: Sequence[str] = (),
    using: str = "default",
) -> UpsertCount:
    """Insert `rows`, or bring the row with the same `key` up to date; what became of them.

    `key` are the columns of a unique constraint; `update` those that an existing row takes over (all others of
    `columns` by default, none of them: ()). A row whose columns are all equal is left alone, `auto_now` included.
    Of several rows with one key the last counts. With `newest_by` the highest of these columns counts, a tie goes
    to the last, and an existing row yields only to one that is not lower.

    Joins the caller's transaction, or makes its own. Encrypted columns take plain text (or bytes that `encrypt` made);
    columns that the model derives from another one (hashes) come by themselves. Raises BadValue, IntegrityError.
    """
    connection = connections[using]
    if model is Customer:  # the door that every bulk write of customers goes through
        rows = without_erased(columns, rows, using=using)
    keys = [_field(model, name) for name in key]
    given = _given(model, columns, rows, key=keys)
    updated = [field for field in given.fields if field not in keys]
    if update is not None:
        wanted = {_field(model, name) for name in update}
        updated = [field for field in updated if field in wanted or _source_of(model, field) in wanted]
    newest = _quoted([_field(model, name) for name in newest_by])
    stage = _stage_name(model, given.fields)
    in_callers_transaction = connection.in_atomic_block
    with transaction.atomic(using=using, savepoint=False), connection.cursor() as cursor:
        cursor.execute(_make_stage(stage, given.fields, connection))
        if in_callers_transaction:  # which may have used it before; else the last commit has emptied it
            cursor.execute(f"TRUNCATE {stage}")
        names = _quoted(given.fields)
        staged = copy_in(f"COPY {stage} ({', '.join(names)}) FROM STDIN", lines(given.cells, given.rows), using=using)
        constants = _constants(model, given.fields)
        statement = _merge(model, stage, given.fields, keys, updated, newest, [field for field, _value in constants])
        values = [field.get_db_prep_save(value, connection) for field, value in constants]
        touched = len(_touched(model, given.fields)) if updated else 0
        cursor.execute(statement, values + [now()] * touched)
        distinct, inserted, written = cursor.fetchone()
    return UpsertCount(inserted, written - inserted, distinct - written, staged - distinct)


def resolve(
    model: type[models.Model], shop: Shop | int, external_ids: Iterable[str], *, using: str = "default"
) -> dict[str, int]:
    """Our ids of these external ids in the shop; unknown ones are left out."""
    wanted = list(dict.fromkeys(external_ids))
    with connections[using].cursor() as cursor:
        cursor.execute(
            f"SELECT external_id, id FROM {_name(model._meta.db_table)}"  # noqa: S608 (a table's name)
            " WHERE shop_id = %s AND external_id = ANY(%s)",
            [shop.pk if isinstance(shop, Shop) else shop, wanted],
        )
        return dict(cursor.fetchall())


def _merge(
    model: type[models.Model],
    stage: str,
    fields: list[Field],
    keys: list[Field],
    updated: list[Field],
    newest: list[str],
    constants: list[Field],
) -> str:
    """One statement: the last staged row of each key, inserted or merged, counted."""
    columns, key = ", ".join(_quoted(fields)), ", ".join(_quoted(keys))
    order = "".join(f"{name} DESC, " for name in newest)
    more = "".join(f", {name}" for name in _quoted(constants))
    if updated:
        names = _quoted(updated)
        touched = [f"{name} = %s" for name in _quoted(_touched(model, fields))]
        sets = ", ".join([*(f"{name} = excluded.{name}" for name in names), *touched])
        differs = f"({_of('t', names)}) IS DISTINCT FROM ({_of('excluded', names)})"
        not_older = f" AND ({_of('excluded', newest)}) >= ({_of('t', newest)})" if newest else ""
        action = f"DO UPDATE SET {sets} WHERE {differs}{not_older}"
    else:
        action = "DO NOTHING"
    return (
        # Sorted by key, so that two loads with the same rows never wait for each other in a ring.
        f"WITH given AS MATERIALIZED (SELECT DISTINCT ON ({key}) {columns} FROM {stage}"  # noqa: S608 (names)
        f" ORDER BY {key}, {order}ctid DESC),"
        f" written AS (INSERT INTO {_name(model._meta.db_table)} AS t ({columns}{more})"
        f" SELECT {columns}{', %s' * len(constants)} FROM given"
        # A row that was just inserted has no xmax; one that was updated has ours.
        f" ON CONFLICT ({key}) {action} RETURNING (xmax = 0) AS inserted)"
        f" SELECT (SELECT count(*) FROM given), count(*) FILTER (WHERE inserted), count(*) FROM written"
    )


@dataclass(frozen=True)
class _Given:
    """What was given, with the columns that follow from it."""

    fields: list[Field]
    cells: list[tuple[str, Cell]]
    rows: Iterable[Sequence[Any]]


def _given(model: type[models.Model], columns: Sequence[str], rows: Rows, key: Sequence[Field]) -> _Given:
    fields = [_field(model, name) for name in columns]
    if isinstance(rows, pl.DataFrame):
        rows = rows.select(columns).iter_rows()
    derived: list[tuple[Field, int, Callable[[str], Any]]] = [
        (_field(model, name), fields.index(_field(model, of)), make)
        for name, (of, make) in getattr(model, "derived", {}).items()
        if _field(model, of) in fields and _field(model, name) not in fields
    ]
    sealed = [(at, field.context) for at, field in enumerate(fields) if isinstance(field, EncryptedTextField)]
    named_by = [fields.index(field) for field in key]
    if derived or sealed:
        rows = _completed(rows, derived, sealed, named_by)
    fields = fields + [field for field, _of, _make in derived]
    return _Given(fields, _cells(fields), rows)


def _completed(
    rows: Iterable[Sequence[Any]],
    derived: list[tuple[Field, int, Callable[[str], Any]]],
    sealed: list[tuple[int, str]],
    named_by: list[int],
) -> Iterator[Sequence[Any]]:
    for row in rows:
        cells = [*row, *(make(row[of] or "") for _field, of, make in derived)]
        # The row's name makes the ciphertext steady: an unchanged text is an unchanged value.
        name = "\x1f".join(str(row[at]) for at in named_by) or None
        for at, context in sealed:
            if not isinstance(cells[at], bytes):  # else it is encrypted already, as `cell_of` takes it too
                cells[at] = encrypt(cells[at] or "", context=context, row=name)
        yield cells


def _field(model: type[models.Model], name: str) -> Field:
    for field in model._meta.concrete_fields:
        if name in (field.name, field.attname):
            return field
    raise LookupError(f"{model._meta.label} has no column {name}")


def _source_of(model: type[models.Model], field: Field) -> Field | None:
    derived = getattr(model, "derived", {}).get(field.name)
    return _field(model, derived[0]) if derived else None


def _constants(model: type[models.Model], fields: Sequence[Field]) -> list[tuple[Field, Any]]:
    """The columns that were not given and have a default, with it; `auto_now` ones with the present."""
    left_out = (field for field in model._meta.concrete_fields if field not in fields)
    constants: list[tuple[Field, Any]] = []
    for field in left_out:
        if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
            constants.append((field, now()))
        elif field.has_default() and not field.primary_key:
            constants.append((field, field.get_default()))
    return constants


def _touched(model: type[models.Model], fields: Sequence[Field]) -> list[Field]:
    return [field for field in model._meta.concrete_fields if getattr(field, "auto_now", False) and field not in fields]


def _stage_name(model: type[models.Model], fields: Sequence[Field]) -> str:
    digest = hashlib.sha256(",".join(_quoted(fields)).encode()).hexdigest()[:8]
    return f"stage_{model._meta.db_table}_{digest}"[-63:]


def _make_stage(stage: str, fields: Sequence[Field], connection: Any) -> str:
    """Kept per connection: made by the first batch, emptied at every commit."""
    columns = ", ".join(
        f"{name} {_type(field, connection)}" for name, field in zip(_quoted(fields), fields, strict=True)
    )
    return f"CREATE TEMP TABLE IF NOT EXISTS {stage} ({columns}) ON COMMIT DELETE ROWS"


def _type(field: Field, connection: Any) -> str:
    kind = field.rel_db_type(connection) if field.primary_key else field.db_type(connection)
    return kind or "text"


def _cells(fields: Sequence[Field]) -> list[tuple[str, Cell]]:
    return [(str(field.column), cell_of(field)) for field in fields]


def _quoted(fields: Sequence[Field]) -> list[str]:
    return [_name(str(field.column)) for field in fields]


def _name(name: str) -> str:
    return f'"{name}"'


def _of(relation: str, names: Sequence[str]) -> str:
    return ", ".join(f"{relation}.{name}" for name in names)
