"""Keep a decision: one INSERT that commits by itself, and never holds an answer up for long.

An impression is committed without waiting for the disk (`synchronous_commit = off`: a crash of Postgres may lose the
last fraction of a second, never corrupt anything); verdicts, prices and approvals are `durable`. What fails or takes
over `settings.DECISION_LIMIT_S` (50 ms) is counted as lost, and the answer goes out flagged.

Below psycopg's cursors: libpq's own calls are three times as fast as a cursor, and can be given up in time.
"""

from __future__ import annotations

import logging
import re
import select
import time
import weakref
from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import connections, transaction
from psycopg.pq import DiagnosticField, ExecStatus, TransactionStatus

from commerce_ai.decisions import losses
from commerce_ai.decisions.payload import Payload
from commerce_ai.ids import uuid7

logger = logging.getLogger(__name__)


class NewDecision(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be kept of an answer; the columns of `models.Decision`."""

    shop_id: int
    plugin: str
    kind: str
    payload: Payload
    placement: str = ""
    subject: str = ""
    customer_id: int | None = None
    anonymous_id: str | None = None
    session_id: str | None = None
    version_id: int | None = None
    experiment_id: int | None = None
    arm: str = ""
    reasons: list[str] = []
    latency_ms: float | None = None
    flags: tuple[str, ...] = ()
    decision_id: UUID = msgspec.field(default_factory=uuid7)


class Recorded(msgspec.Struct, frozen=True):
    """`stored` is False when the decision was lost; the answer that carries the id then says so."""

    decision_id: UUID
    stored: bool


def new_decision_id() -> UUID:
    """An id for a decision that is about to be made: its payload may name it before it is kept."""
    return uuid7()


def record(decision: NewDecision, durable: bool = False) -> Recorded:
    """Keep `decision`. Never raises for what Postgres does; within a transaction of the caller it is part of it."""
    wrapper = connections["default"]
    try:
        if wrapper.in_atomic_block:
            with transaction.atomic(), wrapper.cursor() as cursor:
                cursor.execute(_PART, _values(decision, durable))
        else:
            _insert_alone(wrapper, [*_values(decision, durable), "on" if durable else "off"])
    except Exception as error:
        losses.count(decision.shop_id, decision.plugin, error)
        return Recorded(decision.decision_id, stored=False)
    return Recorded(decision.decision_id, stored=True)


_INSERT = (
    "INSERT INTO decisions_decision (id, shop_id, plugin, kind, placement, subject, customer_id, anonymous_id,"
    " session_id, payload, reasons, version_id, experiment_id, arm, latency_ms, flags, durable) "
    "SELECT {}::uuid, {}::bigint, {}::text, {}::text, {}::text, {}::text, {}::bigint, {}::text, {}::text, {}::jsonb,"
    " {}::jsonb, {}::bigint, {}::bigint, {}::text, {}::float8, {}::text[], {}::bool"
)
_COLUMNS = _INSERT.count("{}")
_PART = _INSERT.format(*["%s"] * _COLUMNS)
# One round trip for both: the setting lasts until this statement's own commit.
_ALONE = (  # made of constants only
    f"WITH way AS MATERIALIZED (SELECT set_config('synchronous_commit', ${_COLUMNS + 1}, true)) "  # noqa: S608
    + _INSERT.format(*(f"${number + 1}" for number in range(_COLUMNS)))
    + " FROM way"
).encode()
_NAME = b"commerce_ai_decision"
_prepared: weakref.WeakSet[Any] = weakref.WeakSet()
_NOT_PREPARED = (b"26000", b"42P05")
_encode = msgspec.json.Encoder().encode
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


def _values(decision: NewDecision, durable: bool) -> list[str | None]:
    return [
        str(decision.decision_id),
        str(decision.shop_id),
        decision.plugin,
        decision.kind,
        decision.placement,
        decision.subject[:255],
        _number(decision.customer_id),
        (decision.anonymous_id or "")[:255],
        (decision.session_id or "")[:255],
        _json(decision.payload),
        _json(decision.reasons),
        _number(decision.version_id),
        _number(decision.experiment_id),
        decision.arm,
        _number(decision.latency_ms),
        "{" + ",".join(_encode(flag).decode() for flag in decision.flags) + "}",
        "t" if durable else "f",
    ]


def _number(value: float | None) -> str | None:
    return None if value is None else str(value)


def _json(value: Any) -> str:
    encoded = _encode(value)
    return (_NUL.sub(rb"\1", encoded) if b"\\u0000" in encoded else encoded).decode()


def _insert_alone(wrapper: Any, values: list[str | None]) -> None:
    """The INSERT in a transaction of its own, on Django's connection or one of its pool. Raises when it is late."""
    deadline = time.monotonic() + settings.DECISION_LIMIT_S
    raw, give_back = _borrow(wrapper, deadline)
    try:
        _execute(raw, values, deadline)
    except BaseException:
        if raw.pgconn.transaction_status != TransactionStatus.IDLE:
            raw.close()  # an answer may still come that the next statement would take for its own
        raise
    finally:
        give_back()


def _borrow(wrapper: Any, deadline: float) -> tuple[Any, Callable[[], None]]:
    if wrapper.connection is None and (pool := wrapper.pool) is not None:
        # Straight from the pool: Django would wait as long as the pool's own timeout says.
        pool.open()
        raw = pool.getconn(timeout=max(0.001, deadline - time.monotonic()))
        return raw, lambda: pool.putconn(raw)
    wrapper.ensure_connection()
    raw = wrapper.connection
    return raw, lambda: wrapper.close() if raw.closed else None


def _execute(raw: Any, values: list[str | None], deadline: float) -> None:
    # libpq ends a text at its first NUL.
    parameters = [None if each is None else each.replace("\0", "").encode("utf-8", "replace") for each in values]
    pgconn = raw.pgconn
    try:
        if raw not in _prepared:
            pgconn.send_prepare(_NAME, _ALONE)
            _finish(pgconn, deadline)
            _prepared.add(raw)
        pgconn.send_query_prepared(_NAME, parameters)
        _finish(pgconn, deadline)
    except _Refused as error:
        if error.sqlstate not in _NOT_PREPARED:
            raise
        # A pooler between us and Postgres mixes connections' statements up: then without one.
        pgconn.send_query_params(_ALONE, parameters)
        _finish(pgconn, deadline)


class _Refused(Exception):
    """What Postgres said instead of storing the row."""

    def __init__(self, result: Any) -> None:
        super().__init__(result.error_message.decode(errors="replace").strip())
        self.sqlstate = result.error_field(DiagnosticField.SQLSTATE)


def _finish(pgconn: Any, deadline: float) -> None:
    """Send what is not sent, read to the end of the answer. Raises _Refused, TimeoutError, psycopg.Error."""
    waiter = select.poll()
    waiter.register(pgconn.socket, select.POLLIN | select.POLLOUT)
    while pgconn.flush():
        _wait(waiter, deadline)
        pgconn.consume_input()
    waiter.modify(pgconn.socket, select.POLLIN)
    refused = None
    while True:
        while pgconn.is_busy():
            _wait(waiter, deadline)
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:
            break
        if result.status != ExecStatus.COMMAND_OK:
            refused = _Refused(result)
    if refused is not None:
        raise refused


def _wait(waiter: Any, deadline: float) -> None:
    if not waiter.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise TimeoutError(f"the INSERT took over {settings.DECISION_LIMIT_S * 1000:.0f} ms")
