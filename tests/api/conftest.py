from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from commerce_ai.api import keys, limits
from commerce_ai.shop.models import Shop


@pytest.fixture(autouse=True)
def _fresh_limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(limits, "TIMEOUT_S", 10.0)  # machines that run tests are busy
    client = limits.client  # a test may put another one in its place
    client.cache_clear()
    limits._noted.clear()
    limits._purse.empty()
    yield
    client.cache_clear()
    limits._breaker.__init__()  # type: ignore[misc]


@pytest.fixture
def shop(db: None) -> Shop:
    return Shop.objects.create(slug="north", name="North", currency="EUR")


@pytest.fixture
def other_shop(db: None) -> Shop:
    return Shop.objects.create(slug="south", name="South", currency="EUR")


@pytest.fixture
def secret_key(shop: Shop) -> str:
    return keys.create_key(shop, "server", "secret")[1]


@pytest.fixture
def publishable_key(shop: Shop) -> str:
    return keys.create_key(shop, "browser", "publishable", origins=["https://shop.example"])[1]


Call = Callable[..., Any]


@pytest.fixture
def call(client: Client) -> Call:
    """``call("GET", "/api/v1/…", key, body, **headers)`` → response; JSON both ways."""

    def make(method: str, path: str, key: str | None = None, body: Any = None, **headers: str) -> Any:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key:
            sent["Authorization"] = f"Bearer {key}"
        data = {} if body is None else {"data": body, "content_type": "application/json"}
        return client.generic(method, path, headers=sent, **_encoded(data))

    return make


def _encoded(data: dict[str, Any]) -> dict[str, Any]:
    import json

    if "data" in data and not isinstance(data["data"], (bytes, str)):
        data["data"] = json.dumps(data["data"], default=str)
    return data
