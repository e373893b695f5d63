"""Multinomial logistic regression: fitted by scikit-learn, kept as arrays, served by numpy alone.

Probabilities can be tempered: one number, chosen on held-out rows, that makes them mean what they say without
changing which class comes first (Guo et al. 2017, "On Calibration of Modern Neural Networks").
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
ClassWeight = Mapping[str, float] | Literal["balanced"] | None

COLDEST, HOTTEST = 0.05, 20.0


@dataclass(frozen=True)
class LinearClassifier:
    """Classes with a weight for each feature: `weights` float32 ``[classes, features]``, `bias` ``[classes]``."""

    classes: tuple[str, ...]
    weights: Floats
    bias: Floats
    temperature: float = 1.0

    def logits(self, x: Any) -> Floats:
        """``[rows, classes]`` before the temperature; `x` is dense or sparse (scipy), ``[rows, features]``."""
        return np.asarray(x @ self.weights.T, np.float32) + self.bias

    def probabilities(self, x: Any) -> Floats:
        """``[rows, classes]``; each row sums to one."""
        return softmax(self.logits(x) / np.float32(self.temperature))

    def calibrated(self, x: Any, y: Sequence[str]) -> LinearClassifier:
        """The same classifier at the temperature under which the held-out `y` are likeliest."""
        places = {name: place for place, name in enumerate(self.classes)}
        known = np.array([label in places for label in y])
        if not known.any():
            return self
        truth = np.array([places[label] for label in y if label in places])
        return replace(self, temperature=best_temperature(self.logits(x)[known], truth))

    def save(self, folder: Path, name: str) -> None:
        """Two files: ``<name>.npy`` (bias in the last column) and ``<name>.json``."""
        np.save(folder / f"{name}.npy", np.column_stack([self.weights, self.bias]).astype(np.float32))
        about = {"classes": list(self.classes), "temperature": self.temperature}
        (folder / f"{name}.json").write_text(json.dumps(about, ensure_ascii=False))


def fit(
    x: Any,
    y: Sequence[str],
    *,
    c: float = 1.0,
    class_weight: ClassWeight = None,
    loss: Literal["log", "squared_hinge"] = "log",
) -> LinearClassifier:
    """Learn to tell the labels `y` from the rows of `x` (dense or scipy sparse). `c` is the inverse of the ridge.

    `class_weight` weighs a class's rows: by name, or ``"balanced"`` for all classes alike. `loss` is that of a logistic
    regression, or a support vector machine's (one class against the others), whose probabilities mean nothing before
    they are `calibrated`. Raises `ValueError` with fewer than two classes.
    """
    if loss == "log":
        from sklearn.linear_model import LogisticRegression

        model: Any = LogisticRegression(C=c, class_weight=class_weight, max_iter=1000)
    else:
        from sklearn.svm import LinearSVC

        model = LinearSVC(C=c, class_weight=class_weight, random_state=0)
    model.fit(x, np.asarray(y, dtype=str))
    classes = tuple(str(each) for each in model.classes_)
    weights, bias = model.coef_, model.intercept_
    if len(classes) == 2:  # scikit-learn keeps one row for two classes; half of it to each side is the same model
        weights, bias = np.vstack([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    return LinearClassifier(classes, weights.astype(np.float32), bias.astype(np.float32))


def load(folder: Path, name: str) -> LinearClassifier:
    """What `save` wrote; the weights are mapped into memory."""
    about = json.loads((folder / f"{name}.json").read_text())
    both = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
    return LinearClassifier(tuple(about["classes"]), both[:, :-1], np.array(both[:, -1]), float(about["temperature"]))


def softmax(logits: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Rows of any numbers as rows that sum to one."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def best_temperature(logits: npt.NDArray[Any], truth: npt.NDArray[np.int64]) -> float:
    """The temperature under which the classes `truth` (places) are likeliest; the loss has one minimum in 1 / T."""
    low, high = np.log(COLDEST), np.log(HOTTEST)
    golden = (np.sqrt(5) - 1) / 2
    for _ in range(40):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if _loss(logits, truth, left) < _loss(logits, truth, right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def _loss(logits: npt.NDArray[Any], truth: npt.NDArray[np.int64], log_temperature: float) -> float:
    scaled = logits.astype(np.float64) / np.exp(log_temperature)
    scaled -= scaled.max(axis=1, keepdims=True)
    return float((np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(truth)), truth]).mean())
