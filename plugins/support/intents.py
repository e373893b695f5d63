"""Which intent a text has, how sure that is, and how unlike everything known it is.

Sentence vectors and a multinomial logistic regression tell intents apart; probabilities are tempered on rows held
out (Guo et al. 2017). Out-of-scope texts are found by distance, as Larson et al. 2019 ("An Evaluation Dataset for
Intent Classification and Out-of-Scope Prediction") ask for: the mean cosine to the five nearest known texts, joined
with the largest logit (Hendrycks et al. 2022, "Scaling Out-of-Distribution Detection"). Both are brought to the
scale of held-out known texts, so that the score is a share: .97 means odder than 97 % of what was asked before.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from commerce_ai.learning import linear
from commerce_ai.learning.linear import LinearClassifier

Floats = npt.NDArray[np.float32]

NEIGHBOURS = 5
HELD_OUT = 0.1  # of the texts learned from, for temperature and scale
MOST_KNOWN = 20_000  # texts that are kept to measure distances to
GRID = 201


@dataclass(frozen=True)
class Intents:
    """`classifier` over vectors, `known` vectors float16 ``[texts, dim]``, and the scale of oddness.

    `centre` and `spread` standardise the two distances; `grid` are quantiles of their sum on held-out known texts.
    """

    classifier: LinearClassifier
    known: npt.NDArray[np.float16]
    centroids: Floats
    centre: Floats
    spread: Floats
    grid: Floats

    @property
    def names(self) -> tuple[str, ...]:
        return self.classifier.classes

    def probabilities(self, vectors: Floats) -> Floats:
        """``[texts, intents]``, tempered."""
        return self.classifier.probabilities(vectors)

    def oddness(self, vectors: Floats) -> Floats:
        """``[texts]`` from 0 to 1: the share of known texts that are less odd."""
        raw = _raw(self.classifier, self.known, vectors)
        joined = ((raw - self.centre) / self.spread).sum(axis=1)
        shares = np.interp(joined, self.grid, np.linspace(0, 1, len(self.grid)))
        return shares.astype(np.float32)

    def nearest_centroid(self, vectors: Floats) -> npt.NDArray[np.int64]:
        """The baseline: the intent whose mean vector is nearest."""
        return np.asarray((vectors @ self.centroids.T).argmax(axis=1))

    def save(self, folder: Path) -> None:
        self.classifier.save(folder, "intents")
        for name in ("known", "centroids"):
            np.save(folder / f"{name}.npy", getattr(self, name))
        scale = {name: getattr(self, name).tolist() for name in ("centre", "spread", "grid")}
        (folder / "scale.json").write_text(json.dumps(scale))


def load(folder: Path) -> Intents:
    """What `save` wrote, mapped into memory."""
    scale = json.loads((folder / "scale.json").read_text())
    return Intents(
        linear.load(folder, "intents"),
        np.load(folder / "known.npy", mmap_mode="r", allow_pickle=False),
        np.load(folder / "centroids.npy", allow_pickle=False),
        *(np.array(scale[name], np.float32) for name in ("centre", "spread", "grid")),
    )


def fit(vectors: Floats, labels: Sequence[str], *, c: float, seed: int = 0) -> Intents:
    """Learn from vectors ``[texts, dim]`` and their intents, of which there are at least two; `c`: `classifier_of`."""
    names = np.asarray(labels, dtype=str)
    held = _held_out(names, seed)
    trial = classifier_of(vectors[~held], names[~held].tolist(), c).calibrated(vectors[held], names[held].tolist())
    known = _sample(vectors[~held], names[~held], seed)
    raw = _raw(trial, known, vectors[held])
    centre, spread = raw.mean(axis=0), raw.std(axis=0) + 1e-6
    joined = ((raw - centre) / spread).sum(axis=1)
    final = classifier_of(vectors, names.tolist(), c)
    return Intents(
        LinearClassifier(final.classes, final.weights, final.bias, trial.temperature),
        _sample(vectors, names, seed),
        _centroids(vectors, names, final.classes),
        centre.astype(np.float32),
        spread.astype(np.float32),
        np.quantile(joined, np.linspace(0, 1, GRID)).astype(np.float32),
    )


def classifier_of(vectors: Floats, labels: Sequence[str], c: float) -> LinearClassifier:
    """Logistic regression with the inverse ridge `c`; at 0, which it tends to, the nearest mean vector: what a few
    labels, some of them wrong, teach best (Snell, Swersky, Zemel 2017, "Prototypical Networks for Few-shot Learning").
    """
    if c > 0:
        return linear.fit(vectors, labels, c=c)
    names = np.asarray(labels, dtype=str)
    classes = tuple(str(each) for each in np.unique(names))
    return LinearClassifier(classes, _centroids(vectors, names, classes), np.zeros(len(classes), np.float32))


def _raw(classifier: LinearClassifier, known: npt.NDArray[Any], vectors: Floats) -> Floats:
    """``[texts, 2]``: minus the mean cosine to the nearest known texts, minus the largest logit."""
    near = np.empty(len(vectors), np.float32)
    table = np.asarray(known, np.float32)
    count = min(NEIGHBOURS, len(table))
    for start in range(0, len(vectors), 512):
        cosines = vectors[start : start + 512] @ table.T
        near[start : start + 512] = np.partition(cosines, -count, axis=1)[:, -count:].mean(axis=1)
    return np.column_stack([-near, -classifier.logits(vectors).max(axis=1)])


def _held_out(names: npt.NDArray[Any], seed: int) -> npt.NDArray[np.bool_]:
    """A tenth of each intent with enough texts; at least one text in all, and no intent's last."""
    rng = np.random.default_rng(seed)
    held = np.zeros(len(names), bool)
    for name in np.unique(names):
        rows = np.flatnonzero(names == name)
        held[rng.permutation(rows)[: round(len(rows) * HELD_OUT)]] = True
    if not held.any():
        common = np.unique(names, return_counts=True)
        held[np.flatnonzero(names == common[0][common[1].argmax()])[0]] = True
    return held


def _sample(vectors: Floats, names: npt.NDArray[Any], seed: int) -> npt.NDArray[np.float16]:
    if len(vectors) > MOST_KNOWN:
        vectors = vectors[np.sort(np.random.default_rng(seed).choice(len(vectors), MOST_KNOWN, replace=False))]
    return vectors.astype(np.float16)


def _centroids(vectors: Floats, names: npt.NDArray[Any], classes: Sequence[str]) -> Floats:
    means = np.stack([vectors[names == each].mean(axis=0) for each in classes])
    return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True), np.float32)
