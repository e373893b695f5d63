"""Own-price elasticities by double machine learning, one a product, with their standard errors.

Partially linear model (Robinson 1988; Chernozhukov et al., *Double/debiased machine learning*, Econometrics Journal
2018, section 4.1): log units = θ log price + g(controls) + ε, log price = m(controls) + ν. Both g and m are learned on
other periods than those they are taken away from (cross-fitting over blocks of time), and θ is the regression of what
is left of units on what is left of price. econml does the cross-fitting; it is imported when fitting only.

A product with many rows has nuisances of its own; all others share theirs and keep a θ of their own.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from plugins.pricing.features import Codes, Floats, Panel

LEAST_RESIDUAL = 1e-4  # mean square of what is left of log price (1 %); below that a product's price says nothing
LEAST_RESPONSE = 0.3  # a count that answers with less of its elasticity than this says nothing either
RUN = 4  # periods in a block
FEW = 30  # with fewer rows a product's own scatter is not trusted below the scatter of all


@dataclass(frozen=True)
class Estimates:
    """One a product: `theta` (NaN without evidence), its standard error `se`, `rows` it comes from.

    `weights` are of the controls (a row a product), for predictions; `nuisance` names what was chosen, by how many
    products.
    """

    theta: Floats
    se: Floats
    rows: Codes
    weights: Floats
    nuisance: dict[str, int]


def estimate(
    panel: Panel, controls: Floats, *, nuisance: str, folds: int, own_rows: int, seed: int,
    progress: Callable[[float], None] = lambda share: None,
) -> Estimates:  # fmt: skip
    """Elasticities of all products; `controls` (a row a row of the panel) are as they come, not yet within."""
    n, rows = len(panel.product_ids), np.bincount(panel.product, minlength=len(panel.product_ids))
    y, t = panel.within(panel.units), panel.within(panel.price)
    w = np.column_stack([panel.within(column) for column in controls.T]) if controls.shape[1] else controls
    theta, se, weights = np.full(n, np.nan), np.full(n, np.inf), np.zeros((n, w.shape[1]))
    chosen: dict[str, int] = {}
    parts = list(_parts(panel.product, rows, own_rows))
    for number, (products, here) in enumerate(parts):
        progress(number / len(parts))
        fold = blocks(panel.period[here], folds)
        if fold is None or np.ptp(t[here]) < 1e-9:
            continue
        kind, y_left, t_left = residuals(y[here], t[here], w[here], fold, nuisance, seed)
        chosen[kind] = chosen.get(kind, 0) + len(products)
        found = slopes(panel.product[here], panel.period[here], y_left, t_left, n)
        # A price that never moved has a remainder too: the noise of what the others' nuisances say of it.
        moved = np.bincount(panel.product, t * t, n) > LEAST_RESIDUAL * np.maximum(rows, 1)
        theta[products] = np.where(moved, found[0], np.nan)[products]
        se[products] = np.where(moved, found[1], np.inf)[products]
        slope = np.nan_to_num(theta, nan=float(_mean(theta[products], se[products])))[panel.product[here]]
        weights[products] = _ridge(w[here], y[here] - slope * t[here])
    if (panel.raw_units == 0).any():
        # Under the logarithm a period without a sale counts half a unit, which hides part of the response.
        mean = np.bincount(panel.product, panel.raw_units, n) / np.maximum(rows, 1)
        share = response_of_counts(mean)
        with np.errstate(invalid="ignore"):
            theta, se = theta / share, se / share
        theta, se = np.where(share < LEAST_RESPONSE, np.nan, theta), np.where(share < LEAST_RESPONSE, np.inf, se)
    return Estimates(theta, se, rows.astype(np.int64), weights, chosen)


def residuals(y: Floats, t: Floats, w: Floats, fold: Codes, nuisance: str, seed: int) -> tuple[str, Floats, Floats]:
    """What the controls leave of units and price, cross-fitted by econml's LinearDML, with what was chosen for it."""
    if not w.shape[1] or np.ptp(w, axis=0).max() == 0:
        return "none", y, t
    from econml.dml import LinearDML

    kind = _choose(y, t, w, fold, seed) if nuisance == "auto" else nuisance
    splits = [(np.flatnonzero(fold != each), np.flatnonzero(fold == each)) for each in range(fold.max() + 1)]
    model = LinearDML(model_y=_model(kind, seed), model_t=_model(kind, seed), cv=splits, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own inference, which is not used: ours counts periods as clusters
        model.fit(y, t, W=w, cache_values=True, inference=None)
    y_left, t_left, _x, _w = model.residuals_
    return kind, np.ravel(y_left), np.ravel(t_left)


def blocks(period: Codes, folds: int) -> Codes | None:
    """Each row's fold: short runs of neighbouring periods in turn, so that few are guessed from the week beside them.

    Stores of one period always lie together. Long runs would be purer, but whole eras differ by more than the controls
    say, and that difference would be left over in units and price alike. None: too few periods.
    """
    known, at = np.unique(period, return_inverse=True)
    if len(known) < 2 * folds:
        return None
    run = max(1, min(RUN, len(known) // (2 * folds)))
    return (at // run % folds).astype(np.int64)


def response_of_counts(mean: Floats) -> Floats:
    """How much of an elasticity is seen in the logarithm of Poisson counts with these means, 0 counting as a half.

    d E[log max(N, ½)] / d log mean, which is 1 for large means and falls to 0 for small ones.
    """
    counts = np.arange(0, 60)
    logs = np.log(np.maximum(counts, 0.5))
    small = np.clip(mean, 1e-3, 25)[:, None]
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, 60)))])
    chance = np.exp(counts * np.log(small) - small - log_factorial)
    share = (chance * logs * (counts - small)).sum(axis=1)
    return np.where(mean >= 25, 1.0, share)


def _parts(product: Codes, rows: Codes, own_rows: int) -> Iterator[tuple[Codes, Codes]]:
    """(products, their rows): each large product by itself, then all small ones together."""
    order = np.argsort(product, kind="stable")
    starts = np.concatenate([[0], np.cumsum(rows)])
    for each in np.flatnonzero(rows >= own_rows):
        yield np.array([each]), order[starts[each] : starts[each + 1]]
    if len(small := np.flatnonzero((rows > 0) & (rows < own_rows))):
        yield small, np.flatnonzero(rows[product] < own_rows)


def _choose(y: Floats, t: Floats, w: Floats, fold: Codes, seed: int) -> str:
    """Which nuisance leaves less of units and price on periods it has not seen; the simple one unless beaten by 2 %."""
    lost = {}
    for kind in ("linear", "trees"):
        total = 0.0
        for target in (y, t):
            scale = max(float(np.var(target)), 1e-12)
            for each in range(fold.max() + 1):
                out = fold == each
                model = _model(kind, seed).fit(w[~out], target[~out])
                total += float(np.sum((target[out] - model.predict(w[out])) ** 2)) / scale
        lost[kind] = total
    return "trees" if lost["trees"] < 0.98 * lost["linear"] else "linear"


def _model(kind: str, seed: int) -> Any:
    if kind == "linear":
        from sklearn.linear_model import RidgeCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        return make_pipeline(StandardScaler(), RidgeCV(alphas=np.logspace(-3, 3, 7)))
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(
        max_depth=4, max_iter=60, learning_rate=0.12, min_samples_leaf=20, l2_regularization=1.0, random_state=seed,
        early_stopping=False,
    )  # fmt: skip


def slopes(product: Codes, period: Codes, y: Floats, t: Floats, n: int) -> tuple[Floats, Floats]:
    """θ a product, and its standard error with periods as clusters (Liang and Zeger 1986)."""
    power = np.bincount(product, t * t, n)
    rows = np.bincount(product, minlength=n)
    has = power > LEAST_RESIDUAL * np.maximum(rows, 1)
    safe = np.where(has, power, 1.0)
    theta = np.where(has, np.bincount(product, t * y, n) / safe, np.nan)
    left = y - np.nan_to_num(theta)[product] * t
    cluster, at = np.unique(product * (period.max() + 1) + period, return_inverse=True)
    score = np.bincount(at, t * left)
    owner = cluster // (period.max() + 1)
    clusters = np.bincount(owner, minlength=n)
    meat = np.bincount(owner, score * score, n) * clusters / np.maximum(clusters - 1, 1)
    variance = meat / safe**2
    usual = np.sum(left[has[product]] ** 2) / max(1, int(rows[has].sum() - has.sum())) / safe
    variance = np.where(clusters < FEW, np.maximum(variance, usual), variance)
    return theta, np.where(has, np.sqrt(variance), np.inf)


def _mean(theta: Floats, se: Floats) -> float:
    weight = np.where(np.isnan(theta), 0.0, 1 / np.maximum(se, 1e-6) ** 2)
    return float(np.sum(weight * np.nan_to_num(theta)) / weight.sum()) if weight.sum() else 0.0


def _ridge(w: Floats, y: Floats, share: float = 1e-3) -> Floats:
    """What the controls add to a prediction, a little held back."""
    if not w.shape[1]:
        return np.zeros(0)
    gram = w.T @ w
    return np.asarray(np.linalg.solve(gram + np.diag(share * np.diag(gram) + 1e-9), w.T @ y), dtype=np.float64)
