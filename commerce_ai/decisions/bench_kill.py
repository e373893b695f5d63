"""What is left after kill -9: `benchmark decisions kill`.

A real `manage.py up` in a folder of its own is asked by clients that keep records, while web, worker and Redis are
killed in turn; then their records are held against Postgres. Before each kill of the web Postgres is made to stall and
to drop connections for a moment: nothing would be lost otherwise, and there would be nothing to count.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from commerce_ai.decisions.bench_clients import FRAUD, RECOMMENDATION, Clients
from commerce_ai.decisions.bench_house import ROOT, House

TURN = ("web", "worker", "redis")
PRODUCTS = 200
_START_S, _BACK_S, _SETTLED_S = 120.0, 60.0, 90.0
_NEVER_OUT_S, FOREVER = 5.0, float("inf")
Say = Callable[[str, Mapping[str, float]], None]


@dataclass
class Kill:
    """What was killed (`whole`: with the process over it, else only the process that does the work) and when."""

    name: str
    whole: bool
    at: float
    outage_s: float | None = None


@dataclass
class Report:
    """Figures by row, and what must not be: a line each."""

    rows: dict[str, dict[str, float]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def must(self, is_right: bool, words: str) -> None:
        if not is_right:
            self.wrong.append(words)


def run(house: House, seconds: float, each: int, say: Say, pause_s: float = 4.0) -> Report:
    """Load and kills for about `seconds`, every target at least once, `pause_s` or more between two; then compare.

    How long something was out: the web from the first error to the first answer after it, Redis until it answers, the
    worker until an event that came after its end was projected.
    """
    shop, key = house.python(_PREPARE).split()
    with up(house) as port:
        clients = Clients(port, key, PRODUCTS, each)
        clients.start()
        try:
            kills = _kill_in_turn(house, clients, seconds, pause_s)
        finally:
            clients.stop()
        _wait_until(lambda: house.python(_SETTLE).strip() == "True", _SETTLED_S, "losses are not settled")
        _wait_until(lambda: not _count(house, _UNPROJECTED), _SETTLED_S, "events are not projected")
        return _compare(house, int(shop), clients, kills, say)


@contextmanager
def up(house: House) -> Iterator[int]:
    """`manage.py up` in the house, ready; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    log = (house.where.logs / "up.log").open("ab")
    command = [sys.executable, str(ROOT / "manage.py"), "up", "--port", str(port), "--var", str(house.where.var)]
    process = subprocess.Popen(command, env=house.environment, stdout=log, stderr=log)
    try:
        _wait_until(lambda: process.poll() is not None or _is_ready(port), _START_S, "the platform is not ready")
        if process.poll() is not None:
            raise RuntimeError(f"the platform ended: {Path(log.name).read_text()[-2000:]}")
        yield port
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


# --- kills ------------------------------------------------------------------------------------------------


def _kill_in_turn(house: House, clients: Clients, seconds: float, pause_s: float) -> list[Kill]:
    began, kills = time.monotonic(), []
    turn = 0
    while turn < len(TURN) or time.monotonic() < began + seconds - pause_s:
        time.sleep(pause_s)
        name, whole = TURN[turn % len(TURN)], turn // len(TURN) % 2 == 0
        if name == "web":
            kill = kill_in_trouble(house, lambda whole=whole: _kill(house, "web", whole))  # type: ignore[misc]
        else:
            kill = _kill(house, name, whole)
        kills.append(kill)
        if name != "worker":  # when it projects again is seen afterwards
            back: Callable[[], object] = lambda kill=kill: _back(house, clients, kill)  # type: ignore[misc]  # noqa: E731
            _wait_until(back, _BACK_S, f"{name} does not come back")
        turn += 1
    time.sleep(max(0.0, min(pause_s, began + seconds - time.monotonic())))
    return kills


def _kill(house: House, name: str, whole: bool) -> Kill:
    from commerce_ai.embedded import redis
    from commerce_ai.supervisor import recorded

    pid = redis.pid(house.where) if name == "redis" else recorded(house.where.var, name)
    if pid is None:
        raise RuntimeError(f"{name} does not run")
    if not whole and name != "redis":
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        pid = int(children[-1]) if children else pid
    os.kill(pid, signal.SIGKILL)
    return Kill(name, whole, time.time())


def kill_in_trouble(house: House, kill: Callable[[], Kill]) -> Kill:
    """While nothing can be written: some decisions are late, some cut off, and their process dies before it knows."""
    import psycopg

    with psycopg.connect(house.dsn) as lock, psycopg.connect(house.dsn, autocommit=True) as other:
        lock.execute("LOCK TABLE decisions_decision IN EXCLUSIVE MODE")
        time.sleep(0.2)
        for (pid,) in other.execute(_WAITING).fetchall()[::2]:
            other.execute("SELECT pg_terminate_backend(%s)", [pid])
        time.sleep(0.2)
        done = kill()
        time.sleep(0.1)
        lock.rollback()
    return done


def _back(house: House, clients: Clients, kill: Kill) -> bool:
    """Whether what was killed serves again; then it is known for how long it did not."""
    if kill.name == "redis":
        from commerce_ai.embedded import redis

        if redis.answers(house.where):
            kill.outage_s = time.time() - kill.at
    else:  # what the dead one leaves may answer a little longer: from the first error on
        kill.outage_s = clients.outage_after(kill.at)
        if (
            kill.outage_s is None
            and time.time() > kill.at + _NEVER_OUT_S
            and not clients.failed_between(kill.at, FOREVER)
        ):
            kill.outage_s = 0.0
    return kill.outage_s is not None


# --- records against Postgres -----------------------------------------------------------------------------


def _compare(house: House, shop: int, clients: Clients, kills: list[Kill], say: Say) -> Report:
    report = Report()
    for plugin, name in ((FRAUD, "fraud verdicts"), (RECOMMENDATION, "impressions")):
        report.rows[name] = decisions(house, shop, plugin, clients, report)
    report.rows["events"] = events(house, shop, clients, report)
    for number, kill in enumerate(kills):
        end = kills[number + 1].at if number + 1 < len(kills) else FOREVER
        if kill.name == "worker":
            kill.outage_s = _count(house, _PROJECTED, datetime.fromtimestamp(kill.at, UTC)) - kill.at
        part = "" if kill.name == "redis" else ", whole" if kill.whole else ", its worker process"
        report.rows[f"kill {number + 1}: {kill.name}{part}"] = {
            "outage s": kill.outage_s or 0.0, "errors seen": clients.failed_between(kill.at, end),
        }  # fmt: skip
    for name, figures in report.rows.items():
        say(name, figures)
    return report


def decisions(house: House, shop: int, plugin: str, clients: Clients, report: Report) -> dict[str, float]:
    told = clients.told[plugin]
    there = _ids(house, "SELECT id FROM decisions_decision WHERE shop_id = %s AND plugin = %s", shop, plugin)
    counted = _ids(house, "SELECT decision_id FROM decisions_loss WHERE shop_id = %s AND plugin = %s", shop, plugin)
    stored = {each for each, is_stored in told.items() if is_stored}
    flagged = told.keys() - stored
    lost = flagged - there
    unheard = counted - flagged  # noted, and then the process was killed before its answer arrived
    missing, uncounted, wrongly = stored - there, lost - counted, counted & there
    report.must(bool(told), f"{plugin}: nothing was answered")
    report.must(not missing, f"{plugin}: {len(missing)} were answered as stored and are not there")
    report.must(not uncounted, f"{plugin}: {len(uncounted)} losses were not counted")
    report.must(not wrongly, f"{plugin}: {len(wrongly)} were counted as lost and are there")
    report.must(len(unheard) <= clients.unanswered[plugin], f"{plugin}: more was counted than can have been lost")
    return {
        "answered": len(told), "stored": len(stored), "stored but missing": len(missing), "flagged": len(flagged),
        "flagged, kept late": len(flagged & there), "lost": len(lost), "counted": len(counted),
        "lost, not counted": len(uncounted), "counted, not lost": len(wrongly),
        "counted, answer never arrived": len(unheard), "unanswered": clients.unanswered[plugin],
    }  # fmt: skip


def events(house: House, shop: int, clients: Clients, report: Report) -> dict[str, float]:
    import psycopg

    with psycopg.connect(house.dsn) as connection:
        found = connection.execute("SELECT message_id, count(*) FROM shop_event WHERE shop_id = %s GROUP BY 1", [shop])
        times = dict(found.fetchall())
    doubled = [each for each, n in times.items() if n > 1]
    missing = clients.acknowledged - times.keys()
    report.must(bool(clients.acknowledged), "no event was acknowledged")
    report.must(not missing, f"{len(missing)} acknowledged events are not there")
    report.must(not doubled, f"{len(doubled)} events are there more than once")
    return {
        "sent": len(clients.sent), "acknowledged": len(clients.acknowledged), "stored": len(times),
        "stored twice": len(doubled), "acknowledged but missing": len(missing),
        "unanswered": clients.unanswered["tracking"],
    }  # fmt: skip


def _ids(house: House, sql: str, *values: Any) -> set[str]:
    import psycopg

    with psycopg.connect(house.dsn) as connection:
        return {str(each) for (each,) in connection.execute(sql, values).fetchall()}


def _count(house: House, sql: str, *values: Any) -> float:
    import psycopg

    with psycopg.connect(house.dsn) as connection:
        row = connection.execute(sql, values).fetchone()
    return float(row[0] or 0) if row else 0.0


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _wait_until(true: Callable[[], object], seconds: float, complaint: str) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{complaint} after {seconds:.0f} s")
        time.sleep(0.05)


_PREPARE = f"""
from commerce_ai import registry
from commerce_ai.api.keys import create_key
from commerce_ai.shop.models import Product, Shop
shop = Shop.objects.create(slug="bench", name="Bench", currency="EUR")
Product.objects.bulk_create(
    Product(shop=shop, external_id=f"p{{n}}", title=f"Product {{n}}", price=10) for n in range({PRODUCTS})
)
for slug in ("fraud", "recommendation"):
    registry.switch(shop, slug, True)
print(shop.pk, create_key(shop, "bench", "secret")[1])
"""
_SETTLE = "from commerce_ai.decisions import losses; print(losses.settle())"
_UNPROJECTED = "SELECT count(*) FROM ingest_ingestbatch WHERE projected_at IS NULL"
_PROJECTED = "SELECT extract(epoch FROM min(projected_at)) FROM ingest_ingestbatch WHERE received_at > %s"
_WAITING = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    " AND query LIKE '%INSERT INTO decisions_decision%' ORDER BY pid"
)
