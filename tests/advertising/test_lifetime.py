"""BG/NBD and Gamma-Gamma: the published parameters, the published expectation, and rules."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.advertising import features
from plugins.advertising.lifetime import Buying, Spending, fit_buying, fit_spending

CDNOW = Buying(0.243, 4.414, 0.793, 2.426)


def test_cdnow_gives_the_published_parameters(shared_data: Path):
    rows = pl.read_parquet(shared_data / "ads" / "cdnow.parquet").filter(pl.col("in_tenth_sample"))
    known = features.histories(rows, date(1997, 9, 30))
    assert known.height == 2357
    found = fit_buying(*(known[name].to_numpy() for name in ("x", "t_x", "age")))
    assert (found.r, found.alpha, found.a, found.b) == pytest.approx((0.243, 4.414, 0.793, 2.426), abs=0.0006)
    paying = known.filter(pl.col("mean") > 0)
    assert paying.height == 946
    spending = fit_spending(paying["x"].to_numpy(), paying["mean"].to_numpy())
    assert (spending.p, spending.q, spending.gamma) == pytest.approx((6.25, 3.74, 15.44), abs=0.006)


def test_the_papers_example_customer():
    """Fader, Hardie and Lee: x = 2, t_x = 30.43, T = 38.86 is expected to buy 1.226 times in the next 39 weeks."""
    one = np.array([2.0]), np.array([30.43]), np.array([38.86])
    assert CDNOW.expected(39, *one)[0] == pytest.approx(1.226, abs=0.001)


def test_what_was_drawn_is_found_again():
    random = np.random.default_rng(1)
    n, age = 3000, 52.0
    rate, leaves = random.gamma(0.6, 1 / 5, n), random.beta(0.8, 3, n)
    x, t_x = np.zeros(n), np.zeros(n)
    for customer in range(n):
        at = random.exponential(1 / rate[customer])
        while at < age:
            x[customer], t_x[customer] = x[customer] + 1, at
            if random.random() < leaves[customer]:
                break
            at += random.exponential(1 / rate[customer])
    t_x = np.round(t_x, 1)
    found = fit_buying(x, t_x, np.full(n, age))
    assert found.r == pytest.approx(0.6, rel=0.2) and found.alpha == pytest.approx(5, rel=0.25)
    assert found.a / (found.a + found.b) == pytest.approx(0.8 / 3.8, rel=0.25)


@given(st.integers(0, 80), st.floats(0, 1), st.floats(0.2, 300), st.floats(0.2, 200))
def test_probabilities_and_expectations_stay_in_bounds(x, share, age, weeks):
    one = np.array([float(x)]), np.array([share * age if x else 0.0]), np.array([age])
    alive, orders, silent = CDNOW.alive(*one)[0], CDNOW.expected(weeks, *one)[0], CDNOW.no_more(weeks, *one)[0]
    assert 0 <= alive <= 1 and 0 <= silent <= 1 and 0 <= orders <= (0.243 + x) / (4.414 + age) * weeks
    assert silent >= 1 - alive - 1e-12 and orders >= 1 - silent - 1e-6  # a count's mean is at least P(count > 0)
    assert CDNOW.expected(weeks * 2, *one)[0] >= orders - 1e-9


def test_long_silence_after_much_buying_means_gone():
    x, age = np.array([10.0, 10.0]), np.array([50.0, 50.0])
    recent, long_ago = CDNOW.alive(x, np.array([49.0, 15.0]), age)
    assert recent > 0.9 and long_ago < 0.1


def test_spending_leans_on_the_mean_of_all_where_little_is_known():
    spending = Spending(6.25, 3.74, 15.44)
    everybody = spending.expected(np.array([0.0]), np.array([0.0]))[0]
    assert everybody == pytest.approx(6.25 * 15.44 / 2.74)
    once, often = spending.expected(np.array([1.0, 50.0]), np.array([100.0, 100.0]))
    assert everybody < once < often < 100


def test_histories_count_days_and_leave_free_ones_out_of_the_mean():
    orders = pl.DataFrame(
        {
            "customer_id": [1, 1, 1, 1, 2], "amount": [10.0, 5.0, 30.0, 0.0, 7.0],
            "date": [date(2026, 1, 1), date(2026, 1, 1), date(2026, 1, 8), date(2026, 1, 15), date(2026, 1, 29)],
        }
    )  # fmt: skip
    first, second = features.histories(orders, date(2026, 1, 29)).rows(named=True)
    assert first == {
        "customer_id": 1, "x": 2.0, "t_x": 2.0, "age": 4.0, "mean": 30.0, "spent": 45.0, "days": 3.0, "since": 14.0,
    }  # fmt: skip
    assert second["x"] == 0 and second["age"] == 0 and second["mean"] == 0
    assert features.histories(orders, date(2026, 1, 10)).height == 1


def test_segments_have_the_names_that_their_customers_deserve():
    rows = [("best", 20, 400.0, 1), ("gone", 15, 900.0, 300), ("fresh", 1, 20.0, 1), ("once", 1, 15.0, 350)]
    crowd = [(f"x{n}", 1 + n % 4, 20.0 + n, 10 + 3 * n) for n in range(96)]
    frame = pl.DataFrame(rows + crowd, schema=["customer_id", "days", "spent", "since"], orient="row").cast(
        {"days": pl.Float64, "since": pl.Float64}
    )
    names = dict(zip(frame["customer_id"], features.segment(frame, features.learn_bands(frame)), strict=True))
    assert names["best"] == "champions" and names["gone"] == "at_risk"
    assert names["fresh"] == "new" and names["once"] == "lost"
    assert set(names.values()) <= set(features.SEGMENTS)


def test_small_groups_stand_together_or_not_at_all():
    groups = [{"segment": name, "customers": n, "value": 10.0 * n} for name, n in (("a", 40), ("b", 6), ("c", 5))]
    assert features.merge_small(groups, 10)[1:] == [{"segment": "", "customers": 11, "value": 110.0}]
    assert [each["segment"] for each in features.merge_small(groups[:2], 10)] == ["a"]
