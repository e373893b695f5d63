"""The suites of this room: `benchmark console <suite>`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commerce_ai.decisions.bench_house import house

if TYPE_CHECKING:
    from commerce_ai.learning.bench import Bench


def pages(bench: Bench) -> None:
    """Server time of every page that one comes to, on a shop of 200,000 and one of 2 million events."""
    bench.note(
        "90 days, a decision for every 10 events, an order of two lines for every 40, 500 proposals of each kind; "
        "milliseconds from request to rendered answer in one process, the median of five after two to warm up, and "
        "what of it is the process's own (the rest is Postgres, and whatever else runs on the machine); "
        "the bar is 300 ms at 2 million events"
    )
    with house() as there:
        there.show(bench, "from commerce_ai.console import bench_pages; bench_pages.measure()")


pages.needs_services = False  # type: ignore[attr-defined]
SUITES = {"pages": pages}
