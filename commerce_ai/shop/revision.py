"""What moved: writers count a topic up in their own transaction, every process reloads what it keeps warm.

`Revision` has one number for each shop and topic. A web process reads the whole (small) table once a second, in
one thread; other processes read it when a job starts. Topics: keys, versions, switches, settings, catalogue.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from django.db import Error, connections

from commerce_ai.shop.models import Revision, Shop

__all__ = ["Refresher", "Revision", "Warm", "bump", "forget_everything", "refresher"]

logger = logging.getLogger(__name__)

T = TypeVar("T")
Numbers = Mapping[tuple[str, int | None], int]  # (topic, shop or None) -> n
Mark = tuple[tuple[int | None, int], ...]  # the numbers that a value was loaded at

_LONGEST_PAUSE_S = 2.0


def bump(topic: str, shop: Shop | int | None = None, *, using: str = "default") -> None:
    """Count `topic` up, for one shop or (None) for all, in the caller's transaction.

    The row stays locked until that ends, so call it last: whoever writes next waits here and nowhere else.
    """
    with connections[using].cursor() as cursor:
        cursor.execute(
            "INSERT INTO shop_revision (shop_id, topic, n) VALUES (%s, %s, 1)"
            " ON CONFLICT (shop_id, topic) DO UPDATE SET n = shop_revision.n + 1",
            [shop.pk if isinstance(shop, Shop) else shop, topic],
        )


class Warm(Generic[T]):
    """A value for each shop (under None or 0: for the install), loaded on first use and again when its topic moved.

    `load(shop_id)` makes the value; `reload(shop_id, old)`, where given, makes the next one from the last. The new
    one is made beside the old, which answers until then. With `limit` (and `size(value)` in the same unit) the
    least recently used shops are let go. `get` reads nothing from Postgres once the value is there.
    """

    def __init__(
        self,
        topic: str,
        load: Callable[[Any], T],
        *,
        reload: Callable[[Any, T], T] | None = None,
        size: Callable[[T], int] | None = None,
        limit: int | None = None,
    ) -> None:
        self.topic = topic
        self._load, self._reload = load, reload
        self._size, self._limit = size or (lambda value: 1), limit
        self._held: dict[int | None, _Held[T]] = {}
        self._loading: dict[int | None, threading.RLock] = {}
        _warm.add(self)

    def get(self, shop_id: int | None = None) -> T:
        held = self._held.get(shop_id) or self._first(shop_id)
        held.used = time.monotonic()
        return held.value

    def forget(self, shop_id: int | None = None) -> None:
        """Let a value go; the next `get` loads it."""
        self._held.pop(shop_id, None)

    def forget_all(self) -> None:
        self._held.clear()

    def refresh(self, numbers: Numbers) -> None:
        """Swap every value whose topic moved since it was loaded. A failing load is logged once and tried again."""
        for shop_id, held in list(self._held.items()):
            mark = _mark(numbers, self.topic, shop_id)
            if mark == held.mark:
                continue
            try:
                value = self._reload(shop_id, held.value) if self._reload else self._load(shop_id)
            except Exception:
                if not held.failing:
                    logger.exception(
                        "could not reload %s of shop %s; the last one goes on answering", self.topic, shop_id
                    )
                held.failing = True
            else:
                self._hold(shop_id, _Held(value, mark, held.used))

    def _first(self, shop_id: int | None) -> _Held[T]:
        with self._loading.setdefault(shop_id, threading.RLock()):
            if found := self._held.get(shop_id):
                return found
            # The number is read before the value: what moves in between is loaded once more, never missed.
            mark = _mark(_read(self.topic), self.topic, shop_id)
            return self._hold(shop_id, _Held(self._load(shop_id), mark, time.monotonic()))

    def _hold(self, shop_id: int | None, held: _Held[T]) -> _Held[T]:
        self._held[shop_id] = held
        if self._limit is not None:
            sizes = {key: self._size(each.value) for key, each in list(self._held.items())}
            total = sum(sizes.values())
            for key in sorted(sizes, key=lambda key: self._held[key].used)[:-1]:
                if total <= self._limit:
                    break
                if key != shop_id:
                    total -= sizes[key]
                    self.forget(key)
        return held


class Refresher:
    """Reads all revisions and has reloaded what moved: `poll` once, or every second in a thread of its own."""

    def __init__(self, every_s: float = 1.0) -> None:
        self.every_s = every_s
        self._callbacks: list[tuple[str, Callable[[int | None], None]]] = []
        self._seen: dict[tuple[str, int | None], int] = {}
        self._polling = threading.Lock()
        self._thread: threading.Thread | None = None
        self._owner = 0
        self._stop = threading.Event()
        self._failing = False

    def on(self, topic: str, callback: Callable[[int | None], None]) -> None:
        """Call `callback(shop_id)` when the topic has moved, with None when it moved for all shops."""
        self._callbacks.append((topic, callback))

    def poll(self) -> None:
        """Read the revisions once, and reload what moved. Raises django.db.Error when they can't be read."""
        with self._polling:
            numbers = _read()
            for warm in list(_warm):
                warm.refresh(numbers)
            for key in {**self._seen, **numbers}:
                if numbers.get(key) != self._seen.get(key) and self._tell(*key):
                    self._seen[key] = numbers.get(key, 0)

    def ensure_started(self) -> None:
        """Start the thread, unless this process has it already. For processes that answer requests."""
        if self._thread and self._thread.is_alive() and self._owner == os.getpid():
            return
        self._stop = threading.Event()
        self._owner = os.getpid()
        self._thread = threading.Thread(target=self._run, name="refresher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread and self._owner == os.getpid():
            self._thread.join(timeout=5)
        self._thread = None

    def forget(self) -> None:
        self._seen.clear()

    def _run(self) -> None:
        pause = self.every_s
        while not self._stop.wait(pause):
            try:
                self.poll()
            except Error as error:
                if not self._failing:
                    logger.warning("revisions can't be read, what is warm goes on answering: %s", str(error).strip())
                self._failing = True
                pause = min(pause * 2, max(_LONGEST_PAUSE_S, self.every_s))
                _let_go()
            except Exception:
                logger.exception("the refresher failed")
                _let_go()
            else:
                if self._failing:
                    logger.warning("revisions can be read again")
                self._failing, pause = False, self.every_s
                # A pooled connection goes back in between; a plain one is kept.
                if getattr(connections["default"], "pool", None) is not None:
                    _let_go()
        _let_go()

    def _tell(self, topic: str, shop_id: int | None) -> bool:
        told = True
        for wanted, callback in self._callbacks:
            if wanted == topic:
                try:
                    callback(shop_id)
                except Exception:
                    logger.exception("a reader of %s failed for shop %s", topic, shop_id)
                    told = False
        return told


refresher = Refresher()


def forget_everything() -> None:
    """Let go of everything warm in this process (between tests)."""
    for warm in list(_warm):
        warm.forget_all()
    refresher.forget()


@dataclass
class _Held(Generic[T]):
    value: T
    mark: Mark
    used: float
    failing: bool = field(default=False)


_warm: weakref.WeakSet[Warm[Any]] = weakref.WeakSet()


def _read(topic: str | None = None) -> dict[tuple[str, int | None], int]:
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT topic, shop_id, n FROM shop_revision WHERE %s::text IS NULL OR topic = %s", [topic, topic]
        )
        return {(name, shop_id): n for name, shop_id, n in cursor.fetchall()}


def _mark(numbers: Numbers, topic: str, shop_id: int | None) -> Mark:
    """The numbers a value depends on: its shop's and that of all shops; for the install's own value, every one."""
    if shop_id:
        keys = [shop_id, None]
    else:
        keys = sorted((shop for name, shop in numbers if name == topic), key=lambda shop: shop or 0)
    return tuple((shop, numbers.get((topic, shop), 0)) for shop in keys)


def _let_go() -> None:
    try:
        connections["default"].close()
    except Exception:
        logger.debug("closing the refresher's connection failed", exc_info=True)
