"""How fast events come in over HTTP, beside the same rows written straight into the same tables.

Everything runs on an embedded pair of its own in a temporary folder, with the web process as `manage.py up` starts it.
Four client processes post batches of 500 events that were made before the clock started; four others copy the same
rows into the database, likewise made before. Both do one transaction a batch.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from commerce_ai.learning.bench import Bench

BATCH, CLIENTS, BATCHES = 500, 4, 60  # events a batch, processes, batches a process
WARM_UP = 5  # batches of each process before the clock starts
ROUNDS = 3
PRODUCTS, CUSTOMERS, VISITORS = 1_000, 5_000, 20_000
ROOT = Path(__file__).resolve().parent.parent.parent


def http_suite(bench: Bench) -> None:
    """Events/s over HTTP beside COPY + ON CONFLICT, then the rate of the projection."""
    bench.note(
        f"batches of {BATCH} from {CLIENTS} client processes, {BATCHES} batches each after {WARM_UP} to warm up; "
        "the web is one process, as `manage.py up` starts it"
    )
    rates: dict[str, list[float]] = {"direct": [], "staged": [], "http": []}
    with _house() as house:
        for turn in range(ROUNDS * bench.seeds):
            # In turns, so that none has the warmer machine or the smaller tables.
            for method in ("direct", "staged"):
                rates[method].append(_race(_copy_client, (house.dsn, house.shop, method), turn))
                bench.row(f"straight, {method}", {"events/s": rates[method][-1]}, turn=turn)
            rates["http"].append(_race(_http_client, (house.port, house.key), turn))
            bench.row("http", {"events/s": rates["http"][-1]}, turn=turn)
        medians = {name: statistics.median(each) for name, each in rates.items()}
        straight = max(medians["direct"], medians["staged"])
        bench.row("median", {**medians, "http of the faster": medians["http"] / straight})
        seconds, events = house.project()
        bench.row("projection", {"events/s": events / seconds}, seconds=seconds)


http_suite.needs_services = False  # type: ignore[attr-defined]
SUITES = {"http": http_suite}


# --- the house --------------------------------------------------------------------------------------------


class _House:
    """Services, a migrated database, a shop with a catalogue and a key, and a web process."""

    def __init__(self, var: Path) -> None:
        from commerce_ai import embedded

        self.where = embedded.paths(var)
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")},
            "COMMERCE_AI_VAR": str(var), "DJANGO_SETTINGS_MODULE": "commerce_ai.settings", "HTTPS": "0",
            "PYTHONPATH": str(ROOT),
        }  # fmt: skip
        self.dsn = (
            f"host={self.where.sockets} port={embedded.POSTGRES_PORT} user={embedded.POSTGRES_USER} dbname=commerce_ai"
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.shop, self.key = 0, ""
        self.web: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        self._python("from django.core.management import call_command; call_command('migrate', verbosity=0)")
        shop, self.key = self._python(_PREPARE).split()
        self.shop = int(shop)
        from commerce_ai.supervisor import commands

        self.web = subprocess.Popen(
            commands("127.0.0.1", self.port, 4)["web"], env={**self.environment, "COMMERCE_AI_PROCESS": "web"},
            cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while _post(self.port, self.key, b'{"batch": []}') != 200:
            if time.monotonic() > deadline:
                raise RuntimeError("the web process does not answer")
            time.sleep(0.1)

    def project(self) -> tuple[float, int]:
        """Project all that came by HTTP; the seconds, and how many events that were."""
        seconds, events = self._python(_PROJECT).split()
        return float(seconds), int(events)

    def _python(self, code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", f"import django; django.setup()\n{code}"], env=self.environment, cwd=ROOT,
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        return done.stdout


_PREPARE = f"""
from commerce_ai.api.keys import create_key
from commerce_ai.shop.models import Product, Shop
shop = Shop.objects.create(slug="bench", name="Bench", currency="EUR")
Product.objects.bulk_create(
    Product(shop=shop, external_id=f"p{{n}}", title=f"Product {{n}}", price=10) for n in range({PRODUCTS})
)
print(shop.pk, create_key(shop, "bench", "secret")[1])
"""
_PROJECT = """
import time
from django.db.models import Sum
from commerce_ai.ingest import project
from commerce_ai.ingest.models import IngestBatch
events = IngestBatch.objects.filter(projected_at=None).aggregate(n=Sum("events"))["n"]
started = time.perf_counter()
project.run()
print(time.perf_counter() - started, events)
"""


@contextmanager
def _house() -> Iterator[_House]:
    from commerce_ai import embedded

    folder = Path(tempfile.mkdtemp(prefix="cai-bench-"))
    folder.chmod(0o755)
    house = _House(folder / "var")
    try:
        embedded.acquire(house.where)
        house.prepare()
        yield house
    finally:
        if house.web is not None:
            house.web.terminate()
            house.web.wait(timeout=20)
        embedded.release(house.where)
        for left in (folder, house.where.sockets):
            shutil.rmtree(left, ignore_errors=True)


# --- the race ---------------------------------------------------------------------------------------------


def _race(client: Callable[..., None], arguments: tuple[Any, ...], seed: int) -> float:
    """Events/s of all clients together, from their common start to the last one's end."""
    context = multiprocessing.get_context("spawn")
    ready, start = context.Barrier(CLIENTS + 1), context.Event()
    processes = [
        context.Process(target=client, args=(*arguments, seed * CLIENTS + number, ready, start), daemon=True)
        for number in range(CLIENTS)
    ]
    for process in processes:
        process.start()
    ready.wait(timeout=300)
    started = time.perf_counter()
    start.set()
    for process in processes:
        process.join()
    seconds = time.perf_counter() - started
    if any(process.exitcode for process in processes):
        raise RuntimeError("a client failed")
    return CLIENTS * BATCHES * BATCH / seconds


def _http_client(port: int, key: str, number: int, ready: Any, start: Any) -> None:
    batches = [_messages("http", number, batch) for batch in range(WARM_UP + BATCHES)]
    sent_at = datetime.now(UTC).isoformat()
    bodies = [json.dumps({"batch": batch, "sentAt": sent_at, "writeKey": key}).encode() for batch in batches]
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for place, body in enumerate(bodies):
        if place == WARM_UP:
            ready.wait()
            start.wait()
        if _post(port, key, body, connection) != 200:
            raise RuntimeError("a batch was refused")


def _post(port: int, key: str, body: bytes, connection: http.client.HTTPConnection | None = None) -> int:
    connection = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(
            "POST", "/v1/batch", body, {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        )
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except OSError:
        return 0


def _copy_client(dsn: str, shop: int, method: str, number: int, ready: Any, start: Any) -> None:
    import psycopg

    batches = [_lines(shop, _messages(method, number, batch)) for batch in range(WARM_UP + BATCHES)]
    write = _direct if method == "direct" else _staged
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TEMP TABLE staging (LIKE shop_event INCLUDING DEFAULTS)")
        for place, (ids, lines) in enumerate(batches):
            if place == WARM_UP:
                ready.wait()
                start.wait()
            with connection.transaction():
                write(connection, shop, ids, lines)


def _direct(connection: Any, shop: int, ids: list[str], lines: bytes) -> None:
    """Keys first, then the rows into their partition: what the door does."""
    connection.execute(
        "INSERT INTO shop_eventkey (shop_id, message_id, received_on)"
        " SELECT %s, each, current_date FROM unnest(%s::text[]) AS each ON CONFLICT DO NOTHING RETURNING message_id",
        [shop, ids],
    ).fetchall()
    with connection.cursor().copy(f"COPY shop_event ({_COLUMNS}) FROM STDIN") as copy:
        copy.write(lines)


def _staged(connection: Any, shop: int, ids: list[str], lines: bytes) -> None:
    """Rows into a staging table kept per connection, then keys and events in one statement."""
    with connection.cursor().copy(f"COPY staging ({_COLUMNS}) FROM STDIN") as copy:
        copy.write(lines)
    connection.execute(
        f"""
        WITH fresh AS (
            INSERT INTO shop_eventkey (shop_id, message_id, received_on)
            SELECT shop_id, message_id, current_date FROM staging ON CONFLICT DO NOTHING RETURNING message_id
        )
        INSERT INTO shop_event ({_COLUMNS}) SELECT {_COLUMNS} FROM staging JOIN fresh USING (message_id)
        """  # noqa: S608  (column names of ours)
    )
    connection.execute("TRUNCATE staging")


_COLUMNS = (
    "id, shop_id, kind, name, message_id, anonymous_id, user_id, customer_id, session_id, product_id, decision_id,"
    " properties, context, platform, occurred_at, received_at"
)


# --- the events -------------------------------------------------------------------------------------------


def _messages(method: str, number: int, batch: int) -> list[dict[str, Any]]:
    """A batch as Segment's Python client sends it: browsing, a third of it by known customers."""
    draw = random.Random(f"{method} {number} {batch}")  # noqa: S311
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    found = []
    for place in range(BATCH):
        product = draw.randrange(PRODUCTS)
        known = draw.random() < 1 / 3
        found.append(
            {
                "integrations": {}, "anonymousId": f"visitor-{draw.randrange(VISITORS)}", "type": "track",
                "event": draw.choice(("Product Viewed", "Product Viewed", "Product Added", "Product List Viewed")),
                "userId": f"customer-{draw.randrange(CUSTOMERS)}" if known else None,
                "properties": {
                    "product_id": f"p{product}", "sku": f"SKU-{product:05}", "category": "Home > Kitchen > Mugs",
                    "name": f"Mug, stoneware, {product} ml", "brand": "Northwind", "price": 18.99, "quantity": 1,
                    "currency": "EUR", "position": draw.randrange(40), "url": f"https://shop.example/products/{product}",
                },
                "timestamp": at, "context": {"library": {"name": "analytics-python", "version": "2.4.0"}},
                "messageId": f"{method}-{number}-{batch}-{place}-{draw.getrandbits(64):016x}",
            }
        )  # fmt: skip
    return found


def _lines(shop: int, messages: list[dict[str, Any]]) -> tuple[list[str], bytes]:
    """The same events as lines for COPY, with nothing left to do."""
    from commerce_ai.ids import uuid7

    now = datetime.now(UTC).isoformat()
    lines = [
        "\t".join(
            (
                uuid7().hex, str(shop), "track", each["event"], each["messageId"], each["anonymousId"],
                each["userId"] or "", each["userId"].partition("-")[2] if each["userId"] else r"\N", "",
                str(1 + int(each["properties"]["product_id"][1:])), r"\N",
                json.dumps(each["properties"], separators=(",", ":")), "{}", "analytics-python", now, now,
            )
        )
        for each in messages
    ]  # fmt: skip
    return [each["messageId"] for each in messages], ("\n".join(lines) + "\n").encode()
