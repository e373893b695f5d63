import os
import threading
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_ai import ids
from commerce_ai.ids import time_of, uuid7, uuid7_floor

INSTANTS = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 1, 1), timezones=st.just(UTC))


def test_ids_of_the_present_rise_and_carry_the_time():
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    made = [uuid7() for _ in range(10_000)]
    assert made == sorted(set(made))
    assert {(id.version, id.variant) for id in made} == {(7, UUID(int=2 << 62).variant)}
    assert before <= time_of(made[0]) <= time_of(made[-1]) <= datetime.now(UTC) + timedelta(seconds=1)


def test_ids_never_run_backwards_with_the_clock(monkeypatch):
    clock = [2_000_000_000_000]
    monkeypatch.setattr(ids.time, "time_ns", lambda: clock[0] * 1_000_000)
    monkeypatch.setattr(ids, "_present", ids._Sequence())
    first = uuid7()
    clock[0] -= 60_000
    assert uuid7() > first
    clock[0] += 120_000
    assert uuid7() > first


def test_a_full_counter_borrows_from_the_next_millisecond():
    sequence = ids._Sequence()
    first = sequence.next(1000, never_back=True)
    sequence._count = (1 << 42) - 1
    second = sequence.next(1000, never_back=True)
    assert second > first
    assert time_of(second) == time_of(first) + timedelta(milliseconds=1)


def test_threads_never_share_an_id():
    made: list[UUID] = []
    threads = [threading.Thread(target=lambda: made.extend([uuid7() for _ in range(2000)])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8000


def test_a_forked_child_starts_a_counter_of_its_own():
    uuid7()
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.write(writing, str(ids._present._millisecond).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 100) == b"-1"
    os.close(reading)
    os.close(writing)


@given(INSTANTS)
def test_an_id_of_an_instant_carries_it_to_the_millisecond(at):
    assert timedelta(0) <= at - time_of(uuid7(at)) < timedelta(milliseconds=1)


@given(INSTANTS)
def test_ids_of_one_instant_keep_their_order(at):
    made = [uuid7(at) for _ in range(20)]
    assert made == sorted(set(made))


@given(INSTANTS, INSTANTS)
def test_the_floor_parts_earlier_ids_from_later_ones(at, bound):
    floor = uuid7_floor(bound)
    if time_of(uuid7(at)) >= time_of(floor):
        assert uuid7(at) >= floor
    else:
        assert uuid7(at) < floor


def test_a_zone_is_only_another_name_for_the_instant():
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert uuid7_floor(at) == uuid7_floor(at.astimezone(timezone(timedelta(hours=5))))


@pytest.mark.parametrize("at", [datetime(2026, 1, 1), datetime(1969, 12, 31, tzinfo=UTC)])
def test_an_instant_without_a_zone_or_before_1970_is_refused(at):
    with pytest.raises(ValueError, match="time zone|range"):
        uuid7(at)


def test_only_a_uuid7_tells_its_time():
    with pytest.raises(ValueError, match="not a UUIDv7"):
        time_of(uuid4())
