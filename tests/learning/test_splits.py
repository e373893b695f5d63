"""Rows held back: by time, each customer's last, by hash. The parts are the whole, and nothing leaks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_ai.learning import splits

moments = st.lists(st.integers(0, 50), min_size=3, max_size=60)


def rows_of(*parts):
    return sorted(row for part in parts for row in part["row"].to_list())


@given(moments)
def test_time_parts_are_the_whole_in_order(values):
    frame = pl.DataFrame({"at": values, "row": range(len(values))})
    split = splits.by_time({"rows": frame}, "at", validation=0.2, test=0.2)
    parts = split.train["rows"], split.validation["rows"], split.test["rows"]
    assert rows_of(*parts) == list(range(len(values)))
    for early, late in ((parts[0], parts[1]), (parts[1], parts[2]), (parts[0], parts[2])):
        if early.height and late.height:
            assert early["at"].max() < late["at"].min()
    assert all(part["row"].is_sorted() for part in parts)


def test_time_shares_are_met_where_instants_differ():
    frame = pl.DataFrame({"at": np.random.default_rng(0).permutation(1000), "row": range(1000)})
    split = splits.by_time({"rows": frame}, "at", validation=0.1, test=0.2)
    assert [each["rows"].height for each in (split.train, split.validation, split.test)] == [700, 100, 200]


def test_time_cut_at_given_instants_in_every_frame_that_has_the_column():
    start = datetime(2024, 1, 1, tzinfo=UTC)
    days = pl.DataFrame({"at": [start + timedelta(days=each) for each in range(10)], "row": range(10)})
    names = pl.DataFrame({"name": ["a"]})
    cut = (start + timedelta(days=5), start + timedelta(days=8))
    split = splits.by_time({"orders": days, "visits": days, "names": names}, "at", instants=cut)
    assert split.test["visits"]["row"].to_list() == [8, 9]
    assert split.validation["orders"]["row"].to_list() == [5, 6, 7]
    assert split.train["names"].equals(names) and split.test["names"].equals(names)
    assert split.cuts["test_from"] == "2024-01-09T00:00:00+00:00"


@pytest.mark.parametrize("shares", [{"validation": 0.5, "test": 0.5}, {"validation": 0.0}, {"test": 1.0}])
def test_shares_that_leave_nothing_are_refused(shares):
    frame = pl.DataFrame({"at": [1, 2, 3], "id": [1, 2, 3]})
    with pytest.raises(ValueError, match="shares"):
        splits.by_time({"rows": frame}, "at", **shares)
    with pytest.raises(ValueError, match="shares"):
        splits.by_hash({"rows": frame}, "id", **shares)


def test_validation_after_test_is_refused():
    with pytest.raises(ValueError, match="before the test"):
        splits.cut_rows(pl.DataFrame({"at": [1]}), "at", 5, 3)


def test_frames_without_the_column_are_refused():
    for split in (splits.by_time, splits.by_hash):
        with pytest.raises(ValueError, match="column"):
            split({"rows": pl.DataFrame({"x": [1]})}, "at")


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), min_size=1, max_size=40))
def test_leave_last_out_takes_each_customers_last_two(pairs):
    frame = pl.DataFrame(pairs, schema=["who", "at"], orient="row").with_row_index("row")
    split = splits.leave_last_out({"rows": frame}, "who", "at")
    train, validation, test = split.train["rows"], split.validation["rows"], split.test["rows"]
    assert rows_of(train, validation, test) == list(range(len(pairs)))
    for who in range(5):
        # Python's sort is stable: rows of one instant keep their order.
        mine = [row for row, _ in sorted(((r, p[1]) for r, p in enumerate(pairs) if p[0] == who), key=lambda x: x[1])]
        held = [part.filter(pl.col("who") == who)["row"].to_list() for part in (validation, test)]
        assert held == ([mine[-2:-1], mine[-1:]] if len(mine) >= 3 else [[], []])


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=50), st.randoms())
def test_the_hash_knows_neither_order_nor_dtype(ids, random):
    shares = dict(zip(ids, splits.hash_share(pl.Series(ids)), strict=True))
    shuffled = random.sample(ids, len(ids))
    assert splits.hash_share(pl.Series(shuffled)).to_list() == [shares[each] for each in shuffled]
    assert splits.hash_share(pl.Series([str(each) for each in ids])).to_list() == [shares[each] for each in ids]
    assert all(0 <= share < 1 for share in shares.values())


def test_the_hash_is_the_documented_one():
    # First 53 bits of BLAKE2b-64 of "7:customer"; a change here would move every row to another side.
    import hashlib

    digest = hashlib.blake2b(b"7:customer", digest_size=8).hexdigest()
    assert splits.hash_share(pl.Series(["customer"]), seed=7)[0] == (int(digest, 16) >> 11) / 2**53
    assert splits.hash_share(pl.Series([1]), seed=0)[0] == pytest.approx(0.9459165357046844)


def test_hash_parts_are_the_whole_and_near_their_shares():
    frame = pl.DataFrame({"id": np.arange(20_000), "row": np.arange(20_000)})
    split = splits.by_hash({"rows": frame}, "id", validation=0.1, test=0.2, seed=3)
    parts = split.train["rows"], split.validation["rows"], split.test["rows"]
    assert rows_of(*parts) == list(range(20_000))
    assert parts[2].height / 20_000 == pytest.approx(0.2, abs=0.01)
    assert parts[1].height / 20_000 == pytest.approx(0.1, abs=0.01)


def test_another_seed_is_another_split_and_one_id_stays_on_one_side():
    frame = pl.DataFrame({"id": [1, 2, 3, 4] * 50, "row": range(200)})
    split = splits.by_hash({"rows": frame}, "id", validation=0.25, test=0.25)
    sides = [set(part["rows"]["id"]) for part in (split.train, split.validation, split.test)]
    assert not sides[0] & sides[1] and not sides[1] & sides[2] and not sides[0] & sides[2]
    ids = pl.Series(range(1000))
    assert abs(np.corrcoef(splits.hash_share(ids, 0), splits.hash_share(ids, 1))[0, 1]) < 0.1
