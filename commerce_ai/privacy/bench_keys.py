"""What cutting and encrypting costs the doors, and what a rotation of keys does to those at work."""

from __future__ import annotations

import http.client
import itertools
import json
import multiprocessing
import os
import random
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from commerce_ai.ingest import benchmarks as ingest

if TYPE_CHECKING:
    from commerce_ai.learning.bench import Bench

ROUNDS, WARM_UPS = 6, 1  # as many as the three have orders
IDENTIFIES, ORDERS = 0.05, 0.01  # of all calls; both say e-mail, name and more
MOST_COST = 0.10
_EVENTS = ingest.CLIENTS * (ingest.WARM_UP + ingest.BATCHES) * ingest.BATCH


# --- ingest-cost ------------------------------------------------------------------------------------------


def ingest_cost(bench: Bench) -> None:
    """CPU time of the whole way of an event with personal data cut out and encrypted, beside the same in clear."""
    bench.note(
        f"batches of {ingest.BATCH} from {ingest.CLIENTS} client processes, {ingest.BATCHES} batches each after "
        f"{ingest.WARM_UP} to warm up; {IDENTIFIES:.0%} identify with e-mail, phone, name and address, {ORDERS:.0%} "
        f"orders with e-mail and address; {ROUNDS * bench.seeds} rounds after {WARM_UPS} to warm up, each in another "
        f"order, so that each stands in each place equally often"
    )
    bench.note(
        "on: as `manage.py up` runs it. off: contacts still come to the customer's row, and nothing is cut, hashed or "
        "encrypted. bare: contacts are not looked for either (web only). Cost of the path = CPU time of web, Postgres "
        "and projection, all their processes, on over off: what neighbours on the machine do is not in it"
    )
    bench.note(
        "Postgres does what it puts off (vacuum, analyze, checkpoint) between the races instead of in whichever race "
        "it falls. A cost is the median of the rounds' own ratios; `from` and `to` are the lowest and the highest, "
        "between which the median lies with 97 % where there are six"
    )
    for mix in ("server", "browser"):
        bench.note(f"{mix}: " + _MIXES[mix])
        _compare(bench, mix)


_MIXES = {
    "server": "messages as Segment's Python client sends them, as in `benchmark ingest http`",
    "browser": "each message with its own page, referrer, campaign and user agent, as analytics.js sends them",
}
MODES = ("on", "off", "bare")
ORDERINGS = tuple(itertools.permutations(MODES))
_PARTS = ("web", "Postgres", "projection", "Postgres while projecting")
# Name of a cost → how many of the parts, from the first, it sums, and what it is over.
_COSTS = {
    "whole path": (4, "off"), "web and Postgres": (2, "off"), "web alone": (1, "off"),
    "web alone over bare": (1, "bare"), "web and Postgres over bare": (2, "bare"),
}  # fmt: skip


def _compare(bench: Bench, mix: str) -> None:
    rates: dict[str, list[float]] = {name: [] for name in MODES}
    spent: dict[str, list[tuple[float, ...]]] = {name: [] for name in MODES}
    with ingest._house() as house, _without_privacy(house, "off") as off, _without_privacy(house, "bare") as bare:
        webs = {"on": _Web(house.port, house.web.pid if house.web else 0), "off": off, "bare": bare}
        server = _server(house)
        _settle(house.dsn, *_NOT_MEANWHILE)
        for turn in range(WARM_UPS + ROUNDS * bench.seeds):
            for name in ORDERINGS[turn % len(ORDERINGS)]:
                _settle(house.dsn)
                web, store = _cpu_s(webs[name].pid), _cpu_s(server)
                rate = ingest._race(_client, (webs[name].port, house.key, mix, name), turn)
                web, store = _cpu_s(webs[name].pid) - web, _cpu_s(server) - store
                before = _cpu_s(server)
                projecting = float(house._python(_PROJECT % {"mode": name}))
                if turn >= WARM_UPS:
                    rates[name].append(rate)
                    parts = tuple(each * 1e6 / _EVENTS for each in (web, store, projecting, _cpu_s(server) - before))
                    spent[name].append(parts)
                    bench.row(f"{mix}, {name}", {"events/s": rate, **dict(zip(_PARTS, parts, strict=True))}, turn=turn)
    for name in MODES:
        medians = {part: statistics.median(each[at] for each in spent[name]) for at, part in enumerate(_PARTS)}
        whole = statistics.median(sum(parts) for parts in spent[name])
        figures = {"events/s": statistics.median(rates[name]), **medians, "whole path µs/event": whole}
        bench.row(f"{mix}, {name}, median", figures)
    for cost, (first, over) in _COSTS.items():
        pairs = zip(spent["on"], spent[over], strict=True)
        _say_cost(bench, f"{mix}, cost: {cost}", [sum(on[:first]) / sum(than[:first]) - 1 for on, than in pairs])
    walls = [off / on - 1 for on, off in zip(rates["on"], rates["off"], strict=True)]
    _say_cost(bench, f"{mix}, cost: wall time", walls)


def _say_cost(bench: Bench, name: str, costs: list[float]) -> None:
    bench.row(name, {"cost": statistics.median(costs), "from": min(costs), "to": max(costs), "at most": MOST_COST})


_NOT_MEANWHILE = (
    "ALTER SYSTEM SET autovacuum = off", "ALTER SYSTEM SET checkpoint_timeout = '1h'", "SELECT pg_reload_conf()",
)  # fmt: skip


def _settle(dsn: str, *first: str) -> None:
    """Have Postgres do now what it has put off."""
    import psycopg

    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in (*first, "VACUUM (ANALYZE)", "CHECKPOINT"):
            connection.execute(statement)  # type: ignore[arg-type]


_PROJECT = """
import time
if "%(mode)s" != "on":
    from commerce_ai.privacy.bench_web import keep_in_clear
    keep_in_clear()
from commerce_ai.ingest import project
started = time.process_time()
project.run()
print(time.process_time() - started)
"""


def _server(house: Any) -> int:
    from commerce_ai.embedded import postgres

    found = postgres.pid(house.where)
    if found is None:
        raise RuntimeError("Postgres does not run")
    return found


class _Web(NamedTuple):
    port: int
    pid: int


def _cpu_s(pid: int) -> float:
    """CPU seconds of a process and its children so far, those that ended too. Neighbours' work is not in it."""
    seconds, tick = 0.0, os.sysconf("SC_CLK_TCK")
    for each in (pid, *_children(pid)):
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile, and is in its parent's
            continue
        seconds += sum(map(int, fields[11:15])) / tick
    return seconds


def _children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
        except OSError:  # it ended meanwhile
            continue
    return found + [below for each in found for below in _children(each)]


@contextmanager
def _without_privacy(house: Any, mode: str) -> Iterator[_Web]:
    """A second web process of the same house that neither cuts nor encrypts; see `bench_web`."""
    from commerce_ai.supervisor import commands

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = ["commerce_ai.privacy.bench_web:application" if each == "commerce_ai.wsgi:application" else each
               for each in commands("127.0.0.1", port, 4)["web"]]  # fmt: skip
    web = subprocess.Popen(
        command, env={**house.environment, "COMMERCE_AI_PROCESS": "web", "BENCH_MODE": mode}, cwd=ingest.ROOT,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while ingest._post(port, house.key, b'{"batch": []}') != 200:
            if time.monotonic() > deadline:
                raise RuntimeError("the web process without privacy does not answer")
            time.sleep(0.1)
        yield _Web(port, web.pid)
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
            message["userId"] = f"{name}-{who}"  # no process reads what another keeps in clear
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


# --- rotation ---------------------------------------------------------------------------------------------

ROWS, WRITERS, READERS = 20_000, 2, 2
ROWS_A_WRITE = 50
KILLED_AFTER_ROWS = 2_000


def rotation(bench: Bench) -> None:
    """A new key and every customer under it, while others write and read them over REST; killed once on the way."""
    bench.note(
        f"{ROWS:,} customers with e-mail, phone, name and address; {WRITERS} processes upsert {ROWS_A_WRITE} of them a "
        f"request, {READERS} read single ones, over HTTP from a web process as `manage.py up` starts it, from before "
        f"`manage.py privacy rotate` to after it; the command is killed (SIGKILL) once and started again"
    )
    with ingest._house() as house:
        house._python(_CUSTOMERS)
        stop, counts = multiprocessing.get_context("spawn").Event(), multiprocessing.get_context("spawn").Queue()
        alone = _rotate(house, bench, "alone")
        processes = [
            multiprocessing.get_context("spawn").Process(
                target=work, args=(house.port, house.key, seed, stop, counts), daemon=True
            )
            for seed, work in enumerate([_write_customers] * WRITERS + [_read_customers] * READERS)
        ]
        for process in processes:
            process.start()
        try:
            time.sleep(3)
            started = time.monotonic()
            rows_before_death = _rotate_and_kill(house)
            loaded = _rotate(house, bench, "under load, after the kill")
            took = time.monotonic() - started
            time.sleep(2)
        finally:
            stop.set()
            done = [counts.get(timeout=60) for _process in processes]
            for process in processes:
                process.join(timeout=60)
        usage = json.loads(house._python(_USAGE))
        bench.row("alone", {"rows/s": ROWS / alone, "rows": ROWS}, seconds=alone)
        figures = {
            "rows/s": ROWS / took, "rows": ROWS, "rows before the kill": rows_before_death,
            "rows left under older keys": sum(sum(tables.values()) for key, tables in usage.items() if key != "k3"),
            "rows under the new key": sum(usage["k3"].values()), "errors at most": 0,
            "writes": sum(each["writes"] for each in done), "reads": sum(each["reads"] for each in done),
            "errors": sum(each["errors"] for each in done),
        }  # fmt: skip
        bench.row("under load", figures, seconds=took, resumed_s=round(loaded, 2))
        bench.note(f"by process: {done}")


def _rotate(house: Any, bench: Bench, name: str) -> float:
    started = time.monotonic()
    with _command(house) as command:
        for line in command.stdout or ():
            bench.say(f"  {name}: {line.strip()}")
    if command.returncode:
        raise RuntimeError("the rotation failed")
    return time.monotonic() - started


def _rotate_and_kill(house: Any) -> int:
    """Rows under the new key when the command died, which is in the middle: what has it run on goes on under k3."""
    import psycopg

    with psycopg.connect(house.dsn, autocommit=True) as connection, _command(house, "--batch", "200") as command:
        while command.poll() is None:
            rows = connection.execute(_UNDER, [b"\x02k3"]).fetchone()[0]  # type: ignore[index]
            if rows >= KILLED_AFTER_ROWS:
                command.kill()
                command.wait()
                left = ROWS - connection.execute(_UNDER, [b"\x02k3"]).fetchone()[0]  # type: ignore[index]
                if not left:
                    break
                return ROWS - left
            time.sleep(0.02)
    raise RuntimeError("the rotation ended before it could be killed")


@contextmanager
def _command(house: Any, *options: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "manage.py", "privacy", "rotate", *options], env=house.environment, cwd=ingest.ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as command:  # fmt: skip
        try:
            yield command
        except BaseException:
            command.kill()
            raise


def _write_customers(port: int, key: str, seed: int, stop: Any, counts: Any) -> None:
    draw, done = random.Random(seed), {"writes": 0, "reads": 0, "errors": 0}  # noqa: S311
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    while not stop.is_set():
        rows = [_customer(number, draw.randrange(10)) for number in sorted(draw.sample(range(ROWS), ROWS_A_WRITE))]
        status, answer = _ask(connection, key, "POST", "/api/v1/customers/bulk", {"rows": rows})
        done["writes"] += 1
        done["errors"] += status != 200 or answer["failed"] != 0
    counts.put(done)


def _read_customers(port: int, key: str, seed: int, stop: Any, counts: Any) -> None:
    draw, done = random.Random(seed), {"writes": 0, "reads": 0, "errors": 0}  # noqa: S311
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    while not stop.is_set():
        number = draw.randrange(ROWS)
        status, answer = _ask(connection, key, "GET", f"/api/v1/customers/c{number}")
        done["reads"] += 1
        done["errors"] += status != 200 or answer["email"] != f"customer.{number}@mail.example"
    counts.put(done)


def _ask(connection: Any, key: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except (OSError, ValueError):
        connection.close()
        return 0, {}


def _customer(number: int, version: int) -> dict[str, Any]:
    return {
        "external_id": f"c{number}", "email": f"customer.{number}@mail.example", "phone": f"+49170{version}{number:07}",
        "name": f"Ada {number}", "address": f"Main Street {number}, Berlin",
    }  # fmt: skip


_CUSTOMERS = """
from commerce_ai.privacy.bench_keys import ROWS, _customer
from commerce_ai.shop import bulk
from commerce_ai.shop.models import Customer, Shop
shop = Shop.objects.get()
names = list(_customer(0, 0))
bulk.upsert(
    Customer, ["shop", *names], ((shop.pk, *_customer(n, 0).values()) for n in range(ROWS)), key=("shop", "external_id")
)
"""
_UNDER = "SELECT count(*) FROM shop_customer WHERE substring(email FROM 1 FOR 3) = %s"
_USAGE = """
import json
from commerce_ai.privacy import keys
print(json.dumps(keys.usage()))
"""
