from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_ai.shop.money import minor_digits, money_text, rounded


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (12.9, "EUR", "12.90"),
        (Decimal("12.905"), "EUR", "12.91"),
        (12.905, "EUR", "12.91"),
        (12.5, "JPY", "13"),
        (1, "KWD", "1.000"),
        (Decimal("-0.005"), "USD", "-0.01"),
        (1e9, "EUR", "1000000000.00"),
    ],
)
def test_money_leaves_in_the_smallest_unit(amount, currency, text):
    assert money_text(amount, currency) == text


@given(st.decimals(-(10**9), 10**9, places=4), st.sampled_from(["EUR", "JPY", "KWD", "CLF"]))
def test_rounding_moves_by_half_a_unit_at_most(amount, currency):
    unit = Decimal(1).scaleb(-minor_digits(currency))
    assert abs(rounded(amount, currency) - amount) <= unit / 2
    assert rounded(amount, currency) % unit == 0
