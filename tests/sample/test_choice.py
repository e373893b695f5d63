"""How visitors choose: what holds for any list and any person, under both models."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commerce_ai.sample import truth as figures
from commerce_ai.sample.choice import MODELS, Logit, examined
from commerce_ai.sample.generate import TINY, generate
from commerce_ai.sample.truth import truth_of

UNTIL = date(2026, 3, 1)
SAMPLE = generate(1, TINY, UNTIL)
TRUTH = truth_of(SAMPLE, 1)
PEOPLE = st.integers(0, TINY.customers - 1)
LISTS = st.lists(st.integers(0, TINY.products - 1), min_size=1, max_size=12, unique=True).map(np.array)
models = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


@settings(max_examples=60)
@given(who=PEOPLE, products=LISTS, seed=st.integers(0, 99), nudge=st.floats(0, 2))
def test_the_chances_of_a_list_and_of_going_away_make_one(who, products, seed, nudge):
    seen = np.random.default_rng(seed).random(len(products)) < 0.5
    prices = TRUTH.usual[products]
    chances = Logit().chances(TRUTH, who, products, prices, seen, nudge)
    assert (chances[~seen] == 0).all() and (chances[seen] > 0).all() and chances.sum() < 1
    # Whatever else is shown takes from what was there: independence of irrelevant alternatives.
    fewer = Logit().chances(TRUTH, who, products, prices, seen & (np.arange(len(products)) > 0), nudge)
    assert (fewer[1:] >= chances[1:]).all()
    ratio = chances[1:][seen[1:]] / fewer[1:][seen[1:]]
    assert np.allclose(ratio, ratio[:1])


@models
@settings(max_examples=40)
@given(who=PEOPLE, products=LISTS, seed=st.integers(0, 99))
def test_a_choice_is_a_place_of_the_list_and_the_same_for_the_same_draws(model, who, products, seed):
    prices = TRUTH.usual[products]
    first, again = (model.pick(np.random.default_rng(seed), TRUTH, who, products, prices) for _ in range(2))
    assert first == again and (first is None or 0 <= first < len(products))
    assert model.pick(np.random.default_rng(seed), TRUTH, who, products[:0], prices[:0]) is None


@models
@settings(max_examples=60)
@given(who=PEOPLE, product=st.integers(0, TINY.products - 1), price=st.floats(1, 500), dearer=st.floats(1.01, 3))
def test_a_higher_price_never_sells_more_and_a_banner_never_less(model, who, product, price, dearer):
    chance = model.cart(TRUTH, who, product, price)
    assert 0 <= model.cart(TRUTH, who, product, price * dearer) <= chance <= 1
    assert model.cart(TRUTH, who, product, price, nudge=1.0) >= chance


@models
def test_the_top_of_a_list_is_looked_at_more(model):
    draw, products = np.random.default_rng(0), np.full(10, 5)  # ten times the same: only the place differs
    picks = [model.pick(draw, TRUTH, who % TINY.customers, products, TRUTH.usual[products]) for who in range(3000)]
    counts = np.bincount([each for each in picks if each is not None], minlength=10)
    assert counts[:3].sum() > 1.3 * counts[-3:].sum() > 0
    assert (np.diff(examined(10)) < 0).all()


@models
def test_people_are_drawn_to_what_they_like(model):
    draw, products = np.random.default_rng(0), np.arange(48)
    liked, chosen = [], []
    for who in np.flatnonzero(TRUTH.activity)[:60].tolist():
        worth = TRUTH.liking(who, products)
        for _ in range(15):
            shown = draw.permutation(products)[:10]
            place = model.pick(draw, TRUTH, who, shown, TRUTH.usual[shown])
            if place is not None:
                liked.append(worth[shown].mean())
                chosen.append(worth[shown[place]])
    assert len(chosen) > 50 and np.mean(chosen) > np.mean(liked) + 1


def test_the_truth_keeps_to_what_was_agreed_and_to_the_seed():
    assert TRUTH.elasticity.min() >= -4 and TRUTH.elasticity.max() <= -0.8
    assert np.allclose(TRUTH.taste.sum(axis=1), 1) and (TRUTH.activity[SAMPLE.people.stays < 60] == 0).all()
    again, other = truth_of(SAMPLE, 1), truth_of(SAMPLE, 2)
    assert np.array_equal(again.budget, TRUTH.budget) and not np.array_equal(other.budget, TRUTH.budget)
    # Prices start as cost plus a margin with some noise: too high as often as too low.
    relative = generate(3, TINY, UNTIL).prices.price[:, -1] / generate(3, TINY, UNTIL).goods.price
    assert abs(np.median(relative) - 1) < 0.05 and np.std(np.log(relative)) < 2 * figures.PRICES_START
