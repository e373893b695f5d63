"""Whom chance decides for: even draws that stay, and propensities that are true."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.advertising.policy import choose

NAMES = ["a", "b", "c"]


@given(st.text(max_size=20), st.floats(0.01, 0.5), st.lists(st.floats(-1, 1), min_size=3, max_size=3))
def test_a_choice_is_the_same_again_and_says_a_probability(key, explore, gains):
    once = choose(NAMES, gains, key, explore, 0.5)
    assert once == choose(NAMES, gains, key, explore, 0.5)
    assert 0 < once.propensity < 1
    if not once.chance:
        assert gains[once.index] == max(gains) and once.shown == (gains[once.index] > 0)


@pytest.mark.parametrize("gains", [[0.3, 0.2, -1.0], [-0.1, -0.2, -0.3], None])
def test_as_many_are_shown_as_the_propensities_say(gains):
    choices = [choose(NAMES, gains, f"person {n}", 0.3, 0.4) for n in range(20_000)]
    for index in range(3):
        mine = [each for each in choices if each.index == index]
        assert len({each.propensity for each in mine}) == 1
        assert sum(each.shown for each in mine) / len(mine) == pytest.approx(mine[0].propensity, abs=0.04)
    if gains is None:
        assert all(each.chance for each in choices)
    else:
        assert sum(each.chance for each in choices) / 20_000 == pytest.approx(0.3, abs=0.03)
