"""Counters that hold, forget after a week, and come back from the decisions when Redis has lost them."""

from __future__ import annotations

import pytest

from commerce_ai.ingest import memory
from plugins.advertising import caps
from plugins.advertising.caps import State

TODAY = 739_000


@pytest.fixture(autouse=True)
def redis(db: None) -> None:
    """An empty Redis of our own."""


def nothing() -> list[tuple[str, int]]:
    return []


def test_a_day_and_a_week_are_counted_by_person():
    take = [caps.take(1, "c:1", TODAY, 2, 3, nothing) for _ in range(3)]
    assert take == [State.FREE, State.FREE, State.DAY]
    assert caps.take(1, "c:1", TODAY + 1, 2, 3, nothing) is State.FREE
    assert caps.look(1, "c:1", TODAY + 2, 2, 3, nothing) is State.WEEK
    assert caps.look(1, "c:1", TODAY + 7, 2, 3, nothing) is State.FREE
    assert (
        caps.look(1, "c:2", TODAY, 2, 3, nothing) is State.FREE
        and caps.look(2, "c:1", TODAY, 2, 3, nothing) is State.FREE
    )


def test_looking_counts_nothing():
    assert [caps.look(1, "c:1", TODAY, 1, 1, nothing) for _ in range(3)] == [State.FREE] * 3


def test_what_redis_lost_is_counted_anew_from_the_decisions():
    asked = []

    def shown() -> list[tuple[str, int]]:
        asked.append(1)
        return [("c:1", TODAY), ("c:1", TODAY), ("c:2", TODAY - 3)]

    assert caps.look(1, "c:1", TODAY, 2, 5, shown) is State.DAY
    assert caps.look(1, "c:2", TODAY, 2, 1, shown) is State.WEEK and len(asked) == 1
    memory.client().flushdb()
    assert (
        caps.take(1, "c:1", TODAY, 3, 5, shown) is State.FREE and caps.take(1, "c:1", TODAY, 3, 5, shown) is State.DAY
    )
    assert len(asked) == 2


def test_while_somebody_else_fills_them_nobody_knows(monkeypatch):
    memory.client().set(memory.prefixed("ads:1:rebuilding"), 1)
    assert caps.look(1, "c:1", TODAY, 1, 1, nothing) is State.UNKNOWN


def test_without_redis_nobody_knows(monkeypatch):
    def away(_question: object) -> None:
        raise memory.Unavailable

    monkeypatch.setattr(memory, "ask", away)
    assert caps.take(1, "c:1", TODAY, 1, 1, nothing) is State.UNKNOWN
