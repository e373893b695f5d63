"""A shop with products and customers, and versions that are live in it without a long training."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from commerce_ai import registry
from commerce_ai.learning import versions
from commerce_ai.learning.learner import Evaluation, Silent, Window
from commerce_ai.learning.recipe import recipe_of
from commerce_ai.sample.generate import TINY
from commerce_ai.sample.load import load_sample
from commerce_ai.shop.models import Shop
from commerce_ai.shop.revision import refresher
from plugins.recommendation import queries

UNTIL = date(2026, 3, 1)
END = datetime(2026, 3, 1, tzinfo=UTC)
COLLABORATIVE, POPULARITY = "recommendation.collaborative", "recommendation.popularity"


@pytest.fixture
def var(settings: Any, tmp_path: Path) -> Path:
    """A folder of the test's own for the files of versions."""
    settings.VAR_DIR = tmp_path
    return tmp_path


@pytest.fixture
def shop(db: None, var: Path) -> Shop:
    """The tiny sample shop, with the plugin switched on."""
    made = load_sample("tiny", 1, TINY, until=UNTIL)
    registry.switch(made, "recommendation", True)
    return made


@pytest.fixture
def other_shop(db: None, var: Path) -> Shop:
    made = load_sample("other", 2, TINY, until=UNTIL)
    registry.switch(made, "recommendation", True)
    return made


GoLive = Callable[..., Any]


@pytest.fixture
def go_live(tmp_path: Path) -> GoLive:
    """Fit a learner on a shop's facts without any choosing, and make it live with the given figure."""

    def make(shop: Shop, learner: str = COLLABORATIVE, figure: float = 0.2, **params: Any) -> Any:
        if learner == COLLABORATIVE:
            params = {"method": "item_to_item", **params}
        recipe = recipe_of(registry.learner(learner), params)
        window = Window(None, END)
        frames = recipe.learner.frames(shop, window)
        fitted = recipe.learner.fit(frames, recipe.params, Silent())
        return store(shop, recipe, fitted, figure, window, tmp_path)

    return make


def store(shop: Shop, recipe: Any, fitted: Any, figure: float, window: Window, home: Path) -> Any:
    number = len(list(home.glob("artifact-*")))
    folder = home / f"artifact-{number}"
    folder.mkdir()
    recipe.learner.save(fitted, folder)
    metric = recipe.learner.metric.name
    nothing = pl.DataFrame({"unit": [], "value": []})
    evaluation = Evaluation({metric: figure}, {metric: figure / 2}, nothing, nothing)
    version = versions.make(versions.NewVersion(shop, recipe, evaluation, True, "", {}, window, folder))
    refresher.poll()
    return version


@pytest.fixture
def few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LEAST_INTERACTIONS", "LEAST_CUSTOMERS", "LEAST_PRODUCTS"):
        monkeypatch.setattr(queries, name, 1)
