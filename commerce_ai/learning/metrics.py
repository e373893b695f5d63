"""Figures that learners are judged by: rankings over all items, never sampled, and classification.

Ranking works on `hits` (users × ranks, bool: whether the item at that rank is one the user wanted) and `wanted`
(users: how many items the user wanted at all). Every ranking function gives one value a user, so that two rankers
can be compared user by user; `ranking_figures` gives the means.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]


def hit_matrix(ranked: Ints, starts: Ints, items: Ints) -> Bools:
    """Which of the `ranked` items (users × ranks, best first, -1 where the list is shorter) were wanted.

    User `u` wanted ``items[starts[u]:starts[u + 1]]``, each once.
    """
    users = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    width = 1 + max(int(items.max(initial=0)), int(ranked.max(initial=0)))
    wanted = np.sort(users * width + items)
    asked = np.arange(len(ranked))[:, None] * width + np.where(ranked < 0, 0, ranked)
    if not len(wanted):
        return np.zeros(ranked.shape, dtype=bool)
    at = np.minimum(np.searchsorted(wanted, asked), len(wanted) - 1)
    return (wanted[at] == asked) & (ranked >= 0)


def recall(hits: Bools, wanted: Ints, k: int) -> Floats:
    """Share of the wanted items that stand among the first `k`."""
    return np.asarray(hits[:, :k].sum(axis=1) / np.maximum(wanted, 1), dtype=np.float64)


def precision(hits: Bools, k: int) -> Floats:
    """Share of the first `k` places that hold a wanted item."""
    return np.asarray(hits[:, :k].sum(axis=1) / k, dtype=np.float64)


def hit(hits: Bools, k: int) -> Floats:
    """1 where at least one of the first `k` is wanted."""
    return np.asarray(hits[:, :k].any(axis=1), dtype=np.float64)


def ndcg(hits: Bools, wanted: Ints, k: int) -> Floats:
    """Normalised discounted cumulative gain, binary, log2(rank + 1) (Järvelin and Kekäläinen 2002)."""
    discounts = 1 / np.log2(np.arange(2, k + 2))
    gain = (hits[:, :k] * discounts[: hits[:, :k].shape[1]]).sum(axis=1)
    best = np.concatenate([[0.0], np.cumsum(discounts)])[np.minimum(wanted, k)]
    return np.divide(gain, best, out=np.zeros(len(hits)), where=best > 0)


def reciprocal_rank(hits: Bools, k: int | None = None) -> Floats:
    """One over the rank of the first wanted item within `k` (all by default), 0 without one. Its mean is MRR."""
    hits = hits[:, :k]
    return np.where(hits.any(axis=1), 1 / (1 + hits.argmax(axis=1)), 0.0) if hits.shape[1] else np.zeros(len(hits))


def average_precision(hits: Bools, wanted: Ints, k: int | None = None) -> Floats:
    """Mean of the precisions at each wanted item's rank, over min(wanted, `k`). Its mean is MAP."""
    hits = hits[:, :k]
    precisions = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    most = wanted if k is None else np.minimum(wanted, k)
    return (precisions * hits).sum(axis=1) / np.maximum(most, 1)


def coverage(ranked: Ints, items: int, k: int) -> float:
    """Share of all `items` that stand among anybody's first `k`."""
    first = ranked[:, :k]
    return len(np.unique(first[first >= 0])) / items if items else 0.0


def ranking_figures(
    ranked: Ints, starts: Ints, items: Ints, *, item_count: int, cutoffs: Sequence[int] = (10, 20)
) -> dict[str, float]:
    """Means over users, by name: ``recall@10``, ``ndcg@10``, ``hit@10``, ``mrr@10``, ``map@10``, ``coverage@10`` …"""
    hits, wanted = hit_matrix(ranked, starts, items), np.diff(starts)
    figures = {}
    for k in cutoffs:
        per_user = {
            "recall": recall(hits, wanted, k),
            "ndcg": ndcg(hits, wanted, k),
            "hit": hit(hits, k),
            "mrr": reciprocal_rank(hits, k),
            "map": average_precision(hits, wanted, k),
        }
        figures |= {f"{name}@{k}": float(values.mean()) if len(values) else 0.0 for name, values in per_user.items()}
        figures[f"coverage@{k}"] = coverage(ranked, item_count, k)
    return figures


def binary_figures(truth: Ints, probability: Floats, *, threshold: float = 0.5) -> dict[str, float]:
    """Of a yes-or-no question: `truth` 0/1, `probability` of 1. Ranking figures are nan where only one class occurs."""
    from sklearn import metrics  # a second to import, and not wanted in the web process

    truth = np.asarray(truth).astype(np.int64)
    probability = np.asarray(probability, dtype=np.float64)
    said = (probability >= threshold).astype(np.int64)
    both = 0 < truth.sum() < len(truth)
    return {
        "accuracy": float(metrics.accuracy_score(truth, said)),
        "precision": float(metrics.precision_score(truth, said, zero_division=0)),
        "recall": float(metrics.recall_score(truth, said, zero_division=0)),
        "f1": float(metrics.f1_score(truth, said, zero_division=0)),
        "auc": float(metrics.roc_auc_score(truth, probability)) if both else float("nan"),
        "average_precision": float(metrics.average_precision_score(truth, probability)) if both else float("nan"),
        "log_loss": float(metrics.log_loss(truth, probability, labels=[0, 1])),
        "brier": float(np.mean((probability - truth) ** 2)),
        "calibration_error": calibration_error(truth, probability),
    }


def multiclass_figures(truth: Ints, probabilities: Floats) -> dict[str, float]:
    """Of a choice among classes: `truth` class numbers, `probabilities` rows × classes. Macro = mean over classes."""
    from sklearn import metrics

    truth, probabilities = np.asarray(truth), np.asarray(probabilities, dtype=np.float64)
    said, classes = probabilities.argmax(axis=1), np.arange(probabilities.shape[1])
    macro = metrics.precision_recall_fscore_support(truth, said, average="macro", zero_division=0)
    return {
        "accuracy": float(np.mean(said == truth)),
        "precision": float(macro[0]),
        "recall": float(macro[1]),
        "f1": float(macro[2]),
        "log_loss": float(metrics.log_loss(truth, probabilities, labels=classes)),
        "calibration_error": calibration_error(said == truth, probabilities.max(axis=1)),
    }


def calibration_error(truth: Ints, probability: Floats, *, bins: int = 15) -> float:
    """Expected calibration error: mean gap between said and seen, over equal-width bins (Guo et al. 2017)."""
    truth, probability = np.asarray(truth, dtype=np.float64), np.asarray(probability, dtype=np.float64)
    if not len(truth):
        return 0.0
    where = np.clip(np.ceil(probability * bins).astype(np.int64) - 1, 0, bins - 1)
    said = np.bincount(where, weights=probability, minlength=bins)
    seen = np.bincount(where, weights=truth, minlength=bins)
    return float(np.abs(said - seen).sum() / len(truth))
