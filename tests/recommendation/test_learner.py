"""The two learners: split, protocol, predictions, and their standing before the gate."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from commerce_ai.learning.gate import judge
from commerce_ai.learning.learner import NotEnoughData, Silent
from commerce_ai.learning.schema import FrameError
from plugins.recommendation import benchmarks, choosing, collaborative, features, protocol
from plugins.recommendation.collaborative import CollaborativeParams
from plugins.recommendation.learner import (
    CUSTOMERS,
    INTERACTIONS,
    OUTPUT,
    CollaborativeLearner,
    PopularityLearner,
    PopularityParams,
)
from plugins.recommendation.popularity import PopularityScorer, common_arrays
from tests.recommendation.frames import START, clubs, meetings

QUICK = CollaborativeParams(
    method="als", factors=8, iterations=5, alpha=3.0, regularization=1.0, recency_half_life=5.0, trend=0.0,
    neighbours=20, popularity_half_life_days=0.0,
)  # fmt: skip
LEARNERS = [(PopularityLearner(), PopularityParams(half_life_days=30.0)), (CollaborativeLearner(), QUICK)]


@pytest.fixture(scope="module", params=LEARNERS, ids=lambda pair: pair[0].name)
def trained(request, tmp_path_factory):
    """A learner, its scorer from disk, and its split."""
    learner, params = request.param
    split = learner.split({"interactions": clubs()})
    folder = tmp_path_factory.mktemp("artifact")
    learner.save(learner.fit(split.train, params, Silent(), validation=split.validation), folder)
    return learner, learner.load(folder), split


# --- split ------------------------------------------------------------------------------------------------


def test_rows_with_a_clock_are_split_by_time():
    split = PopularityLearner().split({"interactions": clubs()})
    train, validation, test = (part["interactions"] for part in (split.train, split.validation, split.test))
    assert train["timestamp"].max() < validation["timestamp"].min()
    assert validation["timestamp"].max() < test["timestamp"].min()
    assert test.height == pytest.approx(0.1 * clubs().height, abs=2)


def test_rows_without_a_clock_are_split_by_each_customers_last():
    frame = pl.DataFrame({"customer_id": [1, 1, 1, 1, 2, 2], "product_id": [*range(6)], "position": [0, 1, 2, 3, 0, 1]})
    split = PopularityLearner().split({"interactions": INTERACTIONS.check(frame, "f")})
    assert split.test["interactions"]["product_id"].to_list() == [3]
    assert split.validation["interactions"]["product_id"].to_list() == [2]
    assert split.train["interactions"]["product_id"].to_list() == [0, 1, 4, 5]


@pytest.mark.parametrize("rows", [[], [(1, 1, 0)], [(1, 1, 0), (2, 2, 0), (3, 3, 0)]])
def test_too_few_rows_are_said_to_be_too_few(rows):
    frame = meetings(*rows) if rows else clubs().clear()
    with pytest.raises(NotEnoughData):
        CollaborativeLearner().split({"interactions": frame})


def test_one_product_is_too_few():
    with pytest.raises(
        NotEnoughData, match="needs at least 2 customers and 2 products; there are 2 customers and 1 products"
    ):
        PopularityLearner().fit({"interactions": meetings((1, 1, 0), (2, 1, 1))}, PopularityParams(), Silent())


# --- fit --------------------------------------------------------------------------------------------------


def test_validation_is_learned_from_after_the_choices(trained):
    _, scorer, split = trained
    last = split.validation["interactions"].row(-1, named=True)
    customer = scorer.customer_index(last["customer_id"])
    assert scorer.history(customer)[-1] == scorer.index_of([last["product_id"]])[0]


def test_every_choice_is_made_and_a_refit_repeats_them(monkeypatch):
    monkeypatch.setattr(choosing, "GRIDS", {"item_to_item": {"neighbours": (50, 5)}, "als": {"factors": (4, 8)}})
    learner = CollaborativeLearner()
    split = learner.split({"interactions": clubs()})
    fitted = learner.fit(split.train, CollaborativeParams(iterations=3), Silent(), validation=split.validation)
    assert fitted.params.method != "auto" and None not in vars(fitted.params).values()
    again = learner.fit({"interactions": clubs()}, fitted.params, Silent())
    assert again.params == fitted.params


def test_without_validation_defaults_stand_in():
    fitted = CollaborativeLearner().fit({"interactions": clubs()}, replace(QUICK, method="auto", alpha=None), Silent())
    assert (fitted.params.method, fitted.params.alpha) == ("als", 10.0)
    fitted = PopularityLearner().fit({"interactions": clubs()}, PopularityParams(), Silent())
    assert fitted.params.half_life_days == 30.0


def test_popularity_chooses_its_half_life_on_validation():
    fashion = [(c % 40, day // 25 * 20 + (c * 7 + day) % 20, day) for day in range(100) for c in range(0, 40, 4)]
    learner = PopularityLearner()
    split = learner.split({"interactions": meetings(*fashion)})
    params = PopularityParams(remove_seen=False)
    assert learner.fit(split.train, params, Silent(), validation=split.validation).params.half_life_days > 0


def test_the_artifact_carries_the_shops_own_customer_ids(tmp_path):
    learner = PopularityLearner()
    table = pl.DataFrame({"customer_id": [1000, 1001], "external_id": ["anna", "ben"]})
    learner.save(
        learner.fit({"interactions": clubs(), "customers": table}, PopularityParams(half_life_days=0.0), Silent()),
        tmp_path,
    )
    assert learner.load(tmp_path).customer_index_of("ben") == 1


# --- evaluate ---------------------------------------------------------------------------------------------


def still(frame, **params) -> PopularityScorer:
    return PopularityScorer(common_arrays(features.number(frame), recency_half_life=0, half_life_days=0), params)


def test_targets_are_new_products_of_known_customers():
    scorer = still(meetings((1, "a", 0), (1, "b", 0), (2, "c", 0), (2, "d", 0)))
    later = meetings((1, "a", 5), (1, "c", 5), (1, "c", 6), (1, "new", 5), (9, "a", 5), (2, "c", 7))
    asked = protocol.targets(scorer, later)
    assert scorer.customer_ids[asked.customers].tolist() == [1]  # customer 2 bought nothing new
    assert scorer.product_ids[asked.products].tolist() == ["c"] and asked.starts.tolist() == [0, 1]
    assert asked.unknown_customers == pytest.approx(1 / 6) and asked.unknown_products == pytest.approx(1 / 5)


def test_where_people_buy_again_repeats_are_wanted():
    scorer = still(meetings((1, "a", 0), (2, "c", 0)), remove_seen=False)
    asked = protocol.targets(scorer, meetings((1, "a", 5), (2, "a", 5)))
    assert asked.customers.tolist() == [0, 1] and asked.products.tolist() == [0, 0]


def test_only_purchases_are_wanted_where_there_are_any():
    scorer = still(meetings((1, "a", 0), (2, "b", 0), (2, "c", 0)))
    later = meetings((1, "b", 5), (1, "c", 5), kind=["view", "purchase"])
    assert scorer.product_ids[protocol.targets(scorer, later).products].tolist() == ["c"]
    views = meetings((1, "b", 5), (1, "c", 5), kind=["view", "view"])
    assert scorer.product_ids[protocol.targets(scorer, views).products].tolist() == ["b", "c"]


def test_many_customers_are_sampled_evenly_and_stably():
    frame = meetings(*((customer, product, 0) for customer in range(200) for product in (customer % 2, 2)))
    later = meetings(*((customer, 1 - customer % 2, 5) for customer in range(200)))
    scorer = still(frame)
    first, again = protocol.targets(scorer, later, most=50), protocol.targets(scorer, later, most=50)
    assert len(first.customers) == 50 == len(first.products) and (first.customers == again.customers).all()
    assert 10 < (first.customers < 100).sum() < 40


def test_an_evaluation_by_hand():
    scorer = still(meetings((1, "a", 0), (2, "a", 0), (1, "b", 0), (3, "b", 0), (4, "b", 0), (3, "c", 0)))
    result = protocol.evaluate(scorer, scorer, meetings((2, "b", 5), (2, "c", 5), (4, "c", 5)))
    # Customer 2 is shown b, c and wanted both; customer 4 is shown a, c and wanted c.
    expected = [1.0, 1 / np.log2(3)]
    assert result.sample["unit"].to_list() == [2, 4]
    assert result.sample["value"].to_list() == pytest.approx(expected)
    assert result.metrics["ndcg@20"] == pytest.approx(np.mean(expected)) == result.baseline["ndcg@20"]
    assert result.metrics["recall@10"] == 1 and result.metrics["mrr@10"] == 0.75
    assert result.metrics["coverage@20"] == 1.0
    assert result.sample.equals(result.baseline_sample)


def test_nobody_who_came_back_is_too_little_to_judge_on():
    scorer = still(meetings((1, "a", 0), (2, "b", 0)))
    with pytest.raises(NotEnoughData):
        protocol.evaluate(scorer, scorer, meetings((9, "a", 5)))


def test_a_learner_is_judged_beside_its_baseline_on_the_same_units(trained):
    learner, scorer, split = trained
    result = learner.evaluate(scorer, split.test)
    assert learner.metric.name in result.metrics and set(result.metrics) == set(result.baseline)
    assert result.sample["unit"].equals(result.baseline_sample["unit"]) and result.sample["unit"].is_unique().all()
    assert result.metrics["ndcg@20"] == pytest.approx(result.sample["value"].mean())
    assert any("left out" in note for note in result.notes)


def test_collaborative_finds_the_clubs_that_popularity_can_not():
    learner = CollaborativeLearner()
    split = learner.split({"interactions": clubs()})
    fitted = learner.fit(split.train, QUICK, Silent(), validation=split.validation)
    result = learner.evaluate(_scorer(learner, fitted), split.test)
    assert result.metrics["ndcg@20"] > 1.5 * result.baseline["ndcg@20"]
    assert judge(learner.metric, result).live


# --- predict ----------------------------------------------------------------------------------------------


def test_predictions_fit_their_schema_and_rank_from_1(trained):
    learner, scorer, _ = trained
    asked = pl.DataFrame({"customer_id": [1005, 77, 1000]})
    answer = learner.predict(scorer, customers=CUSTOMERS.check(asked, "customers"))
    assert OUTPUT.check(answer, "answer").equals(answer)
    assert answer["customer_id"].unique(maintain_order=True).to_list() == [1005, 77, 1000]
    for _, rows in answer.group_by("customer_id"):
        assert rows["rank"].to_list() == list(range(1, len(rows) + 1))
        assert rows["score"].is_sorted(descending=True) and rows["product_id"].is_unique().all()
    stranger = answer.filter(pl.col("customer_id") == 77)["product_id"]
    assert stranger.to_list() == scorer.product_ids[scorer.arrays["bestsellers"][:20]].tolist()
    bought = scorer.product_ids[scorer.history(scorer.customer_index(1005))]
    assert not set(answer.filter(pl.col("customer_id") == 1005)["product_id"]) & set(bought.tolist())


@pytest.mark.parametrize(("learned", "asked"), [(pl.Int32, pl.Int64), (pl.UInt64, pl.Int16), (pl.String, pl.String)])
def test_ids_leave_with_the_dtype_they_came_in(learned, asked, tmp_path):
    frame = clubs().with_columns(pl.col("customer_id", "product_id").cast(learned))
    learner = PopularityLearner()
    learner.save(learner.fit({"interactions": frame}, PopularityParams(half_life_days=0.0), Silent()), tmp_path)
    request = pl.DataFrame({"customer_id": pl.Series([1005, 1000]).cast(asked)})
    answer = learner.predict(learner.load(tmp_path), customers=request)
    assert (answer["customer_id"].dtype, answer["product_id"].dtype) == (asked, learned)
    # Found again, so what was bought is left out.
    assert answer.height == 2 * 20 and answer["customer_id"].unique_counts().to_list() == [20, 20]
    mine = frame.filter(pl.col("customer_id").cast(pl.String) == "1005")["product_id"]
    assert not set(answer[:20]["product_id"]) & set(mine)


def test_text_ids_for_an_artifact_of_integers_are_an_error(trained):
    learner, scorer, _ = trained
    with pytest.raises(FrameError, match="integers"):
        learner.predict(scorer, customers=pl.DataFrame({"customer_id": ["1000"]}))


def test_explanations_name_what_counts(trained):
    learner, scorer, _ = trained
    told = learner.explain(scorer)
    assert told.columns == ["feature", "weight"] and told.height and told["weight"].is_sorted(descending=True)
    if learner.name == "recommendation.collaborative":
        first, second = (int(each) for each in told["feature"][0].split(" → "))
        assert first != second and first // 100 == second // 100


# --- the gate, with real fits -----------------------------------------------------------------------------


def _scorer(learner, fitted):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        learner.save(fitted, Path(folder))
        return learner.load(Path(folder))


def taste(customers: int = 150, products: int = 60, seed: int = 0) -> pl.DataFrame:
    """A shop where taste is vague, so that another seed moves every customer's list a little."""
    random = np.random.default_rng(seed)
    likes = np.exp(
        random.normal(0, 1, (customers, 3)) @ random.normal(0, 1, (3, products)) + random.normal(0, 1, products)
    )
    rows = []
    for customer in range(customers):
        for product in random.choice(products, 12, replace=False, p=likes[customer] / likes[customer].sum()):
            rows.append((customer, int(product), START + timedelta(days=float(random.random() * 100))))
    frame = pl.DataFrame(rows, schema=["customer_id", "product_id", "timestamp"], orient="row")
    return INTERACTIONS.check(frame.sort("timestamp"), "taste")


@pytest.fixture(scope="module")
def nights():
    """Evaluations of one recipe under 31 seeds, and of one seed twice, on one shop."""
    learner = CollaborativeLearner()
    split = learner.split({"interactions": taste()})

    def evaluate(seed: int):
        fitted = learner.fit(split.train, replace(QUICK, seed=seed), Silent(), validation=split.validation)
        return learner.evaluate(collaborative.scorer(fitted.arrays, asdict(fitted.params)), split.test)

    return learner.metric, [evaluate(seed) for seed in range(31)], evaluate(0)


def test_refreshes_of_an_unchanged_recipe_go_live(nights):
    metric, seeds, again = nights
    assert again.sample.equals(seeds[0].sample)
    last = seeds[0].metrics[metric.name]
    for _ in range(30):
        assert judge(metric, again, refresh=True, last_score=last).live


def test_reseeded_recipes_hardly_ever_replace_each_other(nights):
    metric, seeds, _ = nights
    assert len({each.metrics[metric.name] for each in seeds}) > 20  # they do differ
    live, switches = seeds[0], 0
    for candidate in seeds[1:]:
        if judge(metric, candidate, live=live).live:
            live, switches = candidate, switches + 1
    assert switches <= 7


# --- benchmarks and imports -------------------------------------------------------------------------------


def test_online_retail_is_cleaned_as_stated():
    raw = pl.DataFrame(
        [
            ("85123A", 6, 2.5, 17850, False),
            ("22423", 1, 2.5, 17850, False),
            ("15056bl", 1, 2.5, 17850, False),
            ("22423", 1, 2.5, 17850, True),
            ("22423", -1, 2.5, 17850, False),
            ("22423", 1, 0.0, 17850, False),
            ("22423", 1, 2.5, None, False),
            ("POST", 1, 2.5, 17850, False),
            ("BANK CHARGES", 1, 2.5, 17850, False),
            ("gift_0001_20", 1, 2.5, 17850, False),
        ],
        schema=["sku", "quantity", "unit_price", "customer_id", "cancelled"],
        orient="row",
    ).with_columns(timestamp=START)
    assert benchmarks.purchases(raw)["product_id"].to_list() == ["85123A", "22423", "15056bl"]


def test_real_customers_are_led_better_than_by_bestsellers(shared_data):
    rows = benchmarks.purchases(pl.read_parquet(shared_data / "retail" / "online-retail-ii.parquet"))
    learner = CollaborativeLearner()
    train, test = rows.filter(pl.col("timestamp") < benchmarks.CUT), rows.filter(pl.col("timestamp") >= benchmarks.CUT)
    params = CollaborativeParams(
        method="item_to_item", recency_half_life=2.0, trend=0.25, neighbours=50, popularity_half_life_days=14.0,
        remove_seen=False,
    )  # fmt: skip
    result = learner.evaluate(
        _scorer(learner, learner.fit({"interactions": train}, params, Silent())), {"interactions": test}
    )
    assert result.metrics["ndcg@20"] > 2 * result.baseline["ndcg@20"] > 0.2


def test_the_mathematics_needs_no_django_and_a_scorer_no_training_library(tmp_path):
    learner = CollaborativeLearner()
    learner.save(learner.fit({"interactions": clubs()}, QUICK, Silent()), tmp_path)
    code = f"""
import sys
from pathlib import Path
import polars as pl
from plugins.recommendation.learner import CollaborativeLearner
learner = CollaborativeLearner()
scorer = learner.load(Path({str(tmp_path)!r}))
assert learner.predict(scorer, customers=pl.DataFrame({{"customer_id": [1000]}})).height
found = {{"django", "torch", "transformers", "implicit", "scipy", "sklearn", "pandas"}} & set(sys.modules)
assert not found, found
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
