"""Bestsellers: the mathematics of fading counts, and the face that every scorer shows."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugins.recommendation import features
from plugins.recommendation.popularity import PopularityScorer, as_popularity, bestsellers, common_arrays
from plugins.recommendation.scorer import external_ids, look_up, read_arrays, top, write_arrays
from tests.recommendation.frames import meetings

NOBODY = np.empty(0, np.int32)


def scorer_of(frame: pl.DataFrame, half_life_days: float = 0, **params) -> PopularityScorer:
    rows = features.number(frame, {"view": 0.2})
    return PopularityScorer(common_arrays(rows, recency_half_life=0, half_life_days=half_life_days), params)


def names(scorer, found) -> list:
    return scorer.product_ids[found.indexes].tolist()


def test_counts_fade_with_their_half_life():
    rows = features.number(meetings((1, "old", 0), (2, "old", 0), (3, "old", 0), (1, "new", 10), (2, "new", 10)))
    assert features.popularity(rows, 0).tolist() == [2, 3]
    assert features.popularity(rows, 10).tolist() == pytest.approx([2, 1.5])
    assert bestsellers(rows, 10)["bestseller_scores"].tolist() == pytest.approx([1, 0.75])


def test_a_view_weighs_less_and_a_row_without_kind_is_a_purchase():
    frame = meetings((1, "a", 0), (2, "a", 0), (3, "b", 0), kind=["view", "view", None])
    rows = features.number(frame, {"view": 0.2, "cart": 0.5})
    assert rows.weight.tolist() == pytest.approx([0.2, 0.2, 1.0])
    assert rows.bought.tolist() == [False, False, True]


def test_given_weights_multiply():
    frame = meetings((1, "a", 0), (2, "b", 0), kind=["cart", "cart"], weight=[3.0, None])
    assert features.number(frame, {"cart": 0.5}).weight.tolist() == [1.5, 0.5]


def test_age_counts_a_customers_later_baskets():
    rows = features.number(meetings((1, "a", 0), (1, "b", 0), (1, "c", 30), (2, "a", 5), (1, "d", 31)))
    assert rows.age.tolist() == [2, 2, 1, 0, 0]


def test_histories_hold_each_product_once_oldest_first():
    rows = features.number(meetings((1, "b", 0), (1, "a", 1), (1, "b", 2), (2, "c", 0), (1, "c", 1)))
    kept = features.histories(rows, half_life=1)
    mine = slice(kept.starts[0], kept.starts[1])
    assert [rows.product_ids[each] for each in kept.products[mine]] == ["a", "c", "b"]
    assert kept.weights[mine].tolist() == [0.5, 0.5, 1.25]


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 9)), min_size=1, max_size=40))
def test_histories_lose_nothing(rows):
    numbered = features.number(meetings(*rows))
    kept = features.histories(numbered, half_life=0)
    pairs = {
        (numbered.customer_ids[c], numbered.product_ids[p])
        for c in range(len(numbered.customer_ids))
        for p in kept.products[kept.starts[c] : kept.starts[c + 1]]
    }
    assert pairs == {(customer, product) for customer, product, _ in rows}
    assert kept.weights.sum() == len(rows)


def test_everybody_gets_the_bestsellers_less_what_they_bought():
    scorer = scorer_of(meetings((1, "a", 0), (2, "a", 0), (3, "a", 0), (1, "b", 0), (2, "b", 0), (3, "c", 0)))
    stranger = scorer.candidates(None, NOBODY, 2)
    assert (names(scorer, stranger), stranger.source) == (["a", "b"], "popularity")
    assert names(scorer, scorer.candidates(scorer.customer_index(1), NOBODY, 3)) == ["c"]
    assert names(scorer, scorer.candidates(scorer.customer_index(1), NOBODY, 3, remove_seen=False)) == ["a", "b", "c"]
    assert names(scorer, scorer.candidates(None, scorer.index_of(["a"]), 3)) == ["b", "c"]


def test_what_was_only_viewed_is_not_left_out():
    scorer = scorer_of(meetings((1, "a", 0), (1, "b", 1), (2, "a", 0), kind=["view", "purchase", "purchase"]))
    assert names(scorer, scorer.candidates(scorer.customer_index(1), NOBODY, 5)) == ["a"]


@settings(max_examples=60)
@given(st.integers(1, 60), st.integers(0, 70), st.integers(0, 2**32 - 1))
def test_the_list_is_as_long_as_what_is_allowed(products, n, seed):
    random = np.random.default_rng(seed)
    scorer = scorer_of(meetings(*((int(random.integers(5)), product, 0) for product in range(products))))
    allowed = random.random(products) < random.random()
    found = scorer.candidates(None, NOBODY, n, allowed)
    assert len(found.indexes) == min(n, allowed.sum())
    assert allowed[found.indexes].all() and len(set(found.indexes.tolist())) == len(found.indexes)
    assert (np.diff(found.scores) <= 0).all()


def test_it_knows_nothing_similar_and_gives_no_reason():
    scorer = scorer_of(meetings((1, "a", 0), (2, "b", 0)))
    assert len(scorer.similar(0, 5)[0]) == 0
    assert scorer.because(np.array([0]), np.array([1])).tolist() == [-1]


@pytest.mark.parametrize("ids", [[3, 1, 2], ["c", "a", "b"]])
def test_ids_are_found_and_strangers_are_not(ids):
    scorer = scorer_of(meetings(*((each, each, 0) for each in ids)))
    assert scorer.product_ids[scorer.index_of(ids)].tolist() == ids
    assert scorer.customer_index(ids[0]) == 2
    for unknown in (99, "zz", 1.5):
        assert scorer.customer_index(unknown) is None
    assert scorer.index_of([]).tolist() == []


def test_large_ids_of_other_dtypes_are_not_mixed_up():
    ids = np.array([2**53, 2**53 + 1], dtype=np.int64)
    assert look_up(ids, np.array([2**53 + 1], dtype=np.uint64)).tolist() == [1]
    assert look_up(np.array([5], dtype=np.int32), np.array([5 + 2**32])).tolist() == [-1]
    assert look_up(np.array([5], dtype=np.uint64), np.array([-1])).tolist() == [-1]


def test_customers_answer_by_the_shops_own_ids_too():
    scorer = scorer_of(meetings((11, "a", 0), (12, "b", 0)))
    table = pl.DataFrame({"customer_id": [12, 11, 13], "external_id": ["Zoë", "anna@7", "nobody"]})
    scorer.arrays = {**scorer.arrays, **external_ids(scorer.arrays, table)}
    assert [scorer.customer_index_of(each) for each in ("anna@7", "Zoë", "nobody", "anna", "")] == [
        0,
        1,
        None,
        None,
        None,
    ]
    assert scorer_of(meetings((11, "a", 0))).customer_index_of("anna@7") is None


def test_an_artifact_is_read_as_it_was_written(tmp_path):
    scorer = scorer_of(meetings((1, "ä", 0), (2, "b", 0)), remove_seen=False)
    write_arrays(tmp_path, scorer.arrays, {"params": {"remove_seen": False}})
    arrays, about = read_arrays(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".npy", ".json"}
    for name, array in scorer.arrays.items():
        assert arrays[name].dtype == array.dtype and (arrays[name] == array).all()
    assert PopularityScorer(arrays, about["params"]).remove_seen is False


def test_an_empty_array_survives_the_disk(tmp_path):
    write_arrays(tmp_path, {"nothing": NOBODY}, {})
    assert len(read_arrays(tmp_path)[0]["nothing"]) == 0


def test_another_list_of_bestsellers_can_answer():
    rows = features.number(meetings((1, "old", 0), (2, "old", 0), (1, "new", 10)))
    arrays = common_arrays(rows, recency_half_life=0, half_life_days=1)
    arrays |= {f"all_time_{name}": each for name, each in bestsellers(rows, 0).items()}
    fresh, old = as_popularity(arrays, {}), as_popularity(arrays, {}, order="all_time_")
    assert names(fresh, fresh.candidates(None, NOBODY, 1)) == ["new"]
    assert names(old, old.candidates(None, NOBODY, 1)) == ["old"]


@given(st.lists(st.integers(0, 5), max_size=30), st.integers(0, 35))
def test_top_is_a_stable_sort_cut_off(scores, n):
    found = top(np.array(scores, dtype=float), n)
    assert found.tolist() == sorted(range(len(scores)), key=lambda each: (-scores[each], each))[:n]
