"""How often a key, and an address behind a publishable key, may ask: token buckets in Redis, in one round trip.

The script is atomic, so that any number of processes share one bucket. From a fast bucket a process takes some tokens
ahead, 50 ms worth of them, so that most requests ask nobody: never more pass than the bucket allows, and what was not
spent within a second is lost. Without Redis requests are let through: a shop that sells without limits is better than
one that does not sell. That is logged and counted.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import math
import threading
import time
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import redis
from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from redis.backoff import NoBackoff
from redis.retry import Retry

from commerce_ai.api.callers import Caller
from commerce_ai.api.errors import ApiError

logger = logging.getLogger(__name__)

TIMEOUT_S = 0.1
AHEAD_S = 0.05
PURSE_LIVES_S = 1.0
MOST_PURSES = 10_000
_RETRY_REDIS_AFTER_S = 1.0
_NOTE_USE_EVERY_S = 60.0
_LUA = (Path(__file__).parent / "limits.lua").read_text()


def check(caller: Caller, request: HttpRequest, cost: int = 1) -> None:
    """Take `cost` tokens from the caller's buckets. Raises ApiError 429 with Retry-After when one has too few."""
    buckets = []
    if caller.rate_per_s is not None:
        buckets.append(Bucket(f"limit:k:{caller.key_id}", caller.rate_per_s, caller.burst))
    if caller.ip_rate_per_s is not None:
        name = f"limit:a:{caller.key_id}:{_hidden(address_of(request))}"
        buckets.append(Bucket(name, caller.ip_rate_per_s, caller.ip_burst))
    used = _due_to_note(caller.key_id)
    asked = [each for each in buckets if not _purse.spend(each.name, cost)]
    if not asked and not used:
        return
    wait_ms = _take(asked, cost, used)
    if wait_ms:
        for each in buckets:
            if each not in asked:
                _purse.put(each.name, cost)
        seconds = math.ceil(wait_ms / 1000)
        raise ApiError(
            "rate_limited",
            _("Too many requests."),
            429,
            detail=_("Try again in %(seconds)s s.") % {"seconds": seconds},
            headers={"Retry-After": str(seconds)},
        )


class Bucket(NamedTuple):
    """`rate` tokens come back each second, at most `burst` are in it."""

    name: str
    rate: float
    burst: int

    @property
    def ahead(self) -> int:
        """How many tokens a process takes at once."""
        return max(1, min(int(self.rate * AHEAD_S), self.burst // 10))


def let_through() -> int:
    """How many requests of this process were not limited because Redis did not answer."""
    return _breaker.passed


def last_used() -> dict[int, int]:
    """Key id → Unix time of its last use, as noted (at most once a minute) by all processes."""
    return {int(key): int(at) for key, at in client().hgetall(_prefixed("keys:used")).items()}


def address_of(request: HttpRequest) -> str:
    """The caller's address; behind a trusted proxy the one that the proxy itself saw, which nobody can invent."""
    if settings.SECURE_PROXY_SSL_HEADER and (chain := request.META.get("HTTP_X_FORWARDED_FOR")):
        return chain.rpartition(",")[2].strip()
    return request.META.get("REMOTE_ADDR", "")


@cache
def client() -> redis.Redis:
    """This room's connection pool: short timeouts, one retry for a connection that went stale, none beyond."""
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 1)
    )


def _take(buckets: list[Bucket], cost: int, used: str) -> int:
    """0 after taking from all buckets, else the milliseconds to wait."""
    if _breaker.is_open():
        return 0
    tokens = [max(cost, each.ahead) for each in buckets]
    try:
        wait = _ask(buckets, tokens, used)
        if wait and max(tokens) > cost:
            tokens = [cost] * len(buckets)
            wait = _ask(buckets, tokens, "")
    except (redis.RedisError, OSError) as error:
        _breaker.open(error)
        return 0
    _breaker.close()
    if not wait:
        for bucket, taken in zip(buckets, tokens, strict=True):
            _purse.put(bucket.name, taken - cost)
    return wait


def _ask(buckets: list[Bucket], tokens: list[int], used: str) -> int:
    arguments: list[Any] = [used, _prefixed("keys:used")]
    for bucket, wanted in zip(buckets, tokens, strict=True):
        arguments += (wanted, bucket.rate, max(bucket.burst, wanted))
    keys = [_prefixed(each.name) for each in buckets]
    try:
        return int(client().evalsha(_sha(), len(keys), *keys, *arguments))
    except redis.exceptions.NoScriptError:
        return int(client().eval(_LUA, len(keys), *keys, *arguments))


class _Purse:
    """Tokens that this process has taken ahead."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, tuple[int, float]] = {}

    def spend(self, name: str, cost: int) -> bool:
        held = self._held.get(name)
        if held is None:
            return False
        with self._lock:
            tokens, until = self._held.get(name, (0, 0.0))
            if tokens < cost or time.monotonic() >= until:
                self._held.pop(name, None)
                return False
            self._held[name] = (tokens - cost, until)
            return True

    def put(self, name: str, tokens: int) -> None:
        if tokens > 0:
            with self._lock:
                now = time.monotonic()
                held, until = self._held.get(name, (0, 0.0))
                if len(self._held) >= MOST_PURSES:  # addresses that came once; what is lost is a few tokens
                    self._held.clear()
                self._held[name] = (tokens + (held if now < until else 0), now + PURSE_LIVES_S)

    def empty(self) -> None:
        with self._lock:
            self._held.clear()


class _Breaker:
    """Asks a Redis that failed only once a second, so that its absence costs no request its time."""

    def __init__(self) -> None:
        self.passed = 0
        self._until = 0.0
        self._failing = False
        self._lock = threading.Lock()

    def is_open(self) -> bool:
        if not self._failing or time.monotonic() >= self._until:
            return False
        with self._lock:
            self.passed += 1
        return True

    def open(self, error: Exception) -> None:
        with self._lock:
            self.passed += 1
            self._until = time.monotonic() + _RETRY_REDIS_AFTER_S
            if not self._failing:
                logger.error("Redis does not answer (%s): requests are let through without limits", error)
            self._failing = True

    def close(self) -> None:
        if self._failing:
            with self._lock:
                self._failing = False
            logger.warning("Redis answers again; %d requests were let through without limits so far", self.passed)


_breaker = _Breaker()
_purse = _Purse()
_noted: dict[int, float] = {}


def _due_to_note(key_id: int) -> str:
    now = time.monotonic()
    if now - _noted.get(key_id, -_NOTE_USE_EVERY_S) < _NOTE_USE_EVERY_S:
        return ""
    _noted[key_id] = now
    return str(key_id)


@cache
def _sha() -> str:
    return hashlib.sha1(_LUA.encode(), usedforsecurity=False).hexdigest()


def _prefixed(name: str) -> str:
    return f"{settings.QUEUE_PREFIX}{name}"


def _hidden(address: str) -> str:
    """Addresses are personal data: Redis sees a keyed hash."""
    return hmac.digest(settings.HASH_KEY, address.encode(), "sha256")[:9].hex()
