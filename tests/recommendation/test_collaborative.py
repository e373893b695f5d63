"""Item-to-item and ALS: the formulas of the papers, what is served, reasons, filters, and fits that were killed."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from commerce_ai.learning.learner import Silent
from plugins.recommendation import als, choosing, collaborative, features, item_to_item
from plugins.recommendation.collaborative import CollaborativeParams, fill
from plugins.recommendation.scorer import read_arrays, write_arrays
from tests.recommendation.frames import clubs, meetings

NOBODY = np.empty(0, np.int32)
METHODS = ("item_to_item", "als")


def fitted(method: str, frame=None, **params):
    rows = features.number(clubs() if frame is None else frame)
    chosen = fill(CollaborativeParams(method=method, factors=16, **params))
    return collaborative.scorer(collaborative.fit(rows, chosen, Silent()), asdict(chosen))


@pytest.fixture(scope="module", params=METHODS)
def scorer(request):
    return fitted(request.param, trend=0.25)


@pytest.fixture(scope="module")
def by_als():
    return fitted("als", trend=0.5)


def club(scorer, indexes) -> set:
    return set((scorer.product_ids[indexes] // 100).tolist())


def test_customers_are_led_to_their_own_club(scorer):
    for customer in range(40):
        found = scorer.candidates(customer, NOBODY, 2)
        assert club(scorer, found.indexes) == {customer % 4} and found.source == scorer.source
        assert not set(found.indexes) & set(scorer.history(customer))


def test_a_session_is_led_to_its_club_without_a_customer(scorer):
    session = scorer.index_of([203, 201])
    found = scorer.candidates(None, session, 3)
    assert club(scorer, found.indexes) == {2} and not set(found.indexes) & set(session)


def test_a_session_outweighs_an_old_history(scorer):
    customer = 0  # of club 0
    session = scorer.index_of([100, 101, 102, 103, 104])
    assert club(scorer, scorer.candidates(customer, NOBODY, 1).indexes) == {0}
    assert club(scorer, scorer.candidates(customer, session, 1).indexes) == {1}


def test_a_stranger_gets_the_bestsellers(scorer):
    found = scorer.candidates(None, NOBODY, 5)
    assert found.source == "popularity"
    assert found.indexes.tolist() == scorer.arrays["bestsellers"][:5].tolist()


def test_unknown_products_in_a_session_are_passed_over(scorer):
    known, both = scorer.index_of([203]), scorer.index_of([203, 99999])
    assert both.tolist()[1] == -1
    assert (scorer.candidates(None, both, 5).indexes == scorer.candidates(None, known, 5).indexes).all()
    assert scorer.candidates(None, scorer.index_of([99999]), 5).source == "popularity"


def test_repeats_may_be_shown_on_demand(scorer):
    found = scorer.candidates(3, NOBODY, 40, remove_seen=False)
    assert set(scorer.history(3)) <= set(found.indexes)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 1.0])
def test_a_list_is_filled_whenever_enough_is_allowed(scorer, share):
    random = np.random.default_rng(1)
    for customer in (None, 0, 7):
        for n in (1, 5, 50):
            allowed = random.random(len(scorer.product_ids)) < share
            allowed[random.integers(len(allowed))] = True
            before = allowed.copy()
            session = NOBODY if customer == 0 else scorer.index_of([100])
            found = scorer.candidates(customer, session, n, allowed)
            left = allowed.copy()
            left[scorer.seen(customer, session)] = False
            assert len(found.indexes) == min(n, left.sum()) == len(set(found.indexes.tolist()))
            assert left[found.indexes].all() and (np.diff(found.scores) <= 0).all()
            assert found.indexes.dtype == np.int32 and found.scores.dtype == np.float32
            assert (allowed == before).all()  # a mask is lent, never written to


def test_many_customers_rank_as_one_by_one(scorer):
    indexes, scores = scorer.rank(np.array([5, -1, 17]), 8)
    for row, customer in enumerate((5, None, 17)):
        alone = scorer.candidates(customer, NOBODY, 8)
        assert (indexes[row] == alone.indexes).all() and (scores[row] == alone.scores).all()


def test_similar_products_are_of_the_same_club(scorer):
    index = int(scorer.index_of([102])[0])
    found, scores = scorer.similar(index, 4)
    assert club(scorer, found) == {1} and index not in found and (np.diff(scores) <= 0).all()
    allowed = np.zeros(len(scorer.product_ids), bool)
    allowed[found[2]] = True
    assert scorer.similar(index, 4, allowed)[0].tolist() == [found[2]]


def test_a_reason_comes_from_the_history_and_the_same_club(scorer):
    found = scorer.candidates(6, NOBODY, 2)
    reasons = scorer.because(NOBODY, found.indexes, 6)
    assert set(reasons) <= set(scorer.history(6)) and club(scorer, reasons) == {2}
    session = scorer.index_of([301, 302])
    assert set(scorer.because(session, scorer.candidates(None, session, 2).indexes)) <= set(session)


def test_without_a_history_there_is_no_reason(scorer):
    assert scorer.because(NOBODY, np.array([0, 1])).tolist() == [-1, -1]
    assert scorer.because(scorer.index_of([100]), NOBODY).tolist() == []


def test_an_artifact_answers_as_the_fit_did(scorer, tmp_path):
    write_arrays(tmp_path, scorer.arrays, {"params": dict(scorer.params)})
    arrays, about = read_arrays(tmp_path)
    again = collaborative.scorer(arrays, about["params"])
    for customer in range(10):
        ours, theirs = scorer.candidates(customer, NOBODY, 5), again.candidates(customer, NOBODY, 5)
        assert (ours.indexes == theirs.indexes).all() and (ours.scores == theirs.scores).all()


# --- item to item -----------------------------------------------------------------------------------------


def test_item_to_item_scores_are_sums_of_neighbour_rows():
    scorer = fitted("item_to_item", trend=0.0, neighbours=200)
    starts, near, strength = (scorer.arrays[f"neighbour{name}"] for name in ("_starts", "s", "_scores"))
    dense = np.zeros((len(starts) - 1,) * 2)
    for item in range(len(dense)):
        dense[item, near[starts[item] : starts[item + 1]]] = strength[starts[item] : starts[item + 1]]
    products, weights = scorer.profile(9, NOBODY)
    expected = weights @ dense[products]
    found = scorer.candidates(9, NOBODY, 3, remove_seen=False)
    assert found.scores == pytest.approx(np.sort(expected)[::-1][:3], rel=1e-5)
    # The reason is the largest part of the sum.
    parts = weights[:, None] * dense[products][:, found.indexes]
    assert scorer.because(NOBODY, found.indexes, 9).tolist() == products[parts.argmax(axis=0)].tolist()


def test_neighbour_rows_are_cut_to_the_strongest_after_the_trend():
    rows = features.number(clubs())
    matrix = item_to_item.neighbours(rows, recency_half_life=0)
    trend = np.linspace(0.1, 2, rows.shape[1]).astype(np.float32)
    arrays = item_to_item.neighbour_arrays(matrix, trend, 3)
    for item in range(rows.shape[1]):
        row = slice(arrays["neighbour_starts"][item], arrays["neighbour_starts"][item + 1])
        scores = matrix[item].toarray()[0] * trend
        assert arrays["neighbour_scores"][row].tolist() == pytest.approx(np.sort(scores)[::-1][:3].tolist())


# --- ALS --------------------------------------------------------------------------------------------------


def test_a_session_gets_the_factors_of_the_paper():
    """Hu, Koren, Volinsky (2008), equation 4: x = (YᵀCY + λI)⁻¹ YᵀCp, with C dense, as nobody would compute it."""
    scorer = fitted("als", trend=0.5, alpha=7.0, regularization=2.0, recency_half_life=0.0)
    items = scorer.arrays["item_vectors"].astype(float) / scorer.arrays["trend"][:, None]
    met, weights = np.array([3, 8, 20]), np.array([1.0, 2.0, 0.5])
    preference, confidence = np.zeros(len(items)), np.ones(len(items))
    preference[met], confidence[met] = 1, 7.0 * weights
    system = items.T @ np.diag(confidence) @ items + 2.0 * np.eye(16)
    expected = np.linalg.solve(system, items.T @ (confidence * preference))
    assert scorer.factors_of(met, weights) == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_a_known_customer_is_folded_in_to_the_factors_that_are_kept(by_als):
    for customer in range(0, 30, 7):
        folded = by_als.factors_of(*by_als.profile(customer, NOBODY))
        assert folded == pytest.approx(by_als.arrays["customer_factors"][customer], rel=1e-2, abs=1e-3)


def test_the_parts_of_a_score_add_up_to_it(by_als):
    """Section 5: a score is the sum of what each product of the history contributes."""
    products, weights = by_als.profile(4, NOBODY)
    system, met, confidence = by_als._system(products, weights)
    items = by_als.arrays["item_vectors"][[1, 5]] / by_als.arrays["trend"][[1, 5], None]
    parts = items @ np.linalg.solve(system, (met * confidence[:, None]).T)
    assert parts.sum(axis=1) == pytest.approx(items @ by_als.factors_of(products, weights), rel=1e-4, abs=1e-6)


def test_the_graph_answers_as_scoring_everything_does(by_als, monkeypatch):
    arrays = {**by_als.arrays, "graph": als.graph(by_als.arrays["item_vectors"])}
    quick = als.AlsScorer(arrays, by_als.params)
    random = np.random.default_rng(0)
    for customer in range(20):
        allowed = random.random(len(by_als.product_ids)) < 0.7
        for mask in (None, allowed):
            ours = quick.candidates(customer, NOBODY, 5, mask)
            theirs = by_als.candidates(customer, NOBODY, 5, mask)
            assert ours.scores == pytest.approx(theirs.scores, rel=1e-4, abs=1e-6)
    monkeypatch.setattr(als, "FIRST_CUT_MOST", 0)  # a filter so narrow that the graph is not asked
    assert len(quick.candidates(3, NOBODY, 5).indexes) == 5


def test_a_large_shop_gets_a_graph_and_a_small_one_none(monkeypatch):
    assert "graph" not in fitted("als").arrays
    monkeypatch.setattr(als, "EXACT_ITEMS", 5)
    scorer = fitted("als")
    assert scorer.arrays["graph"].dtype == np.uint8 and len(scorer.candidates(0, NOBODY, 5).indexes) == 5


def test_what_the_graph_misses_is_scored_exactly(by_als):
    class Forgetful:
        def search(self, asked, n):
            return type("Found", (), {"keys": np.array([0])})

    blind = als.AlsScorer(by_als.arrays, by_als.params)
    blind._graph = Forgetful()
    for customer in (1, 2):
        assert (blind.candidates(customer, NOBODY, 6).indexes == by_als.candidates(customer, NOBODY, 6).indexes).all()


def test_equal_seeds_give_equal_factors_and_others_do_not():
    first, again, other = (fitted("als", seed=seed).arrays["item_vectors"] for seed in (1, 1, 2))
    assert (first == again).all() and not np.allclose(first, other)


def test_fitting_leaves_the_histories_in_order():
    """The matrix of confidences is sorted by product; the histories that it is made from must not be."""
    rows = features.number(clubs())
    kept = features.histories(rows, 5)
    before = kept.products.copy()
    matrix = als.confidences(kept, 3.0, rows.shape[1])
    assert (kept.products == before).all() and matrix.has_sorted_indices
    customer = 11
    mine = slice(kept.starts[customer], kept.starts[customer + 1])
    assert matrix[customer].toarray()[0][kept.products[mine]] == pytest.approx(3 * kept.weights[mine])


def test_who_looked_at_one_thing_and_left_gets_factors_and_moves_nobodys():
    matrix = als.confidences(features.histories(features.number(clubs()), 5), 3.0, features.number(clubs()).shape[1])
    chosen = {"factors": 8, "regularization": 2.0, "iterations": 4, "seed": 1, "report": Silent()}
    ones = sparse.csr_matrix(([3.0, 40.0, 0.5], ([0, 1, 2], [4, 4, 7])), shape=(3, matrix.shape[1]), dtype=np.float32)
    without, mixed = als.factorise(matrix, **chosen), als.factorise(sparse.vstack([ones, matrix], "csr"), **chosen)
    assert (mixed["item_factors"] == without["item_factors"]).all()
    assert (mixed["customer_factors"][3:] == without["customer_factors"]).all()
    for customer, (product, confidence) in enumerate(((4, 3.0), (4, 40.0), (7, 0.5))):
        y = mixed["item_factors"][product].astype(np.float64)
        expected = np.linalg.solve(mixed["gramian"] + (confidence - 1) * np.outer(y, y), confidence * y)
        assert mixed["customer_factors"][customer] == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert np.isfinite(als.factorise(ones, **chosen)["customer_factors"]).all(), "where nobody met two things"


class Stopping(Silent):
    """A report that ends the fit at some step, as a killed process would."""

    def __init__(self, at: int | None) -> None:
        self.at, self.steps = at, []

    def __call__(self, *, step=None, **_):
        self.steps.append(step)
        if step == self.at:
            raise KeyboardInterrupt


def test_a_killed_factorisation_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(als, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    rows = features.number(clubs())
    matrix = als.confidences(features.histories(rows, 5), 3.0, rows.shape[1])
    how = {"factors": 8, "regularization": 1.0, "iterations": 6, "seed": 0}
    whole = als.factorise(matrix, **how, report=Silent())
    with pytest.raises(KeyboardInterrupt):
        als.factorise(matrix, **how, report=Stopping(4), checkpoint=tmp_path / "als")
    second = Stopping(None)
    resumed = als.factorise(matrix, **how, report=second, checkpoint=tmp_path / "als")
    assert second.steps == [5, 6]
    for name in whole:
        assert resumed[name] == pytest.approx(whole[name], rel=1e-4, abs=1e-6)


def test_a_short_fit_writes_no_checkpoint(tmp_path):
    rows = features.number(clubs())
    matrix = als.confidences(features.histories(rows, 5), 3.0, rows.shape[1])
    how = {"factors": 4, "regularization": 1.0, "iterations": 2, "seed": 0}
    als.factorise(matrix, **how, report=Silent(), checkpoint=tmp_path / "als")
    assert not (tmp_path / "als").exists()


# --- choosing ---------------------------------------------------------------------------------------------

SMALL = {
    "item_to_item": {"recency_half_life": (5.0, 0.0), "neighbours": (200, 1)},
    "als": {"alpha": (10.0, 1.0), "factors": (8, 2)},
}


def parts():
    frame = clubs(meetings=9)
    return features.number(frame[:800]), frame[800:]


def test_the_better_settings_on_validation_are_chosen(monkeypatch):
    monkeypatch.setattr(choosing, "GRIDS", SMALL)
    rows, later = parts()
    report = []
    params = choosing.choose(rows, later, CollaborativeParams(iterations=5), lambda **said: report.append(said))
    figures = [said["validation_ndcg"] for said in report if "validation_ndcg" in said]
    assert params.method in METHODS and None not in asdict(params).values()

    def reached(chosen):
        trials = choosing._Trials(rows, later, lambda **_: None, None)
        trials.plan(1)
        return trials.figure(chosen)

    assert reached(params) == pytest.approx(max(figures))
    assert params.iterations == 5
    if params.method == "item_to_item":  # one neighbour, itself, can't foresee anything new
        assert params.neighbours == 200
    assert report[-1]["progress"] == pytest.approx(1)


def test_what_is_given_is_not_tried(monkeypatch):
    monkeypatch.setattr(choosing, "GRIDS", SMALL)
    rows, later = parts()
    given = CollaborativeParams(
        method="item_to_item", recency_half_life=3.0, neighbours=7, popularity_half_life_days=1.0
    )
    report = []
    params = choosing.choose(rows, later, given, lambda **said: report.append(said))
    assert (params.recency_half_life, params.neighbours, params.popularity_half_life_days) == (3.0, 7, 1.0)
    assert sum("validation_ndcg" in said for said in report) == 1


def test_finished_trials_are_not_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr(choosing, "GRIDS", SMALL)
    rows, later = parts()
    params = CollaborativeParams(method="item_to_item")
    first = choosing.choose(rows, later, params, Silent(), tmp_path)

    def never(*_args, **_kwargs):
        raise AssertionError("fitted again")

    monkeypatch.setattr(collaborative.Fits, "arrays", never)
    assert choosing.choose(rows, later, params, Silent(), tmp_path) == first


def test_a_large_shop_is_searched_on_whole_customers(monkeypatch):
    frame = clubs()
    assert choosing.sample(frame).equals(frame)
    monkeypatch.setattr(choosing, "MOST_ROWS", frame.height // 4)
    part = choosing.sample(frame)
    assert part.height == pytest.approx(frame.height / 4, rel=0.4)
    assert part.equals(frame.filter(pl.col("customer_id").is_in(part["customer_id"].unique().implode())))


def test_without_anybody_who_came_back_defaults_stand_in():
    rows = features.number(clubs())
    strangers = meetings((1, 1, 200), (2, 2, 200))
    params = choosing.choose(rows, strangers, CollaborativeParams(method="item_to_item"), Silent())
    assert params == replace(fill(CollaborativeParams(method="item_to_item")), popularity_half_life_days=0.0)


def test_bestsellers_fade_only_where_that_is_shown_to_be_better():
    random = np.random.default_rng(0)
    steady = [(c, int(random.integers(30)), int(day)) for day in range(100) for c in random.integers(0, 80, 6)]
    # Fashion: every ten days other products sell.
    moving = [(c, int(day // 10 * 30 + random.integers(30)), int(day)) for day in range(100)
              for c in random.integers(0, 80, 6)]  # fmt: skip

    def chosen(rows):
        frame = meetings(*((int(c), p, d) for c, p, d in rows)).sort("timestamp")
        return choosing.choose_half_life(features.number(frame[:570]), frame[570:], remove_seen=False)

    assert chosen(steady) == 0.0
    assert 0 < chosen(moving) <= 30
