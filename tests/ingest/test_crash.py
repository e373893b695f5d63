"""kill -9 of the web process in the middle of a load: what was answered is there, and nothing is there twice."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import segment.analytics.client as segment

from commerce_ai.ingest import project
from commerce_ai.ingest.models import IngestBatch
from commerce_ai.shop.models import DailyMetric, Event, EventKey, Shop
from tests.ingest.calls import key_that_works
from tests.servers import WebServer, web_server

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("process"), pytest.mark.django_db(transaction=True)]

EVENTS, KILLS = 2000, 2


def test_a_killed_server_loses_and_doubles_nothing() -> None:
    shop = Shop.objects.create(slug="north", name="North", currency="EUR")
    with web_server() as web:
        key = key_that_works(web, shop)
        failures: list[Any] = []
        client = segment.Client(
            key, host=web.url, upload_size=50, upload_interval=0.05, timeout=5,
            on_error=lambda error, batch: failures.append(error),
        )  # fmt: skip
        for number in range(EVENTS):
            client.track(f"c{number % 50}", "Own Event", {"number": number})
        flushing = threading.Thread(target=client.flush)
        flushing.start()
        stored = [_kill_in_the_middle(web, shop, EVENTS * (turn + 1) // (KILLS + 1)) for turn in range(KILLS)]
        flushing.join(timeout=120)
        assert not flushing.is_alive(), web.output()
        client.join()
    assert not failures
    assert all(0 < count < EVENTS for count in stored), "the kills were not in the middle"
    numbers = list(Event.objects.of(shop).values_list("properties__number", flat=True))
    assert sorted(numbers) == list(range(EVENTS))
    assert EventKey.objects.filter(shop=shop).count() == EVENTS
    # The outbox says the same, and what follows from it counts each event once.
    assert sum(IngestBatch.objects.of(shop).values_list("events", flat=True)) == EVENTS
    project.run()
    counted = DailyMetric.objects.of(shop).filter(name="events", dimension="").values_list("value", flat=True)
    assert sum(counted) == EVENTS


def _kill_in_the_middle(web: WebServer, shop: Shop, at: int) -> int:
    """Kill the server once `at` events are stored, bring it back; how many were stored then."""
    deadline = time.monotonic() + 60
    while (stored := Event.objects.of(shop).count()) < at:
        assert time.monotonic() < deadline, web.output()
        time.sleep(0.005)
    web.kill()
    web.start()
    return stored
