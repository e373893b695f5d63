"""A shop with a channel that nothing leaves by, and days of figures."""

from __future__ import annotations

from typing import Any

import pytest

from commerce_ai.alerts.models import Channel
from commerce_ai.shop.models import Shop
from tests.browsing import browser, chromium, garden, signed_in  # noqa: F401  (fixtures)
from tests.factories import ShopFactory


@pytest.fixture
def shop(db: None) -> Shop:
    return ShopFactory(name="Garden Shop", slug="garden", currency="EUR", timezone="Asia/Tokyo")


@pytest.fixture
def other(db: None) -> Shop:
    return ShopFactory(name="Harbour Shop", slug="harbour", currency="USD", timezone="UTC")


@pytest.fixture
def channel(shop: Shop) -> Channel:
    return make_channel(shop)


def make_channel(shop: Shop, **fields: Any) -> Channel:
    given = {"name": "desk", "kind": "webhook", "url": "https://example.com/hook", "secret": "whsec_" + "c2VjcmV0" * 4}
    return Channel.objects.create(shop=shop, **{**given, **fields})
