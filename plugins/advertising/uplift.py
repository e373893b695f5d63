"""What a campaign adds to a customer's chance of responding: the T-learner and the X-learner, on XGBoost.

Künzel, Sekhon, Bickel, Yu: *Metalearners for estimating heterogeneous treatment effects*, PNAS 116, 2019. Both begin
with a model of the response of each arm, μ₀ and μ₁.

- *T* answers μ₁(x) − μ₀(x).
- *X* learns what each customer's response tells of the effect: D₁ = y − μ₀(x) of the treated, D₀ = μ₁(x) − y of the
  others; and answers g(x) τ₀(x) + (1 − g(x)) τ₁(x), where g is the probability of having been treated. It is the
  better one where one arm is much smaller than the other.

Where rows bring the probability of their treatment, each counts 1 / p of what was done to it, so that a policy which
preferred some customers does not pass for an effect on them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from commerce_ai.learning import boosters
from plugins.advertising.encoding import Matrix

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Method = Literal["t", "x"]
METHODS: tuple[Method, ...] = ("t", "x")
LEAST_PROPENSITY = 0.02  # no row counts more than fifty


@dataclass(frozen=True)
class Trees:
    """How the trees of every part are grown."""

    rounds: int = 60
    depth: int = 3
    rate: float = 0.05
    least_weight: float = 10.0
    sample: float = 0.8
    seed: int = 0
    threads: int = 0  # 0: as many as there are cores


@dataclass(frozen=True)
class Rows:
    """What is learned from: features, what was done (0/1), what came of it (0/1), and its probability if known."""

    x: Matrix
    treatment: Ints
    outcome: Ints
    propensity: Floats | None = None

    def arm(self, which: int) -> npt.NDArray[np.bool_]:
        return self.treatment == which


def weights(treatment: Ints, propensity: Floats | None) -> Floats:
    """1 / p of what was done to each row, 1 on average in each arm."""
    if propensity is None:
        return np.ones(len(treatment))
    p = np.clip(propensity, LEAST_PROPENSITY, 1 - LEAST_PROPENSITY)
    found = np.where(treatment == 1, 1 / p, 1 / (1 - p))
    for arm in (0, 1):
        found[treatment == arm] /= found[treatment == arm].mean()
    return found


def fit(rows: Rows, method: Method, trees: Trees, step: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """Boosters by part: ``mu0``, ``mu1``, ``response`` (both arms together: the baseline), with X ``tau0``, ``tau1``.

    A booster of the propensity, ``g``, is there if the treatment depends on the features and was not given.
    """
    weight = weights(rows.treatment, rows.propensity)
    parts: dict[str, Any] = {"response": _grow(rows.x, rows.outcome, weight, trees, "binary:logistic")}
    for arm in (0, 1):
        of = rows.arm(arm)
        parts[f"mu{arm}"] = _grow(rows.x[of], rows.outcome[of], weight[of], trees, "binary:logistic")
        step()
    if method == "x":
        for arm in (0, 1):
            of = rows.arm(arm)
            other = _answer(parts[f"mu{1 - arm}"], rows.x[of])
            effect = rows.outcome[of] - other if arm else other - rows.outcome[of]
            parts[f"tau{arm}"] = _grow(rows.x[of], effect, weight[of], trees, "reg:squarederror")
            step()
    if rows.propensity is None and (booster := _propensity(rows, trees)) is not None:
        parts["g"] = booster
    return parts


class UpliftScorer:
    """Answers from boosters, read when they are first asked: a process that only serves rows never loads them."""

    def __init__(self, parts: Mapping[str, Any] | Path, method: str, treated_share: float, encoder: Any) -> None:
        self._parts = parts
        self.method, self.treated_share, self.encoder = method, treated_share, encoder

    def score(self, x: Matrix, propensity: Floats | None = None) -> tuple[Floats, Floats]:
        """The uplift (−1 to 1) and the response if left alone (0 to 1), a value a row."""
        alone = self._of("mu0", x)
        if self.method == "t":
            return self._of("mu1", x) - alone, alone
        g = propensity if propensity is not None else self.propensity(x)
        return np.clip(g * self._of("tau0", x) + (1 - g) * self._of("tau1", x), -1, 1), alone

    def response(self, x: Matrix) -> Floats:
        """How likely a response is at all, whatever is done: what a plain response model targets by."""
        return self._of("response", x)

    def propensity(self, x: Matrix) -> Floats:
        """The probability of having been treated: learned, or the share of the treated where it depends on nothing."""
        if self.has("g"):
            return np.clip(self._of("g", x), LEAST_PROPENSITY, 1 - LEAST_PROPENSITY)
        return np.full(len(x), self.treated_share)

    def gains(self) -> dict[str, float]:
        """By column of the matrix: how much its splits brought, over the parts that make the effect; adds up to 1."""
        total: dict[str, float] = {}
        for name in ("tau0", "tau1") if self.method == "x" else ("mu0", "mu1"):
            for column, gain in self._booster(name).get_score(importance_type="total_gain").items():
                total[column] = total.get(column, 0.0) + float(gain)
        whole = sum(total.values()) or 1.0
        names = self.encoder.columns
        return {names[int(column[1:])]: gain / whole for column, gain in total.items()}

    def has(self, name: str) -> bool:
        if isinstance(self._parts, Path):
            return (self._parts / f"{name}.ubj").exists()
        return name in self._parts

    def _of(self, name: str, x: Matrix) -> Floats:
        return _answer(self._booster(name), x)

    def _booster(self, name: str) -> Any:
        if isinstance(self._parts, Path):
            folder = self._parts
            self._parts = {file.stem: boosters.load(file) for file in sorted(folder.glob("*.ubj"))}
        return self._parts[name]


def _grow(x: Matrix, y: npt.NDArray[Any], weight: Floats, trees: Trees, objective: str, rounds: int = 0) -> Any:
    import xgboost

    settings = {
        "objective": objective, "max_depth": trees.depth, "eta": trees.rate, "subsample": trees.sample,
        "min_child_weight": trees.least_weight if objective.startswith("reg") else trees.least_weight / 10,
        "tree_method": "hist", "seed": trees.seed, "nthread": trees.threads, "verbosity": 0,
    }  # fmt: skip
    return xgboost.train(settings, xgboost.DMatrix(x, label=y, weight=weight), num_boost_round=rounds or trees.rounds)


def _answer(booster: Any, x: Matrix) -> Floats:
    return boosters.answer(booster, x).astype(np.float64)


def _propensity(rows: Rows, trees: Trees) -> Any:
    """A booster of the treatment, if on rows that it has not seen it knows more than the plain share; else None."""
    from sklearn.metrics import roc_auc_score

    kept = np.arange(len(rows.treatment)) % 5 != 0
    if min(rows.treatment[kept].sum(), (1 - rows.treatment[kept]).sum(), rows.treatment[~kept].sum()) < 10:
        return None
    if rows.treatment[~kept].all():
        return None
    ones = np.ones(len(kept))
    booster = _grow(rows.x[kept], rows.treatment[kept], ones[kept], trees, "binary:logistic", rounds=30)
    if roc_auc_score(rows.treatment[~kept], _answer(booster, rows.x[~kept])) < KNOWS_MORE:
        return None
    return _grow(rows.x, rows.treatment, ones, trees, "binary:logistic", rounds=30)


KNOWS_MORE = 0.6  # area under the ROC curve: a random control stays near a half, however many columns there are
