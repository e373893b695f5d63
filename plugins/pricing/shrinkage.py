"""Noisy elasticities drawn towards those of their category, brand and shop, as far as the noise demands.

Two-way empirical Bayes (Efron and Morris 1975; Gelman and Hill 2007, chapter 12): θᵢ = μ + category + brand + own,
each part normal with a variance found by the likelihood of what was estimated. A product without an estimate has its
category's and brand's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Before any data: somewhere around −2 (Bijmolt, van Heerde and Pieters 2005: mean −2.6 over 1,851 estimates).
PRIOR_MEAN, PRIOR_SD = -2.0, 2.0
STEPS = np.concatenate([[0.02], np.geomspace(0.05, 2.5, 9)])  # standard deviations that are tried, a part each


@dataclass(frozen=True)
class Shrunk:
    """Mean and standard deviation of each θ given all estimates; `spread` are the parts' standard deviations."""

    mean: Floats
    sd: Floats
    spread: dict[str, float]


def shrink(theta: Floats, se: Floats, categories: Sequence[str], brands: Sequence[str]) -> Shrunk:
    """`theta` NaN (or `se` infinite) where a product has no estimate of its own."""
    known = np.isfinite(theta) & np.isfinite(se)
    groups = [_design(categories), _design(brands)]
    spread = _spread(theta[known], se[known], [each[known] for each in groups])
    scale = np.concatenate([[PRIOR_SD], *(np.full(g.shape[1], s) for g, s in zip(groups, spread, strict=False))])
    design = np.column_stack([np.ones(len(theta)), *groups]) * scale
    own = max(spread[2], 1e-6) ** 2
    # First the shared part of every product from those that have an estimate, then each own part.
    noise = se[known] ** 2 + own
    precision = np.eye(design.shape[1]) + (design[known] / noise[:, None]).T @ design[known]
    cover = np.linalg.inv(precision)
    shared = cover @ (design[known].T @ ((theta[known] - PRIOR_MEAN) / noise))
    mean = PRIOR_MEAN + design @ shared
    variance = np.einsum("ij,jk,ik->i", design, cover, design)
    trust = np.zeros(len(theta))
    trust[known] = own / noise
    posterior = np.where(known, mean + trust * (np.nan_to_num(theta) - mean), mean)
    sd = np.sqrt(own * (1 - trust) + (1 - trust) ** 2 * variance)
    return Shrunk(posterior, sd, dict(zip(("category", "brand", "own"), spread, strict=True)))


def _design(names: Sequence[str]) -> Floats:
    """One column a name that at least two products carry; none where all are the same."""
    kinds, at, counts = np.unique(np.asarray(names, dtype=str), return_inverse=True, return_counts=True)
    kept = np.flatnonzero((counts > 1) & (kinds != ""))
    if len(kinds) < 2 or not len(kept):
        return np.zeros((len(names), 0))
    return (at[:, None] == kept[None, :]).astype(float)


def _spread(theta: Floats, se: Floats, groups: list[Floats]) -> tuple[float, float, float]:
    """The three standard deviations of the highest likelihood, one after the other over a grid until none moves."""
    best = [0.3 if g.shape[1] else 0.0 for g in groups] + [0.3]
    if len(theta) < 2:
        return best[0], best[1], best[2]
    for _round in range(4):
        before = list(best)
        for part in range(3):
            if part < 2 and not groups[part].shape[1]:
                continue
            tries = [[*best[:part], step, *best[part + 1 :]] for step in STEPS]
            best = max(tries, key=lambda each: _likelihood(theta, se, groups, each))
        if before == best:
            break
    return float(best[0]), float(best[1]), float(best[2])


def _likelihood(theta: Floats, se: Floats, groups: list[Floats], spread: list[float]) -> float:
    """Log density of the estimates, and of the spreads (half-normal, 1), by the matrix inversion lemma."""
    noise = se**2 + spread[2] ** 2
    design = np.column_stack([np.full(len(theta), PRIOR_SD), *(g * s for g, s in zip(groups, spread, strict=False))])
    scaled = design / noise[:, None]
    inner = np.eye(design.shape[1]) + design.T @ scaled
    off = theta - PRIOR_MEAN
    inside = scaled.T @ off
    square = off @ (off / noise) - inside @ np.linalg.solve(inner, inside)
    return float(-0.5 * (np.log(noise).sum() + np.linalg.slogdet(inner)[1] + square) - 0.5 * np.sum(np.square(spread)))
