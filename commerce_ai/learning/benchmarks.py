"""Does the gate keep its promises? Nightly retrains on a generated shop that does not change.

Everything runs in memory through the functions that a run goes through (`training.try_recipe`, `training.judge`);
only the rows are made up. Each night the oldest day of the window leaves and a new one of the same shop comes in,
so that every figure moves by chance alone; `frozen` repeats it on rows that don't move at all.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from commerce_ai import registry
from commerce_ai.learning import training
from commerce_ai.learning.gate import Verdict
from commerce_ai.learning.learner import Frames, Learner, Silent
from commerce_ai.learning.recipe import Recipe, recipe_of

if TYPE_CHECKING:
    from commerce_ai.learning.bench import Bench

NIGHTS, WINDOW_DAYS = 30, 90
CUSTOMERS, PRODUCTS, KINDS, ROWS_A_DAY = 1_500, 400, 12, 400
BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
LEARNER = "recommendation.collaborative"
# Every choice made beforehand, so that a night is one small fit and a recipe is equal but for its seed.
ALS = {
    "method": "als", "factors": 16, "alpha": 1, "regularization": 10, "iterations": 10, "trend": 0,
    "recency_half_life": 0, "popularity_half_life_days": 0, "remove_seen": False,
}  # fmt: skip


def gate(bench: Bench) -> None:
    """Thirty refreshes, thirty re-seeded recipes, and thirty of a clearly worse and of a clearly better recipe."""
    bench.note(
        f"{CUSTOMERS} customers, {PRODUCTS} products, {ROWS_A_DAY} rows a day, {WINDOW_DAYS} days at a time, ALS with "
        f"{ALS['factors']} factors; aims: 30 of 30 refreshes live, at most 7 of 30 switches to an equal recipe"
    )
    for seed in range(bench.seeds):
        for shop, nightly in (("rolling", _rolling(seed)), ("frozen", _frozen(seed))):
            _show(bench, f"refresh, {shop}", seed, *_nights(nightly, lambda night: {}))
            _show(bench, f"re-seeded, {shop}", seed, *_nights(nightly, lambda night: {"seed": night}))
        worse = _nights(_rolling(seed), lambda night: {"factors": 2, "seed": night} if night else {})
        _show(bench, "clearly worse, rolling", seed, *worse)
        better = _nights(_rolling(seed), lambda night: {} if night else {"factors": 2})
        _show(bench, "clearly better, rolling", seed, *better)


def _nights(
    rows: Callable[[int], Frames], recipe_on: Callable[[int], dict[str, Any]]
) -> tuple[list[tuple[Verdict, bool]], float]:
    """What the gate said on each night after the first, with whether the recipe changed; and the seconds."""
    learner = registry.learner(LEARNER)
    live: training.Incumbent | None = None
    said = []
    began = monotonic()
    for night in range(NIGHTS + 1):
        recipe = recipe_of(learner, {**ALS, **recipe_on(night)})
        with tempfile.TemporaryDirectory() as scratch:
            frames = rows(night)
            split = learner.split(frames)
            trial = training.try_recipe(recipe, split, Path(scratch) / "trial", Silent())
            read = partial(_same, frames)
            verdict = training.judge(trial, live, split, Path(scratch) / "live", Silent(), read)
        switched = live is not None and live.recipe.fingerprint != recipe.fingerprint
        if live is not None:
            said.append((verdict, switched))
        if verdict.live:
            live = _incumbent(recipe, trial)
    return said, monotonic() - began


def _incumbent(recipe: Recipe, trial: training.Trial) -> training.Incumbent:
    return training.Incumbent(recipe, trial.evaluation.metrics[recipe.learner.metric.name])


def _same(frames: Frames, _learner: Learner) -> Frames:
    return frames


def _show(bench: Bench, name: str, seed: int, said: list[tuple[Verdict, bool]], seconds: float) -> None:
    figures = {
        "nights": len(said), "live": sum(verdict.live for verdict, _ in said),
        "switches": sum(verdict.live and switched for verdict, switched in said),
    }  # fmt: skip
    bench.row(name, figures, seconds=seconds, seed=seed)
    refused = [verdict.reason for verdict, switched in said if not verdict.live and not switched]
    if refused:
        bench.note(f"  a refresh was refused: {refused[0]}")


def _rolling(seed: int) -> Callable[[int], Frames]:
    rows = _interactions(seed, WINDOW_DAYS + NIGHTS)

    def window(night: int) -> Frames:
        start = BEGIN + timedelta(days=night)
        inside = (pl.col("timestamp") >= start) & (pl.col("timestamp") < start + timedelta(days=WINDOW_DAYS))
        return {"interactions": rows.filter(inside)}

    return window


def _frozen(seed: int) -> Callable[[int], Frames]:
    rows = _interactions(seed, WINDOW_DAYS)
    return lambda night: {"interactions": rows}


def _interactions(seed: int, days: int) -> pl.DataFrame:
    """Purchases of customers with tastes of their own in products of unequal popularity."""
    draw = np.random.default_rng(seed)
    tastes, goods = draw.dirichlet([0.1] * KINDS, CUSTOMERS), draw.dirichlet([0.1] * KINDS, PRODUCTS).T
    chances = np.cumsum(tastes @ goods * (draw.pareto(3.0, PRODUCTS) + 0.2), axis=1)
    active = draw.pareto(2.0, CUSTOMERS) + 0.2
    customers = draw.choice(CUSTOMERS, days * ROWS_A_DAY, p=active / active.sum())
    products = [np.searchsorted(chances[each], draw.random() * chances[each, -1]) for each in customers]
    seconds = np.sort(draw.integers(0, days * 86_400, len(customers)))
    return pl.DataFrame({
        "customer_id": customers.astype(np.int64), "product_id": np.array(products, dtype=np.int64),
        "timestamp": pl.Series(seconds * 1_000_000 + int(BEGIN.timestamp() * 1e6)).cast(pl.Datetime("us", "UTC")),
    })  # fmt: skip


SUITES = {"gate": gate}
