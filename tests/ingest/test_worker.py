"""The whole way with real processes: sent over a socket, projected by a worker that the request woke."""

from __future__ import annotations

import json
import time
import urllib.request

import pytest

from commerce_ai.ingest.models import IngestBatch
from commerce_ai.shop.models import Customer, DailyMetric, Order, Shop
from tests.ingest.calls import key_that_works
from tests.servers import web_server, worker

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("process"), pytest.mark.django_db(transaction=True)]


def test_what_is_sent_becomes_facts() -> None:
    shop = Shop.objects.create(slug="north", name="North", currency="EUR")
    with web_server() as web, worker() as running:
        key = key_that_works(web, shop)
        for number in range(3):
            bought = {
                "event": "Order Completed", "userId": "c1", "messageId": f"m{number}",
                "properties": {"order_id": f"o{number}", "total": 5},
            }  # fmt: skip
            request = urllib.request.Request(
                web.url + "/v1/track", json.dumps(bought).encode(), {"Authorization": f"Bearer {key}"}
            )
            with urllib.request.urlopen(request, timeout=10) as answer:
                assert json.load(answer)["stored"] == 1
            deadline = time.monotonic() + 30
            while not Order.objects.of(shop).filter(external_id=f"o{number}").exists():
                assert time.monotonic() < deadline, running.output()
                time.sleep(0.02)
    assert Customer.objects.of(shop).get().external_id == "c1"
    assert not IngestBatch.objects.of(shop).filter(projected_at=None).exists()
    assert DailyMetric.objects.of(shop).get(name="orders").value == 3
