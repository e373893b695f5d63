"""What the room promises, shown by simulation: the intervals and checks of experiments."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import numpy as np

from commerce_ai.decisions.experiments import simulation, statistics

if TYPE_CHECKING:
    from commerce_ai.learning.bench import Bench

EXPERIMENTS, DAYS, VISITORS, RATE, LIFT = 2_000, 60, 500, 0.032, 0.2
PLANNED = 30_000  # units in all; the 60 days bring 60,000


def experiments(bench: Bench) -> None:
    """False alarms of who peeks every day, coverage at a horizon and at every look, and a sample ratio that is off."""
    bench.note(
        f"{EXPERIMENTS} experiments each; {DAYS} daily looks, {VISITORS} visitors an arm and day, {RATE:.1%} buy; "
        "aims: false alarms <= 0.05, at a horizon 0.95 +- 0.015, at every look >= 0.95, 51/49 at 100,000 caught"
    )
    for seed in range(bench.seeds):
        for suite in (_no_difference, _at_a_horizon, _at_every_look, _sample_ratio):
            suite(bench, seed)


def _no_difference(bench: Bench, seed: int) -> None:
    shops = (
        ("conversion", lambda draw: simulation.daily_conversions(draw, EXPERIMENTS, DAYS, VISITORS, RATE)),
        ("late conversion", lambda draw: simulation.late_conversions(draw, EXPERIMENTS, DAYS, VISITORS, RATE, 5.0)),
        ("revenue", lambda draw: simulation.daily_revenue(draw, EXPERIMENTS, DAYS, VISITORS, RATE)),
    )
    for name, make in shops:
        began = monotonic()
        a, b = make(np.random.default_rng([seed, 1]))
        figures = {
            "difference": simulation.ever_missed(statistics.always_valid(a, b, PLANNED), 0.0),
            "lift": simulation.ever_missed(statistics.always_valid_lift(a, b, PLANNED), 0.0),
            "fixed_peeked": simulation.ever_missed(statistics.welch(a, b), 0.0),
        }
        bench.row(f"no difference, {name}", figures, seconds=monotonic() - began, seed=seed, says="false alarms")


def _at_a_horizon(bench: Bench, seed: int) -> None:
    draw, n = np.random.default_rng([seed, 2]), 10_000
    began = monotonic()
    a, b = simulation.daily_conversions(draw, EXPERIMENTS, 1, n, RATE, LIFT)
    figures = {
        "newcombe": simulation.covered(statistics.newcombe(a, b), RATE * LIFT),
        "lift": simulation.covered(statistics.lift(a, b), LIFT),
    }
    bench.row("horizon, conversion", figures, seconds=monotonic() - began, seed=seed, says="coverage")
    began = monotonic()
    a, b = simulation.daily_revenue(draw, EXPERIMENTS, 1, n, RATE, LIFT)
    figures = {
        "welch": simulation.covered(statistics.welch(a, b), RATE * LIFT * simulation.BASKET),
        "lift": simulation.covered(statistics.lift(a, b), LIFT),
    }
    bench.row("horizon, revenue", figures, seconds=monotonic() - began, seed=seed, says="coverage")
    began = monotonic()
    a, b = simulation.clicks(draw, EXPERIMENTS, 2_000, LIFT)
    figures = {
        "delta": simulation.covered(statistics.welch(a, b), simulation.CLICK_RATE * LIFT),
        "lift": simulation.covered(statistics.lift(a, b), LIFT),
    }
    bench.row("horizon, click-through", figures, seconds=monotonic() - began, seed=seed, says="coverage")
    began = monotonic()
    plain, adjusted = simulation.foretold(draw, EXPERIMENTS, 1_000, 1.0)
    intervals = [statistics.welch(*each) for each in (plain, adjusted)]
    widths = [float(np.mean(each.high - each.low)) for each in intervals]
    figures = {"cuped": simulation.covered(intervals[1], 1.0), "width_of_plain": widths[1] / widths[0]}
    bench.row("horizon, CUPED", figures, seconds=monotonic() - began, seed=seed, says="coverage")


def _at_every_look(bench: Bench, seed: int) -> None:
    draw = np.random.default_rng([seed, 3])
    for name, make, worth in (
        ("conversion", simulation.daily_conversions, RATE),
        ("revenue", simulation.daily_revenue, RATE * simulation.BASKET),
    ):
        began = monotonic()
        a, b = make(draw, EXPERIMENTS, DAYS, VISITORS, RATE, LIFT)
        always = statistics.always_valid(a, b, PLANNED)
        lifts = statistics.always_valid_lift(a, b, PLANNED)
        figures = {
            "difference": 1 - simulation.ever_missed(always, worth * LIFT),
            "lift": 1 - simulation.ever_missed(lifts, LIFT),
            "found_by_the_end": float(np.mean((lifts.low > 0).any(axis=1))),
        }
        bench.row(f"every look, {name}", figures, seconds=monotonic() - began, seed=seed, says="coverage, all looks")


def _sample_ratio(bench: Bench, seed: int) -> None:
    draw = np.random.default_rng([seed, 4])
    began = monotonic()
    exact = float(statistics.mismatch([51_000, 49_000], [1, 1]))
    caught, false = (
        float(np.mean(_found(simulation.assignments(draw, EXPERIMENTS, 100_000, share)))) for share in (0.49, 0.5)
    )
    daily = float(np.mean(_found(simulation.assignments(draw, EXPERIMENTS, 100_000, 0.5, looks=DAYS)).any(axis=1)))
    figures = {"p_of_51_49": exact, "caught": caught, "false": false, "false_in_60_looks": daily}
    bench.row("sample ratio 51/49", figures, seconds=monotonic() - began, seed=seed, says="100,000 units")


def _found(counts: np.ndarray) -> np.ndarray:
    return statistics.mismatch(counts, [1, 1]) < statistics.MISMATCH_ALPHA


SUITES = {"experiments": experiments}
