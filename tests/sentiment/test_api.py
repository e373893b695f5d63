"""The routes over HTTP: what is judged, what is kept of it, and what bad input is told."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.api import keys
from commerce_ai.decisions.models import Decision
from commerce_ai.shop.models import Label, Mention, Review
from commerce_ai.shop.revision import refresher
from plugins.sentiment import tasks
from plugins.sentiment.models import SentimentAlert

BASE = "/api/v1/sentiment/"


@pytest.fixture
def call(shop: Any, client: Client) -> Any:
    key = keys.create_key(shop, "server", "secret")[1]

    def make(method: str, path: str, body: Any = None, status: int = 200, **query: Any) -> Any:
        refresher.poll()
        sent = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        response = client.generic(
            method, BASE + path, headers={"Authorization": f"Bearer {key}"}, query_params=query, **sent
        )
        assert response.status_code == status, response.content
        return response.json()

    return make


def test_texts_are_judged_with_reasons_and_one_decision_that_holds_no_text(shop, call, go_live):
    version = go_live(shop)
    texts = ["It broke after a day, what a waste of money", "质量很好，非常满意", "fits perfectly"]
    answer = call("POST", "analyze", {"texts": texts})
    assert [each["label"] for each in answer["results"]] == ["negative", "positive", "positive"]
    first = answer["results"][0]
    assert first["topics"] == ["quality"] and sum(first["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    assert {each["code"] for each in first["reasons"]} == {"word", "topic"} and first["reasons"][0]["text"]
    assert first["reasons"][0]["params"]["word"] in texts[0].lower()
    assert answer["version"] == f"sentiment.classifier v{version.pk}" and not answer["fallback"] and answer["stored"]
    kept = Decision.objects.of(shop).get(id=UUID(answer["decision_id"]))
    assert kept.version_id == version.pk and kept.payload["value"]["labels"] == {"negative": 1, "positive": 2}
    assert "waste" not in json.dumps(kept.payload) and "waste" not in json.dumps(kept.reasons)


def test_without_a_version_texts_stay_unjudged_and_it_says_so(shop, call):
    answer = call("POST", "analyze", {"texts": ["the courier was late"]})
    assert answer["fallback"] and "No version is live" in answer["fallback_reason"] and answer["version"] is None
    (result,) = answer["results"]
    assert result["label"] is None and result["probabilities"] == {} and result["topics"] == ["delivery"]
    assert Decision.objects.of(shop).get().flags == ["fallback"]


def test_the_emergency_switch_is_obeyed(shop, call, go_live):
    go_live(shop)
    settings = registry.settings_for(shop.pk, "sentiment")
    registry.save_settings(shop, "sentiment", {"topics": settings.topics, "false_alarms_a_year": 4.0, "unjudged": True})
    answer = call("POST", "analyze", {"texts": ["fine"]})
    assert answer["fallback"] and "switched judging off" in answer["fallback_reason"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "texts"),
        ({"texts": []}, "texts"),
        ({"texts": ["ok", 3]}, "texts.1"),
        ({"texts": [""]}, "texts.0"),
        ({"texts": ["x" * 10_001]}, "texts.0"),
        ({"texts": ["x"] * 101}, "texts"),
        ({"texts": ["x"], "language": 3}, "language"),
    ],
)
def test_bad_input_names_its_field(shop, call, body, field):
    answer = call("POST", "analyze", body, status=400)
    assert [each["field"].replace("...", "1") for each in answer["errors"]] == [field] or answer["errors"][0][
        "field"
    ].startswith("texts")


def test_judged_texts_are_listed_filtered_and_paged(shop, call, write, product):
    write(shop, 5, 2, product=product)
    Mention.objects.create(shop=shop, external_id="m1", platform="news", text="nobody rated this")
    tasks.read_new(shop.pk)
    everything = call("GET", "mentions", limit=3)
    rest = call("GET", "mentions", limit=3, cursor=everything["next"])
    found = everything["results"] + rest["results"]
    assert len(found) == 5 and rest["next"] is None and len({each["id"] for each in found}) == 5
    bad = call("GET", "mentions", label="negative", product_id="kettle", kind="review")["results"]
    assert len(bad) == 2 and all(each["label"] == "negative" and each["text"] for each in bad)
    assert call("GET", "mentions", product_id="none", status=404)["errors"][0]["field"] == "product_id"
    assert call("GET", "mentions", cursor="nonsense", status=400)["errors"][0]["field"] == "cursor"
    assert call("GET", "mentions", kind="message", status=400)["errors"][0]["field"] == "kind"
    assert call("GET", "mentions", label="angry", status=400)["errors"][0]["field"] == "label"
    for route in ("mentions", "trends"):
        assert call("GET", route, topic="the weather", status=400)["errors"][0]["field"] == "topic"


def test_mentions_come_newest_first_whenever_they_were_judged(shop, call):
    now = timezone.now()
    for name, days in (("new", 1), ("old", 9), ("middle", 5)):
        at = now - timedelta(days=days)
        Review.objects.create(shop=shop, external_id=name, text="fits perfectly", rating=5, at=at)
        tasks.read_new(shop.pk)
    first = call("GET", "mentions", limit=2)
    second = call("GET", "mentions", limit=2, cursor=first["next"])
    assert [each["id"] for each in first["results"] + second["results"]] == ["new", "middle", "old"]


def test_topics_and_trends_count_what_was_judged(shop, call, product):
    Review.objects.create(shop=shop, external_id="a", text="arrived late", rating=1, product=product)
    Review.objects.create(shop=shop, external_id="b", text="quick delivery", rating=5)
    tasks.read_new(shop.pk)
    found = {each["topic"]: each for each in call("GET", "topics", days=7)["results"]}
    assert (found["delivery"]["texts"], found["delivery"]["negative_share"]) == (2, 0.5)
    assert found["returns"] == {"topic": "returns", "texts": 0, "negative": 0, "negative_share": None}
    (day,) = call("GET", "trends")["results"]
    assert (day["texts"], day["negative"], day["negative_share"]) == (2, 1, 0.5)
    (day,) = call("GET", "trends", product_id="kettle")["results"]
    assert day["texts"] == 1
    assert call("GET", "trends", topic="delivery")["results"][0]["texts"] == 2
    assert call("GET", "trends", topic="delivery", product_id="kettle", status=400)["errors"][0]["field"] == "topic"


def test_shares_have_few_digits(shop, call):
    for n, (text, rating) in enumerate((("arrived late", 1), ("quick delivery", 5), ("on time, a fine parcel", 5))):
        Review.objects.create(shop=shop, external_id=f"r{n}", text=text, rating=rating)
    tasks.read_new(shop.pk)
    SentimentAlert.objects.create(
        shop=shop, day=timezone.now().date(), texts=9, negative=8, expected=1 / 3, chance=1.23456789e-9
    )
    told = call("GET", "trends")
    assert told["results"][0]["negative_share"] == 0.3333
    assert (told["alerts"][0]["expected_share"], told["alerts"][0]["chance"]) == (0.3333, 1.23e-9)
    found = {each["topic"]: each for each in call("GET", "topics", days=7)["results"]}
    assert found["delivery"]["negative_share"] == 0.3333


def test_a_label_is_corrected_and_an_alert_acknowledged(shop, other_shop, call, write):
    row, *_ = write(shop, 2, 1)
    tasks.read_new(shop.pk)
    body = {"kind": "review", "id": row.external_id, "label": "neutral"}
    assert call("POST", "labels", body) == {**body, "was": "negative"}
    assert Label.objects.of(shop).get().value == "neutral"
    assert call("POST", "labels", {**body, "id": "nobody"}, status=404)["errors"][0]["field"] == "id"
    assert call("POST", "labels", {**body, "label": "meh"}, status=400)["errors"][0]["field"] == "label"
    alert, foreign = (
        SentimentAlert.objects.create(shop=each, day="2026-03-01", texts=9, negative=8, expected=0.1, chance=0.001)
        for each in (shop, other_shop)
    )
    seen = call("POST", f"alerts/{alert.pk}/acknowledge")
    assert seen["acknowledged_at"] and call("POST", f"alerts/{alert.pk}/acknowledge") == seen
    call("POST", f"alerts/{foreign.pk}/acknowledge", status=404)


def test_a_browsers_key_may_ask_nothing(shop, client):
    key = keys.create_key(shop, "browser", "publishable", origins=["https://shop.example"])[1]
    refresher.poll()
    response = client.post(
        BASE + "analyze", json.dumps({"texts": ["x"]}), content_type="application/json",
        headers={"Authorization": f"Bearer {key}", "Origin": "https://shop.example"},
    )  # fmt: skip
    assert response.status_code == 403
