"""The Qini coefficient against its definition, by hand and as rules."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.advertising.qini import qini_auc, qini_curve, uplift_by_band
from tests.advertising.frames import contacted


def of(*rows: tuple[int, float, int]) -> float:
    outcome, score, treatment = (np.array(column) for column in zip(*rows, strict=True))
    return qini_auc(outcome, score.astype(float), treatment)


def test_by_hand():
    rows = [(0, 0.9, 1), (0, 0.8, 0), (1, 0.7, 1), (1, 0.6, 0)]  # outcome, score, treatment
    x, y = qini_curve(*(np.array(column) for column in zip(*rows, strict=True)))
    assert x.tolist() == [0, 1, 2, 3, 4]
    assert y.tolist() == [0, 0, 0, 1, 0]  # 0 − 0; 0 − 0·1/1; 1 − 0·2/1; 1 − 1·2/2
    # Its area is 1, the straight line's 0; the perfect order's (treated responder, two others, control responder) 3.
    assert of(*rows) == pytest.approx(1 / 3)


def test_a_perfect_order_is_one_and_no_order_is_zero():
    rows = contacted(500)
    outcome, treatment = rows["outcome"].to_numpy(), rows["treatment"].to_numpy()
    assert qini_auc(outcome, (outcome * treatment - outcome * (1 - treatment)) * 1.0, treatment) == pytest.approx(1)
    assert qini_auc(outcome, np.zeros(500), treatment) == 0


def test_the_truth_is_better_than_noise_and_its_opposite_is_worse():
    rows = contacted(4000)
    outcome, treatment = rows["outcome"].to_numpy(), rows["treatment"].to_numpy()
    south = (rows["region"] == "south").cast(float).to_numpy()
    noise = qini_auc(outcome, rows["noise"].to_numpy(), treatment)
    assert qini_auc(outcome, south, treatment) > 0.1 > abs(noise)
    assert qini_auc(outcome, -south, treatment) < -0.1


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(-3, 3), st.integers(0, 1)), min_size=4, max_size=60),
       st.floats(0.05, 0.95), st.floats(0.1, 9))  # fmt: skip
def test_only_the_order_counts_and_equal_propensities_change_nothing(rows, propensity, factor):
    outcome, score, treatment = (np.array(column) for column in zip(*rows, strict=True))
    plain = qini_auc(outcome, score.astype(float), treatment)
    weight = np.where(treatment == 1, 1 / propensity, 1 / (1 - propensity))
    assert qini_auc(outcome, score * factor + 7.0, treatment, weight) == pytest.approx(plain, nan_ok=True)


def test_one_arm_only_has_no_figure():
    assert np.isnan(of((1, 0.5, 1), (0, 0.1, 1)))


def test_bands_show_where_the_campaign_works_and_hide_small_ones():
    import polars as pl

    rows = contacted(2000)
    sample = pl.DataFrame(
        {
            "score": (rows["region"] == "south").cast(float), "treatment": rows["treatment"],
            "outcome": rows["outcome"], "weight": np.ones(rows.height),
        }
    )  # fmt: skip
    bands = uplift_by_band(sample)
    assert bands[0] > 0.15 and abs(bands[-1]) < 0.12
    assert all(np.isnan(each) for each in uplift_by_band(sample.head(100)))
