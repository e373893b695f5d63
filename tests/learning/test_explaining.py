"""What a scorer goes by: the curves find the shape, and the twin says honestly how much of it a few rules can say."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from commerce_ai.learning import explaining
from commerce_ai.learning.learner import Metric, Table

RNG = np.random.default_rng(3)
ROWS = RNG.normal(size=(600, 3))


class Known:
    """A learner as far as `explain` asks one; the answer rises with the first number and falls with the square of the
    second."""

    metric = Metric("error", "min", "nothing", lambda sample: float((sample["score"] - sample["truth"]).abs().mean()))

    def __init__(self, rows=ROWS, answer=lambda x: 2 * x[:, 0] - x[:, 1] ** 2, weights=(("up", 2.0), ("bend", 1.0))):
        self.rows, self.answer, self.weights = rows, answer, weights

    def explain(self, scorer):
        return self.weights and pl.DataFrame(self.weights, schema=["feature", "weight"], orient="row")

    def table(self, scorer, test):
        sample = pl.DataFrame({"score": self.answer(self.rows), "truth": self.answer(self.rows)})
        return Table(("up", "bend", "idle"), self.rows, self.answer, sample)


def test_curves_show_what_matters_and_how():
    found = explaining.explain(Known(), None, {})
    assert [name for name, _weight in found.weights] == ["up", "bend"]
    up, bend = {each.name: each for each in found.curves}["up"], {each.name: each for each in found.curves}["bend"]
    assert [each.name for each in found.curves] == ["up", "bend"], "what changes nothing has no curve"
    slopes = np.diff(up.mean) / np.diff(up.at)
    assert slopes == pytest.approx(np.full(len(slopes), 2.0))
    assert bend.mean[0] < max(bend.mean) > bend.mean[-1]


def test_a_twin_says_how_well_it_follows_and_what_it_costs():
    twin = explaining.explain(Known(), None, {}).twin
    assert 0.5 < twin.follows < 1 and twin.metric == "error"
    assert twin.scorer_metric == pytest.approx(0) and twin.twin_metric > 0.1
    assert sum("value" in line for line in twin.rules) <= explaining.LEAVES
    stairs = explaining.explain(Known(answer=lambda x: np.where(x[:, 0] > 0, 1.0, 0.0)), None, {}).twin
    assert stairs.follows > 0.99 and stairs.twin_metric < 0.01, "a rule is its own twin"


def test_what_cannot_be_said_is_left_out():
    few = Known(rows=ROWS[:20])
    assert explaining.explain(few, None, {}) == explaining.Explanation([("up", 2.0), ("bend", 1.0)])
    same = explaining.explain(Known(answer=lambda x: np.zeros(len(x)), weights=(("up", float("nan")),)), None, {})
    assert same == explaining.Explanation([], [], None)


def test_gaps_among_the_numbers_are_borne():
    rows = ROWS.copy()
    rows[::5, 0] = np.nan
    found = explaining.explain(Known(rows=rows, answer=lambda x: np.nan_to_num(x[:, 0])), None, {})
    assert found.curves[0].name == "up" and np.isfinite(found.curves[0].at).all() and found.twin.follows > 0.5
