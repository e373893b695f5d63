"""kill -9 of web, worker and Redis under load: what was answered is there, and what is lost is counted."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection

from commerce_ai import embedded, registry
from commerce_ai.api.keys import create_key
from commerce_ai.celery import app
from commerce_ai.decisions import bench_kill, losses
from commerce_ai.decisions.bench_clients import FRAUD, RECOMMENDATION, Clients
from commerce_ai.decisions.bench_kill import Report
from commerce_ai.decisions.marks import recount
from commerce_ai.decisions.models import Outcome
from commerce_ai.decisions.tasks import attribute
from commerce_ai.embedded import account
from commerce_ai.embedded import redis as redis_server
from commerce_ai.shop.models import Product, Shop
from tests.decisions.outcome_facts import Facts
from tests.servers import WebServer, web_server, worker

pytestmark = [
    pytest.mark.process, pytest.mark.xdist_group("process"), pytest.mark.django_db(transaction=True),
]  # fmt: skip


@pytest.fixture
def own_redis() -> Iterator[embedded.Paths]:
    """A Redis of this test's own, in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="cai-kill-"))
    folder.chmod(0o755)
    where = embedded.paths(folder)
    where.logs.mkdir()
    account.prepare_sockets(where, *account.find())
    redis_server.start(where, *account.find())
    yield where
    redis_server.stop(where)
    for left in (folder, where.sockets):
        shutil.rmtree(left, ignore_errors=True)


def until(true: Callable[[], Any], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class House:
    """What `bench_kill` needs to know of where it is."""

    def __init__(self, where: embedded.Paths) -> None:
        at = connection.settings_dict
        self.where = where
        self.dsn = f"host={at['HOST']} port={at['PORT']} user={at['USER']} dbname={at['NAME']}"


def test_web_worker_and_redis_die_under_load(own_redis: embedded.Paths) -> None:
    shop = Shop.objects.create(slug="north", name="North")
    Product.objects.bulk_create(Product(shop=shop, external_id=f"p{n}", title="Mug", price=10) for n in range(20))
    for slug in (FRAUD, RECOMMENDATION):
        registry.switch(shop, slug, True)
    key = create_key(shop, "bench", "secret")[1]
    house: Any = House(own_redis)
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.decisions.own_redis", "OWN_REDIS_SOCKET": str(own_redis.redis_socket),
    }  # fmt: skip
    with web_server(environment=environment) as web, worker(environment=environment) as jobs:
        clients = Clients(web.port, key, 20)
        clients.start()
        try:
            until(lambda: len(clients.answers) > 30)
            bench_kill.kill_in_trouble(house, lambda: _kill(web))
            web.start()
            _answers_again(clients)
            jobs.kill()
            os.kill(redis_server.pid(own_redis) or 0, signal.SIGKILL)
            until(lambda: redis_server.is_down(own_redis))
            _answers_again(clients)
            redis_server.start(own_redis, *account.find())
            jobs.start()
            _answers_again(clients)
        finally:
            clients.stop()
        web.stop()
    for path in losses.folder().iterdir():  # nobody will tell any more what came of the late ones
        os.utime(path, (0, 0))
    counted = losses.losses(shop.pk)
    report = Report()
    found = {
        plugin: bench_kill.decisions(house, shop.pk, plugin, clients, report) for plugin in (FRAUD, RECOMMENDATION)
    }
    bench_kill.events(house, shop.pk, clients, report)
    assert report.wrong == []
    assert {plugin: int(row["counted"]) for plugin, row in found.items() if row["counted"]} == counted
    assert sum(row["flagged"] for row in found.values()) > 0, "Postgres stalled"


def _kill(web: WebServer) -> None:
    web.kill()


def _answers_again(clients: Clients) -> None:
    now, seen = time.time(), len(clients.acknowledged)
    until(lambda: sum(asked > now for asked, _done in clients.answers[:]) > 20 and len(clients.acknowledged) > seen)


_AT_IT = "SELECT pid FROM pg_locks WHERE relation = 'decisions_outcome'::regclass AND NOT granted"


def test_a_worker_killed_amid_attribution_leaves_nothing_undone_or_double(own_redis: embedded.Paths) -> None:
    facts = Facts(Shop.objects.create(slug="north", name="North"))
    decision = facts.decision("A")
    facts.write(facts.touch("Product Clicked", decision, product="A"))
    facts.order("o", ("A", 1, "20"))
    house: Any = House(own_redis)
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.decisions.own_redis", "OWN_REDIS_SOCKET": str(own_redis.redis_socket),
    }  # fmt: skip
    with psycopg.connect(house.dsn) as lock, psycopg.connect(house.dsn, autocommit=True) as other:
        lock.execute("LOCK TABLE decisions_outcome IN EXCLUSIVE MODE")  # the third of four steps
        with worker(environment=environment) as jobs:
            broker = app.connection_for_write(f"redis+socket://{own_redis.redis_socket}?virtual_host=0")
            attribute.apply_async(connection=broker)
            until(lambda: other.execute(_AT_IT).fetchall())
            jobs.kill()
        [(pid,)] = other.execute(_AT_IT).fetchall()
        lock.rollback()
        until(lambda: not other.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]).fetchall())
    assert not Outcome.objects.of(facts.shop).exists()
    attribute()
    once = facts.result()
    assert facts.outcome(decision).clicks == 1 and facts.outcome(decision).revenue == 20
    recount(facts.shop)
    attribute()
    assert facts.result() == once
