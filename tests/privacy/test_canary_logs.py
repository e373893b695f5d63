"""The log of real processes, a web server and a worker, after a canary came by and made both of them fail."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from psycopg import sql

from commerce_ai.ingest import tasks
from commerce_ai.ingest.models import IngestBatch
from commerce_ai.shop.models import Customer, Identity, Product, Shop
from tests.ingest.calls import key_that_works
from tests.privacy.test_canary import ALL, ANONYMOUS, IDENTIFIERS, REFUSED, WHO, hits, messages
from tests.servers import Process, WebServer, web_server, worker

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("process"), pytest.mark.django_db(transaction=True)]
STRANGER = f"{WHO}-stranger"


def test_nothing_of_a_canary_is_in_the_log_of_a_process() -> None:
    shop = Shop.objects.create(slug="canary", name="North", currency="EUR")
    Product.objects.create(shop=shop, external_id="p1", title="Mug", price=1)
    with web_server(environment={"LOG_LEVEL": "INFO"}) as web, worker(environment={"LOG_LEVEL": "INFO"}) as running:
        key = key_that_works(web, shop)
        status, answer = send(web, key, "/v1/batch", {"batch": messages("first")})
        assert (status, answer["rejected"]) == (200, 2)
        wait(lambda: Customer.objects.of(shop).get(external_id=WHO).email == IDENTIFIERS["email"], running)
        refused(web, key)
        with forbidden("shop_customer", "external_id", STRANGER):
            stranger = {"type": "identify", "userId": STRANGER, "traits": messages("x")[0]["traits"]}
            assert send(web, key, "/v1/batch", {"batch": [stranger]})[0] == 500
        Identity.objects.of(shop).delete()
        with forbidden("shop_identity", "anonymous_id", ANONYMOUS):
            assert send(web, key, "/v1/batch", {"batch": messages("second")})[0] == 200
            wait(lambda: IngestBatch.objects.of(shop).filter(attempts=1).exists(), running)
            IngestBatch.objects.of(shop).filter(attempts=1).update(attempts=4, retry_at=None)
            tasks.wake()
            wait(lambda: IngestBatch.objects.of(shop).filter(set_aside_at__isnull=False).exists(), running)
        web.stop()
        running.stop()
        said = {"web": web.log(), "worker": running.log()}
    for name, line in (("web", b"Not Found: "), ("web", b"DETAIL: [removed]"), ("worker", b"was set aside"),
                       ("worker", b"DETAIL: [removed]")):  # fmt: skip
        assert line in said[name], said[name].decode()
    assert hits(iter(said.items()), {**ALL, "stranger": STRANGER}) == {}


def refused(web: WebServer, key: str) -> None:
    """What is no JSON, no such path, no such value."""
    broken = f'{{"batch": [{{"x": "{REFUSED["unreadable body"]} {IDENTIFIERS["email in a broken message"]}"'
    assert send(web, key, "/v1/batch", broken)[0] == 400
    for said in (REFUSED["path of an error"], IDENTIFIERS["email"], IDENTIFIERS["phone"]):
        path = urllib.parse.quote(said)
        assert send(web, key, f"/api/v1/customers/{path}")[0] == send(web, key, f"/nothing/{path}?q={path}")[0] == 404
    wrong = {"external_id": WHO, "email": IDENTIFIERS["email"], "birth_year": REFUSED["wrong type"]}
    assert send(web, key, "/api/v1/customers", wrong)[0] == 400
    assert send(web, REFUSED["message of no key"], "/v1/batch", {"batch": messages("nokey")})[0] == 401


def send(web: WebServer, key: str, path: str, body: Any = None) -> tuple[int, Any]:
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode() if body is not None else None
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json",
               "X-Forwarded-For": IDENTIFIERS["ip"]}  # fmt: skip
    try:
        with urllib.request.urlopen(urllib.request.Request(web.url + path, data, headers), timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, None


@contextmanager
def forbidden(table: str, column: str, value: str) -> Iterator[None]:
    """Postgres refuses the value meanwhile, and quotes the whole row in its error."""
    name = sql.Identifier("canary")
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} CHECK ({} <> {}) NOT VALID").format(
                sql.Identifier(table), name, sql.Identifier(column), sql.Literal(value)
            )
        )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(sql.Identifier(table), name))


def wait(until: Callable[[], bool], process: Process) -> None:
    deadline = time.monotonic() + 30
    while not until():
        assert time.monotonic() < deadline, process.output()
        time.sleep(0.05)
