"""A shop's clients that keep a record of their own: what they asked, what they were told, and when.

Payments and recommendations are asked for and not asked for again; events are sent again until they are acknowledged,
under the same ids, as Segment's clients do.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

FRAUD, RECOMMENDATION, TRACKING = "fraud", "recommendation", "tracking"
EVENTS = 5  # of one request
VISITORS = 500
_TIMEOUT_S = 10.0
_AGAIN_AFTER_S, _THINKS_S = 0.05, 0.002


class Clients:
    """`each` threads of every kind, from `start` to `stop`. Instants are of time.time()."""

    def __init__(self, port: int, key: str, products: int, each: int = 1) -> None:
        self._port, self._products = port, products
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self.told: dict[str, dict[str, bool]] = {FRAUD: {}, RECOMMENDATION: {}}  # decision → whether `stored`
        self.acknowledged: set[str] = set()
        self.sent: set[str] = set()
        self.unanswered: Counter[str] = Counter()
        self.answers: list[tuple[float, float]] = []  # asked, answered
        self.failures: list[float] = []
        self._shown: deque[str] = deque(maxlen=100)
        self._stop = threading.Event()
        works = [self._pay, self._look, self._track]
        self._threads = [
            threading.Thread(target=self._work, args=(work, number), daemon=True)
            for work in works
            for number in range(each)
        ]

    def start(self) -> None:
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        self._stop.set()
        for each in self._threads:
            each.join(timeout=60)

    def outage_after(self, at: float) -> float | None:
        """Seconds from the first error after `at` to the first answer to what was asked later; None: not over yet."""
        failed = min((each for each in self.failures[:] if each >= at), default=None)
        if failed is None:
            return None
        answered = min((done for asked, done in self.answers[:] if asked > failed), default=None)
        return None if answered is None else answered - failed

    def failed_between(self, start: float, end: float) -> int:
        return sum(start <= at < end for at in self.failures)

    def _work(self, work: Callable[[Any, int, int], None], number: int) -> None:
        connection, turn = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT_S), 0
        while not self._stop.is_set():
            work(connection, number, turn)
            turn += 1
            time.sleep(_THINKS_S)
        connection.close()

    def _pay(self, connection: Any, number: int, turn: int) -> None:
        body = {
            "payment_id": f"pay-{number}-{turn}", "amount": f"{5 + turn % 90}.50", "customer_id": f"c{turn % VISITORS}",
            "device_id": f"d{turn % VISITORS}",
        }  # fmt: skip
        answer = self._ask(connection, FRAUD, "POST", "/api/v1/fraud/score", body)
        if answer is not None:
            self.told[FRAUD][answer["decision_id"]] = answer["stored"]

    def _look(self, connection: Any, number: int, turn: int) -> None:
        path = f"/api/v1/recommendations?placement=home&anonymous_id=v{turn % VISITORS}"
        answer = self._ask(connection, RECOMMENDATION, "GET", path)
        if answer is not None:
            self.told[RECOMMENDATION][answer["decision_id"]] = answer["stored"]
            self._shown.append(answer["decision_id"])

    def _track(self, connection: Any, number: int, turn: int) -> None:
        ids = [f"m-{number}-{turn}-{place}" for place in range(EVENTS)]
        shown = self._shown[-1] if self._shown else ""
        batch = [
            {
                "type": "track", "event": "Product Clicked", "messageId": each,
                "anonymousId": f"v{(turn + place) % VISITORS}", "timestamp": datetime.now(UTC).isoformat(),
                "properties": {"product_id": f"p{place % self._products}", "decision_id": shown},
            }
            for place, each in enumerate(ids)
        ]  # fmt: skip
        self.sent.update(ids)
        while not self._stop.is_set():
            answer = self._ask(connection, TRACKING, "POST", "/v1/batch", {"batch": batch})
            if answer is not None:
                if answer["stored"] + answer["duplicates"] != EVENTS:
                    raise RuntimeError(f"events were turned away: {answer}")
                self.acknowledged.update(ids)
                return

    def _ask(self, connection: Any, kind: str, method: str, path: str, body: Any = None) -> dict[str, Any] | None:
        """The answer of a 200; None for everything else, after a moment."""
        asked = time.time()
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, self._headers)
            response = connection.getresponse()
            said = response.read()
            if response.status != 200:
                raise ValueError(response.status)
            answer: dict[str, Any] = json.loads(said)
        except (OSError, ValueError, http.client.HTTPException):
            self.unanswered[kind] += 1
            self.failures.append(time.time())
            connection.close()
            time.sleep(_AGAIN_AFTER_S)
            return None
        self.answers.append((asked, time.time()))
        return answer
