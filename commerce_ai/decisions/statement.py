"""One prepared statement, in a transaction of its own, that nobody waits for longer than they want.

Below psycopg's cursors: libpq's own calls are three times as fast, and can be left alone. A statement that is late
goes on by itself on its connection, and a thread brings the connection back when it is done: closing it instead would
have a stalled Postgres make new ones, and stall all the longer.
"""

from __future__ import annotations

import select
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from psycopg.pq import DiagnosticField, ExecStatus, TransactionStatus

GIVEN_UP_AFTER_S = 30.0
_NOT_PREPARED = (b"26000", b"42P05")


class Late(Exception):
    """The time is over. What becomes of the statement is told later."""


class Refused(Exception):
    """What Postgres said instead of doing it."""

    def __init__(self, result: Any) -> None:
        super().__init__(result.error_message.decode(errors="replace").strip())
        self.sqlstate = result.error_field(DiagnosticField.SQLSTATE)


class Statement:
    def __init__(self, name: bytes, sql: bytes) -> None:
        self._name, self._sql = name, sql
        self._prepared: weakref.WeakSet[Any] = weakref.WeakSet()

    def run(
        self,
        wrapper: Any,
        values: Sequence[str | None],
        limit_s: float,
        when_late: Callable[[Exception | None], None],
    ) -> None:
        """Run it on a connection of Django's `wrapper`, or of its pool.

        Raises Refused, psycopg.Error, and Late after `limit_s`; then `when_late` is called once, from another
        thread, with the error or with None.
        """
        deadline = time.monotonic() + limit_s
        raw, give_back = _borrow(wrapper, deadline)
        # libpq ends a text at its first NUL.
        texts = [None if each is None else each.replace("\0", "").encode("utf-8", "replace") for each in values]
        try:
            self._execute(raw, texts, deadline)
        except _TimeIsOver as error:
            if wrapper.connection is raw:
                wrapper.connection = None  # Django takes another one; this one is busy
            _bring_home(raw, error.sent, when_late)
            raise Late from None
        except BaseException:
            if raw.pgconn.transaction_status != TransactionStatus.IDLE:
                raw.close()  # an answer may still come that the next statement would take for its own
            give_back()
            raise
        give_back()

    def forget(self) -> None:
        """Prepare anew on every connection."""
        self._prepared.clear()

    def _execute(self, raw: Any, values: list[bytes | None], deadline: float) -> None:
        pgconn = raw.pgconn
        try:
            if raw not in self._prepared:
                pgconn.send_prepare(self._name, self._sql)
                _finish(pgconn, deadline, sent=False)
                self._prepared.add(raw)
            pgconn.send_query_prepared(self._name, values)
            _finish(pgconn, deadline, sent=True)
        except Refused as error:
            if error.sqlstate not in _NOT_PREPARED:
                raise
            # A pooler between us and Postgres mixes connections' statements up: then without one.
            pgconn.send_query_params(self._sql, values)
            _finish(pgconn, deadline, sent=True)


class _TimeIsOver(Exception):
    def __init__(self, sent: bool) -> None:
        super().__init__()
        self.sent = sent  # whether it is the statement that runs, or only its preparation


def _borrow(wrapper: Any, deadline: float) -> tuple[Any, Callable[[], None]]:
    if wrapper.connection is None and (pool := wrapper.pool) is not None:
        # Straight from the pool: Django would wait as long as the pool's own timeout says.
        pool.open()
        raw = pool.getconn(timeout=max(0.001, deadline - time.monotonic()))
        return raw, lambda: pool.putconn(raw)
    wrapper.ensure_connection()
    raw = wrapper.connection
    return raw, lambda: wrapper.close() if raw.closed else None


def _bring_home(raw: Any, sent: bool, tell: Callable[[Exception | None], None]) -> None:
    def wait() -> None:
        problem: Exception | None = None if sent else TimeoutError("Postgres did not prepare the statement in time")
        try:
            _finish(raw.pgconn, time.monotonic() + GIVEN_UP_AFTER_S, sent=sent)
        except _TimeIsOver:
            problem = TimeoutError(f"Postgres did not answer within {GIVEN_UP_AFTER_S:.0f} s")
        except Exception as error:
            problem = error
        if raw.pgconn.transaction_status != TransactionStatus.IDLE:
            raw.close()
        if (pool := getattr(raw, "_pool", None)) is not None:
            pool.putconn(raw)
        else:
            raw.close()
        tell(problem)

    threading.Thread(target=wait, name="late statement", daemon=True).start()


def _finish(pgconn: Any, deadline: float, *, sent: bool) -> None:
    """Send what is not sent, read to the end of the answer. Raises Refused, _TimeIsOver, psycopg.Error."""
    waiter = select.poll()
    waiter.register(pgconn.socket, select.POLLIN | select.POLLOUT)
    while pgconn.flush():
        _wait(waiter, deadline, sent)
        pgconn.consume_input()
    waiter.modify(pgconn.socket, select.POLLIN)
    refused = None
    while True:
        while pgconn.is_busy():
            _wait(waiter, deadline, sent)
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:
            break
        if result.status != ExecStatus.COMMAND_OK:
            refused = Refused(result)
    if refused is not None:
        raise refused


def _wait(waiter: Any, deadline: float, sent: bool) -> None:
    if not waiter.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise _TimeIsOver(sent)
