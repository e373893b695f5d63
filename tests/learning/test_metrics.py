"""Every figure against an independent formula: scikit-learn where it has one, plain Python where not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as theirs

from commerce_ai.learning import metrics

ITEMS = 12


@st.composite
def rankings(draw):
    """Ranked lists (some shorter than others, -1 at the end) and what each user wanted."""
    users = draw(st.integers(1, 6))
    width = draw(st.integers(1, ITEMS))
    ranked, wanted = [], []
    for _ in range(users):
        order = draw(st.permutations(range(ITEMS)))[: draw(st.integers(0, width))]
        ranked.append([*order, *[-1] * (width - len(order))])
        wanted.append(sorted(draw(st.sets(st.integers(0, ITEMS - 1), max_size=ITEMS))))
    starts = np.concatenate([[0], np.cumsum([len(each) for each in wanted])]).astype(int)
    items = np.array([item for each in wanted for item in each], dtype=int)
    return np.array(ranked), starts, items, [set(each) for each in wanted]


@given(rankings(), st.integers(1, ITEMS))
def test_ranking_figures_are_their_definitions(case, k):
    ranked, starts, items, wanted = case
    hits, count = metrics.hit_matrix(ranked, starts, items), np.diff(starts)
    for user, want in enumerate(wanted):
        first = [item for item in ranked[user][:k].tolist() if item >= 0]
        relevant = [item in want for item in first]
        found = sum(relevant)
        gain = sum(1 / math.log2(rank + 2) for rank, good in enumerate(relevant) if good)
        ideal = sum(1 / math.log2(rank + 2) for rank in range(min(len(want), k)))
        precisions = [sum(relevant[: rank + 1]) / (rank + 1) for rank, good in enumerate(relevant) if good]
        assert metrics.recall(hits, count, k)[user] == pytest.approx(found / len(want) if want else 0)
        assert metrics.precision(hits, k)[user] == pytest.approx(found / k)
        assert metrics.hit(hits, k)[user] == (found > 0)
        assert metrics.ndcg(hits, count, k)[user] == pytest.approx(gain / ideal if ideal else 0)
        assert metrics.reciprocal_rank(hits, k)[user] == pytest.approx(1 / (1 + relevant.index(True)) if found else 0)
        assert metrics.average_precision(hits, count, k)[user] == pytest.approx(
            sum(precisions) / min(len(want), k) if want else 0
        )


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_full_rankings_agree_with_scikit_learn(seed, k):
    random = np.random.default_rng(seed)
    truth = random.random(ITEMS) < 0.4
    truth[random.integers(ITEMS)] = True
    score = random.permutation(ITEMS).astype(float)  # without ties
    ranked = np.argsort(-score)[None, :]
    hits = metrics.hit_matrix(ranked, np.array([0, truth.sum()]), np.flatnonzero(truth))
    wanted = np.array([truth.sum()])
    assert metrics.ndcg(hits, wanted, k)[0] == pytest.approx(theirs.ndcg_score([truth], [score], k=k))
    assert metrics.average_precision(hits, wanted)[0] == pytest.approx(theirs.average_precision_score(truth, score))


@given(rankings(), st.integers(1, ITEMS))
def test_ranking_figures_lie_between_0_and_1_and_grow_with_k(case, k):
    ranked, starts, items, _ = case
    figures = metrics.ranking_figures(ranked, starts, items, item_count=ITEMS, cutoffs=(k, k + 1))
    assert all(0 <= value <= 1 + 1e-12 for value in figures.values())
    for name in ("recall", "hit", "mrr", "coverage"):
        assert figures[f"{name}@{k + 1}"] >= figures[f"{name}@{k}"] - 1e-12


def test_a_perfect_and_a_hopeless_ranking():
    starts, items = np.array([0, 2, 4]), np.array([3, 4, 0, 1])
    figures = metrics.ranking_figures(np.array([[3, 4, 9], [5, 6, 7]]), starts, items, item_count=10, cutoffs=(3,))
    assert figures["ndcg@3"] == figures["recall@3"] == figures["map@3"] == figures["mrr@3"] == 0.5
    assert figures["coverage@3"] == 0.6


def test_an_empty_place_is_no_hit_even_for_item_0():
    hits = metrics.hit_matrix(np.array([[-1, 0]]), np.array([0, 1]), np.array([0]))
    assert hits.tolist() == [[False, True]]


def test_nobody_and_nothing():
    assert metrics.ranking_figures(np.empty((0, 5), int), np.array([0]), np.empty(0, int), item_count=0)["ndcg@10"] == 0
    assert not metrics.hit_matrix(np.array([[1, 2]]), np.array([0, 0]), np.empty(0, int)).any()


binary = st.lists(st.tuples(st.booleans(), st.floats(0.001, 0.999)), min_size=2, max_size=60).filter(
    lambda rows: 0 < sum(each[0] for each in rows) < len(rows)
)


@given(binary)
def test_binary_figures_agree_with_counting(rows):
    truth, probability = np.array([each[0] for each in rows], int), np.array([each[1] for each in rows])
    said = probability >= 0.5
    figures = metrics.binary_figures(truth, probability)
    hits = int((said & (truth == 1)).sum())
    assert figures["accuracy"] == pytest.approx(np.mean(said == truth))
    assert figures["precision"] == pytest.approx(hits / said.sum() if said.any() else 0)
    assert figures["recall"] == pytest.approx(hits / truth.sum())
    pairs = [(p > q) + (p == q) / 2 for p in probability[truth == 1] for q in probability[truth == 0]]
    assert figures["auc"] == pytest.approx(np.mean(pairs))
    assert figures["brier"] == pytest.approx(theirs.brier_score_loss(truth, probability))
    wrong = np.where(truth == 1, probability, 1 - probability)
    assert figures["log_loss"] == pytest.approx(-np.mean(np.log(wrong)))
    assert figures["average_precision"] == pytest.approx(theirs.average_precision_score(truth, probability))


def test_ranking_figures_of_one_class_are_nan():
    figures = metrics.binary_figures(np.array([1, 1]), np.array([0.2, 0.9]))
    assert math.isnan(figures["auc"]) and math.isnan(figures["average_precision"])
    assert figures["accuracy"] == 0.5


def test_multiclass_figures_agree_with_scikit_learn():
    random = np.random.default_rng(0)
    truth, scores = random.integers(0, 3, 200), random.random((200, 3))
    probabilities = scores / scores.sum(axis=1, keepdims=True)
    figures = metrics.multiclass_figures(truth, probabilities)
    said = probabilities.argmax(axis=1)
    assert figures["f1"] == pytest.approx(theirs.f1_score(truth, said, average="macro"))
    assert figures["log_loss"] == pytest.approx(theirs.log_loss(truth, probabilities))
    assert figures["accuracy"] == pytest.approx(theirs.accuracy_score(truth, said))


def test_calibration_by_hand():
    # Two bins of four: said .1 and seen .5, said .9 and seen 1.
    probability, truth = np.array([0.1, 0.1, 0.9, 0.9]), np.array([0, 1, 1, 1])
    assert metrics.calibration_error(truth, probability, bins=4) == pytest.approx((0.4 + 0.1) / 2)


def test_calibration_tells_a_calibrated_from_an_overconfident_forecast():
    random = np.random.default_rng(1)
    probability = random.random(50_000)
    truth = random.random(50_000) < probability
    assert metrics.calibration_error(truth, probability) < 0.01
    assert metrics.calibration_error(truth, np.where(probability > 0.5, 0.99, 0.01)) > 0.2


@given(binary)
def test_calibration_error_is_at_most_1_and_0_for_an_oracle(rows):
    truth = np.array([each[0] for each in rows], float)
    assert 0 <= metrics.calibration_error(truth, np.array([each[1] for each in rows])) <= 1
    assert metrics.calibration_error(truth, truth) == 0
