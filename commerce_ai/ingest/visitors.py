"""The last product events of each visitor, in Redis: what a session's recommendations start from.

Written after the commit, read in one round trip. A miss means no history, and so does a Redis that does not answer.
Visitors are kept under their anonymous id, and under the customer's external id where that was proven.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)

MOST = 50
LIVES_S = 30 * 24 * 3600
TIMEOUT_S = 0.1
_LUA = (Path(__file__).parent / "visitors.lua").read_text()


class VisitorEvent(msgspec.Struct, frozen=True):
    """What a visitor did with a product (our id), and when."""

    name: str
    product_id: int
    at: datetime


class Visit(msgspec.Struct, frozen=True):
    """An event to remember, of whoever is named: a proven customer, an anonymous visitor, or both."""

    name: str
    product_id: int
    at: datetime
    customer_external_id: str | None = None
    anonymous_id: str | None = None


def recent(
    shop_id: int, *, customer_external_id: str | None = None, anonymous_id: str | None = None
) -> list[VisitorEvent]:
    """The visitor's last product events, newest first, at most 50. Name a customer only where that is proven."""
    keys = [_key(shop_id, kind, who) for kind, who in (("c", customer_external_id), ("a", anonymous_id)) if who]
    if not keys:
        return []
    try:
        if len(keys) == 1:
            members: set[bytes] = set(client().zrevrange(keys[0], 0, MOST - 1))
        else:
            pipeline = client().pipeline(transaction=False)
            for key in keys:
                pipeline.zrevrange(key, 0, MOST - 1)
            members = set().union(*pipeline.execute())
    except (redis.RedisError, OSError) as error:
        logger.warning("no visitor's history: Redis does not answer (%s)", type(error).__name__)
        return []
    events = [_read(member) for member in members]
    return sorted(events, key=lambda event: (event.at, event.product_id, event.name), reverse=True)[:MOST]


def remember(shop_id: int, visits: Iterable[Visit], ties: Iterable[tuple[str, str]] = ()) -> bool:
    """Add `visits`; then give each customer of `ties` (anonymous id, external id) what the visitor did before.

    Saying it again changes nothing. False if Redis did not take it: visitors then start anew.
    """
    rows: dict[str, list[Any]] = {}
    for visit in visits:
        ms = _milliseconds(visit.at)
        member = f"{ms} {visit.product_id} {visit.name}"
        for kind, who in (("c", visit.customer_external_id), ("a", visit.anonymous_id)):
            if who:
                rows.setdefault(_key(shop_id, kind, who), []).extend((ms, member))
    pairs = [(_key(shop_id, "a", anonymous), _key(shop_id, "c", customer)) for anonymous, customer in ties]
    if not rows and not pairs:
        return True
    arguments: list[Any] = [MOST, LIVES_S, len(rows)]
    for each in rows.values():
        # A visitor's last fifty are all that can stay.
        arguments += (len(each[-2 * MOST :]), *each[-2 * MOST :])
    keys = [*rows, *(key for pair in pairs for key in pair)]
    try:
        try:
            client().evalsha(_sha(), len(keys), *keys, *arguments)
        except redis.exceptions.NoScriptError:
            client().eval(_LUA, len(keys), *keys, *arguments)
    except (redis.RedisError, OSError) as error:
        logger.warning("visitors' last events are not kept: Redis does not answer (%s)", type(error).__name__)
        return False
    return True


def forget(shop_id: int, *, customer_external_id: str | None = None, anonymous_id: str | None = None) -> None:
    """Let go of a visitor's events, as when a customer is erased."""
    for kind, who in (("c", customer_external_id), ("a", anonymous_id)):
        if who:
            client().delete(_key(shop_id, kind, who))


@cache
def client() -> redis.Redis:
    """This room's connections: short timeouts, one retry for a connection that went stale."""
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 1)
    )


def prefixed(name: str) -> str:
    return f"{settings.QUEUE_PREFIX}{name}"


def _key(shop_id: int, kind: str, who: str) -> str:
    return prefixed(f"visitor:{shop_id}:{kind}:{who}")


def _read(member: bytes) -> VisitorEvent:
    ms, product_id, name = member.decode().split(" ", 2)
    return VisitorEvent(name, int(product_id), datetime.fromtimestamp(int(ms) / 1000, UTC))


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


@cache
def _sha() -> str:
    return hashlib.sha1(_LUA.encode(), usedforsecurity=False).hexdigest()
