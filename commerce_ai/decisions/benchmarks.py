"""The suites of this room: `benchmark decisions <suite>`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commerce_ai.decisions import bench_kill
from commerce_ai.decisions.bench_house import house
from commerce_ai.decisions.experiments.benchmarks import experiments
from commerce_ai.learning.bench import BenchError

if TYPE_CHECKING:
    from commerce_ai.learning.bench import Bench


def attribution(bench: Bench) -> None:
    """A thousand events, 250,000 against 50,000 decisions, a million against 200,000: at once, then a thousand more,
    then all shuffled and twice."""
    bench.note(
        "5 events a decision, an order of two lines for every 20 events, 5,000 products; the bar for a million is 60 s "
        "and 1 GB; peak MB is this process and the server's process for it, shared buffers included; CPU s is the "
        "server process' own"
    )
    with house() as there:
        there.show(bench, "from commerce_ai.decisions import bench_attribution; bench_attribution.measure()")


def cost(bench: Bench) -> None:
    """What keeping a decision of ten items adds to an answer, beside the same answer not kept, in turn."""
    bench.note("4,000 answers each after 300 to warm up, one connection; the bar is 0.3 ms at p50")
    with house() as there:
        there.show(bench, "from commerce_ai.decisions import bench_cost; bench_cost.measure()")


def kill(bench: Bench) -> None:
    """kill -9 of web, worker and Redis in turn under load: what clients were told, held against what is there."""
    seconds = 60 * bench.seeds
    bench.note(
        f"{seconds} s (60 for each of --seeds), a real `manage.py up`; two threads each ask for fraud verdicts, "
        "recommendations and send events, without a pause but 2 ms; before each kill of the web nothing can be written "
        "for 0.2 s, half of the INSERTs that wait are cut off, and it is killed 0.2 s later, while others still wait"
    )
    with house() as there:
        report = bench_kill.run(there, seconds, 2, bench.row)
    bench.row("what must not be", {"found": len(report.wrong)})
    if report.wrong:
        raise BenchError("; ".join(report.wrong))


attribution.needs_services = kill.needs_services = cost.needs_services = False  # type: ignore[attr-defined]
SUITES = {"attribution": attribution, "cost": cost, "experiments": experiments, "kill": kill}
