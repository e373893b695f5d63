"""Policies see facts, the oracle the truth; what a benchmark makes of their visits; estimates against the truth."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest
from django.apps import apps
from django.db import connection

from commerce_ai.learning.learner import Window
from commerce_ai.sample import benchmarks
from commerce_ai.sample.choice import MODELS
from commerce_ai.sample.generate import TINY, generate
from commerce_ai.sample.load import load_sample
from commerce_ai.sample.policies import Bestsellers, Oracle, PolicyFront, Random, Recommender, facts_of
from commerce_ai.sample.regenerate import sample_of
from commerce_ai.sample.truth import truth_of
from commerce_ai.sample.visitors import visit, visitor_of
from commerce_ai.shop.models import Chargeback, Customer, Product
from plugins.recommendation import queries

UNTIL = date(2026, 3, 1)


@pytest.fixture(scope="module")
def shop_of_facts():
    sample = generate(1, TINY, UNTIL)
    return sample, truth_of(sample, 1), facts_of(sample)


def test_the_same_visitor_makes_the_same_visit(shop_of_facts):
    _sample, true, facts = shop_of_facts

    def once():
        who = visitor_of(true, 5, 9)
        front = PolicyFront(Bestsellers(facts), facts, who)
        return visit(front, true, MODELS["logit"], who, facts.sellable, np.random.default_rng([5, 9, 1]))

    assert once() == once()
    came = [visitor_of(true, 5, number) for number in range(300)]
    assert all(true.activity[each.like] > 0 for each in came)
    assert 0.7 < np.mean([each.known for each in came]) < 0.95
    assert not any(each.signed_in and not each.known for each in came)


@pytest.mark.parametrize("day", [0, 1])
def test_a_shop_that_has_just_opened_can_be_visited(day):
    sample = generate(1, replace(TINY, day=day), UNTIL)
    true, facts = truth_of(sample, 1), facts_of(sample)
    for number in range(10):
        who = visitor_of(true, 1, number)
        front = PolicyFront(Oracle(facts, true), facts, who)
        assert visit(front, true, MODELS["logit"], who, facts.sellable, np.random.default_rng(number)).views >= 0


def test_lists_hold_what_can_be_sold_once_and_not_what_was_just_seen(shop_of_facts, tmp_path):
    sample, true, facts = shop_of_facts
    policies = [Random(facts, np.random.default_rng(1)), Bestsellers(facts), Oracle(facts, true),
                Recommender(facts, sample, "recommendation.popularity", tmp_path / "artifact")]  # fmt: skip
    seen = facts.bestsellers[:2].tolist()
    for policy in policies:
        for number in range(10):
            who = visitor_of(true, 1, number)
            for placement, context in (("home", []), ("product", seen[1:]), ("cart", seen)):
                shown = policy.rank(who, placement, context, seen)
                assert len(shown) == len(set(shown.tolist())) == 10
                assert np.isin(shown, facts.sellable).all() and not np.isin(shown, seen).any(), policy.name


def test_the_oracle_sells_more_than_bestsellers_under_both_models(shop_of_facts):
    _sample, true, facts = shop_of_facts
    for model in MODELS.values():
        sold = [
            benchmarks.orders_of(benchmarks.Run(1, true, facts, policy), model, visits=500).mean()
            for policy in (Bestsellers(facts), Oracle(facts, true))
        ]
        assert 0 < sold[0] < 0.06 and sold[1] > 1.5 * sold[0], model.name


def test_the_figures_of_a_comparison():
    rates = np.array([[0.02, 0.03, 0.05, 0.13], [0.02, 0.03, 0.06, 0.12], [0.02, 0.03, 0.055, 0.11]])
    assert benchmarks.share_of_gain(rates) == pytest.approx(0.025 / 0.09)
    assert benchmarks.lift_of(rates) == pytest.approx(0.055 / 0.03 - 1)
    found = benchmarks.jackknife(benchmarks.lift_of, rates)
    assert found["low"] < found["value"] == benchmarks.lift_of(rates) < found["high"]
    assert benchmarks.jackknife(benchmarks.lift_of, rates[:2]).keys() == {"value"}


def test_the_same_against_itself_finds_nothing_and_a_difference_would_be_found():
    draw = np.random.default_rng(0)
    p_values, held = zip(
        *(benchmarks.same_against_same(draw.random(2000) < 0.05, seed) for seed in range(20)), strict=True
    )
    assert all(held) and min(p_values) < 0.5 < max(p_values)


@pytest.mark.django_db
def test_policies_are_given_what_the_plugin_reads_from_the_tables():
    shop = load_sample("tiny", 1, TINY, until=UNTIL)
    sample, again = sample_of(shop)
    assert np.array_equal(again.budget, truth_of(generate(1, TINY, UNTIL), 1).budget)
    read = queries.interactions(shop, Window(None, datetime(2026, 3, 2, tzinfo=UTC)))
    made = facts_of(sample).interactions
    rows = {pk: int(name[1:]) - 1 for pk, name in Customer.objects.of(shop).values_list("pk", "external_id")}
    products = {pk: int(name[1:]) - 1 for pk, name in Product.objects.of(shop).values_list("pk", "external_id")}
    read = read.with_columns(
        pl.col("customer_id").replace_strict(rows, default=-1), pl.col("product_id").replace_strict(products)
    )
    made = made.with_columns(pl.col("customer_id").clip(-1))
    columns = ["timestamp", "customer_id", "product_id", "kind"]
    assert read.select(columns).sort(columns).equals(made.select(columns).sort(columns))


LATENT = {"taste", "style", "sensitivity", "activity", "drawn", "appeal", "elasticity", "uplift", "pull", "is_fraud"}


@pytest.mark.django_db
def test_the_truth_is_in_no_table_of_the_shop():
    """Neither by its name, where rows were loaded, nor as numbers that go along with what is latent."""
    load_sample("tiny", 1, TINY, until=UNTIL)
    true = truth_of(generate(1, TINY, UNTIL), 1)
    filled = 0
    for model in apps.get_app_config("shop").get_models():
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT to_jsonb(t) FROM "{model._meta.db_table}" t LIMIT 3000')
            rows = [json.loads(row) for (row,) in cursor.fetchall()]
        filled += bool(rows)
        told = {"is_fraud"} if model is Chargeback else set()  # what the bank says, late, is a fact
        assert not (set().union(*map(names_in, rows)) & LATENT) - told, model
        of_people = {"budget": true.budget, "sensitivity": true.sensitivity, "activity": true.activity}
        of_goods = {"quality": true.quality, "elasticity": true.elasticity, "appeal": true.appeal}
        for latent in {Customer: of_people, Product: of_goods}.get(model, {}).items():
            rows.sort(key=lambda row: row["external_id"])
            for name in rows[0]:
                if all(isinstance(row[name], (int, float)) for row in rows) and len({row[name] for row in rows}) > 1:
                    assert abs(np.corrcoef([row[name] for row in rows], latent[1])[0, 1]) < 0.7, (name, latent[0])
    assert filled > 15


def names_in(value):
    """Every key of a row, inside its JSON too."""
    if isinstance(value, dict):
        return set(value).union(*map(names_in, value.values()))
    return set().union(*map(names_in, value)) if isinstance(value, list) else set()
