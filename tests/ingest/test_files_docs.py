"""The page on loading says what the code does."""

from __future__ import annotations

import os
from pathlib import Path

from commerce_ai.ingest.files import documentation, tables
from commerce_ai.shop import models

PAGE = Path(__file__).resolve().parents[2] / "docs" / "loading.md"
# What no file fills, and why.
NOT_LOADED = {
    "Shop", "ShopMember", "Revision",  # the install's own
    "Event", "EventKey",  # messages: format `segment`
    "DailyMetric",  # computed
    "Tombstone",  # made by an erasure alone
    "DemandForecast", "PricePlan", "PriceResponse", "StockOutlook", "CustomerScore", "ProductSignal",  # published
}  # fmt: skip


def test_the_page_is_what_the_code_says() -> None:
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(documentation.page())
    assert PAGE.read_text() == documentation.page()


def test_every_table_of_the_shop_can_be_loaded_or_is_listed_with_the_reason() -> None:
    every = {
        name
        for name in models.__all__
        if hasattr(getattr(models, name), "_meta") and not getattr(models, name)._meta.abstract
    }
    assert {each.model.__name__ for each in tables().values()} == every - NOT_LOADED
