"""Item-to-item: products that the same customers met (Linden et al. 2003), weighted by BM25, through `implicit`."""

from __future__ import annotations

from typing import Any

import numpy as np

from plugins.recommendation.features import Interactions, decay
from plugins.recommendation.scorer import Array, CandidateScorer, Indexes, Mask, Scores, top

K1, B = 100.0, 0.5  # hardly any saturation: weights are meetings, not words
# A meeting fades ten times slower as a witness of what goes together than as a sign of what is wanted now.
WITNESS = 10.0
MOST_NEIGHBOURS = 200
ROWS_AT_ONCE = 8192


class ItemToItemScorer(CandidateScorer):
    """Adds up the neighbours of every product in the profile.

    Arrays: ``neighbour_starts`` (products + 1), ``neighbours`` and ``neighbour_scores``: row `i` holds the products
    that speak for `i`'s buyers, best first, itself among them; ``trend`` is multiplied into the scores already.
    """

    source = "item_to_item"

    def __init__(self, arrays: Any, params: Any) -> None:
        super().__init__(arrays, params)
        self._neighbour_starts = arrays["neighbour_starts"]
        self._neighbours, self._neighbour_scores = arrays["neighbours"], arrays["neighbour_scores"]

    def _best(
        self, products: Indexes, weights: Scores, n: int, keep: Mask | None, seen: int, customer_index: int | None
    ) -> tuple[Indexes, Scores]:
        found, scores, _ = self._walk(products, weights)
        if keep is not None:
            kept = keep[found]
            found, scores = found[kept], scores[kept]
        total = np.bincount(found, weights=scores)
        touched = np.flatnonzero(total)
        best = touched[top(total[touched], n)]
        return best.astype(np.int32), total[best].astype(np.float32)

    def similar(self, item_index: int, n: int, allowed: Mask | None = None) -> tuple[Indexes, Scores]:
        rows = slice(self._neighbour_starts[item_index], self._neighbour_starts[item_index + 1])
        found, scores = self._neighbours[rows], self._neighbour_scores[rows]
        good = found != item_index if allowed is None else (found != item_index) & allowed[found]
        return found[good][:n], scores[good][:n]

    def because(self, history: Array, item_indexes: Array, customer_index: int | None = None) -> Indexes:
        products, weights = self.profile(customer_index, np.asarray(history, dtype=np.int32))
        asked = np.asarray(item_indexes, dtype=np.int32)
        reasons = np.full(len(asked), -1, dtype=np.int32)
        if not len(products) or not len(asked):
            return reasons
        found, scores, owner = self._walk(products, weights)
        for place, item in enumerate(asked):
            speak = np.flatnonzero(found == item)
            if len(speak):
                reasons[place] = products[owner[speak[np.argmax(scores[speak])]]]
        return reasons

    def _walk(self, products: Indexes, weights: Scores) -> tuple[Indexes, Scores, Array]:
        """All neighbours of the profile's products: which, how strongly, and by which place in the profile."""
        starts = self._neighbour_starts[products]
        counts = self._neighbour_starts[products + 1] - starts
        owner = np.repeat(np.arange(len(products)), counts)
        at = np.arange(counts.sum()) + np.repeat(starts - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
        return self._neighbours[at], self._neighbour_scores[at] * weights[owner], owner


def neighbours(rows: Interactions, *, recency_half_life: float) -> Any:
    """Products × products, the `MOST_NEIGHBOURS` strongest of each row, as a scipy CSR matrix of float32."""
    from implicit.nearest_neighbours import all_pairs_knn, bm25_weight
    from scipy.sparse import csr_matrix

    weights = decay(rows.age, recency_half_life * WITNESS) * rows.weight
    met = csr_matrix((weights.astype(np.float64), (rows.customer, rows.product)), shape=rows.shape)
    weighted = bm25_weight(met.T, K1, B).T.tocsr()
    found = all_pairs_knn(weighted, MOST_NEIGHBOURS, num_threads=threads_for(met.nnz), show_progress=False)
    found = found.tocsr().astype(np.float32)
    found.sort_indices()
    return found


def threads_for(entries: int) -> int:
    """For implicit: one where threads would only wait for each other, else 0, which is all cores."""
    return 1 if entries < 100_000 else 0


def neighbour_arrays(matrix: Any, trend: Array, most: int) -> dict[str, Array]:
    """The scorer's arrays: scores times each neighbour's `trend`, the `most` strongest of each row, best first.

    Equal scores stand by product number; `matrix` has sorted indices.
    """
    counts = np.diff(matrix.indptr)
    kept = np.minimum(counts, most)
    neighbours, scores = [np.empty(0, np.int32)], [np.empty(0, np.float32)]
    for first in range(0, len(counts), ROWS_AT_ONCE):
        rows = slice(first, first + ROWS_AT_ONCE)
        there = np.arange(counts[rows].max(initial=0)) < counts[rows, None]
        entries = slice(matrix.indptr[first], matrix.indptr[min(first + ROWS_AT_ONCE, len(counts))])
        found, strength = np.zeros(there.shape, np.int32), np.full(there.shape, -np.inf, np.float32)
        found[there] = matrix.indices[entries]
        strength[there] = matrix.data[entries] * trend[matrix.indices[entries]]
        order = np.argsort(-strength, axis=1, kind="stable")[:, :most]
        taken = np.arange(order.shape[1]) < kept[rows, None]
        neighbours.append(np.take_along_axis(found, order, 1)[taken])
        scores.append(np.take_along_axis(strength, order, 1)[taken])
    return {
        "neighbour_starts": np.concatenate([[0], np.cumsum(kept)]).astype(np.int64),
        "neighbours": np.concatenate(neighbours),
        "neighbour_scores": np.concatenate(scores),
    }
