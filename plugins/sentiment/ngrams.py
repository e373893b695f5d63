"""Texts as sparse rows over hashed n-grams, in numpy: sublinear frequency times a weight, at unit length.

The weight of an n-gram is either how *rare* it is (TF-IDF; Salton, Buckley 1988; the figures are scikit-learn's with
`sublinear_tf` and `smooth_idf`), or how *telling*: that times the square root of the size of its log-count ratio
between a label and the others (Wang, Manning: *Baselines and Bigrams*, ACL 2012, section 2.3), the largest of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from plugins.sentiment.features import Hashes, Script, grams

LEAST_WRITERS = 2  # an n-gram of one person alone teaches little, would be most of the vocabulary, and tells of them


@dataclass(frozen=True)
class Cells:
    """A sparse matrix by cell: `row`, `column` and `value` of each, sorted by row; `shape` is texts × n-grams."""

    row: npt.NDArray[np.int64]
    column: npt.NDArray[np.int64]
    value: npt.NDArray[np.float32]
    shape: tuple[int, int]

    def times(self, weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The product with `weights` (classes × n-grams), texts × classes; reads only the columns that occur."""
        product = [np.bincount(self.row, self.value * each[self.column], self.shape[0]) for each in weights]
        return np.stack(product, axis=1).astype(np.float32)

    def matrix(self) -> Any:
        """The same for scikit-learn."""
        from scipy.sparse import csr_matrix

        return csr_matrix((self.value, (self.row, self.column)), shape=self.shape)


@dataclass(frozen=True)
class Ngrams:
    """The n-grams that are kept, by their sorted numbers; how `rare` and how `telling` each is."""

    hashes: Hashes
    rare: npt.NDArray[np.float32]
    telling: npt.NDArray[np.float32]

    def cells(self, counts: Counts) -> Cells:
        """Rows weighed by how telling an n-gram is; a text without a known n-gram is an empty row."""
        return self._weighed(counts, self.telling)

    def tfidf(self, counts: Counts) -> Cells:
        """Rows weighed by how rare an n-gram is."""
        return self._weighed(counts, self.rare)

    def places(self, found: Hashes) -> npt.NDArray[np.int64]:
        """The column of each n-gram; -1 for those that are not kept."""
        if not len(self.hashes):
            return np.full(len(found), -1)
        place = np.minimum(np.searchsorted(self.hashes, found), len(self.hashes) - 1)
        return np.where(self.hashes[place] == found, place, -1)

    def save(self, folder: Path) -> None:
        np.save(folder / "ngrams.npy", self.hashes)
        np.save(folder / "ngram_weights.npy", np.stack([self.rare, self.telling]))

    def _weighed(self, counts: Counts, weights: npt.NDArray[np.float32]) -> Cells:
        column = self.places(counts.ngram)
        known = column >= 0
        row, column = counts.row[known], column[known]
        value = (1 + np.log(counts.times[known])) * weights[column]
        length = np.sqrt(np.bincount(row, value * value, counts.texts))
        length[length == 0] = 1
        return Cells(row, column, (value / length[row]).astype(np.float32), (counts.texts, len(self.hashes)))


@dataclass(frozen=True)
class Counts:
    """The distinct n-grams of each of `texts` texts: `row` says of which, `times` how often it stands there."""

    row: npt.NDArray[np.int64]
    ngram: Hashes
    times: npt.NDArray[np.int64]
    texts: int


def load(folder: Path) -> Ngrams:
    """What `save` wrote, mapped into memory."""
    hashes, weights = (
        np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ("ngrams", "ngram_weights")
    )
    return Ngrams(hashes, weights[0], weights[1])


def fit(counts: Counts, labels: Sequence[str], most: int, writers: Sequence[Any] = ()) -> Ngrams:
    """The `most` n-grams that stand in the most texts, of two `writers` at least.

    `writers` says of each text who wrote it, None where nobody knows; without it every text is somebody else's.
    """
    kept, of_texts = np.unique(counts.ngram, return_counts=True)
    enough = (_of_writers(counts, kept, writers) if writers else of_texts) >= LEAST_WRITERS
    kept, of_texts = kept[enough], of_texts[enough]
    if len(kept) > most:
        commonest = np.sort(np.argsort(-of_texts, kind="stable")[:most])
        kept, of_texts = kept[commonest], of_texts[commonest]
    rare = np.log((1 + counts.texts) / (1 + of_texts)) + 1
    made = Ngrams(kept, rare.astype(np.float32), np.ones(len(kept), np.float32))
    column = made.places(counts.ngram)
    known = column >= 0
    ratio = _ratio(column[known], np.asarray(labels)[counts.row[known]], len(kept))
    return replace(made, telling=(rare * np.sqrt(ratio)).astype(np.float32))


def _of_writers(counts: Counts, kept: Hashes, writers: Sequence[Any]) -> npt.NDArray[np.int64]:
    """By how many people each n-gram of `kept` was written."""
    number: dict[Any, int] = {}
    # A place in a tuple is no id that anybody could have.
    who = np.array([number.setdefault((at,) if of is None else of, len(number)) for at, of in enumerate(writers)])
    pairs = np.unique(np.searchsorted(kept, counts.ngram) * max(len(number), 1) + who[counts.row])
    return np.bincount(pairs // max(len(number), 1), minlength=len(kept))


def _ratio(column: npt.NDArray[np.int64], labels: npt.NDArray[Any], size: int) -> npt.NDArray[np.float64]:
    most = np.zeros(size)
    for label in np.unique(labels):
        mine = labels == label
        inside, outside = (1.0 + np.bincount(column[each], minlength=size) for each in (mine, ~mine))
        ratio = np.log(inside / inside.sum()) - np.log(outside / outside.sum())
        most = np.maximum(most, np.abs(ratio))
    return most + 1e-6


def count(texts: Sequence[str], scripts: Sequence[Script]) -> Counts:
    """Count the n-grams of texts."""
    each = [np.unique(grams(text, script), return_counts=True) for text, script in zip(texts, scripts, strict=True)]
    if not each:
        return Counts(np.empty(0, np.int64), np.empty(0, np.uint64), np.empty(0, np.int64), 0)
    row = np.repeat(np.arange(len(each)), [len(found) for found, _ in each])
    found, times = (np.concatenate([pair[side] for pair in each]) for side in (0, 1))
    return Counts(row, found, times, len(each))
