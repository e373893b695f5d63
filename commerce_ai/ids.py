"""UUIDv7: identifiers that carry the instant they were made at (RFC 9562, section 5.7).

Layout: 48 bits of Unix milliseconds, version, a 42 bit counter, variant in between, 32 random bits. The
counter starts at random in the lower half of its range and counts up within one millisecond (RFC 9562,
section 6.2, method 1), so ids made one after another in one process sort in the order they were made.
"""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LAST_MILLISECOND = (1 << 48) - 1
_LAST_COUNT = (1 << 42) - 1
_VERSION_AND_VARIANT = 7 << 76 | 2 << 62


def uuid7(at: datetime | None = None) -> UUID:
    """A new id that carries the present instant, or the instant `at` (imports).

    Ids of the present never run backwards within a process, not even when the clock does. Ids made one after
    another for one same `at` keep their order too. Raises ValueError for a naive `at` or one before 1970.
    """
    if at is None:
        return _present.next(time.time_ns() // 1_000_000, never_back=True)
    return _given.next(_milliseconds(at), never_back=False)


def uuid7_floor(at: datetime) -> UUID:
    """The lowest id of the instant `at`: every id made from then on is equal or higher, every earlier one lower."""
    return UUID(int=_milliseconds(at) << 80 | _VERSION_AND_VARIANT)


def time_of(id: UUID) -> datetime:
    """The instant that `id` carries, in UTC, to the millisecond. Raises ValueError if `id` is no UUIDv7."""
    if id.version != 7:
        raise ValueError(f"{id} is not a UUIDv7")
    return _EPOCH + (id.int >> 80) * _MILLISECOND


def _milliseconds(at: datetime) -> int:
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone")
    milliseconds = (at - _EPOCH) // _MILLISECOND
    if not 0 <= milliseconds <= _LAST_MILLISECOND:
        raise ValueError(f"{at} is outside the range of a UUIDv7")
    return milliseconds


class _Sequence:
    """The last millisecond and counter given out, behind a lock."""

    def __init__(self) -> None:
        self.start_anew()

    def start_anew(self) -> None:
        self._lock = threading.Lock()
        self._millisecond = -1
        self._count = 0

    def next(self, millisecond: int, *, never_back: bool) -> UUID:
        random = int.from_bytes(os.urandom(10), "big")
        with self._lock:
            if millisecond == self._millisecond or (never_back and millisecond < self._millisecond):
                millisecond, count = self._millisecond, self._count + 1
                if count > _LAST_COUNT:
                    # Two to the forty-first ids within one millisecond: borrow from the next one.
                    millisecond, count = millisecond + 1, random >> 39
            else:
                count = random >> 39
            self._millisecond, self._count = millisecond, count
        return UUID(
            int=millisecond << 80
            | (count >> 30) << 64
            | (count & 0x3FFFFFFF) << 32
            | random & 0xFFFFFFFF
            | _VERSION_AND_VARIANT
        )


_present = _Sequence()
_given = _Sequence()
# A forked child must not go on with its parent's counter, nor with a lock that another thread held.
os.register_at_fork(after_in_child=_present.start_anew)
os.register_at_fork(after_in_child=_given.start_anew)
