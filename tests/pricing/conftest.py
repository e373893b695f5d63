"""A shop with products whose answer to price is known, and a version that is live in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from django.test import Client
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.api import keys
from commerce_ai.learning import versions
from commerce_ai.learning.learner import Evaluation, Silent, Window
from commerce_ai.learning.recipe import recipe_of
from commerce_ai.shop.models import Order, OrderLine, Product, Shop
from commerce_ai.shop.revision import refresher
from tests.pricing.frames import MONDAY, sales

LEARNER = "pricing.elasticity"
SETTINGS = {
    "min_margin_percent": 10.0, "max_step_percent": 10.0, "above_highest_percent": 5.0, "ending": "",
    "tax_percent": 0.0, "least_observations": 12, "rest_days": 28, "announce_reductions": False,
    "catalogue_only": False,
}  # fmt: skip


@pytest.fixture
def shop(db: None, settings: Any, tmp_path: Path) -> Shop:
    settings.VAR_DIR = tmp_path
    made = Shop.objects.create(slug="deli", name="Deli", currency="EUR", timezone="Europe/Berlin")
    registry.switch(made, "pricing", True)
    return made


@pytest.fixture
def goods(shop: Shop) -> list[Product]:
    """Eight products: tea (elasticity −3) and bread (−1.5) by turns; price 4, 5 …, cost 60 % of it."""
    made = [
        Product(
            shop=shop, external_id=f"P{n}", title=f"Product {n}", price=Decimal(4 + n), cost=Decimal(4 + n) * 6 / 10,
            category="tea" if n % 2 == 0 else "bread", brand="Acme",
        )
        for n in range(8)
    ]  # fmt: skip
    Product.objects.bulk_create(made)
    refresher.poll()
    return made


@pytest.fixture
def go_live(shop: Shop, goods: list[Product], tmp_path: Path) -> Callable[[], Any]:
    """Fit on sales of these products, make the version live, publish."""

    def make() -> Any:
        recipe = recipe_of(registry.learner(LEARNER), {"nuisance": "linear", "harmonics": 1})
        frame = sales(8, 80).with_columns(
            product_id=pl.col("product_id").replace_strict(
                list(range(1, 9)), [each.pk for each in goods], return_dtype=pl.Int64
            )
        )
        fitted = recipe.learner.fit({"sales": frame}, recipe.params, Silent())
        folder = tmp_path / f"artifact-{len(list(tmp_path.glob('artifact-*')))}"
        folder.mkdir()
        recipe.learner.save(fitted, folder)
        nothing = pl.DataFrame({"unit": [], "squares": [], "rows": []})
        evaluation = Evaluation({"rmse_log_units": 0.2}, {"rmse_log_units": 0.5}, nothing, nothing)
        window = Window(None, timezone.now())
        version = versions.make(versions.NewVersion(shop, recipe, evaluation, True, "", {}, window, folder))
        assert versions.publish(version), version.publish_error
        refresher.poll()
        return version

    return make


@pytest.fixture
def call(shop: Shop, client: Client) -> Any:
    key = keys.create_key(shop, "server", "secret")[1]

    def make(method: str, path: str, body: Any = None, status: int = 200, **query: Any) -> Any:
        refresher.poll()
        sent = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        headers = {"Authorization": f"Bearer {key}"}
        response = client.generic(method, f"/api/v1/{path}", headers=headers, query_params=query, **sent)
        assert response.status_code == status, response.content
        return response.json()

    return make


def write_sales(shop: Shop, goods: list[Product], weeks: int = 80) -> datetime:
    """The same sales as orders: one a week and product, on Wednesdays, up to last week. Gives the last week's end."""
    tz = shop.tz
    today = timezone.now().astimezone(tz).date()
    monday = today - timedelta(days=today.weekday())
    frame = sales(8, weeks).filter(pl.col("units") > 0)
    orders, lines = [], []
    for number, row in enumerate(frame.iter_rows(named=True)):
        day = monday - timedelta(weeks=weeks) + (row["period"] - MONDAY) + timedelta(days=2)
        order = Order(
            shop=shop, external_id=f"o{number}", currency="EUR", total=1, status="paid",
            placed_at=datetime.combine(day, time(12), tz).astimezone(UTC),
        )  # fmt: skip
        orders.append(order)
        lines.append((order, goods[row["product_id"] - 1], row["units"], row["price"]))
    Order.objects.bulk_create(orders)
    OrderLine.objects.bulk_create(
        OrderLine(shop=shop, order=order, position=1, product=product, quantity=units, unit_price=price)
        for order, product, units, price in lines
    )
    return datetime.combine(monday, time(0), tz).astimezone(UTC)
