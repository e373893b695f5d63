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


attribution.needs_services = False  # type: ignore[attr-defined]
SUITES = {"attribution": attribution, "experiments": experiments}
