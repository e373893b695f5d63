"""What a rare read gave, for a while: hot paths ask here, and Postgres hears of it once in that time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from django.db import Error

from commerce_ai.shop.models import Customer

logger = logging.getLogger(__name__)

T = TypeVar("T")
PAUSE_S = 10.0


class Kept(Generic[T]):
    """``read(*key)`` for `lives_s` seconds (of it); while Postgres is silent, what it gave last, or `nothing`."""

    def __init__(
        self, read: Callable[..., T], lives_s: float | Callable[[T], float], nothing: T, most: int = 100_000
    ) -> None:
        self._read, self._lives_s, self._nothing, self._most = read, lives_s, nothing, most
        self._held: dict[tuple[Any, ...], tuple[T, float]] = {}
        self._pause_until = 0.0

    def get(self, *key: Any) -> T:
        now = time.monotonic()
        value, until = self._held.get(key, (self._nothing, 0.0))
        if now < until or now < self._pause_until:
            return value
        try:
            value = self._read(*key)
        except Error:
            logger.warning("Postgres does not answer %s", self._read.__name__, exc_info=True)
            self._pause_until = now + PAUSE_S  # nobody else waits for it in the meantime
            return value
        if len(self._held) >= self._most:
            self._held.clear()
        self._held[key] = value, now + (self._lives_s(value) if callable(self._lives_s) else self._lives_s)
        return value

    def forget(self) -> None:
        self._held.clear()
        self._pause_until = 0.0


def read_customer_id(shop_id: int, external_id: str) -> int | None:
    """Our id of a customer; None if the shop has no such customer."""
    found = Customer.objects.of(shop_id).filter(external_id=external_id).values_list("pk", flat=True).first()
    return int(found) if found is not None else None


# Whoever is not there may come soon; whoever is there keeps their number.
customer_ids: Kept[int | None] = Kept(read_customer_id, lambda known: 3600.0 if known else 60.0, None)
