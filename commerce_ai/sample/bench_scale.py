"""How long it takes to make a large shop up, and to load it: at two sizes, the second ten times the first."""

from __future__ import annotations

import resource
import time
from typing import TYPE_CHECKING

from commerce_ai.decisions.bench_house import house, say

if TYPE_CHECKING:
    from commerce_ai.learning.bench import Bench

MOST_S = 600
_SIZES = {"10,000 products": (10_000, 20_000), "100,000 products": (100_000, 200_000)}


def scale(bench: Bench) -> None:
    """100,000 products and over 5 million events, in at most ten minutes."""
    bench.note("made up as frames, then loaded into an embedded Postgres by COPY, in one process; bar: 600 s for both")
    with house() as where:
        for name, (products, customers) in _SIZES.items():
            where.show(
                bench,
                f"from commerce_ai.sample.bench_scale import measure; measure({name!r}, {products}, {customers})",
            )


def measure(name: str, products: int, customers: int) -> None:
    """In the measuring process."""
    from datetime import date

    from commerce_ai.sample import generate, load
    from commerce_ai.shop.models import Event

    made_s = 0.0

    def timed(*given: object) -> generate.Sample:
        nonlocal made_s
        started = time.monotonic()
        try:
            return generate.generate(*given)  # type: ignore[arg-type]
        finally:
            made_s = time.monotonic() - started

    load.generate = timed  # type: ignore[assignment]
    size = generate.Size(products=products, customers=customers, days=90, visits_each=2.6)
    started = time.monotonic()
    shop = load.load_sample(f"scale-{products}", 1, size, until=date(2026, 3, 1))
    whole_s = time.monotonic() - started
    say(
        name,
        {
            "events": Event.objects.of(shop).count(), "made s": made_s, "loaded s": whole_s - made_s, "both s": whole_s,
            "at most": MOST_S, "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
        },
        whole_s,
    )  # fmt: skip
