"""How often a person is shown a campaign: counters by day in Redis, counted anew from the decisions if they are lost.

One hash a person, a field a day (the shop's). A mark beside them says that the counters are whole; where Redis has
lost its memory the mark is gone too, and whoever notices fills the counters from the last week's decisions first.
Until then, and while Redis does not answer, nobody can say how often somebody was shown something: nothing is shown.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from enum import Enum
from functools import cache
from typing import Any

import redis

from commerce_ai.ingest import memory

WEEK = 7
LIVES_S = (WEEK + 1) * 24 * 3600
REBUILD_S = 60

_LUA = """
if redis.call('EXISTS', KEYS[2]) == 0 then return 'unknown' end
local today, total = tonumber(ARGV[1]), 0
for day = today - 6, today do
    local n = tonumber(redis.call('HGET', KEYS[1], day) or 0)
    total = total + n
    if day == today and n >= tonumber(ARGV[2]) then return 'day' end
end
if total >= tonumber(ARGV[3]) then return 'week' end
if ARGV[4] == '1' then
    redis.call('HINCRBY', KEYS[1], today, 1)
    redis.call('HDEL', KEYS[1], today - 7, today - 8)
    redis.call('EXPIRE', KEYS[1], ARGV[5])
end
return 'free'
"""

Shown = Iterable[tuple[str, int]]  # who, and on which day, once a showing


class State(Enum):
    """Whether one more is allowed."""

    FREE = "free"
    DAY = "day"
    WEEK = "week"
    UNKNOWN = "unknown"


def look(shop_id: int, who: str, today: int, a_day: int, a_week: int, shown: Callable[[], Shown]) -> State:
    """Whether `who` may be shown one more campaign. `shown` reads the last week's, where the counters are lost."""
    return _ask(shop_id, who, today, a_day, a_week, take=False, shown=shown)


def take(shop_id: int, who: str, today: int, a_day: int, a_week: int, shown: Callable[[], Shown]) -> State:
    """The same, and count it where it is allowed, in one step: two requests at once can't both be the last one."""
    return _ask(shop_id, who, today, a_day, a_week, take=True, shown=shown)


def rebuild(shop_id: int, shown: Callable[[], Shown]) -> None:
    """Fill the counters from what was shown; whoever comes second leaves it to the first. Raises Unavailable."""
    lock = _key(shop_id, "rebuilding")
    if not memory.ask(lambda client: client.set(lock, 1, nx=True, ex=REBUILD_S)):
        return
    counted = Counter(shown())

    def fill(client: redis.Redis) -> None:
        pipeline = client.pipeline(transaction=False)
        for (who, day), n in counted.items():
            pipeline.hset(_person(shop_id, who), str(day), n)
            pipeline.expire(_person(shop_id, who), LIVES_S)
        pipeline.set(_key(shop_id, "whole"), 1)
        pipeline.delete(lock)
        pipeline.execute()

    memory.ask(fill)


def forget(shop_id: int, names: Iterable[str]) -> None:
    """Let go of a person's counters, as when they are erased. Raises redis.RedisError."""
    memory.client().delete(*(_person(shop_id, who) for who in names))


def _ask(
    shop_id: int, who: str, today: int, a_day: int, a_week: int, *, take: bool, shown: Callable[[], Shown]
) -> State:
    keys = [_person(shop_id, who), _key(shop_id, "whole")]
    arguments = [today, a_day, a_week, int(take), LIVES_S]
    try:
        said = State(memory.ask(lambda client: _run(client, keys, arguments)).decode())
        if said is State.UNKNOWN:
            rebuild(shop_id, shown)
            said = State(memory.ask(lambda client: _run(client, keys, arguments)).decode())
    except memory.Unavailable:
        return State.UNKNOWN
    return said


def _run(client: redis.Redis, keys: list[str], arguments: list[int]) -> Any:
    try:
        return client.evalsha(_sha(), len(keys), *keys, *arguments)  # type: ignore[arg-type]
    except redis.exceptions.NoScriptError:
        return client.eval(_LUA, len(keys), *keys, *arguments)  # type: ignore[arg-type]


def _person(shop_id: int, who: str) -> str:
    return _key(shop_id, f"of:{who}")


def _key(shop_id: int, name: str) -> str:
    return memory.prefixed(f"ads:{shop_id}:{name}")


@cache
def _sha() -> str:
    return hashlib.sha1(_LUA.encode(), usedforsecurity=False).hexdigest()
