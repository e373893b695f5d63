"""A shop whose customers have written, and a version that judges, without a long training."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.encoders.exporting import exported
from commerce_ai.learning import versions
from commerce_ai.learning.learner import Evaluation, Silent, Window
from commerce_ai.learning.recipe import recipe_of
from commerce_ai.shop.models import Product, Review, Shop
from commerce_ai.shop.revision import refresher
from tests.sentiment import words


@pytest.fixture(scope="session")
def exported_encoder() -> Path:
    """The text encoder, exported once for the session, before any test moves VAR_DIR away."""
    return exported()


@pytest.fixture
def var(settings: Any, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path
    return tmp_path


def make_shop(slug: str, timezone_name: str = "Europe/Berlin") -> Shop:
    made = Shop.objects.create(slug=slug, name=slug, currency="EUR", timezone=timezone_name)
    registry.switch(made, "sentiment", True)
    refresher.poll()
    return made


@pytest.fixture
def shop(db: None, var: Path) -> Shop:
    return make_shop("words")


@pytest.fixture
def other_shop(db: None, var: Path) -> Shop:
    return make_shop("others")


@pytest.fixture
def product(shop: Shop) -> Product:
    return Product.objects.create(shop=shop, external_id="kettle", title="Kettle")


@pytest.fixture
def write() -> Any:
    """Reviews of one day: how many, how many of them bad."""

    def make(
        shop: Shop, texts: int, bad: int, at: datetime | None = None, product: Product | None = None, rated: bool = True
    ) -> list[Review]:
        rng = np.random.default_rng(Review.objects.of(shop).count())
        at = at or timezone.now() - timedelta(minutes=1)
        start = Review.objects.of(shop).count()
        return Review.objects.bulk_create(
            Review(
                shop=shop, external_id=f"r{start + number}", product=product, at=at,
                text=words.text(rng, number >= bad), rating=(1 if number < bad else 5) if rated else None,
            )
            for number in range(texts)
        )  # fmt: skip

    return make


@pytest.fixture
def go_live(tmp_path: Path) -> Any:
    """Fit on small texts and make it live."""

    def make(shop: Shop, figure: float = 0.9, **params: Any) -> Any:
        recipe = recipe_of(registry.learner("sentiment.classifier"), {"method": "tfidf", **params})
        fitted = recipe.learner.fit({"texts": words.frame()}, recipe.params, Silent())
        folder = tmp_path / f"artifact-{len(list(tmp_path.glob('artifact-*')))}"
        folder.mkdir()
        recipe.learner.save(fitted, folder)
        nothing = pl.DataFrame({"unit": [], "value": []})
        evaluation = Evaluation({"accuracy": figure}, {"accuracy": figure / 2}, nothing, nothing)
        window = Window(None, timezone.now())
        version = versions.make(versions.NewVersion(shop, recipe, evaluation, True, "", {}, window, folder))
        refresher.poll()
        return version

    return make
