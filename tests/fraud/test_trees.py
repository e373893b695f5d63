"""Figures, calibration, costs, rules and reasons: what they promise, whatever the numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from plugins.fraud import policy, reasons, rules, trees
from plugins.fraud.features import NAMES
from plugins.fraud.policy import Costs
from plugins.fraud.trees import TreesParams

shares = st.floats(0, 1)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=40))
def test_average_precision_is_scikit_learns(rows):
    y, score = np.array([bad for bad, _ in rows], int), np.array([each for _, each in rows], float)
    ours = trees.average_precision(y, score)
    assert np.isnan(ours) if not y.any() else ours == pytest.approx(metrics.average_precision_score(y, score))


def test_card_precision_counts_a_card_once():
    day = np.array([0, 0, 0, 1, 1])
    card = np.array(["a", "a", "b", "a", "c"])
    y, score = np.array([0, 1, 0, 1, 1]), np.array([0.1, 0.9, 0.8, 0.9, 0.2])
    assert trees.card_precision(day, card, y, score, k=1) == [1.0, 1.0]  # on the second day a is known, c is found
    assert trees.card_precision(day, card, y, score, k=2) == [0.5, 0.5]


@pytest.mark.parametrize("how", ["platt", "isotonic"])
def test_calibrated_probabilities_mean_what_they_say_and_keep_the_order(how):
    random = np.random.default_rng(1)
    margin = random.normal(-3, 2, 6000)
    y = (random.random(6000) < 1 / (1 + np.exp(-(0.5 * margin - 1)))).astype(int)
    params = TreesParams(calibration=how, calibrated=trees.calibrate(margin, y, how))
    found = trees.probabilities(margin, params)
    assert abs(found.mean() - y.mean()) < 0.01 and abs(found[margin > 0].mean() - y[margin > 0].mean()) < 0.06
    assert (np.diff(found[np.argsort(margin)]) >= 0).all() and found.min() >= 0 and found.max() <= 1


def test_few_frauds_are_calibrated_without_certainty():
    margin = np.array([-3.0] * 50 + [3.0, 3.0])
    found = trees.probabilities(
        margin, replace(TreesParams(), calibrated=trees.calibrate(margin, (margin > 0).astype(int), "platt"))
    )
    assert 0 < found[0] < 0.1 < found[-1] < 0.95


@given(shares, st.floats(0, 1e6), shares, st.floats(0, 50), shares, shares, st.booleans())
def test_the_action_is_the_cheapest_that_may_be_taken(p, amount, margin, review, review_from, block_from, left):
    costs = Costs(review=review, margin=margin, review_from=review_from, block_from=block_from)
    choice = policy.choose(p, amount, costs, reviews_left=left)
    may = {"allow"} | ({"review"} if p >= review_from and left else set()) | ({"block"} if p >= block_from else set())
    assert choice.action in may and choice.costs[choice.action] == min(choice.costs[each] for each in may)
    assert not (choice.full and left) and choice.loss == choice.costs["allow"]


@given(st.floats(1, 1e4))
def test_dearer_or_likelier_fraud_is_never_treated_more_kindly(amount):
    order = ["allow", "review", "block"]
    actions = [policy.choose(p, amount, Costs(), reviews_left=True).action for p in np.linspace(0, 1, 60)]
    assert [order.index(each) for each in actions] == sorted(order.index(each) for each in actions)
    assert actions[0] == "allow"


def features(**values: float) -> np.ndarray:
    row = np.zeros((1, len(NAMES)))
    for name, value in values.items():
        row[0, NAMES.index(name)] = value
    return row


def test_each_rule_says_what_it_saw():
    busy = features(amount=700.5, customer_tx_count_1d=6, terminal_pace_1d=12)
    hits = rules.broken(busy, {"DE", "NL"}, rules.Limits())
    said = [each.sentence % each.params for each in map(reasons.of_rule, hits)]
    assert said == [
        "The device made 12 payments in a day; 5 are usual.",
        "The customer made 6 payments in a day; 5 are usual.",
        "The amount, 700.50, is above 500.00.",
        "Card, connection and addresses name several countries: DE, NL.",
    ]
    assert rules.broken(features(amount=500, customer_tx_count_1d=5, terminal_pace_1d=5), {"DE"}, rules.Limits()) == []
    assert rules.broken(busy, {"DE", "NL"}, rules.Limits(99, 99, 1e9, countries=False)) == []


@given(st.floats(0.01, 1e6), st.floats(0.01, 1e6))
@settings(max_examples=50)
def test_points_rank_broken_rules_first_and_then_by_amount(one, other):
    small, large = sorted((one, other))
    limits = rules.Limits()
    pay = lambda **values: float(rules.points(features(**values), limits)[0])  # noqa: E731
    assert pay(amount=small) <= pay(amount=large) < 4
    assert pay(amount=small, terminal_pace_1d=6) > pay(amount=small)


def test_reasons_are_the_strongest_of_each_kind_in_words():
    row = features(amount=80, terminal_pace_1d=12, terminal_pace_7d=12, terminal_risk_7d=0.25, during_night=0)[0]
    added = np.zeros(len(NAMES))
    for name, value in {"terminal_pace_1d": 2, "terminal_pace_7d": 1.5, "terminal_risk_7d": 1, "amount": -3,
                        "during_night": 1.2}.items():  # fmt: skip
        added[NAMES.index(name)] = value
    said = [each.sentence % each.params for each in reasons.of_contributions(NAMES, row, added)]
    assert said == [
        "The device made 12 payments in a day.",
        "25 % of the device's payments within 7 days were fraud.",
    ]


def test_a_day_is_said_as_one_day():
    [why] = reasons.of_contributions(["customer_tx_count_1d"], np.array([1.0]), np.array([1.0]))
    assert why.sentence % why.params == "The customer has not paid here within a day before."


def test_every_feature_has_words():
    row = np.arange(1.0, len(NAMES) + 1)
    for at, name in enumerate(NAMES):
        [why] = reasons.of_contributions([name], row[at : at + 1], np.array([1.0]))
        assert why.code == name and why.sentence % why.params
