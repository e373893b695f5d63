"""What answers from an artifact: arrays mapped into memory, no torch, no implicit, no scipy.

`CandidateScorer` is the face that the online service sees, whatever the method behind it. A method adds `_best`
(the products that a profile asks for), `similar` and `because`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

Array = npt.NDArray[Any]
Indexes = npt.NDArray[np.int32]
Scores = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

PROFILE_LIMIT = 500  # products of a history that count, the latest: older ones cost time and change nothing
NOTHING: Indexes = np.empty(0, dtype=np.int32)


class Candidates(NamedTuple):
    """Product indexes, best first, with scores that fall; 0 marks those filled up from the bestsellers."""

    indexes: Indexes
    scores: Scores
    source: str


class CandidateScorer:
    """Products a customer may want, by index into `product_ids`.

    Arrays: ``product_ids``, ``customer_ids`` (sorted), ``history_starts``, ``history_products``,
    ``history_weights``, ``history_bought`` (see `features.Histories`), ``bestsellers`` (indexes, best first),
    ``bestseller_scores`` (in that order) and those of the method. `params` are the learner's, as a mapping.
    """

    source: ClassVar[str]

    def __init__(self, arrays: Mapping[str, Array], params: Mapping[str, Any]) -> None:
        self.arrays = arrays
        self.params = params
        self.product_ids = arrays["product_ids"]
        self.customer_ids = arrays["customer_ids"]
        self.remove_seen = bool(params.get("remove_seen", True))
        half_life = float(params.get("recency_half_life") or 0)
        self._fade = 0.5 ** (1 / half_life) if half_life else 1.0
        self._starts, self._products = arrays["history_starts"], arrays["history_products"]
        self._weights, self._bought = arrays["history_weights"], arrays["history_bought"]
        self._bestsellers, self._bestseller_scores = arrays["bestsellers"], arrays["bestseller_scores"]

    def candidates(
        self,
        customer_index: int | None,
        history: Array,
        n: int,
        allowed: Mask | None = None,
        *,
        remove_seen: bool | None = None,
    ) -> Candidates:
        """The `n` best products, fewer only where fewer are `allowed`.

        `history` are the product indexes of the running session, oldest first (-1 is passed over); it continues what is
        known of `customer_index`. A stranger (no index, no history) gets the bestsellers. With `remove_seen` (the
        learner's parameter by default) what the customer bought and what stands in `history` is left out.
        """
        history = np.asarray(history, dtype=np.int32)
        history, seen = history[history >= 0], NOTHING
        if self.remove_seen if remove_seen is None else remove_seen:
            seen = self.seen(customer_index, history)
        keep = _without(allowed, seen, len(self.product_ids))
        profile = self.profile(customer_index, history)
        if not len(profile[0]):
            return Candidates(*self._fill(NOTHING, np.empty(0, np.float32), n, keep), "popularity")
        indexes, scores = self._best(*profile, n, keep, len(seen), customer_index if not len(history) else None)
        if len(indexes) < n:
            indexes, scores = self._fill(indexes, scores, n, keep)
        return Candidates(indexes, scores, self.source)

    def similar(self, item_index: int, n: int, allowed: Mask | None = None) -> tuple[Indexes, Scores]:
        """Products that go with one product; empty where the method knows none."""
        return NOTHING, np.empty(0, np.float32)

    def because(self, history: Array, item_indexes: Array, customer_index: int | None = None) -> Indexes:
        """For each of `item_indexes` the product of the history that speaks most for it, or -1."""
        return np.full(len(item_indexes), -1, dtype=np.int32)

    def index_of(self, ids: Any) -> Indexes:
        """Indexes of product ids, -1 for unknown ones."""
        return look_up(self.product_ids, ids)

    def customer_index(self, customer_id: Any) -> int | None:
        index = int(look_up(self.customer_ids, [customer_id])[0])
        return None if index < 0 else index

    def customer_index_of(self, external_id: str) -> int | None:
        """By the shop's own id, where the artifact carries those (as sorted 64 bit hashes: eight bytes a customer)."""
        if "customer_external_hashes" not in self.arrays:
            return None
        found = look_up(self.arrays["customer_external_hashes"], _hashes([external_id]))
        return int(self.arrays["customer_of_external"][found[0]]) if found[0] >= 0 else None

    def history(self, customer_index: int) -> Indexes:
        """Product indexes that the customer met, each once, oldest first."""
        return self._products[self._starts[customer_index] : self._starts[customer_index + 1]]

    def seen(self, customer_index: int | None, history: Array) -> Indexes:
        """What `remove_seen` leaves out: products bought by the customer, and those of the running session."""
        if customer_index is None:
            return history
        rows = slice(self._starts[customer_index], self._starts[customer_index + 1])
        return np.concatenate([self._products[rows][self._bought[rows]], history])

    def profile(self, customer_index: int | None, history: Array) -> tuple[Indexes, Scores]:
        """Products and their weights, from the kept history and the running session, which fades it by its length."""
        products, weights = NOTHING, np.empty(0, np.float32)
        if customer_index is not None:
            start, end = self._starts[customer_index], self._starts[customer_index + 1]
            rows = slice(max(start, end - PROFILE_LIMIT), end)
            products, weights = self._products[rows], self._weights[rows]
        if not len(history):
            return products, weights
        session = history[-PROFILE_LIMIT:]
        fades = self._fade ** np.arange(len(session) - 1, -1, -1)
        both = np.concatenate([products, session])
        distinct, where = np.unique(both, return_inverse=True)
        total = np.bincount(where, weights=np.concatenate([weights * self._fade ** len(session), fades]))
        return distinct, total.astype(np.float32)

    def rank(self, customers: Array, n: int) -> tuple[Indexes, Scores]:
        """`candidates` of many known customers: two arrays customers × `n`; -1 and 0 where there are fewer."""
        indexes = np.full((len(customers), n), -1, dtype=np.int32)
        scores = np.zeros((len(customers), n), dtype=np.float32)
        for row, customer in enumerate(customers):
            found = self.candidates(int(customer) if customer >= 0 else None, NOTHING, n)
            indexes[row, : len(found.indexes)], scores[row, : len(found.indexes)] = found.indexes, found.scores
        return indexes, scores

    def _best(
        self, products: Indexes, weights: Scores, n: int, keep: Mask | None, seen: int, customer_index: int | None
    ) -> tuple[Indexes, Scores]:
        """At most `n` products for a profile, best first; `customer_index` if it is that customer's own."""
        return NOTHING, np.empty(0, np.float32)

    def _fill(self, indexes: Indexes, scores: Scores, n: int, keep: Mask | None) -> tuple[Indexes, Scores]:
        """Up to `n`, from the bestsellers; their scores count only where nothing stands before them."""
        missing, look_at = n - len(indexes), 4 * n + 64
        while True:
            picked = np.flatnonzero(_is_new(self._bestsellers[:look_at], indexes, keep))[:missing]
            if len(picked) == missing or look_at >= len(self._bestsellers):
                break
            look_at *= 8
        tail = np.zeros(len(picked), np.float32) if len(indexes) else self._bestseller_scores[picked]
        return np.concatenate([indexes, self._bestsellers[picked]]), np.concatenate([scores, tail])


def top(scores: Array, n: int) -> Array:
    """Positions of the `n` highest scores, highest first, equal ones by position."""
    if n <= 0:
        return np.empty(0, dtype=np.int64)
    if n < len(scores):
        border = np.partition(scores, len(scores) - n)[len(scores) - n]
        above = np.flatnonzero(scores > border)
        chosen = np.concatenate([above, np.flatnonzero(scores == border)[: n - len(above)]])
    else:
        chosen = np.arange(len(scores))
    return chosen[np.lexsort((chosen, -scores[chosen]))]


def look_up(sorted_ids: Array, ids: Any) -> Indexes:
    """Where `ids` stand in `sorted_ids`, -1 where they don't; ids of another kind (text, number) stand nowhere."""
    asked = ids.to_numpy() if isinstance(ids, pl.Series) else np.asarray(ids)
    if asked.dtype == object:
        asked = asked.astype(np.str_)
    unknown = np.full(len(asked), -1, dtype=np.int32)
    if not len(asked) or not len(sorted_ids) or (asked.dtype.kind in "US") != (sorted_ids.dtype.kind in "US"):
        return unknown
    same = asked
    if asked.dtype.kind in "iu" and asked.dtype != sorted_ids.dtype:
        # Comparing int64 with uint64 would go through float64 and mix up large ids.
        same = asked.astype(sorted_ids.dtype)
    at = np.minimum(np.searchsorted(sorted_ids, same), len(sorted_ids) - 1)
    found = (sorted_ids[at] == same) & (same.astype(asked.dtype) == asked)
    return np.where(found, at, unknown).astype(np.int32)


def external_ids(arrays: Mapping[str, Array], customers: pl.DataFrame | None) -> dict[str, Array]:
    """The arrays behind `customer_index_of`, from rows of customer_id and external_id."""
    if customers is None:
        return {}
    index = look_up(arrays["customer_ids"], customers["customer_id"])
    names = _hashes(customers["external_id"])[index >= 0]
    order = np.argsort(names, kind="stable")
    return {"customer_external_hashes": names[order], "customer_of_external": index[index >= 0][order]}


def _hashes(names: Iterable[str]) -> Array:
    """64 bits of BLAKE2b each: among a million customers two alike have a chance of one to 37 million."""
    digests = b"".join(hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names)
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


def write_arrays(folder: Path, arrays: Mapping[str, Array], about: Mapping[str, Any]) -> None:
    """One ``<name>.npy`` an array, and ``scorer.json``."""
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
    (folder / "scorer.json").write_text(json.dumps({**about, "arrays": sorted(arrays)}, indent=1, sort_keys=True))


def read_arrays(folder: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays, mapped and read only, and what ``scorer.json`` says."""
    about = json.loads((folder / "scorer.json").read_text())
    return {name: _map(folder / f"{name}.npy") for name in about["arrays"]}, about


def _map(path: Path) -> Array:
    try:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except ValueError:  # an array without elements can't be mapped
        return np.load(path, allow_pickle=False)


def _without(allowed: Mask | None, seen: Indexes, items: int) -> Mask | None:
    if not len(seen):
        return allowed
    keep = np.ones(items, dtype=bool) if allowed is None else allowed.copy()
    keep[seen] = False
    return keep


def _is_new(products: Indexes, there: Indexes, keep: Mask | None) -> Mask:
    new = np.ones(len(products), dtype=bool) if keep is None else keep[products]
    return new & ~np.isin(products, there) if len(there) else new
