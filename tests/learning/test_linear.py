"""A linear classifier served by numpy says what scikit-learn's says, and its probabilities can be tempered."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commerce_ai.learning import linear


@pytest.fixture(scope="module")
def points() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.choice(["delivery", "quality", "price"], 600, p=[0.7, 0.2, 0.1])
    centres = {"delivery": [2, 0, 0], "quality": [0, 2, 0], "price": [0, 0, 2]}
    x = np.array([centres[each] for each in labels]) + rng.normal(size=(600, 3))
    return x.astype(np.float32), labels


@pytest.mark.parametrize("wanted", [("delivery", "quality"), ("delivery", "quality", "price")])
def test_probabilities_are_scikit_learns(points: tuple, wanted: tuple[str, ...]) -> None:
    from sklearn.linear_model import LogisticRegression

    x, y = points
    kept = np.isin(y, wanted)
    ours = linear.fit(x[kept], y[kept], c=0.5)
    theirs = LogisticRegression(C=0.5, max_iter=1000).fit(x[kept], y[kept])
    assert list(ours.classes) == list(theirs.classes_)
    np.testing.assert_allclose(ours.probabilities(x), theirs.predict_proba(x), atol=1e-4)


def test_balanced_weights_find_more_of_a_rare_class(points: tuple) -> None:
    x, y = points
    plain, balanced = linear.fit(x, y), linear.fit(x, y, class_weight="balanced")
    rare = y == "price"

    def recall(model: linear.LinearClassifier) -> float:
        return float((np.array(model.classes)[model.probabilities(x).argmax(1)] == y)[rare].mean())

    assert recall(balanced) > recall(plain)


def test_sparse_rows_answer_like_dense_ones(points: tuple) -> None:
    from scipy.sparse import csr_matrix

    x, y = points
    model = linear.fit(csr_matrix(x), y)
    np.testing.assert_allclose(model.probabilities(csr_matrix(x)), model.probabilities(x), atol=1e-6)


def test_an_artifact_answers_the_same_without_scikit_learn(points: tuple, tmp_path: Path) -> None:
    x, y = points
    model = linear.fit(x, y).calibrated(x[:100], y[:100])
    model.save(tmp_path, "head")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["head.json", "head.npy"]
    again = linear.load(tmp_path, "head")
    np.testing.assert_array_equal(again.probabilities(x), model.probabilities(x))
    assert again.classes == model.classes
    program = f"""
import sys, numpy
from pathlib import Path
from commerce_ai.learning import linear
linear.load(Path({str(tmp_path)!r}), "head").probabilities(numpy.ones((1, 3), "float32"))
print(sorted(sys.modules.keys() & {{"sklearn", "scipy", "torch"}}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@settings(max_examples=15)
@given(hotter=st.floats(0.2, 5), seed=st.integers(0, 5))
def test_the_temperature_undoes_a_wrong_one(hotter: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=2, size=(4000, 3))
    chances = linear.softmax(logits)
    truth = (chances.cumsum(1) < rng.random((4000, 1))).sum(1)  # the classes do come out as often as said
    found = linear.best_temperature(logits * hotter, truth)
    assert found == pytest.approx(hotter, rel=0.15)


def test_tempering_changes_no_order(points: tuple) -> None:
    x, y = points
    model = linear.fit(x[:300], y[:300], c=1000)
    tempered = model.calibrated(x[300:], y[300:])
    assert tempered.temperature != 1
    np.testing.assert_array_equal(tempered.probabilities(x).argsort(1), model.probabilities(x).argsort(1))
    assert model.calibrated(x, ["unheard of"] * len(x)) is model


def test_one_class_is_not_enough(points: tuple) -> None:
    with pytest.raises(ValueError, match="class"):
        linear.fit(points[0], ["delivery"] * len(points[0]))


@pytest.mark.parametrize("wanted", [("delivery", "quality"), ("delivery", "quality", "price")])
def test_a_support_vector_machine_is_served_the_same_way(points: tuple, wanted: tuple[str, ...]) -> None:
    from sklearn.svm import LinearSVC

    x, y = points
    kept = np.isin(y, wanted)
    ours = linear.fit(x[kept], y[kept], loss="squared_hinge")
    theirs = LinearSVC(random_state=0).fit(x[kept], y[kept])
    assert (np.array(ours.classes)[ours.probabilities(x).argmax(1)] == theirs.predict(x)).all()
