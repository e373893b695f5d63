"""What cutting and encrypting costs the doors, and what a rotation of keys does to those at work."""

from __future__ import annotations

import http.client
import json
import random
import socket
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from commerce_ai.ingest import benchmarks as ingest

if TYPE_CHECKING:
    from commerce_ai.learning.bench import Bench

ROUNDS, WARM_UPS = 5, 1
IDENTIFIES, ORDERS = 0.05, 0.01  # of all calls; both say e-mail, name and more
MOST_COST = 0.10


# --- ingest-cost ------------------------------------------------------------------------------------------


def ingest_cost(bench: Bench) -> None:
    """Events/s over HTTP with personal data cut out and encrypted, beside the same web process letting all through."""
    bench.note(
        f"batches of {ingest.BATCH} from {ingest.CLIENTS} client processes, {ingest.BATCHES} batches each after "
        f"{ingest.WARM_UP} to warm up; {IDENTIFIES:.0%} identify with e-mail, phone, name and address, {ORDERS:.0%} "
        f"orders with e-mail and address; two web processes as `manage.py up` starts them, one patched to cut and "
        f"encrypt nothing; {ROUNDS * bench.seeds} rounds in turn, the order changing, after {WARM_UPS} to warm up"
    )
    for mix in ("server", "browser"):
        bench.note(f"{mix}: " + _MIXES[mix])
        _compare(bench, mix)


_MIXES = {
    "server": "messages as Segment's Python client sends them, as in `benchmark ingest http`",
    "browser": "each message with its own page, referrer, campaign and user agent, as analytics.js sends them",
}


def _compare(bench: Bench, mix: str) -> None:
    rates: dict[str, list[float]] = {"on": [], "off": []}
    with ingest._house() as house, _without_privacy(house) as open_port:
        ports = {"on": house.port, "off": open_port}
        for turn in range(WARM_UPS + ROUNDS * bench.seeds):
            for name in ("on", "off") if turn % 2 else ("off", "on"):
                rate = ingest._race(_client, (ports[name], house.key, mix, name), turn)
                if turn >= WARM_UPS:
                    rates[name].append(rate)
                    bench.row(f"{mix}, {name}", {"events/s": rate}, turn=turn)
    on, off = (statistics.median(rates[name]) for name in ("on", "off"))
    bench.row(f"{mix}, cost", {"on events/s": on, "off events/s": off, "cost": off / on - 1, "at most": MOST_COST})


@contextmanager
def _without_privacy(house: Any) -> Iterator[int]:
    """A second web process of the same house that neither cuts nor encrypts; its port."""
    from commerce_ai.supervisor import commands

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = ["commerce_ai.privacy.bench_web:application" if each == "commerce_ai.wsgi:application" else each
               for each in commands("127.0.0.1", port, 4)["web"]]  # fmt: skip
    web = subprocess.Popen(
        command, env={**house.environment, "COMMERCE_AI_PROCESS": "web"}, cwd=ingest.ROOT,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while ingest._post(port, house.key, b'{"batch": []}') != 200:
            if time.monotonic() > deadline:
                raise RuntimeError("the web process without privacy does not answer")
            time.sleep(0.1)
        yield port
    finally:
        web.terminate()
        web.wait(timeout=20)


def _client(port: int, key: str, mix: str, name: str, number: int, ready: Any, start: Any) -> None:
    sent_at = datetime.now(UTC).isoformat()
    bodies = [
        json.dumps({"batch": _messages(name, mix, number, batch), "sentAt": sent_at, "writeKey": key}).encode()
        for batch in range(ingest.WARM_UP + ingest.BATCHES)
    ]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for place, body in enumerate(bodies):
        if place == ingest.WARM_UP:
            ready.wait()
            start.wait()
        if ingest._post(port, key, body, connection) != 200:
            raise RuntimeError("a batch was refused")


def _messages(name: str, mix: str, number: int, batch: int) -> list[dict[str, Any]]:
    draw = random.Random(f"{mix} {number} {batch}")  # noqa: S311  (the same for both sides)
    found = ingest._messages(name, number, batch)
    for message in found:
        kind = draw.random()
        if kind < IDENTIFIES + ORDERS:
            who = draw.randrange(ingest.CUSTOMERS)
            message["userId"] = f"customer-{who}"
            contact = _person(who)
            if kind < IDENTIFIES:
                message |= {"type": "identify", "traits": {**contact, "plan": "gold", "orders": who % 9}}
                del message["event"], message["properties"]
            else:
                price = message["properties"]["price"]
                message |= {"event": "Order Completed", "properties": {
                    "order_id": f"{name}-{number}-{batch}-{draw.getrandbits(40)}", "total": price, "currency": "EUR",
                    "email": contact["email"], "shipping_address": contact["address"],
                    "products": [{key: message["properties"][key] for key in ("product_id", "sku", "name", "price")}],
                }}  # fmt: skip
        if mix == "browser":
            message["context"] = _context(draw)
    return found


def _person(who: int) -> dict[str, Any]:
    return {
        "email": f"customer.{who}@mail.example", "phone": f"+49 170 {who:07}", "firstName": "Ada", "lastName": f"{who}",
        "address": {"street": f"Main Street {who}", "city": "Berlin", "postalCode": f"{who:05}", "country": "DE"},
    }  # fmt: skip


_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36"


def _context(draw: random.Random) -> dict[str, Any]:
    product = draw.randrange(ingest.PRODUCTS)
    return {
        "ip": f"203.0.{draw.randrange(256)}.{draw.randrange(256)}", "locale": "de-DE", "timezone": "Europe/Berlin",
        "library": {"name": "analytics.js", "version": "next-1.70.0"},
        "page": {"path": f"/products/{product}", "url": f"https://shop.example/products/{product}?ref=mail",
                 "title": f"Mug, stoneware, {product} ml", "referrer": "https://search.example/?q=mug"},
        "campaign": {"source": "newsletter", "medium": "email", "name": f"week-{draw.randrange(52)}"},
        "userAgent": _AGENT % draw.randrange(90, 140),
    }  # fmt: skip
