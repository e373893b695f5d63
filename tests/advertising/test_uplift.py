"""The encoder and the two methods, on a campaign whose effect is known."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from commerce_ai.learning.schema import FrameError
from plugins.advertising import encoding, uplift
from plugins.advertising.uplift import Rows, Trees, UpliftScorer, weights
from tests.advertising.frames import contacted

TREES = Trees(threads=1)


def learned(frame: pl.DataFrame, method: str, propensity: np.ndarray | None = None) -> UpliftScorer:
    encoder = encoding.learn(frame, ("customer_id", "treatment", "outcome"))
    rows = Rows(encoder.encode(frame), frame["treatment"].to_numpy(), frame["outcome"].to_numpy(), propensity)
    return UpliftScorer(uplift.fit(rows, method, TREES), method, float(rows.treatment.mean()), encoder)


@pytest.mark.parametrize(("method", "treated"), [("t", 0.5), ("x", 0.5), ("x", 0.15)])
def test_the_effect_is_found_where_it_is(method, treated):
    frame = contacted(4000, treated=treated)
    scorer = learned(frame, method)
    effect, alone = scorer.score(scorer.encoder.encode(frame))
    south = (frame["region"] == "south").to_numpy()
    assert effect[south].mean() == pytest.approx(0.3, abs=0.08) and abs(effect[~south].mean()) < 0.06
    assert np.all((alone >= 0) & (alone <= 1)) and np.all(np.abs(effect) <= 1)
    assert not scorer.has("g"), "a random control depends on nothing"


def test_a_treatment_that_depends_on_the_customer_gets_a_propensity():
    frame = contacted(3000, seed=3)
    likely = np.where(frame["activity"].to_numpy() > 0.5, 0.9, 0.1)
    frame = frame.with_columns(treatment=(np.random.default_rng(0).random(3000) < likely).astype(int))
    scorer = learned(frame, "x")
    assert scorer.has("g")
    said = scorer.propensity(scorer.encoder.encode(frame))
    assert said[likely == 0.9].mean() > 0.8 and said[likely == 0.1].mean() < 0.2


def test_known_propensities_weigh_each_arm_to_one_on_average():
    treatment, propensity = np.array([1, 1, 0, 0]), np.array([0.9, 0.1, 0.9, 0.1])
    found = weights(treatment, propensity)
    assert found[1] == pytest.approx(9 * found[0]) and found[2] == pytest.approx(9 * found[3])
    assert found[:2].mean() == pytest.approx(1) and found[2:].mean() == pytest.approx(1)
    assert weights(treatment, None).tolist() == [1, 1, 1, 1]


def test_unseen_values_and_gaps_are_empty_and_many_words_are_numbered():
    frame = pl.DataFrame({"a": [1, None, 3], "b": ["x", "y", None], "c": [True, False, None]})
    encoder = encoding.learn(frame, ())
    assert encoder.columns == ["a", "b=x", "b=y", "c"]
    again = encoding.from_json(encoding.as_json(encoder))
    asked = pl.DataFrame({"c": [None, True], "b": ["z", "y"], "a": ["7", None], "more": [1, 2]})
    matrix = again.encode(asked)
    assert matrix[0, :3].tolist() == [7, 0, 0] and np.isnan(matrix[0, 3])
    assert np.isnan(matrix[1, 0]) and matrix[1, 1:].tolist() == [0, 1, 1]
    many = pl.DataFrame({"word": [f"w{n % 30}" for n in range(100)] + ["w0"]})
    assert encoding.learn(many, ()).encode(pl.DataFrame({"word": ["w0", "new"]}))[0, 0] == 0


def test_what_does_not_fit_is_named():
    encoder = encoding.learn(pl.DataFrame({"a": [1.0], "b": ["x"]}), ())
    with pytest.raises(FrameError, match="column 'b'"):
        encoder.encode(pl.DataFrame({"a": [1]}))
    with pytest.raises(FrameError, match="column 'a', row 2: 'many' is not a number"):
        encoder.encode(pl.DataFrame({"a": ["1", "many"], "b": ["x", "x"]}))
    with pytest.raises(FrameError, match="column 'l'"):
        encoding.learn(pl.DataFrame({"l": [[1]]}), ())
