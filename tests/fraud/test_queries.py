"""What the learner reads of a shop: payments, what became known of them and when, and nobody who refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from commerce_ai.learning.learner import NotEnoughData, Window
from commerce_ai.shop import consent
from commerce_ai.shop.models import Customer, Payment, Shop
from plugins.fraud import entities, queries
from plugins.fraud.models import Case, write_label
from tests.factories import ChargebackFactory, OrderFactory, PaymentFactory, ShopFactory

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LEAST_PAYMENTS", "LEAST_FRAUDS"):
        monkeypatch.setattr(queries, name, 0)


def read(shop: Shop, end: datetime = NOW, start: datetime | None = None) -> pl.DataFrame:
    return queries.learning_frames(shop, Window(start, end))["transactions"]


def payment(shop: Shop, days_ago: float = 20, **fields: Any) -> Payment:
    at = NOW - timedelta(days=days_ago)
    order = fields.pop("order", None) or OrderFactory(shop=shop, placed_at=at)
    return PaymentFactory(shop=shop, order=order, at=at, **fields)


def row(shop: Shop, of: Payment, end: datetime = NOW) -> dict[str, Any]:
    return read(shop, end).filter(transaction_id=of.pk).row(0, named=True)


def test_a_payment_as_the_learner_sees_it(shop):
    made = payment(shop, amount=Decimal("12.34"), device_id="laptop")
    seen = row(shop, made)
    assert seen["amount"] == 12.34 and seen["timestamp"] == made.at and seen["is_fraud"] == 0
    assert seen["customer_id"] == entities.number(shop.pk, f"customer {made.customer.external_id}")
    assert seen["terminal_id"] == entities.number(shop.pk, "device laptop")
    assert made.customer.external_id not in str(seen) and "laptop" not in str(seen)
    assert (seen["during_weekend"], seen["during_night"]) == (0, 0)  # Monday, 13 o'clock in Berlin


def test_guests_are_known_by_their_card_and_devices_by_what_there_is(shop):
    customer = {"order__customer": None, "customer": None}
    card = PaymentFactory(shop=shop, card_fingerprint="f1", ip=None, at=NOW - timedelta(days=9), **customer)
    net = PaymentFactory(shop=shop, ip="203.0.113.9", at=NOW - timedelta(days=9), **customer)
    none = PaymentFactory(shop=shop, ip=None, at=NOW - timedelta(days=9), **customer)
    number = lambda name: entities.number(shop.pk, name)  # noqa: E731
    found = {each["transaction_id"]: (each["customer_id"], each["terminal_id"]) for each in read(shop).to_dicts()}
    assert found[card.pk] == (number("card f1"), number("card f1"))
    assert found[net.pk] == (None, number("ip 203.0.113.9")) and found[none.pk] == (None, None)


def test_a_chargeback_counts_from_when_it_was_known(shop):
    made = payment(shop)
    ChargebackFactory(
        shop=shop, order=made.order, payment=made, is_fraud=True, occurred_at=made.at,
        known_at=made.at + timedelta(days=10),
    )  # fmt: skip
    seen = row(shop, made)
    assert seen["is_fraud"] == 1 and seen["known_at"] == made.at + timedelta(days=10)
    before = row(shop, made, end=made.at + timedelta(days=9))
    assert before["is_fraud"] == 0 and before["known_at"] is None  # nobody knew


def test_a_chargeback_of_the_order_is_one_of_its_payments_and_an_open_one_of_nothing(shop):
    made, other = payment(shop), payment(shop)
    known = {"occurred_at": made.at, "known_at": made.at + timedelta(days=1)}
    ChargebackFactory(shop=shop, order=made.order, payment=None, is_fraud=True, **known)
    ChargebackFactory(shop=shop, order=other.order, payment=None, is_fraud=None, **known)
    assert (row(shop, made)["is_fraud"], row(shop, other)["is_fraud"]) == (1, 0)


def test_the_last_word_counts_since_it_was_first_said(shop):
    made = payment(shop)
    day = lambda n: made.at + timedelta(days=n)  # noqa: E731
    ChargebackFactory(shop=shop, order=made.order, payment=made, is_fraud=True, occurred_at=made.at, known_at=day(2))
    write_label(shop, made.external_id, "", False, source="api", at=day(4))
    assert row(shop, made)["is_fraud"] == 0 and row(shop, made)["known_at"] == day(4)
    write_label(shop, "", made.order.external_id, True, source="api", at=day(6))
    assert row(shop, made)["is_fraud"] == 1 and row(shop, made)["known_at"] == day(2)


def test_a_verdict_on_a_case_counts_even_if_the_payment_came_later(shop):
    Case.objects.create(
        shop=shop, payment_external_id="late", action="review", amount=5, currency="EUR", state="confirmed",
        decided_at=NOW - timedelta(days=12),
    )  # fmt: skip
    made = payment(shop, external_id="late")
    assert row(shop, made)["is_fraud"] == 1


def test_of_the_last_days_and_of_failed_attempts_nothing_is_said(shop):
    fresh, declined = payment(shop, days_ago=6.9), payment(shop, status="declined")
    told = payment(shop, status="declined")
    write_label(shop, told.external_id, "", True, source="api", at=NOW - timedelta(days=8))
    assert [row(shop, each)["is_fraud"] for each in (fresh, declined, told)] == [None, None, 1]


def test_other_shops_currencies_and_times_stay_out(shop):
    inside = payment(shop)
    payment(ShopFactory())
    payment(shop, currency="USD")
    payment(shop, days_ago=-1)
    payment(shop, days_ago=100)
    assert read(shop, start=NOW - timedelta(days=50))["transaction_id"].to_list() == [inside.pk]


def test_who_refused_the_training_of_models_is_left_out(shop):
    made, other = payment(shop), payment(shop)
    consent.record(shop, customer=made.customer, purpose="model_training", granted=False, source="test")
    assert read(shop)["transaction_id"].to_list() == [other.pk]


def test_numbers_differ_between_shops_and_tell_nothing(shop):
    one, other = entities.number(shop.pk, "customer c1"), entities.number(shop.pk + 1, "customer c1")
    assert one != other and min(one, other) >= 0 and max(one, other) < 2**63
    assert entities.customer(None, None) is None and entities.number(shop.pk, None) is None


def test_too_little_says_how_much_there_is(shop, monkeypatch):
    monkeypatch.setattr(queries, "LEAST_PAYMENTS", 200)
    monkeypatch.setattr(queries, "LEAST_FRAUDS", 10)
    Customer.objects.of(shop).delete()
    payment(shop)
    with pytest.raises(
        NotEnoughData, match=r"needs at least 200 payments with 10 known frauds; there are 1 payment with 0"
    ):
        read(shop)
