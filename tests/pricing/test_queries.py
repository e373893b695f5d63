"""Weekly units and prices: the right weeks, what does not count, prices that held, promotions, empty shelves."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from commerce_ai.learning.learner import NotEnoughData, Window
from commerce_ai.shop.models import (
    Location,
    Order,
    OrderLine,
    PriceChange,
    Product,
    Promotion,
    PromotionProduct,
    Return,
    Shop,
    StockMovement,
)
from plugins.pricing import queries
from tests.factories import ConsentFactory, CustomerFactory, ShopFactory

pytestmark = pytest.mark.django_db
MONDAY = date(2026, 2, 2)
WINDOW = Window(None, datetime(2026, 3, 4, 12, tzinfo=UTC))  # a Wednesday: its week is not whole


@pytest.fixture(autouse=True)
def few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "LEAST_WEEKS", 1)


@pytest.fixture
def shop() -> Shop:
    return Shop.objects.create(slug="s", name="S", currency="EUR", timezone="Europe/Berlin")


@pytest.fixture
def product(shop: Shop) -> Product:
    return Product.objects.create(shop=shop, external_id="P", title="P", price=5, category="Tea > Green", brand="B")


def at(week: int, day: int = 2, hour: int = 12) -> datetime:
    return datetime(2026, 2, 2, hour, tzinfo=UTC) + timedelta(weeks=week, days=day)


def sell(shop: Shop, product: Product, when: datetime, units: Any = 1, price: Any = 5, **order: Any) -> OrderLine:
    number = Order.objects.count()
    made = Order.objects.create(
        shop=shop, external_id=f"o{number}", total=1, placed_at=when, **{"currency": "EUR", "status": "paid", **order}
    )
    return OrderLine.objects.create(
        shop=shop, order=made, position=1, product=product, quantity=units, unit_price=price
    )


def rows(shop: Shop, *columns: str, window: Window = WINDOW) -> list[Any]:
    found = queries.sales(shop, window).select(columns or ["period", "units", "price"])
    return found.rows() if len(columns or "..") > 1 else found.to_series().to_list()


def test_weeks_are_the_shops_and_whole_ones(shop, product):
    sell(shop, product, datetime(2026, 2, 1, 22, 59, tzinfo=UTC))  # Sunday 23:59 in Berlin
    sell(shop, product, datetime(2026, 2, 1, 23, 0, tzinfo=UTC), 2)  # Monday 00:00 there
    sell(shop, product, at(4, day=1))  # the running week
    found = rows(shop, "period", "units")
    assert found[:2] == [(date(2026, 1, 26), 1.0), (MONDAY, 2.0)]
    assert max(period for period, _units in found) <= date(2026, 2, 23)
    cut = rows(shop, "period", window=Window(datetime(2026, 1, 28, tzinfo=UTC), WINDOW.end))
    assert cut[0] == MONDAY  # the window begins within a week, which is left out


def test_what_was_cancelled_refunded_in_other_money_or_refused_does_not_count(shop, product):
    sell(shop, product, at(0), 3)
    for status in ("cancelled", "refunded"):
        sell(shop, product, at(0), 10, status=status)
    sell(shop, product, at(0), 10, currency="USD")
    refuser = CustomerFactory(shop=shop)
    ConsentFactory(shop=shop, customer=refuser, purpose="model_training", granted=False)
    sell(shop, product, at(0), 10, customer=refuser)
    theirs = ShopFactory()
    sell(theirs, Product.objects.create(shop=theirs, external_id="P", title="P", price=1), at(0), 10)
    assert rows(shop, "units") == [3.0]


def test_what_came_back_is_taken_off(shop, product):
    line = sell(shop, product, at(0), 3)
    Return.objects.create(shop=shop, external_id="r", order=line.order, order_line=line, product=product, quantity=2)
    sell(shop, product, at(1), 1)
    assert rows(shop, "units") == [1.0, 1.0]


def test_weeks_without_a_sale_count_as_none_sold(shop, product):
    sell(shop, product, at(0), 2, price=4)
    sell(shop, product, at(3), 1, price=6)
    assert rows(shop) == [
        (MONDAY, 2.0, 4.0), (date(2026, 2, 9), 0.0, 4.0), (date(2026, 2, 16), 0.0, 4.0), (date(2026, 2, 23), 1.0, 6.0),
    ]  # fmt: skip


def test_the_price_is_the_one_that_held_else_what_was_paid(shop, product):
    for week in range(3):
        sell(shop, product, at(week), 1, price=9)
    monday = datetime(2026, 2, 8, 23, tzinfo=UTC)  # in Berlin
    PriceChange.objects.create(shop=shop, product=product, price=4, starts_at=monday)
    PriceChange.objects.create(shop=shop, product=product, price=8, starts_at=monday + timedelta(days=10, hours=12))
    found = rows(shop, "price")
    assert found[0] == 9.0 and found[1] == pytest.approx(4.0) and found[2] == pytest.approx(6.0)


def test_promotions_count_by_their_share_of_the_week(shop, product):
    other = Product.objects.create(shop=shop, external_id="Q", title="Q", price=5, category="Tea > Greenish")
    for each in (product, other):
        for week in range(3):
            sell(shop, each, at(week))
    monday = datetime(2026, 2, 1, 23, tzinfo=UTC)

    def promote(name: str, begin: datetime, days: float, **more: Any) -> Promotion:
        return Promotion.objects.create(
            shop=shop, external_id=name, name=name, starts_at=begin, ends_at=begin + timedelta(days=days), **more
        )

    mine = promote("product", monday, 7)
    PromotionProduct.objects.create(shop=shop, promotion=mine, product=product)
    promote("category", monday + timedelta(days=7), 3.5, category="Tea > Green")
    promote("coupon", monday + timedelta(days=14), 7, category="Tea", code="SECRET")
    promote("off", monday + timedelta(days=14), 7, category="Tea", active=False)
    found = queries.sales(shop, WINDOW)
    assert found.filter(product_id=product.pk)["promotion"].to_list() == pytest.approx([1.0, 0.5, 0.0])
    assert found.filter(product_id=other.pk)["promotion"].to_list() == pytest.approx([0.0, 0.0, 0.0])


def test_weeks_with_an_empty_shelf_are_left_out(shop, product):
    other = Product.objects.create(shop=shop, external_id="Q", title="Q", price=5)
    place = Location.objects.create(shop=shop, external_id="L", name="L")
    for week in (0, 3):
        sell(shop, product, at(week))
    for week in range(4):
        sell(shop, other, at(week))  # sold without a receipt: not tracked
    moves = [("receipt", 5, at(0, 0)), ("sale", -5, at(1, 0)), ("receipt", 5, at(3, 0, 1)), ("sale", -1, at(3))]
    for number, (kind, quantity, when) in enumerate(moves):
        StockMovement.objects.create(
            shop=shop, external_id=str(number), product=product, location=place, kind=kind, quantity=quantity, at=when
        )
    StockMovement.objects.create(
        shop=shop, external_id="x", product=other, location=place, kind="sale", quantity=-1, at=at(0)
    )
    found = queries.sales(shop, WINDOW)
    assert found.filter(product_id=product.pk)["period"].to_list() == [MONDAY]
    assert found.filter(product_id=other.pk).height == 4


def test_only_what_is_sold_now_and_its_kind(shop, product):
    gone = Product.objects.create(shop=shop, external_id="G", title="G", price=5, active=False)
    for each in (product, gone):
        sell(shop, each, at(0))
    assert rows(shop, "product_id", "brand", "category") == [(product.pk, "B", "Tea > Green")]


def test_the_lowest_price_of_thirty_days_counts_the_one_at_their_beginning(shop, product):
    now = datetime(2026, 3, 1, tzinfo=UTC)
    for days, price in ((90, 3), (40, 5), (20, 8), (5, 6)):
        PriceChange.objects.create(shop=shop, product=product, price=price, starts_at=now - timedelta(days=days))
    assert queries.lowest_prices(shop.pk, [product.pk], now) == {product.pk: Decimal(5)}
    assert queries.lowest_prices(shop.pk, [product.pk], now + timedelta(days=24)) == {product.pk: Decimal(6)}
    found = queries.situations(shop.pk, [product.pk], now)[product.pk]
    assert found["lowest_30_days"] == Decimal(5) and found["external_id"] == "P"


def test_too_little_says_what_is_there_and_what_is_needed(shop, product, monkeypatch):
    monkeypatch.setattr(queries, "LEAST_WEEKS", 16)
    for week in range(2):
        sell(shop, product, at(week))
    with pytest.raises(NotEnoughData) as caught:
        queries.sales(shop, WINDOW)
    assert str(caught.value) == (
        "needs at least 16 weeks of sales of 1 product; there are 2 weeks of sales of 1 product. "
        "Load earlier orders, or wait until more weeks are over."
    )
