"""From decisions and orders to a verdict in words."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from commerce_ai.decisions.experiments import lifecycle, measures, results
from commerce_ai.decisions.experiments.models import Experiment, ExperimentPoint
from commerce_ai.decisions.experiments.results import ArmResult, Summary, refresh, summary
from commerce_ai.decisions.experiments.tasks import refresh_experiments
from commerce_ai.decisions.experiments.verdict import left_out, verdict
from commerce_ai.decisions.models import Decision
from commerce_ai.decisions.rules import KEY
from commerce_ai.ids import uuid7
from commerce_ai.shop.models import Order, Shop
from tests.factories import (
    ConversationFactory,
    CustomerFactory,
    EventFactory,
    IdentityFactory,
    OrderFactory,
    OrderLineFactory,
    RefundFactory,
    ShopFactory,
)  # fmt: skip

ARMS = [{"name": "A"}, {"name": "B"}]
NOW = timezone.now()
START = NOW - timedelta(hours=20)


@pytest.fixture
def shop(db: None) -> Shop:
    return ShopFactory()


def make(shop: Shop, **fields) -> Experiment:
    fields = {"state": "running", "starts_at": START, "arms": ARMS, "planned": 1000, "minimum_days": 0, **fields}
    return Experiment.objects.create(shop=shop, name="x", plugin="recommendation", **fields)


def show(experiment: Experiment, arm: str, who: str, hours: float = 1, customer=None, **fields) -> Decision:
    fields = {"plugin": "recommendation", "kind": "recommendations", "experiment_id": experiment.pk, **fields}
    return Decision.objects.create(
        id=uuid7(START + timedelta(hours=hours)), shop=experiment.shop, arm=arm, anonymous_id=who,
        customer_id=customer and customer.pk, **fields,
    )  # fmt: skip


def buy(shop: Shop, who: str = "", hours: float = 2, customer=None, total: int = 10, **fields) -> Order:
    at = START + timedelta(hours=hours)
    return OrderFactory(
        shop=shop, anonymous_id=who, customer=customer, total=Decimal(total), placed_at=at, **fields
    )  # fmt: skip


def read(experiment: Experiment) -> dict[str, tuple[int, float]]:
    refresh(experiment, NOW)
    found = summary(experiment, NOW)
    return {each.name: (each.units, round(each.value, 4)) for each in found.arms}


def test_sales_count_from_the_first_exposure_on_and_by_whoever_it_turns_out_to_be(shop):
    experiment = make(shop, unit="customer")
    known, later = CustomerFactory(shop=shop), CustomerFactory(shop=shop)
    show(experiment, "A", "a1")
    show(experiment, "A", "a2", customer=known)
    show(experiment, "B", "b1")
    show(experiment, "B", "b2", hours=5)
    show(experiment, "A", "b2", hours=6)  # stays in B
    buy(shop, customer=known)
    buy(shop, customer=known)  # a second time: still one who converted
    buy(shop, "b2", hours=3)  # before its exposure
    buy(shop, "a1", status="cancelled")
    assert read(experiment) == {"A": (2, 0.5), "B": (2, 0.0)}
    buy(shop, customer=later)  # came late, and of nobody who was seen, until
    IdentityFactory(shop=shop, anonymous_id="b1", customer=later, proven=False)
    assert read(experiment) == {"A": (2, 0.5), "B": (2, 0.5)}
    assert ExperimentPoint.objects.of(shop).filter(experiment=experiment).exclude(lift=None).count() == 0  # too few


def test_another_experiment_another_shop_and_programs_are_left_out(shop):
    experiment, other = make(shop), make(shop)
    foreign = make(ShopFactory())
    for arm in "AB":
        show(experiment, arm, f"v-{arm}")
        show(other, arm, f"o-{arm}")
        show(foreign, arm, f"f-{arm}")
    show(experiment, "A", "robot")
    EventFactory(shop=shop, anonymous_id="robot", context={"user_agent": "Googlebot/2.1 (+http://google.com/bot)"})
    buy(shop, "o-A")
    assert read(experiment) == {"A": (1, 0.0), "B": (1, 0.0)}


def test_staff_and_whoever_is_busier_than_people_are_left_out_wholly_and_counted(shop):
    shop.settings = {**shop.settings, KEY: {"bot_touches_a_day": 3, "staff_domains": ["north.example"]}}
    shop.save()
    experiment = make(shop)
    tagged = CustomerFactory(shop=shop, attributes={"tags": ["staff"]})
    mailed = CustomerFactory(shop=shop, email="ada@north.example")
    for arm in "AB":
        show(experiment, arm, f"v-{arm}")
    show(experiment, "A", "t", customer=tagged)
    show(experiment, "B", "m")
    IdentityFactory(shop=shop, anonymous_id="m", customer=mailed)
    busy = show(experiment, "B", "scraper")
    show(experiment, "B", "scraper", hours=9)
    show(experiment, "A", "robot")
    EventFactory(shop=shop, anonymous_id="robot", context={"user_agent": "Googlebot/2.1 (+http://google.com/bot)"})
    for _ in range(4):
        EventFactory(shop=shop, name="Product Clicked", anonymous_id="scraper", decision_id=busy.pk)
    for who in ("v-B", "m", "scraper"):
        buy(shop, who)
    assert read(experiment) == {"A": (1, 0.0), "B": (1, 1.0)}
    experiment.refresh_from_db()
    assert experiment.left_out == {"busy": 1, "programs": 1, "staff": 2}
    assert left_out(experiment) == "Not counted: 1 program, 1 busier than people are, 2 of the shop's staff."
    assert left_out(make(shop)) == ""


@pytest.mark.parametrize("metric, worth", [("revenue", 70.0), ("margin", 24.0)])
def test_money_is_in_the_shops_currency_less_refunds(shop, metric, worth):
    experiment = make(shop, metric=metric)
    show(experiment, "A", "a")
    show(experiment, "B", "b")
    order = buy(shop, "b", total=100)
    RefundFactory(shop=shop, order=order, amount=Decimal(30))
    OrderLineFactory(shop=shop, order=order, quantity=2, unit_price=20, unit_cost=8)
    OrderLineFactory(shop=shop, order=order, quantity=1, unit_price=50, product=None)  # nobody knows its cost
    buy(shop, "b", currency="USD")
    assert read(experiment)["B"] == (1, worth)


def test_clicks_are_a_share_of_answers(shop):
    experiment = make(shop, metric="clicks")
    for arm in "AB":
        for who in "xyz":
            shown = show(experiment, arm, arm + who)
            show(experiment, arm, arm + who, hours=3)
            if arm == "B":
                EventFactory(shop=shop, name="Product Clicked", anonymous_id=arm + who, decision_id=shown.pk)
                EventFactory(shop=shop, name="Product Viewed", anonymous_id=arm + who, decision_id=shown.pk)
    assert read(experiment) == {"A": (3, 0.0), "B": (3, 0.5)}


def test_satisfaction_is_the_mean_rating(shop):
    experiment = make(shop, metric="satisfaction")
    show(experiment, "A", "a")
    for who, rating in (("b", 5), ("c", 2)):
        show(experiment, "B", who)
        ConversationFactory(
            shop=shop, customer=None, anonymous_id=who, rating=rating, opened_at=START + timedelta(hours=4)
        )
    assert read(experiment) == {"A": (1, 0.0), "B": (2, 3.5)}


def test_the_holdout_is_against_everybody_who_was_answered(shop):
    lifecycle.set_holdout(shop, 0.5)
    holdout = lifecycle.holdout_of(shop)
    holdout.starts_at = START
    holdout.save()
    inner = make(shop)
    show(holdout, "holdout", "h1")
    show(inner, "B", "n1")
    show(inner, "", "n2", experiment_id=None)
    show(inner, "", "n3", experiment_id=None, kind="board")
    buy(shop, "n2")
    assert read(holdout) == {"holdout": (1, 0.0), "ai": (2, 0.5)}


def test_the_job_makes_points_of_what_runs_or_stopped_lately_alone(shop):
    running, draft = make(shop), make(shop, state="draft")
    old = make(shop, state="stopped", stops_at=NOW - timedelta(days=60), starts_at=NOW - timedelta(days=90))
    over = make(shop, stops_at=NOW - timedelta(hours=1), placement="cart")
    show(running, "A", "a")
    assert refresh_experiments() == 2
    over.refresh_from_db()
    assert (over.state, over.stops_at) == ("stopped", NOW - timedelta(hours=1))
    for each in (running, draft, old):
        each.refresh_from_db()
    assert running.looked_at and not draft.looked_at and not old.looked_at
    assert summary(draft) is None


# --- the mathematics, without a database ---

DAY = date(2026, 3, 1)


def frame(rows: list[tuple[str, int | None, int, str]]) -> pl.DataFrame:
    """anonymous id, customer, hour, arm"""
    at = [datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=hour) for _a, _c, hour, _arm in rows]
    return pl.DataFrame(
        {
            "anonymous_id": [each[0] for each in rows], "customer_id": [each[1] for each in rows], "at": at,
            "day": [each.date() for each in at], "arm": [each[3] for each in rows],
        },
        schema_overrides={"customer_id": pl.Int64, "at": pl.Datetime("us", "UTC")},
    )  # fmt: skip


people = st.tuples(
    st.sampled_from(["", "a", "b", "c"]), st.sampled_from([None, 1, 2]), st.integers(0, 70), st.sampled_from("AB")
).filter(lambda row: row[0] or row[1])


@given(st.lists(people, min_size=1, max_size=12, unique_by=lambda row: row[2]), st.randoms())
@settings(max_examples=40)
def test_the_order_of_arrival_makes_no_difference(rows, random):
    shuffled = random.sample(rows, len(rows))
    for unit in ("visitor", "customer"):
        one, two = measures.units_of(frame(rows), unit), measures.units_of(frame(shuffled), unit)
        assert one.first.equals(two.first)
        assert sum(each.sample.n for each in _points(one) if each.day == date(2026, 3, 4)) == one.first.height


def _points(units: measures.Units) -> list[measures.Point]:
    facts = pl.DataFrame(schema={"number": pl.UInt32, "day": pl.Date, "value": pl.Float64, "after": pl.Boolean})
    return measures.points(units, facts, "conversion", ["A", "B"], 1000, date(2026, 3, 4))


def test_units_come_in_day_by_day_and_intervals_when_there_are_enough():
    rows = [(f"{arm}{n}", None, 24 * (n % 3), arm) for arm in "AB" for n in range(600)]
    units = measures.units_of(frame(rows), "visitor")
    bought = pl.DataFrame({
        "anonymous_id": [f"A{n}" for n in range(60)] + [f"B{n}" for n in range(180)], "customer_id": None,
        "at": datetime(2026, 3, 4, tzinfo=UTC), "day": date(2026, 3, 4), "value": 1.0,
    }, schema_overrides={"customer_id": pl.Int64, "at": pl.Datetime("us", "UTC")})  # fmt: skip
    found = measures.points(units, measures.of_units(units, bought), "conversion", ["A", "B"], 1000, date(2026, 3, 5))
    b = [each for each in found if each.arm == "B"]
    assert [each.sample.n for each in b] == [200, 400, 600, 600, 600]
    assert [each.lift is not None for each in b] == [False, False, False, True, True]
    assert b[-1].lift.low > 0.5 and b[-1].lift.estimate == pytest.approx(2.0)
    assert b[-1].difference.estimate == pytest.approx(0.2)


# --- the words ---


def said(*arms: ArmResult, mismatch: float = 0.5, days_left: int | None = 3, waits: int = 0, **fields) -> str:
    shop = Shop(slug="s", name="S", currency="EUR")
    experiment = Experiment(shop=shop, name="x", state="running", **fields)
    return " ".join(verdict(experiment, Summary(arms, mismatch, days_left, waits)))


A = ArmResult("A", 10_000, 0.5, 0.032, 0.03)


def test_a_verdict_in_plain_words():
    b = ArmResult("B", 10_000, 0.5, 0.039, 0.03, lift=(0.22, 0.09, 0.36))
    told = said(A, b)
    assert told.startswith("B converts 3.9 % against 3.2 %: +22 % (95 % interval +9 % to +36 %)")
    assert told.endswith("B is better than A.")
    assert "3.00 EUR a visitor" in said(A, ArmResult("B", 9, 0.5, 3.0, 1, lift=(0.1, -0.1, 0.3)), metric="revenue")


def test_a_verdict_waits_says_how_long_and_is_blocked():
    b = ArmResult("B", 10_000, 0.5, 0.034, 0.03, lift=(0.06, -0.04, 0.16))
    assert "10 % can be seen in 3 days" in said(A, b)
    assert "minimum run is over, in 4 days" in said(A, b, waits=4)
    assert "Too few" in said(A, ArmResult("B", 3, 0.5, 0.0, 0.0))
    assert said(A, ArmResult("B", 9, 0.5, 0.02, 0.02, lift=(-0.3, -0.4, -0.2))).endswith("A is better: keep it.")
    told = said(A, b, mismatch=1e-6)
    assert "No figure of this experiment counts" in told and "+6 %" not in told


def test_a_small_shop_is_told_how_long_it_takes():
    asked = results.needed(Experiment(arms=ARMS), 0.03, 0.03 * 0.97)
    assert 106_000 < asked < 320_000
    held = Experiment(arms=[{"name": "holdout", "weight": 0.05}, {"name": "ai", "weight": 0.95}])
    assert results.needed(held, 0.03, 0.03 * 0.97) > 3 * asked
