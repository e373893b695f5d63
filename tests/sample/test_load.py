"""The sample in the database: once, whole, and only where nobody else's products are."""

from datetime import date

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from commerce_ai.sample.generate import TINY, generate
from commerce_ai.sample.load import NotASample, load_sample
from commerce_ai.shop.models import (
    Chargeback,
    Conversation,
    Customer,
    DailyMetric,
    Event,
    Identity,
    Mention,
    Order,
    OrderLine,
    Payment,
    PriceChange,
    Product,
    Promotion,
    Review,
    Revision,
    Shop,
    StockLevel,
)

UNTIL = date(2026, 3, 1)
pytestmark = pytest.mark.django_db


def test_everything_generated_is_there_and_belongs_together():
    told = []
    shop = load_sample("tiny", 1, TINY, lambda share, what: told.append(share), until=UNTIL)
    sample = generate(1, TINY, UNTIL)
    counts = {
        Product: len(sample.goods.products),
        Customer: len(sample.people.customers),
        Identity: len(sample.people.identities),
        StockLevel: len(sample.goods.stock),
        Order: len(sample.happenings.orders),
        OrderLine: len(sample.happenings.lines),
        Review: len(sample.talk.reviews),
        Mention: len(sample.talk.mentions),
        Conversation: len(sample.talk.talks),
        Payment: len(sample.payments.payments),
        Chargeback: len(sample.payments.chargebacks),
        PriceChange: len(sample.prices.changes),
        Promotion: len(sample.prices.promotions),
        Event: len(sample.happenings.events),
    }
    assert {model: model.objects.of(shop).count() for model in counts} == counts
    assert told == sorted(told) and told[-1] == 1.0
    assert Revision.objects.get(shop=shop, topic="catalogue").n == 1

    row = sample.happenings.orders.row(0, named=True)
    order = Order.objects.of(shop).get(external_id=row["external_id"])
    assert order.placed_at == row["at"] and float(order.total) == pytest.approx(row["total"])
    lines = sample.happenings.lines.filter(order=0)
    skus = [sample.goods.products["external_id"][product] for product in lines["product"]]
    assert sorted(order.lines.values_list("sku", flat=True)) == sorted(skus)
    assert all(line.product.external_id == line.sku for line in order.lines.select_related("product"))

    event = Event.objects.of(shop).exclude(customer=None).exclude(product=None).select_related("customer").first()
    assert event.user_id == event.customer.external_id and event.properties["product_id"] == event.product.external_id
    customer = Customer.objects.of(shop).get(external_id="C000001")
    assert customer.email.endswith("@example.com") and customer.email_hash


def test_a_second_time_changes_nothing_even_on_another_day():
    shop = load_sample("tiny", 1, TINY, until=UNTIL)
    events = Event.objects.of(shop).count()
    again = load_sample("tiny", 1, TINY, until=date(2026, 3, 9))
    assert again == shop and Event.objects.of(shop).count() == events


def test_a_shop_with_products_of_its_own_is_left_alone():
    shop = Shop.objects.create(slug="real", name="Real", currency="EUR")
    Product.objects.create(shop=shop, external_id="X", title="X")
    with pytest.raises(NotASample):
        load_sample("real", 1, TINY, until=UNTIL)
    assert Product.objects.of(shop).count() == 1
    shop.refresh_from_db()
    assert shop.name == "Real"


def test_two_samples_do_not_meet():
    one, two = (load_sample(name, seed, TINY, until=UNTIL) for name, seed in (("one", 1), ("two", 2)))
    assert Product.objects.of(one).count() == Product.objects.of(two).count() == TINY.products
    assert not OrderLine.objects.of(one).filter(product__shop=two).exists()


def test_without_events_there_are_still_orders():
    shop = load_sample("quiet", 1, TINY, until=UNTIL, events=False)
    assert Order.objects.of(shop).exists() and not Event.objects.of(shop).exists()


def test_the_dashboard_has_figures_for_every_day_of_the_sample():
    shop = load_sample("counted", 1, TINY, until=UNTIL)
    figures = DailyMetric.objects.of(shop)
    counted = figures.filter(name="events", dimension="").values_list("value", flat=True)
    assert sum(counted) == Event.objects.of(shop).count() > 0
    assert sum(figures.filter(name="orders").values_list("value", flat=True)) > 0
    assert sum(figures.filter(name="visitors").values_list("value", flat=True)) > 0


def test_goods_are_sold_at_the_price_of_their_day():
    shop = load_sample("priced", 1, TINY, until=UNTIL, events=False)
    line = OrderLine.objects.of(shop).select_related("order", "product").order_by("-order__placed_at").first()
    held = PriceChange.objects.of(shop).filter(product=line.product, starts_at__lte=line.order.placed_at)
    assert line.unit_price == held.latest("starts_at").price
    for product in Product.objects.of(shop)[:20]:
        assert PriceChange.objects.of(shop).filter(product=product).latest("starts_at").price == product.price


@pytest.mark.parametrize("day", [0, 1])
def test_a_shop_that_has_just_opened_can_be_loaded(day):
    call_command("sample", shop="young", products=96, customers=60, days=30, visits_each=12.0, day=day, until=UNTIL)
    shop = Shop.objects.get(slug="young")
    assert Product.objects.of(shop).count() == 96 and StockLevel.objects.of(shop).count() == 96
    assert Event.objects.of(shop).exists() == Order.objects.of(shop).exists() == (day > 0)


def test_events_have_the_same_ids_whenever_they_are_written():
    shop = load_sample("tiny", 1, TINY, until=UNTIL)
    made = list(Event.objects.of(shop).order_by("id").values_list("id", "message_id"))
    assert [message for _id, message in made] == [f"sample-{number}" for number in range(len(made))]
    with transaction.atomic():  # as if it had never been
        Shop.objects.filter(pk=shop.pk).delete()
        again = load_sample("tiny", 1, TINY, until=UNTIL)
    ids = Event.objects.of(again).order_by("id").values_list("id", flat=True)
    assert [each.int - (again.pk << 32) for each in ids] == [each.int - (shop.pk << 32) for each, _message in made]


def test_the_command_says_what_is_wrong_in_a_line():
    with pytest.raises(CommandError, match="at least 48 products are needed"):
        call_command("sample", shop="bare", products=3)
    assert not Shop.objects.filter(slug="bare").exists()
