"""Facts from Postgres: who was drawn, what was known then and not later, what came of it, and who stays out."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from commerce_ai.decisions.payload import Payload
from commerce_ai.decisions.record import NewDecision, record
from commerce_ai.ids import uuid7
from commerce_ai.learning.learner import NotEnoughData, Window
from commerce_ai.shop import consent, partitions
from commerce_ai.shop.consent import Purpose
from commerce_ai.shop.models import Customer, Event, Identity, Order, OrderLine, Product
from plugins.advertising import queries
from plugins.advertising.models import Assignment
from tests.advertising.frames import instant

WINDOW = Window(None, instant(60))
AT = instant(20)


@pytest.fixture(autouse=True)
def months(db: None) -> None:
    partitions.ensure_months(date(2026, 1, 1), date(2026, 3, 1))


@pytest.fixture(autouse=True)
def few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "LEAST_IN_ARM", 1)
    monkeypatch.setattr(queries, "LEAST_RESPONSES", 0)


@pytest.fixture
def order(shop: Any) -> Any:
    def make(customer: Customer, day: float, total: float = 10, **more: Any) -> Order:
        at = instant(0) + timedelta(days=day)
        number = Order.objects.count()
        return Order.objects.create(
            shop=shop, external_id=f"o{number}", customer=customer, currency="EUR", total=total, placed_at=at, **more
        )

    return make


@pytest.fixture
def drawn(shop: Any, campaign: Any) -> Any:
    def make(customer: Customer, treated: bool, at: Any = AT, **more: Any) -> Assignment:
        return Assignment.objects.create(
            shop=shop, campaign=campaign, customer=customer, treated=treated, at=at, **more
        )

    return make


def rows(shop: Any, window: Window = WINDOW) -> dict[int, dict[str, Any]]:
    frame = queries.learning_frames(shop, window)["customers"]
    return {row["customer_id"]: row for row in frame.iter_rows(named=True)}


def test_only_what_was_known_before_counts_and_only_what_came_after_is_an_outcome(shop, people, order, drawn):
    one, two = people[0], people[1]
    product = Product.objects.create(shop=shop, external_id="p", title="P", category="Tea > Green")
    first = order(one, 5, 30, discount=10)
    OrderLine.objects.create(shop=shop, order=first, position=1, product=product, quantity=1, unit_price=30)
    order(one, 10, 20)
    order(one, 12, 99, status="cancelled", cancelled_at=instant(13))
    order(one, 15, 40, status="cancelled", cancelled_at=instant(40))  # nobody knew yet
    order(one, 25, 70)
    order(two, 40, 70)  # too late to be an outcome
    for day, name in ((15, "e1"), (16, "e2"), (21, "later")):
        Event.objects.create(
            id=uuid7(instant(day)), shop=shop, name="Product Viewed", message_id=name, customer=one,
            occurred_at=instant(day), received_at=instant(day),
        )  # fmt: skip
    Identity.objects.create(shop=shop, anonymous_id="a", customer=two, proven=True)
    Event.objects.create(
        id=uuid7(instant(18)), shop=shop, name="Product Viewed", message_id="e3", anonymous_id="a",
        occurred_at=instant(18), received_at=instant(18),
    )  # fmt: skip
    drawn(one, True)
    drawn(two, False, propensity=0.3)
    found = rows(shop)
    row = found[one.pk]
    assert row["treatment"] == 1 and row["outcome"] == 1 and row["campaign"] == "spring" and row["channel"] == "email"
    assert (row["orders"], row["spent"], row["days_since_order"]) == (3, 90, 5)
    assert row["discount_share"] == pytest.approx(0.1) and row["favourite_category"] == "Tea" and row["categories"] == 1
    assert row["visits_30_days"] == 2 and row["days_since_visit"] == 4 and row["propensity"] == 0.5
    other = found[two.pk]
    assert (other["outcome"], other["orders"], other["visits_30_days"], other["propensity"]) == (0, 0, 1, 0.3)
    assert other["days_since_order"] is None


def test_decisions_teach_once_a_customer_and_outcome_window(shop, people, campaign):
    def decided(customer: Customer, arm: str, day: float, propensity: float = 0.4) -> None:
        context = {"considered": campaign.pk, "campaign": "spring", "propensity": propensity} if arm else {}
        record(
            NewDecision(
                shop_id=shop.pk,
                plugin="advertising",
                kind="ads",
                customer_id=customer.pk,
                arm=arm,
                payload=Payload(value="spring" if arm == "shown" else None, context=context),
                decision_id=uuid7(instant(0) + timedelta(days=day)),
            )  # fmt: skip
        )

    decided(people[0], "shown", 20)
    decided(people[0], "held_out", 20.5)
    decided(people[1], "held_out", 21)
    decided(people[2], "", 21)
    decided(people[3], "shown", 50)  # its fourteen days are not over at day 60
    decided(people[4], "shown", 21, propensity=1.0)  # nobody was left alone in its place
    found = rows(shop)
    assert {key: row["treatment"] for key, row in found.items()} == {people[0].pk: 1, people[1].pk: 0}
    assert found[people[0].pk]["propensity"] == 0.4 and found[people[0].pk]["timestamp"] == instant(20)
    assert people[3].pk in rows(shop, Window(None, instant(70)))
    with pytest.raises(NotEnoughData):
        rows(shop, Window(instant(22), instant(60)))


def test_a_campaign_without_a_control_group_teaches_nothing(shop, people, drawn):
    for each in people:
        drawn(each, True)
    with pytest.raises(NotEnoughData, match="there are 0, 0 and 0. Let a campaign run with a control group"):
        rows(shop)


def test_what_is_missing_is_said_in_numbers(shop, people, drawn, monkeypatch):
    monkeypatch.setattr(queries, "LEAST_IN_ARM", 100)
    for place, each in enumerate(people):
        drawn(each, place % 2 == 0)
    with pytest.raises(
        NotEnoughData, match="needs at least 100 customers reached, 100 left alone.*there are 20, 20 and 0"
    ):
        rows(shop)


def test_who_refused_the_training_of_models_stays_out_of_both_frames(shop, people, drawn, order):
    for place, each in enumerate(people[:4]):
        drawn(each, place % 2 == 0)
        order(each, 3)
    consent.record(shop, customer=people[0], purpose=Purpose.MODEL_TRAINING, granted=False, source="test")
    assert people[0].pk not in rows(shop) and people[2].pk in rows(shop)
    assert set(queries.orders(shop, WINDOW)["customer_id"]) == {each.pk for each in people[1:4]}
    consent.set_silences(shop, {"model_training": "opt_in"})
    consent.record(shop, customer=people[1], purpose=Purpose.MODEL_TRAINING, granted=True, source="test")
    assert set(queries.orders(shop, WINDOW)["customer_id"]) == {people[1].pk}


def test_targets_are_those_who_allow_all_three(shop, people):
    for place, purpose in enumerate((Purpose.ADS, Purpose.PERSONALISATION, Purpose.MODEL_TRAINING, Purpose.ANALYTICS)):
        consent.record(shop, customer=people[place], purpose=purpose, granted=False, source="test")
    found = queries.targets(shop.pk, instant(30))
    assert set(found["customer_id"]) == {each.pk for each in people[3:]}
    assert set(queries.FEATURES) <= set(found.columns)


def test_orders_are_days_of_the_shop_in_its_money(shop, people, order):
    order(people[0], 1.45, 12)  # 22:48 UTC on the second is past eleven at night in Berlin, on the same day
    order(people[0], 1.49, 13)  # 23:45 UTC is the third in Berlin
    order(people[0], 5, 99, status="cancelled")
    dollars = order(people[0], 6, 50)
    Order.objects.of(shop).filter(pk=dollars.pk).update(currency="USD")
    found = queries.orders(shop, WINDOW)
    assert found["amount"].to_list() == [12, 13] and [each.day for each in found["date"]] == [2, 3]
    assert found.schema["date"] == pl.Date


def test_another_shops_rows_are_never_read(shop, people, drawn, order):
    from commerce_ai.shop.models import Shop

    drawn(people[0], True)
    drawn(people[1], False)
    other = Shop.objects.create(slug="other", name="Other", currency="EUR", timezone="UTC")
    with pytest.raises(NotEnoughData):
        queries.learning_frames(other, WINDOW)
    assert queries.targets(other.pk, AT).is_empty() and queries.orders(other, WINDOW).is_empty()
