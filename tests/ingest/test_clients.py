"""Unmodified Segment and RudderStack clients against our server, over a real socket."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rudderstack.analytics.client as rudderstack
import segment.analytics.client as segment

from commerce_ai.ingest import project
from commerce_ai.shop.models import Customer, Event, Identity, Order, Product, Shop
from tests.ingest.calls import EVENTS, key_that_works, say_everything
from tests.servers import ROOT, WebServer, web_server

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("process"), pytest.mark.django_db(transaction=True)]

OLD_SEGMENT = "segment-analytics-python==2.3.4"


@pytest.fixture(scope="module")
def server(django_db_setup: None) -> Iterator[WebServer]:
    with web_server() as web:
        yield web


@pytest.fixture
def shop(transactional_db: None) -> Shop:
    shop = Shop.objects.create(slug="north", name="North", currency="EUR")
    Product.objects.create(shop=shop, external_id="p1", title="Mug", price=10)
    return shop


@pytest.fixture
def key(shop: Shop, server: WebServer) -> str:
    return key_that_works(server, shop)


def check_everything(shop: Shop) -> None:
    events = Event.objects.of(shop)
    assert events.count() == EVENTS + 7
    assert set(events.filter(name="Own Event").values_list("properties__number", flat=True)) == set(range(EVENTS))
    kinds = set(events.values_list("kind", flat=True))
    assert kinds == {"track", "page", "screen", "identify", "group", "alias"}
    assert events.get(name="Product Viewed").product.external_id == "p1"
    project.run()
    ada = Customer.objects.of(shop).get(external_id="c1")
    assert (ada.email, ada.name, ada.attributes) == ("ada@shop.example", "Ada", {"plan": "gold"})
    assert Identity.objects.of(shop).filter(customer=ada, proven=True, anonymous_id__in=["a1", "old"]).count() == 2
    bought = Order.objects.of(shop).get()
    assert (bought.external_id, bought.total, bought.customer, bought.lines.get().quantity) == ("o1", 20, ada, 2)


@pytest.mark.parametrize("gzip", [False, True])
def test_segment_delivers_every_event(server: WebServer, shop: Shop, key: str, gzip: bool) -> None:
    failures: list[Any] = []
    say_everything(
        segment.Client(key, host=server.url, gzip=gzip, on_error=lambda error, batch: failures.append(error))
    )
    assert not failures
    check_everything(shop)


@pytest.mark.parametrize("gzip", [False, True])
def test_rudderstack_delivers_every_event(server: WebServer, shop: Shop, key: str, gzip: bool) -> None:
    failures: list[Any] = []
    client = rudderstack.Client(key, host=server.url, gzip=gzip, on_error=lambda error, batch: failures.append(error))
    say_everything(client)
    assert not failures
    check_everything(shop)


def test_segment_of_the_last_generation_delivers_every_event(server: WebServer, shop: Shop, key: str) -> None:
    folder = _old_segment()
    script = (
        "import sys; from segment.analytics.client import Client; from segment.analytics.version import VERSION\n"
        "from tests.ingest.calls import say_everything\n"
        "assert VERSION == '2.3.4', VERSION\n"
        "failures = []\n"
        "say_everything(Client(sys.argv[1], host=sys.argv[2], on_error=lambda error, batch: failures.append(error)))\n"
        "sys.exit(str(failures) if failures else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, key, server.url], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    check_everything(shop)


def _old_segment() -> Path:
    """The package in a folder of its own, where pip can reach it."""
    from django.conf import settings

    folder = Path(settings.VAR_DIR) / "segment-2.3.4"
    if not (folder / "segment").is_dir():
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), OLD_SEGMENT],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            pytest.skip(f"pip can't reach {OLD_SEGMENT}: {done.stderr.strip().splitlines()[-1:]}")
    return folder


def test_a_wrong_key_is_told_to_the_client(server: WebServer, shop: Shop) -> None:
    told: list[Any] = []
    client = segment.Client("sk_wrong", host=server.url, on_error=lambda error, batch: told.append(error))
    client.track("c1", "Own Event")
    client.flush()
    client.join()
    assert [(each.status, each.code) for each in told] == [(401, "unauthorized")]
    assert json.dumps(str(told[0]))


def test_a_body_without_a_length_is_read(server: WebServer, shop: Shop, key: str) -> None:
    """Some client libraries pack while they send, and so can't say how long the body will be."""
    body = gzip.compress(json.dumps({"batch": [{"type": "page", "userId": "c1"}] * 30}).encode())
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    for chunks, status in (([body[:50], body[50:]], 200), ([b" " * 100_000] * 6, 413)):
        connection.request("POST", "/v1/batch", iter(chunks), {"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        assert answer.status == status, answer.read()
        answer.read()
    assert Event.objects.of(shop).count() == 30
