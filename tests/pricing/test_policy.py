"""Guard-rails as properties: whatever is given, no price breaks one of them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from plugins.pricing import policy
from plugins.pricing.policy import NoRoom, Response, Rules, Situation

digits = st.sampled_from([0, 2, 3])
endings = st.sampled_from(["", ".99", ".95", "9.90", "9", "80", ".5"])


@st.composite
def cases(draw):
    places = draw(digits)
    unit = Decimal(1).scaleb(-places)
    price = draw(st.integers(50, 200_000)) * unit
    cost = (price * Decimal(draw(st.floats(0.05, 1.3)))).quantize(unit) + unit
    now = Situation(
        price=price,
        cost=cost,
        units=draw(st.floats(0.1, 1000)),
        highest_price=max(price, (price * Decimal(draw(st.floats(0.8, 2)))).quantize(unit)),
        lowest_30_days=draw(st.none() | st.integers(1, 300_000).map(lambda n: n * unit)),
    )
    low, middle, high = sorted(draw(st.floats(-6, -0.05)) for _ in range(3))
    rules = Rules(
        min_margin=draw(st.floats(0, 1)), above_highest=draw(st.floats(0, 0.5)), max_step=draw(st.floats(0.01, 0.5)),
        ending=draw(endings), digits=places, tax=draw(st.sampled_from([0.0, 0.07, 0.19])),
    )  # fmt: skip
    return now, Response(middle, low, high), rules


@given(cases())
def test_no_price_breaks_a_guard_rail(case):
    now, response, rules = case
    try:
        advice = policy.best(now, response, rules)
    except NoRoom as error:
        assert str(error)
        return
    assume(advice is not None)
    price, tiny = advice.price, 1e-5
    scale = 10**rules.digits
    assert price == round(price, rules.digits) and price > 0  # a whole number of the smallest unit
    assert float(price) * scale >= float(now.cost) * (1 + rules.min_margin) * (1 + rules.tax) * scale - tiny  # floor
    assert float(price) * scale <= float(now.highest_price) * (1 + rules.above_highest) * scale + tiny  # cap
    assert abs(float(price - now.price)) * scale <= rules.max_step * float(now.price) * scale + tiny  # step
    assert policy.ends_right(price, rules.ending, rules.digits)
    assert price != now.price and advice.effect.gain.value > 0  # never for nothing


@given(cases())
def test_no_allowed_price_earns_more(case):
    now, response, rules = case
    try:
        prices = policy.allowed(now, rules)
        advice = policy.best(now, response, rules)
    except NoRoom:
        return
    chosen = advice.price if advice else now.price
    mine = policy.effect(chosen, now, response, rules).margin.value
    for smallest in prices[:: max(1, len(prices) // 20)]:
        other = policy.effect(Decimal(int(smallest)).scaleb(-rules.digits), now, response, rules).margin.value
        assert other <= mine + 1e-6 * (1 + abs(mine))


@given(cases(), st.integers(1, 300_000))
def test_a_reduction_is_measured_from_the_lowest_price_of_thirty_days(case, n):
    now, _response, rules = case
    price = Decimal(n).scaleb(-rules.digits)
    prior = policy.prior_price(price, now)
    lowest = min(each for each in (now.lowest_30_days, now.price) if each is not None)
    assert prior == (lowest if price < lowest else None)


@given(cases(), st.floats(0.5, 1.5))
def test_the_interval_holds_the_expected_effect(case, share):
    now, response, rules = case
    effect = policy.effect(policy.to_money(float(now.price) * share + 1, rules), now, response, rules)
    for figure in (effect.units, effect.revenue, effect.margin, effect.gain):
        assert figure.low <= figure.value <= figure.high


def test_the_textbook_optimum_is_found():
    """With elasticity −3 the margin-optimal price is 1.5 times the cost (Lerner: (p − c) / p = 1 / 3)."""
    now = Situation(Decimal("14.00"), Decimal("10.00"), 100, Decimal("30.00"))
    advice = policy.best(now, Response(-3, -3.2, -2.8), Rules(min_margin=0, max_step=0.5, above_highest=0))
    assert advice.price == Decimal("15.00") and advice.prior_price is None
    assert advice.effect.units.value == pytest.approx(100 * (15 / 14) ** -3)
    assert advice.effect.gain.value == pytest.approx(100 * (15 / 14) ** -3 * 5 - 400)


def test_the_best_price_stays():
    now = Situation(Decimal("15.00"), Decimal("10.00"), 100, Decimal("30.00"))
    assert policy.best(now, Response(-3, -3.2, -2.8), Rules()) is None


@pytest.mark.parametrize(
    ("changes", "rules", "words"),
    [
        ({"cost": None}, {}, "cost is unknown"),
        ({"price": Decimal(0)}, {}, "no price"),
        ({"cost": Decimal("20.00")}, {}, "floor, cap and step"),
        ({}, {"ending": "999.99", "max_step": 0.1}, "ends in 999.99"),
    ],
)
def test_no_room_says_why(changes, rules, words):
    given_ = {"price": Decimal("15.00"), "cost": Decimal("10.00"), "units": 5.0, "highest_price": Decimal("15.00")}
    with pytest.raises(NoRoom, match=words):
        policy.best(Situation(**{**given_, **changes}), Response(-3, -4, -2), Rules(**rules))


def test_an_ending_finer_than_the_currency_is_none():
    assert policy.ends_right(Decimal(1234), ".99", 0) and not policy.ends_right(Decimal(1234), "80", 0)
    assert policy.ends_right(Decimal("19.90"), "9.90", 2) and not policy.ends_right(Decimal("18.90"), "9.90", 2)


def test_a_policy_knows_no_customer():
    names = {name for each in (Situation, Rules, Response) for name in each.__dataclass_fields__}
    assert not {name for name in names if "customer" in name or "visitor" in name or "segment" in name}
