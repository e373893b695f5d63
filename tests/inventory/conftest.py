"""A small shop with sales, stock and suppliers, and the smallest forecast that is one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.learning import versions
from commerce_ai.learning.learner import Evaluation, Silent, Window
from commerce_ai.learning.recipe import recipe_of
from commerce_ai.shop.models import (
    Location,
    Order,
    OrderLine,
    Product,
    Shop,
    ShopMember,
    StockLevel,
    Supplier,
    SupplierProduct,
)  # fmt: skip
from commerce_ai.shop.revision import refresher

DEMAND = "inventory.demand"
# Every method given and no trees: nothing is left to choose, and nothing slow is fitted.
QUICK = {
    "rounds": 0, "origins": 3, "damp": 1.0, "own": 0.25,
    **dict.fromkeys(("smooth", "erratic", "intermittent", "lumpy", "new"), "tsb+ma56"),
}  # fmt: skip


@pytest.fixture
def var(settings: Any, tmp_path: Path) -> Path:
    """A folder of the test's own for the files of versions."""
    settings.VAR_DIR = tmp_path
    return tmp_path


@pytest.fixture
def shop(db: None, var: Path) -> Shop:
    """Twelve products of 5 to 60 a week, 84 days of sales until yesterday; half of them nearly sold out."""
    made = Shop.objects.create(slug="deli", name="Deli", currency="EUR", timezone="Europe/Berlin")
    registry.switch(made, "inventory", True)
    fill(made)
    return made


def fill(shop: Shop, products: int = 12, days: int = 84) -> None:
    rng = np.random.default_rng(7)
    today = timezone.now().astimezone(shop.tz).date()
    place = Location.objects.create(shop=shop, external_id="main", name="Main")
    supplier = Supplier.objects.create(
        shop=shop, external_id="farm", name="Farm", lead_time_days=5, lead_time_sd_days=1, order_multiple=6
    )
    goods = Product.objects.bulk_create(
        Product(shop=shop, external_id=f"tea-{n}", title=f"Tea {n}", price="8.00", cost="3.00") for n in range(products)
    )
    StockLevel.objects.bulk_create(
        StockLevel(shop=shop, product=each, location=place, on_hand=4 if n % 2 else 5000)
        for n, each in enumerate(goods)
    )
    SupplierProduct.objects.bulk_create(
        SupplierProduct(shop=shop, product=each, supplier=supplier, unit_cost="3.00") for each in goods
    )
    first = today - timedelta(days=days)
    orders = Order.objects.bulk_create(
        Order(
            shop=shop, external_id=f"o-{n}", currency="EUR", total="8.00",
            placed_at=datetime.combine(first + timedelta(days=n), time(12), shop.tz),
        )
        for n in range(days)
    )  # fmt: skip
    pace = np.linspace(5, 60, products) / 7
    sold = rng.poisson(pace[None, :] * (1 + 0.5 * (np.arange(days) % 7 == 0))[:, None])
    OrderLine.objects.bulk_create(
        OrderLine(
            shop=shop, order=orders[day], position=n + 1, product=goods[n], quantity=int(sold[day, n]), unit_price="8"
        )
        for day in range(days)
        for n in range(products)
        if sold[day, n]
    )


GoLive = Callable[..., Any]


@pytest.fixture
def go_live(tmp_path: Path) -> GoLive:
    """Fit on a shop's facts with nothing to choose, make it live, and publish."""

    def make(shop: Shop, **params: Any) -> Any:
        recipe = recipe_of(registry.learner(DEMAND), {**QUICK, **params})
        window = Window(None, timezone.now())
        fitted = recipe.learner.fit(recipe.learner.frames(shop, window), recipe.params, Silent())
        folder = tmp_path / f"artifact-{len(list(tmp_path.glob('artifact-*')))}"
        folder.mkdir()
        recipe.learner.save(fitted, folder)
        metric, nothing = recipe.learner.metric.name, pl.DataFrame({"unit": [], "value": []})
        evaluation = Evaluation({metric: 0.2}, {metric: 0.3}, nothing, nothing)
        version = versions.make(versions.NewVersion(shop, recipe, evaluation, True, "", {}, window, folder))
        assert versions.publish(version), version.publish_error
        refresher.poll()
        return version

    return make


@pytest.fixture
def person(shop: Shop, client: Any, django_user_model: Any) -> Any:
    def enter(role: str) -> Any:
        user = django_user_model.objects.create_user(role, password="x", is_staff=True)
        ShopMember.objects.create(shop=shop, user=user, role=role)
        client.force_login(user)
        return client

    return enter


def today(shop: Shop) -> date:
    return timezone.now().astimezone(shop.tz).date()
