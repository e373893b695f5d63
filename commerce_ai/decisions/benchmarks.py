"""The suites of this room: `benchmark decisions <suite>`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commerce_ai.decisions.bench_house import house
from commerce_ai.decisions.experiments.benchmarks import experiments

if TYPE_CHECKING:
    from commerce_ai.learning.bench import Bench


def attribution(bench: Bench) -> None:
    """250,000 events against 50,000 decisions, and a million against 200,000: at once, then shuffled and twice."""
    bench.note(
        "5 events a decision, an order of two lines for every 20 events, 5,000 products; the bar for a million is 60 s "
        "and 1 GB; peak MB is this process and the server's process for it, shared buffers included"
    )
    with house() as there:
        there.show(bench, "from commerce_ai.decisions import bench_attribution; bench_attribution.measure()")


def cost(bench: Bench) -> None:
    """What keeping a decision of ten items adds to an answer, beside the same answer not kept, in turn."""
    bench.note("4,000 answers each after 300 to warm up, one connection; the bar is 0.3 ms at p50")
    with house() as there:
        there.show(bench, "from commerce_ai.decisions import bench_cost; bench_cost.measure()")


attribution.needs_services = cost.needs_services = False  # type: ignore[attr-defined]
SUITES = {"attribution": attribution, "cost": cost, "experiments": experiments}
