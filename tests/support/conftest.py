"""A shop with articles, a customer with orders, and a version that reads the sample shop's intents."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from commerce_ai import registry
from commerce_ai.encoders.exporting import exported
from commerce_ai.learning import versions
from commerce_ai.learning.learner import Evaluation, Silent, Window
from commerce_ai.learning.recipe import recipe_of
from commerce_ai.sample.phrases import ARTICLES, QUESTIONS
from commerce_ai.shop.models import Article, Customer, Order, Shipment, Shop
from commerce_ai.shop.revision import refresher

LEARNER = "support.intent"


def questions() -> pl.DataFrame:
    """Every question of the sample shop, with its intent."""
    rows = [
        (text.format(order=f"O-{10_000 + number}", product="travel tumbler"), intent)
        for intent, texts in QUESTIONS.items()
        for number, text in enumerate(texts)
    ]
    return pl.DataFrame(rows, schema=["text", "intent"], orient="row")


@pytest.fixture(scope="session", autouse=True)
def exported_encoder() -> Path:
    """The text encoder, exported once for the session, before any test moves VAR_DIR away."""
    return exported()


@pytest.fixture
def shop(db: None, settings: Any, tmp_path: Path) -> Shop:
    settings.VAR_DIR = tmp_path
    made = Shop.objects.create(slug="deli", name="Deli", currency="EUR", timezone="Europe/Berlin")
    registry.switch(made, "support", True)
    for number, (title, body, category) in enumerate(ARTICLES, 1):
        Article.objects.create(
            shop=made, external_id=f"A-{number}", title=title, body=body, category=category, language="en"
        )
    return made


@pytest.fixture
def customer(shop: Shop) -> Customer:
    made = Customer.objects.create(shop=shop, external_id="c-1", name="Ida Quist", email="ida@example.com")
    order = Order.objects.create(
        shop=shop, external_id="o-77", number="O-77", customer=made, status="fulfilled", currency="EUR",
        total=Decimal("41.90"), placed_at=datetime(2026, 2, 1, tzinfo=UTC), door=2,
    )  # fmt: skip
    Shipment.objects.create(
        shop=shop, external_id="s-1", order=order, status="shipped", carrier="Postbote", tracking_number="TRACK-9"
    )
    return made


@pytest.fixture
def go_live(shop: Shop, tmp_path: Path) -> Callable[[], Any]:
    """Fit on the sample's questions and make the version live."""

    def make() -> Any:
        recipe = recipe_of(registry.learner(LEARNER), {"c": 10.0})
        fitted = recipe.learner.fit({"texts": questions()}, recipe.params, Silent())
        folder = tmp_path / "artifact"
        folder.mkdir()
        recipe.learner.save(fitted, folder)
        nothing = pl.DataFrame({"unit": [], "value": []})
        evaluation = Evaluation({"accuracy": 0.9}, {"accuracy": 0.8}, nothing, nothing)
        window = Window(None, datetime(2026, 3, 1, tzinfo=UTC))
        version = versions.make(versions.NewVersion(shop, recipe, evaluation, True, "", {}, window, folder))
        refresher.poll()
        return version

    return make
