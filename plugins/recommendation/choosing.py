"""Choices made on validation: one setting after the other, each at the best of those before."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from commerce_ai.learning.bootstrap import compare
from commerce_ai.learning.learner import Metric
from commerce_ai.learning.splits import hash_share
from plugins.recommendation.collaborative import CollaborativeParams, Fits, fill, scorer
from plugins.recommendation.features import Interactions
from plugins.recommendation.popularity import PopularityScorer, bestsellers, common_arrays
from plugins.recommendation.protocol import Targets, score, targets

MOST_CUSTOMERS = 3_000  # a choice needs no narrower interval than a few thousand customers give
MOST_ROWS = 2_000_000  # of more, the rows of a sample of customers stand for all
TRIAL_ITERATIONS = 8  # enough to tell settings apart; the fit that follows takes all of its rounds
HALF_LIVES_DAYS = (365.0, 90.0, 30.0, 14.0, 7.0)
# The search starts at the first value of each setting.
GRIDS: dict[str, dict[str, Sequence[Any]]] = {
    "item_to_item": {
        "recency_half_life": (5.0, 2.0, 1.0, 0.5, 20.0, 0.0),
        "trend": (0.25, 0.0, 0.5, 1.0),
        "neighbours": (200, 50),
    },
    "als": {
        "recency_half_life": (5.0, 2.0, 1.0, 20.0, 0.0),
        "alpha": (10.0, 1.0, 3.0, 40.0),
        "regularization": (10.0, 1.0, 30.0),
        "trend": (0.25, 0.0, 0.5, 1.0),
        "factors": (64, 128),
    },
}


def choose(
    rows: Interactions, later: pl.DataFrame, params: CollaborativeParams, report: Any, checkpoint: Path | None = None
) -> CollaborativeParams:
    """`params` with every open choice made by NDCG@20 on `later`; by the defaults where nobody came back.

    Finished trials are kept in the `checkpoint` folder, so that a killed search goes on where it was.
    """
    if params.popularity_half_life_days is None:
        half_life = choose_half_life(rows, later, remove_seen=params.remove_seen)
        params = replace(params, popularity_half_life_days=half_life)
    if rows.days is None:
        params = replace(params, trend=0.0)  # without a clock nothing is recent
    methods = ["item_to_item", "als"] if params.method == "auto" else [params.method]
    trials = _Trials(rows, later, report, checkpoint)
    found = [_climb(trials, replace(params, method=method)) for method in methods]  # type: ignore[arg-type]
    best = max(found, key=lambda pair: pair[0])  # the first of equals: item-to-item is the cheaper one
    return best[1] if best[0] > 0 else fill(params)


def sample(rows: pl.DataFrame) -> pl.DataFrame:
    """All rows of so many customers, by the hash of their id, that about `MOST_ROWS` are left."""
    if rows.height <= MOST_ROWS:
        return rows
    return rows.filter(hash_share(rows["customer_id"]) < MOST_ROWS / rows.height)


def choose_half_life(rows: Interactions, later: pl.DataFrame, *, remove_seen: bool) -> float:
    """The bestsellers' half-life in days: no decay (0) unless another is better in nine of ten paired resamples."""
    if rows.days is None:
        return 0.0
    arrays = common_arrays(rows, recency_half_life=0, half_life_days=0)
    still = PopularityScorer(arrays, {"remove_seen": remove_seen})
    asked = targets(still, later, MOST_CUSTOMERS)
    if not len(asked.customers):
        return 0.0
    scores = {
        days: score(PopularityScorer(arrays | bestsellers(rows, days), {"remove_seen": remove_seen}), asked)
        for days in HALF_LIVES_DAYS
    }
    days = max(scores, key=lambda each: float(scores[each].mean()))
    won = compare(_sample(scores[days]), _sample(score(still, asked)), Metric("ndcg@20", "max", "no decay")).win_share
    return days if won >= 0.9 else 0.0


def _climb(trials: _Trials, params: CollaborativeParams) -> tuple[float, CollaborativeParams]:
    grid = {name: values for name, values in GRIDS[params.method].items() if getattr(params, name) is None}
    at = fill(replace(params, **{name: values[0] for name, values in grid.items()}))
    trials.plan(1 + sum(len(values) - 1 for values in grid.values()))
    reached = trials.figure(at)
    for name, values in grid.items():
        here = at
        for value in values[1:]:
            trial = replace(here, **{name: value})
            figure = trials.figure(trial)
            if figure > reached:
                reached, at = figure, trial
    return reached, at


class _Trials:
    """Settings and what they reach on validation. Each is fitted once, across restarts too."""

    def __init__(self, rows: Interactions, later: pl.DataFrame, report: Any, checkpoint: Path | None) -> None:
        self.later, self.report = later, report
        self.fits = Fits(rows, lambda **_: report(), checkpoint)
        self.file = checkpoint / "trials.json" if checkpoint else None
        self.known: dict[str, float] = json.loads(self.file.read_text()) if self.file and self.file.exists() else {}
        self.asked: Targets | None = None
        self.planned = self.done = 0

    def plan(self, more: int) -> None:
        self.planned += more

    def figure(self, params: CollaborativeParams) -> float:
        key = json.dumps(asdict(params), sort_keys=True)
        if key not in self.known:
            quick = replace(params, iterations=min(params.iterations, TRIAL_ITERATIONS))
            answers = scorer(self.fits.arrays(quick), asdict(quick))
            self.asked = self.asked or targets(answers, self.later, MOST_CUSTOMERS)
            values = score(answers, self.asked)
            self.known[key] = float(np.mean(values)) if len(values) else 0.0
            self._keep()
        self.done += 1
        self.report(
            stage=f"choosing {params.method}",
            progress=self.done / self.planned,
            step=self.done,
            validation_ndcg=self.known[key],
        )
        return self.known[key]

    def _keep(self) -> None:
        if self.file:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            scratch = self.file.with_suffix(".new")
            scratch.write_text(json.dumps(self.known, indent=1))
            scratch.replace(self.file)


def _sample(values: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame({"unit": np.arange(len(values)), "value": values})
