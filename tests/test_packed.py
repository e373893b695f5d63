"""The cache in Redis: data, and nothing that is run when it is read."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest
from django.core.cache import cache

from commerce_ai.packed import Serializer


@pytest.mark.parametrize(
    "value", [7, -1, 0, "5", "", True, None, 1.5, {"a": [1, "b"]}, b"raw", [datetime(2026, 1, 2, tzinfo=UTC)]]
)
def test_what_is_kept_comes_back(services, value):
    cache.set("packed", value)
    assert cache.get("packed", "nothing") == value


def test_numbers_can_still_be_counted_up(services):
    cache.set("packed", 1)
    assert cache.incr("packed") == 2


def test_a_pickle_is_not_opened():
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("it was opened",))

    assert Serializer().loads(pickle.dumps(Trap())) is None
