"""A shop, a few products, a key of each kind, and one way to send messages to the tracking routes."""

from __future__ import annotations

import gzip as zipped
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from commerce_ai.api import keys
from commerce_ai.ingest import memory
from commerce_ai.shop.models import Product, Shop

Send = Callable[..., Any]


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is not a Redis that is away."""
    monkeypatch.setattr(memory, "TIMEOUT_S", 10)
    monkeypatch.setattr(memory, "_away", memory._Away())
    memory.client.cache_clear()


@pytest.fixture
def shop(db: None) -> Shop:
    return Shop.objects.create(slug="north", name="North", currency="EUR", timezone="Europe/Berlin")


@pytest.fixture
def other_shop(db: None) -> Shop:
    return Shop.objects.create(slug="south", name="South", currency="EUR")


@pytest.fixture
def products(shop: Shop) -> dict[str, int]:
    """External id → our id of three products."""
    made = [Product.objects.create(shop=shop, external_id=f"p{n}", title=f"Mug {n}", price=n) for n in (1, 2, 3)]
    return {each.external_id: each.pk for each in made}


@pytest.fixture
def secret_key(shop: Shop) -> str:
    return keys.create_key(shop, "server", "secret")[1]


@pytest.fixture
def publishable_key(shop: Shop) -> str:
    return keys.create_key(shop, "browser", "publishable", origins=["https://shop.example"])[1]


@pytest.fixture
def send(client: Client, django_capture_on_commit_callbacks: Any) -> Send:
    """``send("batch", body, key)`` → response. Text and bytes go as they are; what follows a commit happens."""

    def make(route: str, body: Any, key: str | None = None, *, gzip: bool = False, **headers: str) -> Any:
        data = (
            body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        )
        sent = {"Content-Type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
        if gzip:
            data, sent["Content-Encoding"] = zipped.compress(data), "gzip"
        if key:
            sent["Authorization"] = f"Bearer {key}"
        with django_capture_on_commit_callbacks(execute=True):
            return client.generic("POST", f"/v1/{route}", data, sent.pop("Content-Type"), headers=sent)

    return make
