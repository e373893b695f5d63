"""What is read from the shop's tables, on the shop's own days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from django.utils import timezone

from commerce_ai.learning.learner import NotEnoughData, Window
from commerce_ai.shop.models import OrderLine, PricePlan, Product, PurchaseOrder, StockLevel
from plugins.inventory import queries
from tests.factories import (
    LocationFactory,
    OrderFactory,
    ProductFactory,
    PromotionFactory,
    ShopFactory,
    StockLevelFactory,
    StockMovementFactory,
    SupplierFactory,
)
from tests.inventory.conftest import today

END = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(queries, "LEAST_LINES", 1)
    monkeypatch.setattr(queries, "LEAST_DAYS", 1)


def sell(product: Product, at: datetime, units: int, **order: object) -> None:
    made = OrderFactory(shop=product.shop, placed_at=at, **order)
    OrderLine.objects.of(product.shop).filter(order=made).delete()
    OrderLine.objects.create(
        shop=product.shop, order=made, position=1, product=product, quantity=units, unit_price="10", discount="2"
    )


def read(shop: object) -> pl.DataFrame:
    return queries.learning_frames(shop, Window(None, END))["sales"]


def test_a_day_is_the_shops_and_an_unfinished_one_is_left_out(db, few):
    shop = ShopFactory(timezone="America/New_York")
    product = ProductFactory(shop=shop)
    sell(product, datetime(2026, 2, 2, 3, tzinfo=UTC), 3)  # still the first in New York
    sell(product, datetime(2026, 2, 1, 20, tzinfo=UTC), 1)
    sell(product, datetime(2026, 2, 3, 20, tzinfo=UTC), 7, status="cancelled")
    sell(product, datetime(2026, 3, 1, 11, tzinfo=UTC), 9)  # on the day that the window ends in
    rows = read(shop)
    sold = rows.filter(pl.col("units") > 0).rows(named=True)
    assert [(row["date"], row["units"], row["price"]) for row in sold] == [(date(2026, 2, 1), 4.0, 9.0)]
    assert rows["date"].max() == date(2026, 2, 28), "quiet last days count"


def test_only_this_shops_products_that_are_on_sale(db, few):
    shop, other = ShopFactory(), ShopFactory()
    for product in (ProductFactory(shop=shop), ProductFactory(shop=shop, active=False), ProductFactory(shop=other)):
        sell(product, datetime(2026, 2, 2, 12, tzinfo=UTC), 1)
    assert read(shop)["product_id"].unique().to_list() == [Product.objects.of(shop).get(active=True).pk]


def test_promotions_of_a_category_hold_on_their_days(db, few):
    shop = ShopFactory()
    product = ProductFactory(shop=shop, category="Home > Kitchen")
    sell(product, datetime(2026, 2, 2, 12, tzinfo=UTC), 1)
    PromotionFactory(
        shop=shop, category="Home", starts_at=datetime(2026, 2, 10, 12, tzinfo=UTC),
        ends_at=datetime(2026, 2, 12, 12, tzinfo=UTC),
    )  # fmt: skip
    promoted = read(shop).filter(pl.col("promotion") > 0)["date"].to_list()
    assert promoted == [date(2026, 2, each) for each in (10, 11, 12)]


def test_movements_tell_the_days_without_stock(db, few):
    shop = ShopFactory()
    product, place = ProductFactory(shop=shop), LocationFactory(shop=shop)
    sell(product, datetime(2026, 2, 1, 12, tzinfo=UTC), 4)
    StockLevelFactory(shop=shop, product=product, location=place, on_hand=6)
    for day, quantity, kind in ((1, -4, "sale"), (5, 10, "receipt"), (20, -4, "sale")):
        at = datetime(2026, 2, day, 12, tzinfo=UTC)
        StockMovementFactory(shop=shop, product=product, location=place, at=at, quantity=quantity, kind=kind)
    # 4 lay there before the 1st, none from then until ten came on the 5th.
    hidden = read(shop).filter(pl.col("stock_out"))["date"].to_list()
    assert hidden == [date(2026, 2, each) for each in (1, 2, 3, 4)]


def test_an_empty_level_hides_demand_since_it_was_written(db, few):
    shop = ShopFactory()
    product = ProductFactory(shop=shop)
    sell(product, datetime(2026, 2, 1, 12, tzinfo=UTC), 4)
    level = StockLevelFactory(shop=shop, product=product, on_hand=0)
    StockLevel.objects.of(shop).filter(pk=level.pk).update(updated_at=datetime(2026, 2, 25, 12, tzinfo=UTC))
    assert read(shop).filter(pl.col("stock_out"))["date"].to_list() == [date(2026, 2, each) for each in (26, 27, 28)]


def test_planned_prices_are_those_of_the_last_plan(db):
    shop = ShopFactory()
    product = ProductFactory(shop=shop)
    for starts, ends, price in ((1, None, "9"), (3, 4, "7")):
        PricePlan.objects.create(
            shop=shop, product=product, starts_on=date(2026, 3, starts), ends_on=ends and date(2026, 3, ends),
            price=price, as_of=timezone.now(),
        )  # fmt: skip
    rows = queries.plans(shop, date(2026, 3, 1), days=5)
    assert rows["price"].to_list() == [9.0, 9.0, 7.0, 7.0, 9.0]


def test_shelves_know_what_comes_and_the_terms_of_the_product_before_the_suppliers(shop):
    product = Product.objects.of(shop).order_by("pk")[0]
    farm = queries.Supplier.objects.of(shop).get()
    order = PurchaseOrder.objects.create(
        shop=shop, external_id="po", supplier=farm, location_id=StockLevel.objects.of(shop).first().location_id,
        status="placed", expected_on=today(shop) + timedelta(days=2),
    )  # fmt: skip
    queries.PurchaseOrderLine.objects.create(
        shop=shop, purchase_order=order, position=1, product=product, quantity=20, quantity_received=5
    )
    queries.SupplierProduct.objects.of(shop).filter(product=product).update(lead_time_days=9)
    SupplierFactory(shop=shop)
    row = queries.shelves(shop).row(0, named=True)
    assert (row["product_id"], row["available"], row["on_order"]) == (product.pk, 5000.0, 15.0)
    assert (row["lead_days"], row["multiple"], row["lead_deviation"]) == (9.0, 6.0, 1.0)


def test_too_few_sales_say_what_is_missing(db):
    with pytest.raises(
        NotEnoughData, match="needs at least 50 days with sales of a product, over 42 days in all; there are 0 "
    ):
        read(ShopFactory())
