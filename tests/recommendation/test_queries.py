"""Who met which product: the right people, products, kinds and times, and what is missing when there is too little."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from django.utils import timezone

from commerce_ai.ids import uuid7
from commerce_ai.learning.learner import NotEnoughData, Window
from commerce_ai.sample.generate import TINY, generate
from commerce_ai.sample.load import load_sample
from commerce_ai.shop import partitions
from commerce_ai.shop.bulk import NewEvent, write_events
from commerce_ai.shop.kept import read_customer_id
from commerce_ai.shop.models import Customer, Identity, Order, OrderLine, Product, Shop
from plugins.recommendation import queries

pytestmark = pytest.mark.django_db
UNTIL = date(2026, 3, 1)
T0 = datetime(2026, 2, 10, 12, tzinfo=UTC)
ALL = Window(None, datetime(2026, 3, 2, tzinfo=UTC))


@pytest.fixture
def shop(monkeypatch):
    for name in ("LEAST_INTERACTIONS", "LEAST_CUSTOMERS", "LEAST_PRODUCTS"):
        monkeypatch.setattr(queries, name, 1)
    partitions.ensure_months(date(2026, 1, 1), date(2026, 3, 1))
    return Shop.objects.create(slug="s", name="S", currency="EUR")


@pytest.fixture
def product(shop):
    return Product.objects.create(shop=shop, external_id="P", title="P", price=1)


def event(shop, product, name="Product Viewed", at=T0, **more):
    number = uuid7(at)
    new = NewEvent(
        id=number, shop_id=shop.pk, name=name, message_id=str(number), occurred_at=at, received_at=at,
        product_id=product and product.pk, **more,
    )  # fmt: skip
    assert write_events([new]) == [True]


def order(shop, product, at=T0, status="paid", **more):
    made = Order.objects.create(
        shop=shop, external_id=str(uuid7()), status=status, currency="EUR", total=1, placed_at=at, **more
    )
    OrderLine.objects.create(shop=shop, order=made, position=1, product=product, quantity=1, unit_price=1)


def rows(shop, window=ALL):
    return queries.interactions(shop, window).rows()


def test_kinds_come_from_events_and_purchases_from_order_lines(shop, product):
    customer = Customer.objects.create(shop=shop, external_id="C")
    for minute, name in enumerate(["Product Viewed", "Product Added to Wishlist", "Product Added", "Product Removed"]):
        event(shop, product, name, T0 + timedelta(minutes=minute), customer_id=customer.pk)
    event(shop, None, "Order Completed", T0 + timedelta(minutes=5), customer_id=customer.pk)
    order(shop, product, T0 + timedelta(minutes=5), customer=customer)
    order(shop, product, T0 + timedelta(minutes=6), "cancelled", customer=customer)
    found = queries.interactions(shop, ALL)
    assert found["kind"].to_list() == ["view", "wishlist", "cart", "purchase"]
    assert set(found["customer_id"]) == {customer.pk} and set(found["product_id"]) == {product.pk}
    assert found["timestamp"].to_list()[0] == T0
    assert found.schema["timestamp"] == pl.Datetime("us", "UTC")


def test_only_a_proven_link_gives_a_visit_to_a_customer(shop, product):
    customer = Customer.objects.create(shop=shop, external_id="C")
    other = Customer.objects.create(shop=shop, external_id="D")
    Identity.objects.create(shop=shop, anonymous_id="proven", customer=customer, proven=True)
    Identity.objects.create(shop=shop, anonymous_id="proven", customer=other, proven=False)
    Identity.objects.create(shop=shop, anonymous_id="claimed", customer=customer, proven=False)
    for name in ("proven", "claimed", "stranger"):
        event(shop, product, anonymous_id=name)
        order(shop, product, anonymous_id=name)
    found = queries.interactions(shop, ALL)
    by_person = dict(found.group_by("customer_id").len().iter_rows())
    assert by_person.pop(customer.pk) == 2
    assert len(by_person) == 2 and all(person < 0 and count == 2 for person, count in by_person.items())
    assert set(rows(shop)) == set(rows(shop))


def test_nobody_behind_an_event_is_left_out(shop, product):
    event(shop, product, anonymous_id="")
    order(shop, product)
    event(shop, product, anonymous_id="a")
    assert len(rows(shop)) == 1


def test_only_what_is_on_sale_counts(shop, product):
    gone = Product.objects.create(shop=shop, external_id="G", title="G", price=1, active=False)
    group = Product.objects.create(shop=shop, external_id="GR", title="GR", is_group=True)
    for each in (product, gone, group):
        event(shop, each, anonymous_id="a")
        order(shop, each, anonymous_id="a")
    assert {row[1] for row in rows(shop)} == {product.pk}


def test_the_window_is_half_open_by_the_time_of_the_event(shop, product):
    for hour in (-1, 0, 1, 2):
        event(shop, product, at=T0 + timedelta(hours=hour), anonymous_id="a")
        order(shop, product, T0 + timedelta(hours=hour), anonymous_id="a")
    window = Window(T0, T0 + timedelta(hours=2))
    assert [(row[2], row[3]) for row in rows(shop, window)] == [
        (T0, "purchase"), (T0, "view"),
        (T0 + timedelta(hours=1), "purchase"), (T0 + timedelta(hours=1), "view"),
    ]  # fmt: skip


def test_another_shop_is_never_seen(shop, product):
    other = Shop.objects.create(slug="o", name="O", currency="EUR")
    theirs = Product.objects.create(shop=other, external_id="P", title="P", price=1)
    event(other, theirs, anonymous_id="a")
    order(other, theirs, anonymous_id="a")
    event(shop, product, anonymous_id="a")
    assert {row[1] for row in rows(shop)} == {product.pk}
    Customer.objects.create(shop=other, external_id="C")
    assert queries.customers(shop).is_empty() and read_customer_id(shop.pk, "C") is None
    assert queries.bestsellers(shop.pk).tolist() == []


def test_too_little_says_what_is_there_and_what_is_needed(db):
    shop = Shop.objects.create(slug="s", name="S", currency="EUR")
    product = Product.objects.create(shop=shop, external_id="P", title="P", price=1)
    for name in ("a", "b"):
        order(shop, product, anonymous_id=name)
    with pytest.raises(NotEnoughData) as caught:
        queries.interactions(shop, Window(None, timezone.now() + timedelta(days=999)))
    assert str(caught.value) == (
        "needs at least 100 interactions of 20 visitors with 10 products; there are 2 interactions of 2 visitors with "
        "1 product. Send events from the storefront, or load orders."
    )


def test_bestsellers_are_counted_by_orders_lately(shop, product):
    second = Product.objects.create(shop=shop, external_id="Q", title="Q", price=1)
    for _ in range(2):
        order(shop, second, anonymous_id="a")
    order(shop, product, anonymous_id="a")
    order(shop, product, anonymous_id="a", status="cancelled")
    for _ in range(5):
        order(shop, product, T0 - timedelta(days=200), anonymous_id="a")
    assert queries.bestsellers(shop.pk).tolist() == [second.pk, product.pk]


def test_the_sample_comes_back_as_it_was_made():
    shop = load_sample("tiny", 1, TINY, until=UNTIL)
    found = queries.learning_frames(shop, ALL)
    expected = generate(1, TINY, UNTIL)
    on_sale = expected.goods.products["active"].to_numpy()
    made = expected.interactions().filter(pl.Series(on_sale[expected.interactions()["product_id"].to_numpy()]))
    known = found["interactions"].filter(pl.col("customer_id") > 0)
    assert len(known.filter(pl.col("kind") == "purchase")) == len(made.filter(pl.col("weight") == 5))
    linked = set(expected.people.identities["customer"])
    names = dict(found["customers"].iter_rows())
    visits = known.filter(pl.col("kind") == "view").filter(
        pl.col("customer_id").replace_strict(names).str.strip_prefix("C").cast(pl.Int64).sub(1).is_in(linked)
    )
    assert len(visits) == len(made.filter(pl.col("weight") == 1))
    assert set(found["customers"]["customer_id"]) == set(known["customer_id"])
