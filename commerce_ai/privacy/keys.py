"""The keys of encrypted fields: a new one in front, every row brought under it, the old one out, and nothing stops.

Every process looks at the file of keys each second, and at once when it meets a value of a key it does not know. What
is left to do stands in the rows themselves (each value names its key), so whoever dies in between is taken over from.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from celery import shared_task
from django.apps import apps
from django.conf import settings
from django.db import connection, models, transaction
from django.utils.translation import gettext as say

from commerce_ai import crypto
from commerce_ai.keyring import KeyFile
from commerce_ai.models import PluginState

RESTS = timedelta(hours=24)  # after which nothing that was encrypted before is still on its way into a table
JOB_S = 480  # a job ends under ten minutes; the next one goes on
_PASSES = 30  # over rows that others held
_SETTINGS = "plugin settings"

Progress = Callable[[str, int, int], None]  # table, rows done, rows there were to do


class Refused(ValueError):
    """Said in words."""


@dataclass(frozen=True)
class Rotated:
    """Rows that were brought under the key, and those left: held by others, or not to be decrypted."""

    key: str
    rows: int
    left: int
    seconds: float


def add() -> str:
    """Put a new key in front; its id. Raises Refused where the environment holds the keys."""
    name = _file().add()
    crypto._look()
    return name


def rotate(
    *, batch: int = 1000, until: float | None = None, progress: Progress = lambda table, done, of: None
) -> Rotated:
    """Bring every row under the key in front, until time.monotonic() passes `until`. Whatever stops it, calling it
    again goes on from there."""
    started, rows, key = time.monotonic(), 0, crypto.current_key_id()
    for model in models_with_secrets():
        rows += _rotate(model, batch, until, progress)
    rows += _reseal_settings()
    left = sum(count for name, tables in usage().items() if name != key for count in tables.values())
    return Rotated(key, rows, left, time.monotonic() - started)


@shared_task(name="privacy.rotate_keys")
def rotate_keys() -> int:
    """Go on with a rotation that was begun and not ended; rows that were changed."""
    if len(crypto.field_keys()) == 1:  # then there is none
        return 0
    return rotate(until=time.monotonic() + JOB_S).rows


def is_under_way() -> bool:
    """Whether a row is still under a key that does not encrypt any more."""
    return any(_stale(model) for model in models_with_secrets()) or any(_stale_settings())


def usage() -> dict[str, dict[str, int]]:
    """Key id → table → rows with a value under that key; a key that no row uses is there with no table."""
    found: dict[str, dict[str, int]] = {name: {} for name in crypto.field_keys()}
    for model in models_with_secrets():
        table = model._meta.db_table
        ids = [_ID.format(column=_quote(field.column)) for field in crypto.encrypted_fields(model)]
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT key, count(DISTINCT row) FROM (SELECT ctid::text || tableoid::text AS row,"  # noqa: S608
                f" unnest(ARRAY[{', '.join(ids)}]) AS key FROM {_quote(table)}) used WHERE key IS NOT NULL GROUP BY key"
            )
            for key, count in cursor.fetchall():
                found.setdefault(bytes(key).decode("utf-8", "replace"), {})[table] = count
    for state in PluginState.objects.all():
        for name in {crypto.key_id_of(value) for value in state.sealed().values()}:
            tables = found.setdefault(name, {})
            tables[_SETTINGS] = tables.get(_SETTINGS, 0) + 1
    return found


def remove(name: str) -> None:
    """Take an old key out for good. Raises Refused while a row uses it, or could come to."""
    file = _file()
    keys = crypto._look()
    if name not in keys:
        raise Refused(say("There is no key %(name)s.") % {"name": name})
    if name == crypto.current_key_id():
        raise Refused(say("%(name)s encrypts: put a new key in front first.") % {"name": name})
    changed = file.changed_at()
    if changed is None or datetime.now(UTC) - changed < RESTS:
        raise Refused(
            say("The key in front is younger than %(hours)d hours: a long load may still write under the old one.")
            % {"hours": RESTS.total_seconds() / 3600}
        )
    if used := usage().get(name):
        tables = ", ".join(f"{table}: {rows:,}" for table, rows in sorted(used.items()))
        raise Refused(say("Rows are under %(name)s: %(tables)s.") % {"name": name, "tables": tables})
    file.remove(name)
    crypto._look()


def models_with_secrets() -> list[type[models.Model]]:
    """Every installed table with an encrypted column, a plugin's too."""
    found = [each for each in apps.get_models() if crypto.encrypted_fields(each) and each._meta.managed]
    return sorted((each for each in found if not each._meta.proxy), key=lambda each: each._meta.db_table)


# --- one table --------------------------------------------------------------------------------------------


class _OutOfTime(Exception):
    pass


def _rotate(model: type[models.Model], batch: int, until: float | None, progress: Progress) -> int:
    todo, done = _stale(model), 0
    if not todo:
        return 0
    table = model._meta.db_table

    def after_batch(rows: int) -> None:
        nonlocal done
        done += rows
        progress(table, done, max(todo, done))
        if until is not None and time.monotonic() > until:
            raise _OutOfTime

    try:
        for _pass in range(_PASSES):
            before = done
            crypto.rotate(model, batch=batch, after_batch=after_batch)
            if not _stale(model):
                break
            if done == before:
                time.sleep(0.1)  # somebody holds what is left
    except _OutOfTime:
        pass
    return done


def _stale(model: type[models.Model]) -> int:
    head = crypto._head(crypto.current_key_id())
    columns = [_quote(field.column) for field in crypto.encrypted_fields(model)]
    is_stale = " OR ".join(f"(length({each}) > 0 AND substring({each} FROM 1 FOR %s) <> %s)" for each in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM {_quote(model._meta.db_table)} WHERE {is_stale}",  # noqa: S608
            [len(head), head] * len(columns),
        )
        return cursor.fetchone()[0]


def _stale_settings() -> Iterator[int]:
    current = crypto.current_key_id()
    for state in PluginState.objects.all():
        if any(crypto.key_id_of(value) != current for value in state.sealed().values()):
            yield state.pk


def _reseal_settings() -> int:
    changed = 0
    for pk in list(_stale_settings()):
        with transaction.atomic():
            state = PluginState.objects.select_for_update().filter(pk=pk).first()
            if state is not None and state.reseal():
                PluginState.objects.filter(pk=pk).update(settings=state.settings)  # nobody changed a setting
                changed += 1
    return changed


# A value's first byte is the length of its key's id, which follows.
_ID = "CASE WHEN length({column}) > 1 THEN substring({column} FROM 2 FOR get_byte({column}, 0)) END"


def _quote(name: str | None) -> str:
    return connection.ops.quote_name(name or "")


def _file() -> KeyFile:
    if settings.FIELD_KEY_FILE is None:
        raise Refused(
            say("FIELD_KEYS comes by the environment: change it there, in every process. See docs/operating.md, Keys.")
        )
    return settings.FIELD_KEY_FILE
