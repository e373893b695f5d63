"""The last product events of each visitor, in Redis: what a session's recommendations start from.

Written after the commit, read in one round trip. A miss means no history, and so does a Redis that does not answer.
Visitors are kept under their anonymous id, and under the customer's external id where that was proven.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec
import redis

from commerce_ai.ingest import memory

MOST = 50
LIVES_S = 30 * 24 * 3600
_LUA = (Path(__file__).parent / "visitors.lua").read_text()


class VisitorEvent(msgspec.Struct, frozen=True):
    """What a visitor did with a product (our id), and when."""

    name: str
    product_id: int
    at: datetime


class Visit(NamedTuple):
    """An event to remember, of whoever is named: a proven customer, an anonymous visitor, or both."""

    name: str
    product_id: int
    at: datetime
    customer_external_id: str | None = None
    anonymous_id: str | None = None


AnyVisit = tuple[str, int, datetime, str | None, str | None]  # a Visit, or a plain tuple like it


def recent(
    shop_id: int, *, customer_external_id: str | None = None, anonymous_id: str | None = None
) -> list[VisitorEvent]:
    """The visitor's last product events, newest first, at most 50. Name a customer only where that is proven."""
    keys = [_key(shop_id, kind, who) for kind, who in (("c", customer_external_id), ("a", anonymous_id)) if who]
    if not keys:
        return []
    try:
        lists = memory.ask(lambda client: _lists(client, keys))
    except memory.Unavailable:
        return []
    events = [_read(member) for member in set().union(*lists)]
    return sorted(events, key=lambda event: (event.at, event.product_id, event.name), reverse=True)[:MOST]


def remember(shop_id: int, visits: Iterable[AnyVisit], ties: Iterable[tuple[str, str]] = ()) -> bool:
    """Add `visits`; then give each customer of `ties` (anonymous id, external id) what the visitor did before.

    Saying it again changes nothing. False if Redis did not take it: visitors then start anew.
    """
    rows: dict[str, list[str]] = {}
    customer_key, anonymous_key = _key(shop_id, "c", ""), _key(shop_id, "a", "")
    for name, product_id, at, customer, anonymous in visits:
        member = f"{int(at.timestamp() * 1000)} {product_id} {name}"
        if customer:
            rows.setdefault(customer_key + customer, []).append(member)
        if anonymous:
            rows.setdefault(anonymous_key + anonymous, []).append(member)
    pairs = [(anonymous_key + former, customer_key + external_id) for former, external_id in ties]
    if not rows and not pairs:
        return True
    # One argument: the client library takes longer to pack a thousand than Redis to store them.
    packed = msgspec.msgpack.encode((MOST, LIVES_S, rows, pairs))
    try:
        memory.ask(lambda client: _run(client, packed))
    except memory.Unavailable:
        return False
    return True


def forget(shop_id: int, *, customer_external_id: str | None = None, anonymous_id: str | None = None) -> None:
    """Let go of a visitor's events, as when a customer is erased."""
    for kind, who in (("c", customer_external_id), ("a", anonymous_id)):
        if who:
            memory.client().delete(_key(shop_id, kind, who))


def _lists(client: redis.Redis, keys: list[str]) -> list[list[bytes]]:
    if len(keys) == 1:
        return [client.lrange(keys[0], 0, -1)]  # type: ignore[list-item]
    pipeline = client.pipeline(transaction=False)
    for key in keys:
        pipeline.lrange(key, 0, -1)
    return pipeline.execute()


def _run(client: redis.Redis, packed: bytes) -> None:
    try:
        client.evalsha(_sha(), 0, packed)  # type: ignore[arg-type]
    except redis.exceptions.NoScriptError:
        client.eval(_LUA, 0, packed)  # type: ignore[arg-type]


def _key(shop_id: int, kind: str, who: str) -> str:
    return memory.prefixed(f"visitor:{shop_id}:{kind}:{who}")


def _read(member: bytes) -> VisitorEvent:
    ms, product_id, name = member.decode().split(" ", 2)
    return VisitorEvent(name, int(product_id), datetime.fromtimestamp(int(ms) / 1000, UTC))


@cache
def _sha() -> str:
    return hashlib.sha1(_LUA.encode(), usedforsecurity=False).hexdigest()
