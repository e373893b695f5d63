"""Decisions that were answered but could not be kept: counted, so that the console can say so."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from functools import cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)

_LOG_EVERY_S = 10.0
_pending: Counter[tuple[int, str]] = Counter()
_logged = 0.0
_lock = threading.Lock()


def count(shop_id: int, plugin: str, error: Exception) -> None:
    """Count one lost decision of a shop and plugin. Where Redis is gone too, it is told the next time it answers."""
    global _logged
    with _lock:
        _pending[shop_id, plugin] += 1
        if time.monotonic() - _logged > _LOG_EVERY_S:
            _logged = time.monotonic()
            logger.error("a decision of %s in shop %d was not kept: %s", plugin, shop_id, str(error).strip())
        told = _pending.copy()
        _pending.clear()
    try:
        while told:
            (shop, name), lost = told.popitem()
            _client().hincrby(_key(shop), name, lost)
    except (redis.RedisError, OSError):
        with _lock:
            _pending.update(told)
            _pending[shop, name] += lost


def losses(shop_id: int) -> dict[str, int]:
    """Plugin → how many of its decisions in this shop were lost. Empty without losses; raises RedisError."""
    kept: dict[bytes, bytes] = _client().hgetall(_key(shop_id))  # type: ignore[assignment]
    return {name.decode(): int(lost) for name, lost in kept.items()}


def _key(shop_id: int) -> str:
    return f"{settings.QUEUE_PREFIX}decisions:lost:{shop_id}"


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=0.05, socket_connect_timeout=0.05, retry=Retry(NoBackoff(), 1)
    )
