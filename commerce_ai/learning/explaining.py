"""What a scorer goes by, in figures that a person can read: weights, curves, and a tree small enough to read aloud.

Weights are the learner's own (`Learner.explain`). Where it also says which numbers it looked at (`Learner.table`):
partial dependence of those that matter most (Friedman, Annals of Statistics 29 (2001) 1189-1232), what matters by
permutation (Breiman, Machine Learning 45 (2001) 5-32), and a global surrogate (Molnar, Interpretable Machine Learning,
8.6): a tree of a few leaves that is fitted to the scorer's own answers on half of the test rows. How well it follows
and what its metric gives up are measured on the other half. No leaf or point stands for fewer than ten rows.
"""

from __future__ import annotations

import msgspec
import numpy as np
import polars as pl

from commerce_ai.learning.learner import Frames, Learner, Scorer, Table

MOST_WEIGHTS, MOST_CURVES, MOST_ROWS = 20, 6, 2000
POINTS = np.linspace(0.05, 0.95, 10)
LEAVES, LEAST_IN_LEAF = 8, 10


class Curve(msgspec.Struct, frozen=True):
    """The mean answer (`mean`) with a feature set to the values `at`; `matters` is what permuting it changes."""

    name: str
    matters: float
    at: list[float]
    mean: list[float]


class Twin(msgspec.Struct, frozen=True):
    """`rules` line by line; `follows` is R² to the scorer's answers, metrics those of both on rows new to the tree."""

    rules: list[str]
    follows: float
    metric: str = ""
    scorer_metric: float | None = None
    twin_metric: float | None = None


class Explanation(msgspec.Struct, frozen=True):
    weights: list[tuple[str, float]] = []
    curves: list[Curve] = []
    twin: Twin | None = None


def explain(learner: Learner, scorer: Scorer, test: Frames, seed: int = 0) -> Explanation:
    """All of it that the learner can tell. Runs in the trainer (scikit-learn)."""
    frame = learner.explain(scorer)
    weights = (
        []
        if frame is None
        else [(str(name), float(weight)) for name, weight in frame.iter_rows() if np.isfinite(weight)]
    )
    table = learner.table(scorer, test)
    if table is None or len(table.rows) < 4 * LEAST_IN_LEAF:
        return Explanation(weights[:MOST_WEIGHTS])
    rng = np.random.default_rng(seed)
    return Explanation(weights[:MOST_WEIGHTS], curves(table, rng), twin(table, learner, rng))


def curves(table: Table, rng: np.random.Generator) -> list[Curve]:
    """Of the features whose permutation changes the answer most, that first."""
    rows = np.asarray(table.rows, dtype=np.float64)
    rows = rows[np.sort(rng.permutation(len(rows))[:MOST_ROWS])]
    said = np.asarray(table.answer(rows), dtype=np.float64)
    matters = []
    for column in range(rows.shape[1]):
        mixed = rows.copy()
        mixed[:, column] = rng.permutation(mixed[:, column])
        matters.append(float(np.sqrt(np.mean((np.asarray(table.answer(mixed)) - said) ** 2))))
    found = []
    for column in np.argsort(matters)[::-1][:MOST_CURVES].tolist():
        known = rows[:, column][np.isfinite(rows[:, column])]
        if not matters[column] or not len(known):
            continue
        at = np.unique(np.quantile(known, POINTS))
        mean = []
        for value in at:
            asked = rows.copy()
            asked[:, column] = value
            mean.append(float(np.mean(table.answer(asked))))
        if np.isfinite(mean).all():
            found.append(Curve(table.names[column], matters[column], at.tolist(), mean))
    return found


def twin(table: Table, learner: Learner, rng: np.random.Generator) -> Twin | None:
    """A tree that answers as the scorer does, as far as `LEAVES` leaves can. None where the scorer says one thing."""
    from sklearn.tree import DecisionTreeRegressor, export_text

    rows = np.nan_to_num(np.asarray(table.rows, dtype=np.float64), nan=-1.0, posinf=1e12, neginf=-1e12)
    said = np.asarray(table.answer(np.asarray(table.rows)), dtype=np.float64)
    half = rng.permutation(len(rows)) < len(rows) // 2
    if np.ptp(said[half]) == 0 or np.ptp(said[~half]) == 0:
        return None
    tree = DecisionTreeRegressor(max_leaf_nodes=LEAVES, min_samples_leaf=LEAST_IN_LEAF, random_state=0)
    tree.fit(rows[half], said[half])
    follows = float(tree.score(rows[~half], said[~half]))
    rules = export_text(tree, feature_names=list(table.names), decimals=3, show_weights=False).splitlines()
    if table.sample is None:
        return Twin(rules, follows)
    judged = table.sample.filter(pl.Series(~half))
    metric = learner.metric
    other = judged.with_columns(pl.Series("score", tree.predict(rows[~half])))
    return Twin(rules, follows, metric.name, float(metric.statistic(judged)), float(metric.statistic(other)))
