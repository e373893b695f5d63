"""A shop with customers and payments, a secret key, and a version that is live without a search for settings."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from django.test import Client
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.api import keys
from commerce_ai.ingest import memory
from commerce_ai.learning import versions
from commerce_ai.learning.learner import Evaluation, Silent, Window
from commerce_ai.learning.recipe import recipe_of
from commerce_ai.shop.models import Chargeback, Customer, Payment, Shop, ShopMember
from commerce_ai.shop.revision import refresher
from tests.fraud.frames import START, payments

TREES = "fraud.trees"


@pytest.fixture
def var(settings: Any, tmp_path: Path) -> Path:
    """A folder of the test's own for the files of versions."""
    settings.VAR_DIR = tmp_path
    return tmp_path


@pytest.fixture
def shop(db: None, var: Path) -> Shop:
    made = Shop.objects.create(slug="deli", name="Deli", currency="EUR", timezone="Europe/Berlin")
    registry.switch(made, "fraud", True)
    refresher.poll()
    for key in memory.client().scan_iter(memory.prefixed("fraud:*")):  # numbers of shops come again
        memory.client().delete(key)
    return made


def pay(shop: Shop, frame: pl.DataFrame | None = None, ends: datetime | None = None) -> pl.DataFrame:
    """Load a stream of payments that ends now, with a chargeback a week after each fraud. Gives the frame as loaded."""
    frame = payments() if frame is None else frame
    ends = ends or timezone.now() - timedelta(minutes=1)
    moved = frame.with_columns(pl.col("timestamp") + (ends - frame["timestamp"].max()))
    customers = {
        number: Customer(shop=shop, external_id=f"c{number}")
        for number in sorted(moved["customer_id"].drop_nulls().unique())
    }
    Customer.objects.bulk_create(customers.values())
    rows = [
        Payment(
            shop=shop,
            external_id=f"p{row['transaction_id']}",
            customer=customers.get(row["customer_id"]),
            status="captured",
            currency="EUR",
            amount=Decimal(str(row["amount"])),
            device_id=f"d{row['terminal_id']}",
            at=row["timestamp"],
        )
        for row in moved.iter_rows(named=True)
    ]
    Payment.objects.bulk_create(rows)
    frauds = [each for each, bad in zip(rows, moved["is_fraud"], strict=True) if bad == 1]
    Chargeback.objects.bulk_create(
        Chargeback(
            shop=shop, external_id=f"cb-{each.external_id}", payment=each, amount=each.amount, currency="EUR",
            is_fraud=True, occurred_at=each.at, known_at=each.at + timedelta(days=7),
        )
        for each in frauds
    )  # fmt: skip
    return moved


@pytest.fixture
def go_live(tmp_path: Path) -> Callable[..., Any]:
    """Fit on a shop's payments, or on given frames, without choosing anything, and make it live."""

    def make(shop: Shop, frames: Any = None, **params: Any) -> Any:
        recipe = recipe_of(registry.learner(TREES), {"rounds": 40, "positive_weight": 1.0, **params})
        window = Window(None, timezone.now())
        fitted = recipe.learner.fit(frames or recipe.learner.frames(shop, window), recipe.params, Silent())
        folder = tmp_path / f"artifact-{len(list(tmp_path.glob('artifact-*')))}"
        folder.mkdir()
        recipe.learner.save(fitted, folder)
        nothing = pl.DataFrame({"unit": [], "is_fraud": [], "score": []})
        evaluation = Evaluation({"average_precision": 0.8}, {"average_precision": 0.3}, nothing, nothing)
        version = versions.make(versions.NewVersion(shop, recipe, evaluation, True, "", {}, window, folder))
        refresher.poll()
        return version

    return make


@pytest.fixture
def call(shop: Shop, client: Client) -> Callable[..., Any]:
    """Ask a route with a secret key; gives the answer's JSON, its status checked."""
    key = keys.create_key(shop, "server", "secret")[1]

    def make(method: str, path: str, body: Any = None, status: int = 200, **query: Any) -> Any:
        refresher.poll()
        sent = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        headers = {"Authorization": f"Bearer {key}"}
        response = client.generic(method, f"/api/v1/fraud/{path}", headers=headers, query_params=query, **sent)
        assert response.status_code == status, response.content
        return response.json()

    return make


@pytest.fixture
def person(shop: Shop, client: Client, django_user_model: Any) -> Callable[[str], Client]:
    """Sign somebody in who has a role in the shop."""

    def enter(role: str) -> Client:
        user = django_user_model.objects.create_user(role, password=None, is_staff=True)
        ShopMember.objects.create(shop=shop, user=user, role=role)
        client.force_login(user)
        return client

    return enter


def body(payment: str = "new", amount: str = "20.00", **fields: Any) -> dict[str, Any]:
    return {"payment_id": payment, "amount": amount, **fields}


__all__ = ["START", "body", "pay"]
