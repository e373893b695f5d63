"""The measuring side of `benchmark console pages`: runs in a process of its own, prints a line a page."""

from __future__ import annotations

import statistics
import time
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from commerce_ai.console.bench_addresses import Address, addresses
from commerce_ai.console.bench_shop import fill
from commerce_ai.decisions.bench_house import say
from commerce_ai.shop.revision import refresher

SIZES = (200_000, 2_000_000)
TURNS, PATIENCE_S = 5, 5.0
BAR_MS = 300


def measure(sizes: tuple[int, ...] = SIZES) -> None:
    """For each size a shop is filled and every page opened as its owner; also how it grew against the size before."""
    call_command("collectstatic", verbosity=0, interactive=False)
    user = get_user_model().objects.create_superuser("bench", password="bench")  # noqa: S106
    before: dict[str, float] = {}
    for events in sizes:
        started = time.perf_counter()
        shop = fill(events)
        refresher.poll()
        say(f"{events:,} events, filled", {"events": events}, time.perf_counter() - started)
        client = Client(SERVER_NAME="localhost")
        client.force_login(user)
        client.post(reverse("console:shop-switch"), {"shop": shop.pk})
        slowest, first, over, pages = 0.0, 0.0, 0, 0
        for each in addresses(client, user, shop):
            if (figures := _page(client, each)) is None:
                continue
            if each.name in before:
                figures["times the smaller shop's"] = figures["ms"] / before[each.name]
            before[each.name] = figures["ms"]
            slowest, first = max(slowest, figures["ms"]), max(first, figures["first ms"])
            over, pages = over + (figures["ms"] > BAR_MS), pages + 1
            say(f"{events:,} {each.name}", figures)
        say(f"{events:,} events, slowest",
            {"ms": slowest, f"over {BAR_MS} ms": over, "first ms": first, "pages": pages})  # fmt: skip


def _page(client: Client, address: Address) -> dict[str, float] | None:
    """Milliseconds until the answer is rendered, of a file until its first row is there. None of what only leads on."""
    asked = 0

    def count(execute: Any, *arguments: Any) -> Any:
        nonlocal asked
        asked += 1
        return execute(*arguments)

    began = time.perf_counter()
    if _get(client, address) is None:
        return None
    first = 1000 * (time.perf_counter() - began)
    with connection.execute_wrapper(count):
        size = _get(client, address) or 0
    spent, busy = [], []
    while len(spent) < TURNS and (not spent or time.perf_counter() - began < PATIENCE_S):
        started, worked = time.perf_counter(), time.process_time()
        _get(client, address)
        spent.append(1000 * (time.perf_counter() - started))
        busy.append(1000 * (time.process_time() - worked))
    return {
        "ms": statistics.median(spent), "best ms": min(spent), "CPU ms": statistics.median(busy), "first ms": first,
        "queries": asked, "kB": size / 1000,
    }  # fmt: skip


def _get(client: Client, address: Address) -> int | None:
    """How many bytes came; of a file, its head and first row."""
    answer: Any = client.get(address.path)
    if answer.status_code in (301, 302):
        return None
    if answer.status_code != 200:
        raise RuntimeError(f"{address.path} answered {answer.status_code}")
    if not getattr(answer, "streaming", False):
        return len(answer.content)
    lines = iter(answer.streaming_content)
    found = sum(len(line) for _place, line in zip(range(2), lines, strict=False))
    answer.close()
    return found
