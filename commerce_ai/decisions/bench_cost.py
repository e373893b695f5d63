"""What keeping a decision adds to an answer: `benchmark decisions cost`, in a process of its own."""

from __future__ import annotations

import statistics
import time

from django.db import connection

from commerce_ai.decisions.bench_house import say
from commerce_ai.decisions.payload import Item, Payload
from commerce_ai.decisions.record import NewDecision, record
from commerce_ai.shop.models import Shop

ANSWERS, WARM_UP = 4_000, 300


def measure() -> None:
    """Answers made in turn: not kept, kept as an impression, kept on disk first. The difference is the cost."""
    shop = Shop.objects.create(slug="bench", name="Bench")
    spent: dict[str, list[float]] = {"not kept": [], "impression": [], "durable": []}
    flagged = 0
    for turn in range(WARM_UP + ANSWERS):
        for way, kept in spent.items():
            started = time.perf_counter()
            decision = _decision(shop.pk, turn)
            if way != "not kept":
                flagged += not record(decision, durable=way == "durable").stored
            if turn >= WARM_UP:
                kept.append((time.perf_counter() - started) * 1000)
    base = statistics.median(spent["not kept"])
    for way, kept in spent.items():
        kept.sort()
        say(way, {"p50 ms": kept[len(kept) // 2], "p99 ms": kept[len(kept) * 99 // 100],
                  "added at p50": kept[len(kept) // 2] - base})  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM decisions_decision WHERE shop_id = %s", [shop.pk])
        say("rows", {"kept": cursor.fetchone()[0], "answered flagged": flagged, "asked": 2 * (WARM_UP + ANSWERS)})


def _decision(shop_id: int, turn: int) -> NewDecision:
    items = [Item(f"P-{turn + n}", turn + n, n, "als", 1.0, 0.5, ["bought together"]) for n in range(10)]
    return NewDecision(
        shop_id=shop_id, plugin="recommendation", kind="recommendations", placement="home",
        payload=Payload(items=items, context={"country": "DE"}), anonymous_id=f"visitor-{turn}", session_id="visit",
        version_id=7, reasons=["known customer"], latency_ms=1.5,
    )  # fmt: skip
