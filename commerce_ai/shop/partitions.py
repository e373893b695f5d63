"""Tables in month partitions by UUIDv7: made ahead of time, dropped whole when their time is over.

A partitioned model has a UUIDv7 primary key and nothing else unique. Its bounds are the lowest ids of the first
instants of two (UTC) months. There is no default partition: a row for a month that was not made is refused, and
`explain` turns Postgres' refusal into a sentence.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from django.db import connections, models, transaction
from django.db.migrations.operations import CreateModel
from psycopg import sql

from commerce_ai.ids import time_of, uuid7_floor

logger = logging.getLogger(__name__)

_LOCK = 0x70617274  # "part": one process at a time makes or drops partitions
_KEYS_AT_ONCE = 50_000


class MissingPartition(LookupError):
    """A row's month has no partition; the message names both and what to do."""


@dataclass(frozen=True)
class _Partitioned:
    model: type[models.Model]
    keys: type[models.Model] | None
    keys_day: str

    @property
    def table(self) -> str:
        return self.model._meta.db_table


_registered: dict[str, _Partitioned] = {}


def register(model: type[models.Model], *, keys: type[models.Model] | None = None, keys_day: str = "") -> None:
    """`model` lies in month partitions. Rows of `keys` leave with them, by the date in their column `keys_day`."""
    _registered[model._meta.db_table] = _Partitioned(model, keys, keys_day)


class CreatePartitionedModel(CreateModel):
    """CreateModel for a partitioned table: change the operation's name in the migration that `makemigrations` wrote."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        plain = schema_editor.sql_create_table
        schema_editor.sql_create_table = f"{plain} PARTITION BY RANGE (id)"
        try:
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        finally:
            schema_editor.sql_create_table = plain

    def describe(self) -> str:
        return f"{super().describe()} in month partitions"


def ensure_months(first: date, last: date, *, using: str = "default") -> list[str]:
    """Make the partitions of every registered table from the month of `first` to that of `last`; names of the new ones.

    Takes no lock that stops readers or writers. Call it before rows of other months than the present are written.
    """
    made = []
    connection = connections[using]
    with transaction.atomic(using=using), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        for table in _existing(cursor):
            present = set(_partitions_of(cursor, table))
            for month in _months(first, last):
                name = _name(table, month)
                if name in present:
                    continue
                # Made apart and then attached: CREATE … PARTITION OF would lock the whole table.
                names = {"table": sql.Identifier(table), "part": sql.Identifier(name)}
                cursor.execute(
                    sql.SQL("CREATE TABLE {part} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)").format(
                        **names
                    )
                )
                cursor.execute(
                    sql.SQL("ALTER TABLE {table} ATTACH PARTITION {part} FOR VALUES FROM ({low}) TO ({high})").format(
                        low=sql.Literal(str(_floor(month))), high=sql.Literal(str(_floor(_later(month, 1)))), **names
                    )
                )
                made.append(name)
    if made:
        logger.info("made partitions %s", ", ".join(made))
    return made


def ensure_ahead(months: int = 2, *, using: str = "default") -> list[str]:
    """Make last month's partition (late imports, a clock behind), this month's and those of the next `months`."""
    today = datetime.now(UTC).date()
    return ensure_months(_later(today, -1), _later(today, months), using=using)


def prune(keep_months: int, *, using: str = "default") -> list[str]:
    """Drop every partition older than `keep_months` whole months before this one, and the keys of its rows.

    Returns the names dropped. Raises OperationalError when a reader holds a partition for longer than five
    seconds, so that writers never queue for long behind it: run it again later.
    """
    if keep_months < 1:
        raise ValueError("at least one month is kept")
    oldest = _later(datetime.now(UTC).date(), -keep_months)
    dropped = []
    connection = connections[using]
    for table in _existing_tables(using):
        for name in _partition_names(using, table):
            month = _month_of(name)
            if month is None or month >= oldest:
                continue
            with transaction.atomic(using=using), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
                cursor.execute("SET LOCAL lock_timeout = '5s'")
                cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(name)))
            dropped.append(name)
        # After the rows: whatever interrupts us, no resend is taken in while its first copy is still there.
        _prune_keys(_registered[table], oldest, using)
    if dropped:
        logger.info("dropped partitions %s", ", ".join(dropped))
    return dropped


def explain(error: Exception) -> MissingPartition | None:
    """The sentence for Postgres' refusal of a row without a partition, or None if `error` is another one."""
    found = re.search(r'no partition of relation "([^"]+)" found for row', str(error))
    if not found:
        return None
    # The failing row's key is in the detail; without a diagnosis the month stays unsaid.
    detail = getattr(getattr(error.__cause__ or error, "diag", None), "message_detail", None) or ""
    key = re.search(r"\(id\) = \(([0-9a-f-]{36})\)", detail)
    month = ""
    if key:
        from uuid import UUID

        month = f" for {time_of(UUID(key[1])):%Y-%m}"
    return MissingPartition(
        f"{found[1]} has no partition{month}: call ensure_months before rows of other months are written"
    )


def after_migrate(using: str = "default", **_: Any) -> None:
    """Receiver of post_migrate."""
    if connections[using].vendor == "postgresql":
        ensure_ahead(using=using)


def _prune_keys(table: _Partitioned, oldest: date, using: str) -> None:
    if table.keys is None:
        return
    statement = sql.SQL(
        "DELETE FROM {keys} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {keys} WHERE {day} < %s LIMIT %s))"
    ).format(keys=sql.Identifier(table.keys._meta.db_table), day=sql.Identifier(table.keys_day))
    deleted = _KEYS_AT_ONCE
    while deleted == _KEYS_AT_ONCE:
        with connections[using].cursor() as cursor:
            cursor.execute(statement, [oldest, _KEYS_AT_ONCE])
            deleted = cursor.rowcount


def _existing_tables(using: str) -> list[str]:
    with connections[using].cursor() as cursor:
        return _existing(cursor)


def _partition_names(using: str, table: str) -> list[str]:
    with connections[using].cursor() as cursor:
        return _partitions_of(cursor, table)


def _existing(cursor: Any) -> list[str]:
    """Registered tables that are there: not all of them, half-way through a migration."""
    cursor.execute("SELECT relname FROM pg_class WHERE relname = ANY(%s) AND relkind = 'p'", [list(_registered)])
    return sorted(name for (name,) in cursor.fetchall())


def _partitions_of(cursor: Any, table: str) -> list[str]:
    cursor.execute(
        "SELECT c.relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = %s::regclass",
        [table],
    )
    return sorted(name for (name,) in cursor.fetchall())


def _name(table: str, month: date) -> str:
    return f"{table}_{month:%Y_%m}"


def _month_of(partition: str) -> date | None:
    found = re.search(r"_(\d{4})_(\d{2})$", partition)
    return date(int(found[1]), int(found[2]), 1) if found else None


def _months(first: date, last: date) -> Iterator[date]:
    month = first.replace(day=1)
    while month <= last:
        yield month
        month = _later(month, 1)


def _later(day: date, months: int) -> date:
    """The first day of the month that is `months` after that of `day`."""
    count = day.year * 12 + day.month - 1 + months
    return date(count // 12, count % 12 + 1, 1)


def _floor(month: date) -> Any:
    return uuid7_floor(datetime(month.year, month.month, 1, tzinfo=UTC))
