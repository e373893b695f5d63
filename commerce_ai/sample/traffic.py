"""Many simulated visitors at a rate: they come by chance, a few at a time, and what went wrong is counted."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import numpy as np

from commerce_ai.sample.choice import ChoiceModel
from commerce_ai.sample.storefront import Api, Range, Storefront, Unanswered
from commerce_ai.sample.truth import Truth
from commerce_ai.sample.visitors import Visit, visit, visitor_of

AT_ONCE = 16
BEHIND_S = 1.0  # visitors who could not come in time do not all come at once afterwards


@dataclass
class Tally:
    """What all visitors did. `troubles` counts refused and unanswered requests by route and status."""

    visits: int = 0
    views: int = 0
    clicks: int = 0
    carts: int = 0
    orders: int = 0
    refused: int = 0
    chats: int = 0
    revenue: float = 0.0
    seconds: float = 0.0
    troubles: Counter[str] = field(default_factory=Counter)
    first_trouble: str = ""

    @property
    def conversion(self) -> float:
        return self.orders / self.visits if self.visits else 0.0

    def add(self, done: Visit, chats: int) -> None:
        self.visits += 1
        self.views += done.views
        self.clicks += done.clicks
        self.carts += len(done.cart)
        self.orders += done.paid > 0
        self.refused += done.refused
        self.chats += chats
        self.revenue += done.paid

    def note(self, error: Unanswered) -> None:
        self.visits += 1  # somebody came, and left
        self.troubles[f"{error.route} {error.status or 'no answer'}"] += 1
        self.first_trouble = self.first_trouble or str(error)


@dataclass(frozen=True)
class Town:
    """Where visitors come from: the shop's range, what is true of its people, and how they choose."""

    range: Range
    truth: Truth
    model: ChoiceModel
    seed: int


def come(api: Api, town: Town, number: int) -> tuple[Visit, int]:
    """One visit, and how many questions it asked. The same seed and number make the same draws."""
    who = visitor_of(town.truth, town.seed, number)
    front = Storefront(api, town.range, who)
    draw = np.random.default_rng([town.seed, number, 1])
    done = visit(front, town.truth, town.model, who, town.range.sellable, draw)
    front.flush()
    return done, front.chats


def drive(
    api: Api,
    town: Town,
    *,
    rate: float,
    seconds: float | None = None,
    most: int | None = None,
    stop: threading.Event | None = None,
    tell: Callable[[Tally, float], None] = lambda tally, share: None,
) -> Tally:
    """Visits at `rate` a second on average, for so many `seconds` or `most` visits; without either until `stop`.

    A shop that is too slow for the rate gets fewer. A request that fails ends its visit and is counted, whatever it
    was. `tell` hears the tally and a share of 1.
    """
    stop = stop or threading.Event()
    tally, began, gaps = Tally(), time.monotonic(), np.random.default_rng([town.seed, 2])
    running: set[Future[tuple[Visit, int]]] = set()
    number, due = 0, 0.0
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="visitor") as pool:
        while not stop.is_set() and (most is None or number < most):
            due = max(due + float(gaps.exponential(1 / rate)), time.monotonic() - began - BEHIND_S)
            if seconds is not None and due >= seconds:
                break
            stop.wait(max(0.0, due - (time.monotonic() - began)))
            running = _collect(running, tally, block=len(running) >= AT_ONCE)
            if not stop.is_set():
                running.add(pool.submit(come, api, town, number))
                number += 1
            tell(tally, _share(number, most, time.monotonic() - began, seconds))
        while running:
            running = _collect(running, tally, block=True)
    tally.seconds = time.monotonic() - began
    tell(tally, 1.0)
    return tally


def _collect(running: set[Future[tuple[Visit, int]]], tally: Tally, block: bool) -> set[Future[tuple[Visit, int]]]:
    done, left = wait(running, timeout=None if block else 0, return_when=FIRST_COMPLETED) if running else (set(), set())
    for each in done:
        try:
            tally.add(*each.result())
        except Unanswered as error:
            tally.note(error)
    return set(left)


def _share(number: int, most: int | None, spent: float, seconds: float | None) -> float:
    shares = [number / most if most else 0.0, spent / seconds if seconds else 0.0]
    return min(max(shares), 1.0)
