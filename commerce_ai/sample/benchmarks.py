"""The suites of this room: `benchmark sample <suite>`.

Policies against the truth of made-up shops: who chooses the lists, and what that does to orders. Everything runs in
this process; the policies see facts alone (see policies.py), simulated visitors do the rest.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np

from commerce_ai.decisions.experiments import assignment, statistics
from commerce_ai.decisions.experiments.arms import Arm
from commerce_ai.sample.bench_scale import scale
from commerce_ai.sample.choice import MODELS, ChoiceModel
from commerce_ai.sample.generate import DEMO, generate
from commerce_ai.sample.policies import (
    Bestsellers,
    Facts,
    Oracle,
    Policy,
    PolicyFront,
    Random,
    Recommender,
    facts_of,
)
from commerce_ai.sample.truth import Truth, truth_of
from commerce_ai.sample.visitors import visit, visitor_of

if TYPE_CHECKING:
    from commerce_ai.learning.bench import Bench

UNTIL = date(2026, 3, 1)
VISITS = 4_000  # of each shop, arm and choice model; the same visitors for every arm
DEVELOPED_ON, UNSEEN = range(30), range(30, 40)
LEARNER = "recommendation.collaborative"
ARMS = ("random", "bestsellers", "recommender", "oracle")

Orders = dict[str, np.ndarray]  # by arm: whether each visit ended with an order
Rates = np.ndarray  # a row a shop, a column an arm


@dataclass(frozen=True)
class Run:
    """One arm of one shop."""

    seed: int
    truth: Truth
    facts: Facts
    policy: Policy


def policies(bench: Bench) -> None:
    """Random, bestsellers, the recommender and an oracle on shops of the seeds from 0 on, under both choice models."""
    _compare(bench, DEVELOPED_ON[: bench.seeds])


def policies_unseen(bench: Bench) -> None:
    """The same on seeds 30 to 39, which nobody looks at while developing: for a last judgement before a release."""
    _compare(bench, UNSEEN[: bench.seeds])


def _compare(bench: Bench, seeds: Sequence[int]) -> None:
    bench.note(
        f"{DEMO.products} products, {DEMO.customers} customers, {DEMO.days} days of history; {VISITS} visits an arm "
        "and shop, the same visitors for all; in this process: the plugin's learner and its filling of lists, without "
        f"HTTP and database; intervals: 95 %, jackknife over the {len(seeds)} shops"
    )
    found: dict[str, list[Orders]] = {name: [] for name in MODELS}
    for seed in seeds:
        began = monotonic()
        arms = _arms(seed, bench.learner or LEARNER)
        bench.say(f"  seed {seed}: learned in {monotonic() - began:.1f} s")
        for name, model in MODELS.items():
            began = monotonic()
            orders = {arm: orders_of(run, model) for arm, run in arms.items()}
            found[name].append(orders)
            figures = {arm: float(each.mean()) for arm, each in orders.items()}
            bench.row(f"conversion, {name}", figures, seconds=monotonic() - began, seed=seed)
    for name, shops in found.items():
        _judge(bench, name, shops)
    gains = {name: float(share_of_gain(rates_of(shops))) for name, shops in found.items()}
    bench.row("swapped over first", {"of_the_gain": gains["satisficing"] / gains["logit"]})


def _arms(seed: int, learner: str) -> dict[str, Run]:
    sample = generate(seed, DEMO, UNTIL)
    truth, facts = truth_of(sample, seed), facts_of(sample)
    with tempfile.TemporaryDirectory(prefix="policies-") as folder:
        recommender = Recommender(facts, sample, learner, Path(folder) / "artifact")
        made: list[Policy] = [
            Random(facts, np.random.default_rng([seed, 7])), Bestsellers(facts), recommender, Oracle(facts, truth)
        ]  # fmt: skip
    return {each.name: Run(seed, truth, facts, each) for each in made}


def orders_of(run: Run, model: ChoiceModel, visits: int = VISITS) -> np.ndarray:
    """Whether each of the shop's visitors ordered, where the run's policy chose the lists."""
    ordered = np.zeros(visits, dtype=bool)
    for number in range(visits):
        who = visitor_of(run.truth, run.seed, number)
        front = PolicyFront(run.policy, run.facts, who)
        draw = np.random.default_rng([run.seed, number, 1])
        ordered[number] = visit(front, run.truth, model, who, run.facts.sellable, draw).paid > 0
    return ordered


def rates_of(shops: Sequence[Orders]) -> Rates:
    return np.array([[orders[arm].mean() for arm in ARMS] for orders in shops])


def share_of_gain(rates: Rates) -> float:
    """(recommender - bestsellers) / (oracle - bestsellers), of all shops together."""
    _random, bestsellers, ours, oracle = rates.mean(axis=0)
    return float((ours - bestsellers) / (oracle - bestsellers)) if oracle != bestsellers else 0.0


def lift_of(rates: Rates, arm: str = "recommender") -> float:
    mean = rates.mean(axis=0)
    return float(mean[ARMS.index(arm)] / mean[ARMS.index("bestsellers")] - 1)


def jackknife(statistic: Callable[[Rates], float], rates: Rates) -> dict[str, float]:
    """`value`, and `low` and `high` of its 95 % interval over the shops (Efron 1982), from three shops on."""
    value, n = statistic(rates), len(rates)
    if n < 3:
        return {"value": value}
    from scipy import special

    without = np.array([statistic(np.delete(rates, each, axis=0)) for each in range(n)])
    error = np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())
    radius = float(special.stdtrit(n - 1, 0.975) * error)
    return {"value": value, "low": value - radius, "high": value + radius}


def same_against_same(orders: np.ndarray, seed: int) -> tuple[float, bool]:
    """An A/A experiment on one arm's visitors, drawn as the platform draws: its p-value, and whether the interval that
    the console shows holds 0."""
    arms = (Arm("A"), Arm("B"))
    drawn = [assignment.pick(arms, assignment.position(f"same {seed}", str(each))).name for each in range(len(orders))]
    a, b = (statistics.of_values(orders[np.array(drawn) == name].astype(float)) for name in ("A", "B"))
    always = statistics.always_valid(a, b, len(orders))
    return float(statistics.p_value(a, b)), bool(always.holds(0.0))


def _judge(bench: Bench, model: str, shops: Sequence[Orders]) -> None:
    rates = rates_of(shops)
    for column, arm in enumerate(ARMS):
        bench.row(arm, jackknife(lambda r: float(r[:, 0].mean()), rates[:, [column]]), model=model)
    bench.row("lift over bestsellers", jackknife(lift_of, rates), model=model)
    bench.row("lift of the oracle", jackknife(lambda r: lift_of(r, "oracle"), rates), model=model)
    bench.row("share of possible gain", jackknife(share_of_gain, rates), model=model)
    same = [same_against_same(orders["recommender"], seed) for seed, orders in enumerate(shops)]
    figures = {"p_lowest": min(p for p, _holds in same), "found": sum(not holds for _p, holds in same)}
    bench.row("recommender against itself", {**figures, "experiments": len(same)}, model=model)


policies.needs_services = policies_unseen.needs_services = scale.needs_services = False  # type: ignore[attr-defined]
SUITES = {"policies": policies, "policies-unseen": policies_unseen, "scale": scale}
