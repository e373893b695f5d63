"""What the client libraries are made to say; imported by child processes too, so nothing of Django at the top."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import Any

EVENTS = 250


def say_everything(client: Any) -> None:
    """Every call of a client, and more events than one batch has."""
    client.identify("c1", {"email": "ada@shop.example", "name": "Ada", "plan": "gold"}, anonymous_id="a1")
    client.track("c1", "Product Viewed", {"product_id": "p1", "price": 9.99, "at": datetime(2026, 1, 5, tzinfo=UTC)})
    client.page("c1", "Docs", "Start", {"url": "https://shop.example/"})
    client.screen("c1", "App", "Start")
    client.group("c1", "g1", {"size": 3})
    client.alias("old", "c1")
    client.track(
        "c1", "Order Completed",
        {"order_id": "o1", "total": 20, "currency": "EUR", "products": [{"product_id": "p1", "price": 10, "quantity": 2}]},
    )  # fmt: skip
    for number in range(EVENTS):
        client.track(f"c{number % 20}", "Own Event", {"number": number, "text": "ü"}, anonymous_id=f"a{number % 20}")
    client.flush()
    client.join()


def key_that_works(server: Any, shop: Any, kind: str = "secret") -> str:
    """A new key, once the server has seen it: within a poll of its refresher."""
    from commerce_ai.api import keys

    key = keys.create_key(shop, "client", kind)[1]
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(server.url + "/v1/batch", b'{"batch": []}', headers)
    deadline = time.monotonic() + 15
    while True:
        try:
            with urllib.request.urlopen(request, timeout=5):
                return key
        except urllib.error.HTTPError:
            assert time.monotonic() < deadline, server.output()
            time.sleep(0.1)
