"""The measuring side of `benchmark console pages`: runs in a process of its own, prints a line a page."""

from __future__ import annotations

import statistics
import time
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.test import Client, RequestFactory
from django.urls import reverse

from commerce_ai.console.bench_shop import fill
from commerce_ai.console.navigation import sidebar
from commerce_ai.decisions.bench_house import say
from commerce_ai.shop.models import Shop
from commerce_ai.shop.revision import refresher

SIZES = (200_000, 2_000_000)
TURNS = 5
BAR_MS = 300


def measure(sizes: tuple[int, ...] = SIZES) -> None:
    """For each size a shop is filled, then every page of its navigation is opened as its owner."""
    call_command("collectstatic", verbosity=0, interactive=False)
    user = get_user_model().objects.create_superuser("bench", password="bench")  # noqa: S106
    for events in sizes:
        started = time.perf_counter()
        shop = fill(events)
        refresher.poll()
        say(f"{events:,} events, filled", {"events": events}, time.perf_counter() - started)
        client = Client(SERVER_NAME="localhost")
        client.force_login(user)
        client.post(reverse("console:shop-switch"), {"shop": shop.pk})
        slowest, over = 0.0, 0
        for address in _pages(user, shop):
            figures = _page(client, address)
            slowest, over = max(slowest, figures["ms"]), over + (figures["ms"] > BAR_MS)
            say(f"{events:,} {address}", figures)
        say(f"{events:,} events, slowest", {"ms": slowest, f"over {BAR_MS} ms": over})


def _pages(user: Any, shop: Shop) -> list[str]:
    """The first page in three ranges, then all that its sidebar links to, boards included."""
    request = RequestFactory().get(reverse("admin:index"))
    request.user, request.session = user, {"shop": shop.pk}  # type: ignore[assignment]
    index = reverse("admin:index")
    found = [index, f"{index}?during=7", f"{index}?during=90"]
    found += [item["link"] for group in sidebar(request) for item in group["items"]]
    return list(dict.fromkeys(found))


def _page(client: Client, address: str) -> dict[str, float]:
    asked = 0

    def count(execute: Any, *arguments: Any) -> Any:
        nonlocal asked
        asked += 1
        return execute(*arguments)

    client.get(address)
    with connection.execute_wrapper(count):
        answer = client.get(address)
    if answer.status_code != 200:
        raise RuntimeError(f"{address} answered {answer.status_code}")
    spent, busy = [], []
    for _turn in range(TURNS):
        started, worked = time.perf_counter(), time.process_time()
        client.get(address)
        spent.append(1000 * (time.perf_counter() - started))
        busy.append(1000 * (time.process_time() - worked))
    return {
        "ms": statistics.median(spent), "best ms": min(spent), "CPU ms": statistics.median(busy), "queries": asked,
        "kB": len(answer.content) / 1000,
    }  # fmt: skip
