"""Reviews in, a training in this process, the gate, a live version, an answer, its decision, an alert, the board."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone

from commerce_ai.api import keys
from commerce_ai.decisions.models import Decision
from commerce_ai.learning import leases
from commerce_ai.learning.attempt import execute
from commerce_ai.learning.models import Run, Version
from commerce_ai.learning.runs import request_run
from commerce_ai.shop.models import Product, ProductSignal, Shop, ShopMember
from commerce_ai.shop.revision import refresher
from plugins.sentiment import tasks
from plugins.sentiment.models import Judgement, SentimentAlert


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


def test_from_reviews_to_an_alert_on_the_board(
    shop: Shop, product: Product, call: Any, write: Any, client: Client, django_user_model: Any, exported_encoder: Any
) -> None:
    # Facts: four quiet weeks with ratings.
    now = timezone.now()
    for days in range(2, 29):
        write(shop, 12, 3, now - timedelta(days=days), product)
    assert call("POST", "/api/v1/sentiment/analyze", {"texts": ["fine"]})["fallback"]

    # Training, gate, version; what went live judges what is there.
    ended = execute(leases.claim("test", request_run(shop, "sentiment.classifier", wake=False).pk))
    assert ended.state == Run.State.SUCCEEDED, ended.reason
    version = Version.objects.of(shop).get(state=Version.State.LIVE)
    assert version.metrics["accuracy"] >= version.baseline["accuracy"] and version.metrics["accuracy"] > 0.9
    assert Judgement.objects.of(shop).filter(version_id=version.pk).count() == 27 * 12
    assert ProductSignal.objects.of(shop).get(product=product).sentiment > 0

    # An answer, and the decision behind it.
    answer = call("POST", "/api/v1/sentiment/analyze", {"texts": ["terrible quality, broke after a day"]})
    assert answer["results"][0]["label"] == "negative" and answer["results"][0]["topics"] == ["quality"]
    kept = Decision.objects.of(shop).get(id=UUID(answer["decision_id"]))
    assert kept.version_id == version.pk and kept.plugin == "sentiment"

    # Yesterday it turned; nobody rated, the version reads the words.
    write(shop, 40, 24, now - timedelta(days=1), product, rated=False)
    tasks.read_new(shop.pk)
    alert = SentimentAlert.objects.of(shop).get(product=None, topic="")
    assert alert.texts >= 40 and alert.share > 0.4 and alert.expected < 0.4
    assert [each["id"] for each in call("GET", "/api/v1/sentiment/trends", days=14)["alerts"]] == [alert.pk]

    # The board.
    user = django_user_model.objects.create_user("owner", password="x", is_staff=True)
    ShopMember.objects.create(shop=shop, user=user, role="owner")
    client.force_login(user)
    page = client.get("/console/sentiment/board/")
    cards = {str(card.title): card.value for card in page.context["cards"]}
    assert int(cards["Sentiment alerts to be seen"]) == SentimentAlert.objects.of(shop).count() > 0
    assert cards["Live sentiment classifier"] == f"{100 * version.metrics['accuracy']:.1f} %"
    client.post("/console/sentiment/board/", {"action": "acknowledge", "alert": alert.pk})
    alert.refresh_from_db()
    assert alert.acknowledged_by == user
