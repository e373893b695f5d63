"""Facts in over HTTP, a training in this process, the gate, a live version, an answer, its decision, the board."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from django.test import Client
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.api import keys
from commerce_ai.decisions.models import Decision
from commerce_ai.ingest import project
from commerce_ai.learning import leases
from commerce_ai.learning.attempt import execute
from commerce_ai.learning.models import Run, Version
from commerce_ai.learning.runs import request_run
from commerce_ai.shop.models import Event, Order, Shop, ShopMember
from commerce_ai.shop.revision import refresher
from plugins.recommendation.service import SLOT

SHELVES = ("Tea", "Bread", "Cheese", "Honey")
PRODUCTS = {f"{shelf.lower()}-{n}": shelf for shelf in SHELVES for n in range(10)}


@pytest.fixture
def shop(db: None, settings: Any, tmp_path: Path) -> Shop:
    settings.VAR_DIR = tmp_path
    made = Shop.objects.create(slug="deli", name="Deli", currency="EUR", timezone="Europe/Berlin")
    registry.switch(made, "recommendation", True)
    return made


@pytest.fixture
def call(shop: Shop, client: Client) -> Any:
    key = keys.create_key(shop, "server", "secret")[1]

    def make(method: str, path: str, body: Any = None, **query: Any) -> Any:
        refresher.poll()
        sent = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        headers = {"Authorization": f"Bearer {key}"}
        response = client.generic(method, path, headers=headers, query_params=query, **sent)
        assert response.status_code in (200, 201), response.content
        return response.json()

    return make


def messages() -> Iterator[dict[str, Any]]:
    """Sixty customers of one favourite shelf each: six visits of three looks and one purchase."""
    rng = np.random.default_rng(5)
    names = list(PRODUCTS)
    now = timezone.now() - timedelta(minutes=5)
    for visit in range(6):
        for person in range(60):
            shelf = [name for name in names if PRODUCTS[name] == SHELVES[person % len(SHELVES)]]
            at = now - timedelta(days=20 - 3 * visit, minutes=7 * person)
            who = {"userId": f"c{person}", "anonymousId": f"a{person}"}
            seen = [str(rng.choice(shelf if rng.random() < 0.9 else names)) for _ in range(3)]
            for step, name in enumerate(seen):
                yield {
                    "type": "track", "event": "Product Viewed", "messageId": f"v-{visit}-{person}-{step}", **who,
                    "timestamp": (at + timedelta(seconds=step)).isoformat(), "properties": {"product_id": name},
                }  # fmt: skip
            number = f"{visit}-{person}"
            yield {
                "type": "track", "event": "Order Completed", "messageId": f"o-{number}", **who,
                "timestamp": (at + timedelta(seconds=9)).isoformat(),
                "properties": {
                    "order_id": number, "total": 5, "currency": "EUR",
                    "products": [{"product_id": seen[-1], "price": 5, "quantity": 1}],
                },
            }  # fmt: skip


def test_from_facts_to_a_recommendation_on_the_board(
    shop: Shop, call: Any, client: Client, django_user_model: Any, django_capture_on_commit_callbacks: Any
) -> None:
    # Facts.
    rows = [
        {"external_id": name, "title": f"{shelf} {name}", "category": shelf, "price": "5.00"}
        for name, shelf in PRODUCTS.items()
    ]
    call("POST", "/api/v1/products/bulk", {"rows": rows})
    call("PUT", "/api/v1/stock/tea-0", {"on_hand": "0"})
    sent = list(messages())
    for start in range(0, len(sent), 500):
        answer = call("POST", "/v1/batch", {"batch": sent[start : start + 500]})
        assert answer["rejected"] == 0, answer
    project.run()
    assert Event.objects.of(shop).count() == len(sent) == 1440
    assert Order.objects.of(shop).exclude(customer=None).count() == 360

    # Before any training: bestsellers, and it says so.
    assert call("GET", "/api/v1/recommendations", customer_id="c0")["fallback"]

    # Training, gate, version.
    run = request_run(shop, "recommendation.collaborative", wake=False)
    ended = execute(leases.claim("test", run.pk))
    assert ended.state == Run.State.SUCCEEDED, ended.reason
    version = Version.objects.of(shop).get(slot=SLOT, state=Version.State.LIVE)
    metric = registry.learner(version.learner).metric.name
    assert version.metrics[metric] > version.baseline[metric]

    # An answer, and the decision behind it.
    answer = call("GET", "/api/v1/recommendations", customer_id="c0", n=5)
    assert not answer["fallback"] and answer["version"] == f"{version.learner} v{version.pk}"
    shown = [item["product_id"] for item in answer["items"]]
    bought = {line for order in Order.objects.of(shop).filter(customer__external_id="c0") for line in
              order.lines.values_list("product__external_id", flat=True)}  # fmt: skip
    assert len(shown) == 5 and "tea-0" not in shown and not bought & set(shown)
    left = {name for name, shelf in PRODUCTS.items() if shelf == "Tea"} - bought - {"tea-0"}
    assert set(shown[: len(left)]) <= left  # their own shelf first, as far as it goes
    kept = Decision.objects.of(shop).get(id=UUID(answer["decision_id"]))
    assert kept.version_id == version.pk and [each["product_id"] for each in kept.payload["items"]] == shown

    # What a visitor looks at counts at once, with the decision it came from.
    cold = call("GET", "/api/v1/recommendations", anonymous_id="new", n=5)
    look = {
        "type": "track", "event": "Product Viewed", "messageId": "look", "anonymousId": "new",
        "properties": {"product_id": "honey-3", "decision_id": cold["decision_id"]},
    }  # fmt: skip
    with django_capture_on_commit_callbacks(execute=True):  # visits are remembered once they are committed
        call("POST", "/v1/track", look)
    warm = call("GET", "/api/v1/recommendations", anonymous_id="new", n=5)
    assert {PRODUCTS[item["product_id"]] for item in warm["items"]} == {"Honey"}
    assert warm["items"][0]["reason"]["params"]["product_id"] == "honey-3"
    assert str(Event.objects.of(shop).get(message_id="look").decision_id) == cold["decision_id"]

    # The board.
    user = django_user_model.objects.create_user("owner", password="x", is_staff=True)
    ShopMember.objects.create(shop=shop, user=user, role="owner")
    client.force_login(user)
    page = client.get("/console/recommendation/board/", {"customer": "c0"})
    assert page.status_code == 200
    assert [item.product_id for item in page.context["answer"].items][:5] == shown
    figures = {str(card.title): card.value for card in page.context["cards"]}
    assert figures["Recommendations, last 24 hours"] == "4"
    assert figures["Live recommender"] == f"{version.metrics[metric]:.3f}"
