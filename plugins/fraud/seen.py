"""Payments since the artifact was made, in Redis: what lets windows reach up to now without a look into Postgres.

Kept under numbers that name nobody, for as long as a window reaches. Without Redis the artifact's past is all there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from commerce_ai.ingest import memory
from commerce_ai.ingest.memory import Unavailable
from plugins.fraud.features import DAY_US, DAYS

__all__ = ["Seen", "Unavailable", "nothing", "recent", "remember", "take_review"]

LIVES_DAYS = max(DAYS) + 7
MOST = 2000  # payments of one customer or device
_DAY_S = 86_400


@dataclass(frozen=True)
class Seen:
    """Times (µs) and units of payments, oldest first."""

    times: npt.NDArray[np.int64]
    units: npt.NDArray[np.int64]

    def between(self, after: int, until: int) -> Seen:
        kept = (self.times > after) & (self.times <= until)
        return Seen(self.times[kept], self.units[kept])


def nothing() -> Seen:
    return Seen(np.empty(0, np.int64), np.empty(0, np.int64))


def recent(shop_id: int, customer: int | None, terminal: int | None, payment: int) -> tuple[Seen, Seen]:
    """What was seen of a customer and a terminal, but for this payment itself. One round trip; raises Unavailable."""
    keys = [_key(shop_id, side, who) for side, who in (("c", customer), ("t", terminal))]

    def ask(client: Any) -> list[list[bytes]]:
        pipeline = client.pipeline(transaction=False)
        for key in keys:
            pipeline.zrange(key, 0, -1)
        return pipeline.execute()

    both = memory.ask(ask)
    found = [_read(members, payment) if who is not None else nothing()
             for members, who in zip(both, (customer, terminal), strict=True)]  # fmt: skip
    return found[0], found[1]


def remember(shop_id: int, customer: int | None, terminal: int | None, payment: int, time: int, units: int) -> bool:
    """Keep a payment for those that come after it; saying it again changes nothing. False if Redis did not take it."""
    member = f"{payment} {time} {units}"

    def tell(client: Any) -> None:
        pipeline = client.pipeline(transaction=False)
        for side, who in (("c", customer), ("t", terminal)):
            if who is None:
                continue
            key = _key(shop_id, side, who)
            pipeline.zadd(key, {member: time})
            pipeline.zremrangebyscore(key, "-inf", time - LIVES_DAYS * DAY_US)
            pipeline.zremrangebyrank(key, 0, -MOST - 1)
            pipeline.expire(key, LIVES_DAYS * _DAY_S)
        pipeline.execute()

    try:
        memory.ask(tell)
    except Unavailable:
        return False
    return True


def forget(shop_id: int, *, customers: set[int], terminals: set[int], payments: set[int]) -> None:
    """Let go of customers, and of these payments where their terminals are, which others may share."""
    client = memory.client()
    client.delete(*(_key(shop_id, "c", each) for each in customers))
    for key in (_key(shop_id, "t", each) for each in terminals):
        there: Any = client.zrange(key, 0, -1)
        gone = [each for each in there if int(each.split()[0]) in payments]
        if gone:
            client.zrem(key, *gone)


def take_review(shop_id: int, day: str, payment: int, most: int) -> bool:
    """Whether somebody has time for one more review on this day; then it is theirs. Raises Unavailable.

    A payment that is asked for again keeps its place.
    """
    key = memory.prefixed(f"fraud:{shop_id}:reviews:{day}")

    def ask(client: Any) -> bool:
        if client.sismember(key, payment):
            return True
        pipeline = client.pipeline(transaction=True)
        pipeline.sadd(key, payment)
        pipeline.scard(key)
        pipeline.expire(key, 2 * _DAY_S)
        taken = pipeline.execute()[1]
        if taken > most:
            client.srem(key, payment)
        return taken <= most

    return bool(memory.ask(ask))


def _key(shop_id: int, side: str, who: int | None) -> str:
    return memory.prefixed(f"fraud:{shop_id}:{side}:{who}")


def _read(members: list[bytes], payment: int) -> Seen:
    rows = [tuple(map(int, member.split())) for member in members]
    rows = [row for row in rows if row[0] != payment]
    if not rows:
        return nothing()
    _names, times, units = zip(*rows, strict=True)
    return Seen(np.array(times, np.int64), np.array(units, np.int64))
