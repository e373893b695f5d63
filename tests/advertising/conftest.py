"""A shop with customers, a running campaign, and scores without a long training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from commerce_ai import registry
from commerce_ai.learning import versions
from commerce_ai.learning.learner import Evaluation, Silent, Window
from commerce_ai.learning.recipe import recipe_of
from commerce_ai.shop.models import Campaign, Customer, CustomerScore, Shop
from commerce_ai.shop.revision import refresher
from plugins.advertising import worth
from plugins.advertising.models import UpliftScore
from tests.advertising.frames import bought, contacted


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    worth.forget_all()
    yield
    worth.forget_all()


@pytest.fixture
def shop(db: None, settings: Any, tmp_path: Path) -> Shop:
    settings.VAR_DIR = tmp_path
    made = Shop.objects.create(slug="deli", name="Deli", currency="EUR", timezone="Europe/Berlin")
    registry.switch(made, "advertising", True)
    refresher.poll()
    return made


@pytest.fixture
def people(shop: Shop) -> list[Customer]:
    """Forty customers with e-mail and phone, one in four without either."""
    return [
        Customer.objects.create(
            shop=shop, external_id=f"c{n}",
            email=f" Person{n}@Example.org " if n % 4 else "", phone=f"+49 30 1234{n:02}" if n % 4 else "",
            country="DE" if n % 2 else "AT",
        )
        for n in range(40)
    ]  # fmt: skip


@pytest.fixture
def campaign(shop: Shop) -> Campaign:
    return Campaign.objects.create(
        shop=shop, external_id="spring", name="Spring", channel="email", attributes={"cost_per_contact": 0.5}
    )


@pytest.fixture
def configure(shop: Shop) -> Callable[..., None]:
    def save(**changed: Any) -> None:
        form = registry.plugin("advertising").settings_form_class()
        values = {name: field.initial for name, field in form.base_fields.items()}
        registry.save_settings(shop, "advertising", {**values, **changed})
        refresher.poll()

    return save


@pytest.fixture
def score(shop: Shop) -> Callable[..., None]:
    """Give customers an uplift (for any campaign), and a value of ten orders of 50."""

    def make(customers: list[Customer], uplifts: list[float], segment: str = "loyal", version: int = 1) -> None:
        at = datetime.now(UTC)
        for customer, uplift in zip(customers, uplifts, strict=True):
            UpliftScore.objects.create(
                shop=shop, customer=customer, uplift=uplift, response=0.1, version_id=version, as_of=at
            )
            CustomerScore.objects.create(
                shop=shop, customer=customer, value=500, orders=10, churn=0.1, segment=segment, as_of=at
            )

    return make


@pytest.fixture
def go_live(shop: Shop, tmp_path: Path) -> Callable[..., Any]:
    """Fit a learner on a frame of ours, and make it live. Nothing is published."""

    def make(learner: str = "advertising.uplift", figure: float = 0.2) -> Any:
        frames = {"customers": contacted(600)} if learner.endswith("uplift") else {"orders": bought(150)}
        recipe = recipe_of(registry.learner(learner), {})
        fitted = recipe.learner.fit(frames, recipe.params, Silent())
        folder = tmp_path / f"artifact-{len(list(tmp_path.glob('artifact-*')))}"
        folder.mkdir()
        recipe.learner.save(fitted, folder)
        metric = recipe.learner.metric.name
        nothing = pl.DataFrame({"unit": [], "value": []})
        extra = {f"uplift_tenth_{place}": 0.2 - 0.02 * place for place in range(1, 11)} | {"average_uplift": 0.08}
        evaluation = Evaluation({metric: figure, **extra}, {metric: 0.0}, nothing, nothing)
        window = Window(None, datetime.now(UTC) - timedelta(days=1))
        version = versions.make(versions.NewVersion(shop, recipe, evaluation, True, "", {}, window, folder))
        refresher.poll()
        return version

    return make
