"""Implicit-feedback matrix factorisation by alternating least squares (Hu, Koren and Volinsky 2008).

Loss: sum over all customers u and products i of c_ui (p_ui - x_u·y_i)², where p is 1 for a product that was met, and
c is `alpha` times its faded weight there, 1 elsewhere; plus `regularization` (|x|² + |y|²).
"""

from __future__ import annotations

import json
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from plugins.recommendation.features import Histories
from plugins.recommendation.item_to_item import ItemToItemScorer, threads_for
from plugins.recommendation.scorer import Array, Indexes, Mask, Scores, top

EXACT_ITEMS = 20_000  # up to here every product is scored; above, a graph makes the first cut
FIRST_CUT_MOST = 1_000  # a longer first cut costs more than scoring every allowed product
SEARCH_WIDTH, LINKS = 256, 32  # measured on 100,000 skewed vectors: .986 of the true top 20, .3 ms
SPARE = 64
SECONDS_BETWEEN_CHECKPOINTS = 20.0


class AlsScorer(ItemToItemScorer):
    """Scores a product by x·y·trend, x being the customer's factors, or those that the profile would get.

    Arrays beside the item-to-item ones, which answer `similar`: ``item_vectors`` (products × factors, y·trend),
    ``trend`` (products, above 0), ``customer_factors``, ``gramian`` (YᵀY + regularization I, float64) and, above
    `EXACT_ITEMS` products, ``graph``: a saved usearch index over the vectors, by inner product.
    """

    source = "als"

    def __init__(self, arrays: Any, params: Any) -> None:
        super().__init__(arrays, params)
        self._vectors, self._customers = arrays["item_vectors"], arrays["customer_factors"]
        self._trend, self._gramian = arrays["trend"], arrays["gramian"]
        self._alpha = float(params["alpha"])
        self._graph = _open_graph(arrays["graph"], self._vectors.shape[1]) if "graph" in arrays else None

    def factors_of(self, products: Indexes, weights: Scores) -> Array:
        """The factors that a customer with this profile would have: one least-squares step in closed form."""
        system, met, confidence = self._system(products, weights)
        return np.linalg.solve(system, met.T @ confidence).astype(np.float32)

    def because(self, history: Array, item_indexes: Array, customer_index: int | None = None) -> Indexes:
        """The profile's product with the largest part in each score (section 5 of the paper); -1 if none adds to it."""
        products, weights = self.profile(customer_index, np.asarray(history, dtype=np.int32))
        if not len(products) or not len(item_indexes):
            return np.full(len(item_indexes), -1, dtype=np.int32)
        system, met, confidence = self._system(products, weights)
        parts = self._vectors[item_indexes] @ np.linalg.solve(system, (met * confidence[:, None]).T)
        most = parts.argmax(axis=1)
        return np.where(parts.max(axis=1) > 0, products[most], -1).astype(np.int32)

    def _system(self, products: Indexes, weights: Scores) -> tuple[Array, Array, Array]:
        met = self._vectors[products].astype(np.float64) / self._trend[products, None]
        confidence = self._alpha * weights.astype(np.float64)
        return self._gramian + (met * (confidence - 1)[:, None]).T @ met, met, confidence

    def _best(
        self, products: Indexes, weights: Scores, n: int, keep: Mask | None, seen: int, customer_index: int | None
    ) -> tuple[Indexes, Scores]:
        if customer_index is None:
            asked = self.factors_of(products, weights)
        else:
            asked = np.asarray(self._customers[customer_index])
        items = len(self._trend)
        left = items if keep is None else int(np.count_nonzero(keep))
        if self._graph is not None and left:
            # Filtered products are spread through the graph's answer: ask for so many more. What was seen stands first.
            first_cut = n * items // left + seen + SPARE
            if first_cut <= FIRST_CUT_MOST:
                found = np.asarray(self._graph.search(asked, first_cut).keys).astype(np.int64)
                found = found if keep is None else found[keep[found]]
                if len(found) >= min(n, left):
                    return self._exact(asked, found, n)
        return self._exact(asked, None if keep is None else np.flatnonzero(keep), n)

    def _exact(self, asked: Array, among: Array | None, n: int) -> tuple[Indexes, Scores]:
        scores = (self._vectors if among is None else self._vectors[among]) @ asked
        best = top(scores, n)
        return (best if among is None else among[best]).astype(np.int32), scores[best]


def confidences(kept: Histories, alpha: float, items: int) -> Any:
    """Customers × products: `alpha` times the faded weight, as a scipy CSR matrix."""
    from scipy.sparse import csr_matrix

    shape = (len(kept.starts) - 1, items)
    # Copied: sorting happens in place, and histories stand oldest first.
    matrix = csr_matrix((kept.weights * np.float32(alpha), kept.products.copy(), kept.starts.copy()), shape=shape)
    matrix.sort_indices()
    return matrix


def factorise(
    matrix: Any,
    *,
    factors: int,
    regularization: float,
    iterations: int,
    seed: int,
    report: Any,
    checkpoint: Path | None = None,
) -> dict[str, Array]:
    """``item_factors``, ``customer_factors`` and ``gramian`` from `confidences`, through `implicit`.

    Equal input and seed give equal factors, resumed or not. Who met a single product says nothing of what goes with
    what, and in a shop where most visitors look at one page and leave they would take most of the time: they are left
    out of the alternation, and get their factors from its result, as everybody does in the end.

    `report` is told after each iteration and may raise to stop; with a `checkpoint` folder, factors are kept there
    every `SECONDS_BETWEEN_CHECKPOINTS` and taken up again by the next call with the same folder.
    """
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    several = np.diff(matrix.indptr) > 1
    learned = matrix[several] if several.any() else matrix
    # A BLAS with threads of its own fights with implicit's threads, and is many times slower.
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=factors, regularization=regularization, random_state=seed, num_threads=threads_for(learned.nnz)
        )
        done = _resume(model, checkpoint)
        kept_at = monotonic()

        def tell(iteration: int, seconds: float, loss: float) -> None:
            nonlocal kept_at
            step = done + iteration + 1
            if checkpoint is not None and monotonic() - kept_at >= SECONDS_BETWEEN_CHECKPOINTS:
                _keep(model, checkpoint, step)
                kept_at = monotonic()
            report(progress=step / iterations, step=step)

        model.iterations = iterations - done
        if model.iterations > 0:
            model.fit(learned, show_progress=False, callback=tell)
        theirs = model.recalculate_user(np.arange(learned.shape[0]), learned)
    items = model.item_factors.astype(np.float64)
    gramian = items.T @ items + regularization * np.eye(factors)
    customers = theirs
    if several.any():
        customers = _of_one(matrix, items, gramian)
        customers[several] = theirs
    return {
        "item_factors": items.astype(np.float32),
        "customer_factors": customers.astype(np.float32),
        "gramian": gramian,
    }


def _of_one(matrix: Any, items: Array, gramian: Array) -> Array:
    """The factors of customers with a single product, zero for all others: (G + (c-1) y yᵀ) x = c y, solved by the
    formula of Sherman and Morrison for all at once."""
    found = np.zeros((matrix.shape[0], items.shape[1]))
    rows = np.flatnonzero(np.diff(matrix.indptr) == 1)
    product, confidence = matrix.indices[matrix.indptr[rows]], matrix.data[matrix.indptr[rows]].astype(np.float64)
    solved = np.linalg.solve(gramian, items.T).T
    pull = (items * solved).sum(axis=1)[product]
    found[rows] = solved[product] * (confidence / (1 + (confidence - 1) * pull))[:, None]
    return found


def graph(vectors: Array) -> Array:
    """A usearch index over the rows of `vectors` by inner product, as bytes. One thread: equal input, equal bytes."""
    from usearch.index import Index

    index = Index(ndim=vectors.shape[1], metric="ip", dtype="f32", connectivity=LINKS)
    index.add(np.arange(len(vectors)), np.ascontiguousarray(vectors, dtype=np.float32), threads=1)
    return np.frombuffer(index.save() or b"", dtype=np.uint8)


def _open_graph(saved: Array, width: int) -> Any:
    from usearch.index import Index

    index: Any = Index(ndim=width, metric="ip", dtype="f32", connectivity=LINKS)
    index.view(memoryview(saved))  # type: ignore[arg-type]
    index.expansion_search = SEARCH_WIDTH
    return index


def _keep(model: Any, folder: Path, step: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("user_factors", "item_factors"):
        np.save(folder / f"{name}-{step}.npy", getattr(model, name), allow_pickle=False)
    scratch = folder / "step.json.new"
    scratch.write_text(json.dumps(step))
    scratch.replace(folder / "step.json")  # from here on this step counts; older ones may go
    for old in folder.glob("*_factors-*.npy"):
        if not old.stem.endswith(f"-{step}"):
            old.unlink()


def _resume(model: Any, folder: Path | None) -> int:
    if folder is None or not (folder / "step.json").exists():
        return 0
    step = int(json.loads((folder / "step.json").read_text()))
    for name in ("user_factors", "item_factors"):
        setattr(model, name, np.load(folder / f"{name}-{step}.npy", allow_pickle=False))
    return step
