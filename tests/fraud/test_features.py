"""Windows: those of the handbook to the last digit, one payment at a time as many at once, and no label too early."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugins.fraud import benchmarks, features
from plugins.fraud.features import DAY_US, NAMES, Past
from plugins.fraud.learner import INPUTS
from tests.fraud.frames import START, stream

DELAY = 7


def matrix(frame: pl.DataFrame, delay: int = DELAY) -> pl.DataFrame:
    rows, _order = features.rows_of(frame, delay)
    return pl.DataFrame(features.matrix(rows, delay), schema=list(NAMES))


def test_a_slice_of_the_handbook_is_met_exactly(shared_data):
    rows = pl.read_parquet(shared_data / "fraud/handbook-transactions.parquet")
    sample = pl.read_parquet(shared_data / "fraud/handbook-features-sample.parquet")
    # Two thousand payments, and everything that their customers and terminals did in the windows before.
    sample = sample.filter(pl.col("transaction_id").is_between(1_240_000, 1_240_600))
    near = rows.filter(
        pl.col("customer_id").is_in(sample["customer_id"].unique().to_list())
        | pl.col("terminal_id").is_in(sample["terminal_id"].unique().to_list()),
        pl.col("transaction_id") <= sample["transaction_id"].max(),
        pl.col("timestamp") > sample["timestamp"].min() - timedelta(days=38),
    )
    gaps = benchmarks.parity(INPUTS.check(near, "rows"), sample)
    assert gaps.keys() == set(features.HANDBOOK) and max(gaps.values()) < 1e-9, gaps


@st.composite
def streams(draw):
    """Few customers and terminals, instants that often coincide, labels that are known sooner or later."""
    n = draw(st.integers(1, 25))
    hours = sorted(draw(st.lists(st.integers(0, 50 * 24), min_size=n, max_size=n)))
    who = st.one_of(st.none(), st.integers(0, 2))
    column = lambda of: draw(st.lists(of, min_size=n, max_size=n))  # noqa: E731
    rows = list(zip([h / 24 for h in hours], column(who), column(who), column(st.integers(0, 999)),
                    column(st.sampled_from([0, 1, None])), strict=True))  # fmt: skip
    late = column(st.integers(0, 30 * 24))
    known = [START + timedelta(hours=h + more) for h, more in zip(hours, late, strict=True)]
    return stream(*[(day, c, t, amount / 4, bad) for day, c, t, amount, bad in rows], known_at=known)


@given(streams(), st.integers(1, 10))
@settings(max_examples=60, deadline=None)
def test_one_payment_alone_gets_what_it_gets_among_all(frame, delay):
    rows, _order = features.rows_of(frame, delay)
    whole = features.matrix(rows, delay)
    for at in range(len(rows)):
        now, none = rows.time[at], features.nobody(rows.customer)
        theirs = np.flatnonzero((rows.customer[:at] == rows.customer[at]) & (rows.customer[at] != none))
        its = np.flatnonzero((rows.terminal[:at] == rows.terminal[at]) & (rows.terminal[at] != none))
        bad = its[rows.fraud[its] == 1]
        past = Past(rows.time[theirs], rows.units[theirs], rows.time[its], rows.time[bad], rows.known[bad])
        alone = features.one(now, rows.units[at], rows.weekend[at], rows.night[at], past, delay)
        np.testing.assert_allclose(alone[0], whole[at], atol=1e-12)


@given(streams())
@settings(max_examples=30, deadline=None)
def test_what_comes_later_changes_nothing_before(frame):
    rows, _order = features.rows_of(frame, DELAY)
    half = len(rows) // 2
    np.testing.assert_array_equal(
        features.matrix(rows, DELAY)[:half], features.matrix(rows.take(slice(0, half)), DELAY)
    )


def test_windows_by_hand():
    found = matrix(stream((0, 1, 9, 10, 0), (0.5, 1, 9, 20, 0), (5, 1, 9, 60, 0), (29.9, 1, 8, 30, 0)))
    assert found["customer_tx_count_1d"].to_list() == [1, 2, 1, 1]
    assert found["customer_avg_amount_7d"].to_list() == [10, 15, 30, 30]
    assert found["customer_tx_count_30d"].to_list() == [1, 2, 3, 4]
    assert found["terminal_pace_7d"].to_list() == [1, 2, 3, 1]


def test_a_window_leaves_its_first_instant_out():
    found = matrix(stream((0, 1, 9, 10, 0), (1, 1, 9, 10, 0)))
    assert found["customer_tx_count_1d"].to_list() == [1, 1] and found["customer_tx_count_7d"].to_list() == [1, 2]


@pytest.mark.parametrize(("known", "expected"), [(3, [0, 0, 1.0, 1.0]), (9.5, [0, 0, 0, 1.0]), (20, [0, 0, 0, 0])])
def test_a_fraud_counts_from_when_it_is_known_but_never_before_the_delay(known, expected):
    rows = ((0, 1, 9, 10, 1), (6.9, 2, 9, 10, 0), (7, 3, 9, 10, 0), (9.5, 4, 9, 10, 0))
    frame = stream(*rows, known_at=[START + timedelta(days=known), None, None, None])
    assert matrix(frame)["terminal_risk_7d"].to_list() == expected


def test_strangers_have_no_past_and_rows_of_any_order_keep_theirs():
    frame = stream((0, None, None, 10, 0), (0.1, None, None, 20, 0), (0.2, 1, 9, 5, 0), (0.3, 1, 9, 5, 0))
    assert matrix(frame)["customer_tx_count_1d"].to_list() == [1, 1, 1, 2]
    rows, order = features.rows_of(frame[[3, 0, 2, 1]], DELAY)
    assert rows.time.tolist() == sorted(rows.time.tolist()) and order.tolist() == [1, 3, 2, 0]


def test_night_and_weekend_are_the_clocks_unless_the_frame_says():
    monday_night = stream((0.1, 1, 9, 10, 0), (5.5, 1, 9, 10, 0))
    assert matrix(monday_night).select("during_night", "during_weekend").rows() == [(1, 0), (0, 1)]
    said = monday_night.with_columns(during_night=pl.Series([0, 1]), during_weekend=pl.Series([None, 0]))
    assert matrix(said).select("during_night", "during_weekend").rows() == [(0, 0), (1, 0)]
    assert features.rows_of(monday_night, DELAY)[0].known[0] - DELAY * DAY_US == int(
        monday_night["timestamp"][0].timestamp() * 1e6
    )
