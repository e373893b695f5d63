"""What a person agreed to, by purpose; and that nobody who withdrew is in what a learner is given."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from commerce_ai.ids import uuid7
from commerce_ai.learning.learner import Window
from commerce_ai.shop import consent, frames, partitions
from commerce_ai.shop.bulk import NewEvent, write_events
from commerce_ai.shop.consent import Purpose
from commerce_ai.shop.models import Consent, Order, OrderLine
from plugins.recommendation import queries
from tests.factories import CustomerFactory, IdentityFactory, ProductFactory, ShopFactory

pytestmark = pytest.mark.django_db
T0 = datetime(2026, 2, 10, 12, tzinfo=UTC)
TRAINING = Purpose.MODEL_TRAINING


@pytest.fixture
def shop():
    return ShopFactory()


def say(shop, granted, *, days=0, purpose=TRAINING, **who):
    return consent.record(shop, purpose=purpose, granted=granted, at=T0 + timedelta(days=days), source="test", **who)


def test_who_said_nothing_has_neither_agreed_nor_refused(shop):
    assert consent.of(shop, customer=CustomerFactory(shop=shop)) == dict.fromkeys(Purpose)
    assert consent.of(shop, anonymous_id="v") == dict.fromkeys(Purpose)
    assert consent.of(shop) == dict.fromkeys(Purpose)


def test_the_latest_answer_to_each_purpose_counts_however_it_comes_in(shop):
    customer = CustomerFactory(shop=shop)
    say(shop, False, days=2, customer=customer)
    say(shop, True, days=1, customer=customer)
    say(shop, True, days=1, customer=customer, purpose="ads")
    assert consent.of(shop, customer=customer) == {
        Purpose.ANALYTICS: None, Purpose.PERSONALISATION: None, Purpose.ADS: True, TRAINING: False,
    }  # fmt: skip
    say(shop, True, days=3, customer=customer)
    assert consent.of(shop, customer=customer)[TRAINING] is True


def test_an_answer_is_kept_once_with_its_proof_and_of_two_at_one_instant_the_refusal(shop):
    customer = CustomerFactory(shop=shop)
    first = say(shop, True, customer=customer)
    assert say(shop, True, customer=customer).pk == first.pk
    refused = consent.record(
        shop, customer=customer.pk, purpose="model_training", granted=False, at=T0, source="api", evidence="form 3"
    )
    assert say(shop, True, customer=customer).granted is False
    kept = Consent.objects.of(shop).get()
    assert (kept.pk, kept.granted, kept.source, kept.evidence) == (refused.pk, False, "api", "form 3")


def test_nonsense_is_refused(shop):
    with pytest.raises(ValueError, match="customer or by a visitor"):
        say(shop, True)
    with pytest.raises(ValueError, match="not one of this shop"):
        say(shop, True, customer=CustomerFactory())
    with pytest.raises(ValueError, match="everything"):
        say(shop, True, purpose="everything", anonymous_id="v")
    assert not Consent.objects.exists()


def test_a_customer_speaks_through_proven_devices_and_a_refusal_reaches_claimed_ones_too(shop):
    customer = CustomerFactory(shop=shop)
    for name, proven in (("proven", True), ("claimed", False)):
        IdentityFactory(shop=shop, anonymous_id=name, customer=customer, proven=proven)
    say(shop, False, anonymous_id="claimed", purpose="ads")
    assert consent.of(shop, customer=customer)[Purpose.ADS] is None
    say(shop, True, anonymous_id="proven")
    assert consent.of(shop, customer=customer)[TRAINING] is True
    assert consent.of(shop, anonymous_id="claimed")[TRAINING] is None
    say(shop, False, days=1, customer=customer)
    for who in ({"customer": customer}, {"anonymous_id": "proven"}, {"anonymous_id": "claimed"}):
        assert consent.of(shop, **who)[TRAINING] is False
    assert consent.of(shop, customer=CustomerFactory(shop=shop), anonymous_id="proven")[TRAINING] is False


def test_an_answer_holds_in_its_own_shop_alone(shop):
    say(shop, False, anonymous_id="v")
    other = ShopFactory()
    assert consent.of(other, anonymous_id="v")[TRAINING] is None
    assert refused(other) == (set(), set())


def refused(shop, purpose=TRAINING):
    names = consent.refused_sql(purpose)
    both = (("refused_customer", {"id": pl.Int64()}), ("refused_visitor", {"anonymous_id": pl.String()}))
    return tuple(
        set(frames.read(f"WITH {names} SELECT * FROM {table}", {"shop": shop.pk}, schema).to_series().to_list())
        for table, schema in both
    )


def test_sql_and_python_agree_on_who_refused(shop):
    people = CustomerFactory.create_batch(3, shop=shop)
    devices = [f"d{n}" for n in range(6)]
    for n, device in enumerate(devices[:5]):
        IdentityFactory(shop=shop, anonymous_id=device, customer=people[n % 3], proven=n != 4)
    IdentityFactory(shop=shop, anonymous_id="d0", customer=people[1], proven=False)
    for day in range(40):
        granted = (day * 7) % 5 > 1
        who = {"customer": people[day % 3]} if day % 2 else {"anonymous_id": devices[day % 6]}
        say(shop, granted, days=day, purpose=Purpose.values[(day // 3) % 4], **who)
    seen = set()
    for purpose in Purpose:
        found = (
            {each.pk for each in people if consent.of(shop, customer=each)[purpose] is False},
            {each for each in devices if consent.of(shop, anonymous_id=each)[purpose] is False},
        )
        assert refused(shop, purpose) == found, purpose
        seen |= found[0] | found[1]
    assert seen


@pytest.fixture
def product(shop, monkeypatch):
    for name in ("LEAST_INTERACTIONS", "LEAST_CUSTOMERS", "LEAST_PRODUCTS"):
        monkeypatch.setattr(queries, name, 0)
    partitions.ensure_months(date(2026, 1, 1), date(2026, 3, 1))
    return ProductFactory(shop=shop)


def meet(shop, product, *, customer=None, anonymous_id=""):
    """A view and a purchase."""
    number, person = uuid7(T0), customer and customer.pk
    view = NewEvent(
        id=number, shop_id=shop.pk, name="Product Viewed", message_id=str(number), occurred_at=T0, received_at=T0,
        product_id=product.pk, customer_id=person, anonymous_id=anonymous_id,
    )  # fmt: skip
    assert write_events([view]) == [True]
    order = Order.objects.create(
        shop=shop, external_id=str(number), currency="EUR", total=1, placed_at=T0, customer=customer,
        anonymous_id=anonymous_id,
    )  # fmt: skip
    OrderLine.objects.create(shop=shop, order=order, position=1, product=product, quantity=1, unit_price=1)


def learnt(shop):
    return queries.learning_frames(shop, Window(None, T0 + timedelta(days=1)))


def test_who_withdrew_is_in_no_training_frame_nor_are_their_visits(shop, product):
    canary, neighbour = CustomerFactory.create_batch(2, shop=shop)
    IdentityFactory(shop=shop, anonymous_id="proven", customer=canary, proven=True)
    IdentityFactory(shop=shop, anonymous_id="claimed", customer=canary, proven=False)
    meet(shop, product, customer=canary)
    meet(shop, product, customer=canary, anonymous_id="never linked")
    meet(shop, product, anonymous_id="proven")
    meet(shop, product, anonymous_id="claimed")
    meet(shop, product, customer=neighbour)
    assert learnt(shop)["interactions"].height == 10
    say(shop, True, customer=canary)
    assert learnt(shop)["interactions"].height == 10

    say(shop, False, days=1, customer=canary)
    found = learnt(shop)
    assert found["interactions"]["customer_id"].to_list() == [neighbour.pk] * 2
    assert found["customers"]["customer_id"].to_list() == [neighbour.pk]

    say(shop, True, days=2, customer=canary)
    assert learnt(shop)["interactions"].height == 10


def test_a_visitor_who_withdrew_is_in_no_training_frame(shop, product):
    meet(shop, product, anonymous_id="canary")
    meet(shop, product, anonymous_id="neighbour")
    say(shop, False, anonymous_id="canary", purpose="analytics")
    assert learnt(shop)["interactions"].height == 4
    say(shop, False, anonymous_id="canary")
    assert learnt(shop)["interactions"].height == 2
    say(shop, False, anonymous_id="neighbour")
    assert learnt(shop)["interactions"].height == 0


def test_where_silence_is_a_no_only_who_agreed_is_learnt_from(shop, product):
    agreed, silent = CustomerFactory.create_batch(2, shop=shop)
    for name, proven in (("proven", True), ("claimed", False)):
        IdentityFactory(shop=shop, anonymous_id=name, customer=agreed, proven=proven)
    for who in ({"customer": agreed}, {"customer": silent}, *({"anonymous_id": n} for n in ("proven", "claimed", "v"))):
        meet(shop, product, **who)
    consent.set_silences(shop, {TRAINING: "opt_in"})
    assert learnt(shop)["interactions"].height == 0
    say(shop, True, customer=agreed)
    # The customer's own rows and those of the proven device: a claim takes consent away, but does not give it.
    assert learnt(shop)["interactions"]["customer_id"].to_list() == [agreed.pk] * 4
    say(shop, True, anonymous_id="v")
    assert learnt(shop)["interactions"].height == 6
    say(shop, False, days=1, customer=agreed)
    assert learnt(shop)["interactions"].height == 2
    consent.set_silences(shop, {TRAINING: "opt_out"})
    assert learnt(shop)["interactions"].height == 4
