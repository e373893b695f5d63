"""Redis, quickly or not at all: what is asked of it is good to have, and no request waits for it when it is away."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)

TIMEOUT_S = 0.1
ASK_AGAIN_AFTER_S = 1.0


class Unavailable(Exception):
    """Redis did not answer, or did not a moment ago."""


def ask(question: Callable[[redis.Redis], Any]) -> Any:
    """The answer to ``question(client)``. Raises Unavailable; its beginning and end are logged, once each."""
    if _away.since and time.monotonic() < _away.until:
        raise Unavailable
    try:
        answer = question(client())
    except (redis.RedisError, OSError) as error:
        _away.note(error)
        raise Unavailable from error
    if _away.since:
        _away.end()
    return answer


def prefixed(name: str) -> str:
    return f"{settings.QUEUE_PREFIX}{name}"


@cache
def client() -> redis.Redis:
    """This room's connections: short timeouts, one retry for a connection that went stale."""
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 1)
    )


class _Away:
    def __init__(self) -> None:
        self.since = self.until = 0.0
        self._lock = threading.Lock()

    def note(self, error: Exception) -> None:
        with self._lock:
            now = time.monotonic()
            self.until = now + ASK_AGAIN_AFTER_S
            if not self.since:
                self.since = now
                logger.warning("Redis does not answer (%s: %s)", type(error).__name__, error)

    def end(self) -> None:
        with self._lock:
            if self.since:
                logger.warning("Redis answers again, after %.0f s", time.monotonic() - self.since)
            self.since = 0.0


_away = _Away()
