"""No group that the console shows is so small that it tells of a person."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_ai.console.cohorts import K, at_least_k


def groups(*sizes):
    return [{"segment": f"s{place}", "customers": size} for place, size in enumerate(sizes)]


def names(rows):
    return [row["segment"] for row in rows]


def test_small_groups_are_left_out_in_their_order():
    assert names(at_least_k(groups(40, 9, 10, 3, 200), "customers")) == ["s0", "s2", "s4"]


def test_one_small_group_takes_the_smallest_other_with_it():
    assert names(at_least_k(groups(40, 9, 12), "customers")) == ["s0"]
    assert names(at_least_k(groups(40, 0, 12), "customers")) == ["s0", "s2"]  # nobody is no person
    assert at_least_k(groups(9), "customers") == []


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="at least 2"):
        at_least_k(groups(5), "customers", k=1)
    with pytest.raises(KeyError):
        at_least_k(groups(5), "visitors")


@given(st.lists(st.integers(0, 40), max_size=8), st.integers(2, 20))
def test_beside_the_total_nothing_smaller_than_k_can_be_reckoned(sizes, k):
    rows = groups(*sizes)
    shown = at_least_k(rows, "customers", k)
    assert all(row["customers"] >= k for row in shown)
    left_out = [row["customers"] for row in rows if row not in shown and row["customers"]]
    assert len(left_out) != 1 or left_out[0] >= k or not shown
    assert K == 10
