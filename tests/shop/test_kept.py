"""Rare reads: asked once in a while, and never twice of a database that is silent."""

from __future__ import annotations

from django.db import OperationalError

from commerce_ai.shop import kept


def test_a_rare_read_is_kept_and_a_silent_database_is_not_asked_again(monkeypatch):
    asked = []

    def read(key):
        asked.append(key)
        if key == "bad":
            raise OperationalError("gone")
        return f"{key} {len(asked)}"

    now = [0.0]
    monkeypatch.setattr(kept.time, "monotonic", lambda: now[0])
    rare = kept.Kept(read, lambda value: 60.0, "nothing")
    now[0] = 100.0
    assert [rare.get("a"), rare.get("a")] == ["a 1", "a 1"]
    assert [rare.get("bad"), rare.get("bad"), rare.get("new")] == ["nothing"] * 3
    assert asked == ["a", "bad"]
    now[0] += 61
    assert rare.get("a") == "a 3"
    monkeypatch.setattr(kept, "PAUSE_S", 5.0)
    now[0] += 61
    rare.get("bad")
    assert rare.get("a") == "a 3"  # the last it gave


def test_a_time_of_its_own_for_each_value_and_forgetting(monkeypatch):
    now, asked = [100.0], []
    monkeypatch.setattr(kept.time, "monotonic", lambda: now[0])
    rare = kept.Kept(lambda key: asked.append(key) or key, lambda value: float(value), 0)
    rare.get(10), rare.get(50)
    now[0] += 20
    rare.get(10), rare.get(50)
    assert asked == [10, 50, 10]
    rare.forget()
    assert rare.get(50) == 50 and asked[-1] == 50
