"""What customers are told over the API, what they are not, and when a person takes over."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from commerce_ai import registry
from commerce_ai.api import customer_token, keys
from commerce_ai.decisions.models import Decision
from commerce_ai.shop.models import Article, Conversation, Message, Shop
from commerce_ai.shop.revision import refresher
from plugins.support.forms import SettingsForm
from plugins.support.models import AnswerTemplate

REPLY = "/api/v1/support/reply"


@pytest.fixture
def call(shop: Shop, client: Client) -> Any:
    made = {
        kind: keys.create_key(shop, kind, kind, origins=["*"] if kind == "publishable" else [])[1]
        for kind in ("secret", "publishable")
    }  # noqa: E501

    def send(body: Any, kind: str = "publishable", status: int = 200) -> Any:
        refresher.poll()
        response = client.post(
            REPLY, json.dumps(body), content_type="application/json", headers={"Authorization": f"Bearer {made[kind]}"}
        )
        assert response.status_code == status, response.content
        return response.json()

    return send


def configure(shop: Shop, **changed: Any) -> None:
    form = SettingsForm(data={name: field.initial for name, field in SettingsForm.base_fields.items()} | changed)
    assert form.is_valid(), form.errors
    registry.save_settings(shop, "support", form.cleaned_data)


WHERE = "Where is my order? It has not arrived yet."


def test_without_a_version_articles_are_searched_by_words_and_it_says_so(call, shop) -> None:
    answer = call({"text": "What does delivery cost?", "anonymous_id": "v1"})
    assert answer["action"] == "article" and answer["citations"][0]["title"] == "What delivery costs"
    assert answer["text"] == "Delivery costs 4.90 euros. From 50 euros on it is free."
    assert answer["fallback"] and answer["version"] is None and "No version is live" in answer["fallback_reason"]


def test_what_no_article_answers_goes_to_a_person_and_stays_there(call, shop) -> None:
    first = call({"text": "Xylophone quandary?", "anonymous_id": "v1"})
    assert first["action"] == "handover"
    second = call(
        {"text": "What does delivery cost?", "anonymous_id": "v1", "conversation_id": first["conversation_id"]}
    )
    assert second["action"] == "waiting"
    assert Conversation.objects.of(shop).get().status == "handed_off"
    assert Message.objects.of(shop).count() == 4


def test_a_customers_facts_are_told_only_to_whom_the_shop_vouches_for(call, shop, customer, go_live) -> None:
    version = go_live()
    stranger = call({"text": WHERE, "customer_id": "c-1", "anonymous_id": "v1"})
    assert stranger["action"] == "sign_in" and stranger["intent"] == "where_is_my_order"
    assert "O-77" not in json.dumps(stranger) and "TRACK-9" not in json.dumps(stranger)
    assert stranger["version"] == f"support.intent v{version.pk}" and not stranger["fallback"]

    token = customer_token.sign(keys.signing_secret(shop), "c-1", 4_000_000_000)
    known = call({"text": WHERE, "customer_token": token, "anonymous_id": "v2"})
    assert known["action"] == "template" and "O-77" in known["text"] and "TRACK-9" in known["text"]
    assert {each["code"] for each in known["reasons"]} == {"intent", "own_facts"}
    by_server = call({"text": WHERE, "customer_id": "c-1"}, kind="secret")
    assert "O-77" in by_server["text"]

    decision = Decision.objects.of(shop).get(pk=known["decision_id"])
    assert decision.payload["value"] == "template" and decision.version_id == version.pk
    assert "O-77" not in json.dumps(decision.payload) and decision.customer_id == customer.pk


def test_a_conversation_is_its_own_visitors_only(call, shop, customer, go_live) -> None:
    begun = call({"text": "What does delivery cost?", "anonymous_id": "v1"})["conversation_id"]
    for other in ({"anonymous_id": "v2"}, {}):
        refused = call({"text": "And returns?", "conversation_id": begun, **other}, status=404)
        assert refused["errors"][0]["field"] == "conversation_id"
    assert call({"text": "And returns?", "conversation_id": begun, "anonymous_id": "v1"})["conversation_id"] == begun
    assert Message.objects.of(shop).count() == 4


def test_a_message_sent_again_is_answered_again_and_written_once(call, shop) -> None:
    begun = call({"text": "What does delivery cost?", "anonymous_id": "v1"})["conversation_id"]
    again = {"text": "How do I return it?", "anonymous_id": "v1", "conversation_id": begun, "message_id": "m-2"}
    one, two = call(again), call(again)
    assert one == two | {"stored": one["stored"]}
    assert Message.objects.of(shop).count() == 4 and Decision.objects.of(shop).count() == 2


def test_the_shops_own_template_comes_first_and_nothing_in_it_is_run(call, shop, go_live) -> None:
    go_live()
    AnswerTemplate.objects.create(
        shop=shop, intent="cancel_order", text="Ask {shop} by phone. {{7*7}} {shop.__class__}"
    )
    answer = call({"text": "Please cancel my order, I ordered by mistake", "anonymous_id": "v1"})
    assert answer["action"] == "template" and answer["text"] == "Ask Deli by phone. {{7*7}} {shop.__class__}"


def test_an_article_that_changes_is_quoted_anew(call, shop, go_live) -> None:
    go_live()
    text = {"text": "How much is delivery?", "anonymous_id": "v1"}
    assert "4.90" in call(text)["text"]
    article = Article.objects.of(shop).get(title="What delivery costs")
    article.body = "Delivery costs seven euros."
    article.save()
    assert "seven euros" in call(text)["text"]


def test_the_intent_says_which_articles_may_answer(call, shop, go_live) -> None:
    go_live()
    for text in ("How do I send something back?", "send something back", "I want to give back what I bought"):
        answer = call({"text": text, "anonymous_id": "v1"})
        assert answer["intent"] == "return_item" and answer["action"] == "article"
        assert answer["citations"][0]["title"] == "How to return something", text
        assert "return label" in answer["text"]


def test_an_article_on_another_topic_must_be_nearer(call, shop, go_live) -> None:
    go_live()
    Article.objects.of(shop).filter(category="Returns").update(body="Ask us.", title="Miscellaneous")
    asked = {"text": "I want to give back what I bought", "anonymous_id": "v1"}
    assert call(asked)["action"] == "handover"
    configure(shop, sure_nearness=0.0)
    assert call(asked)["action"] == "article"
    configure(shop, sure_nearness=1.0, topics="return_item: Orders")
    assert call(asked)["citations"][0]["title"] == "Cancelling an order"


def test_beside_the_request_to_sign_in_nothing_weak_is_quoted(call, shop, customer, go_live) -> None:
    go_live()
    near = call({"text": "How long until my parcel gets here?", "anonymous_id": "v1"})
    assert near["action"] == "sign_in" and near["citations"][0]["title"] == "How long delivery takes"
    Article.objects.of(shop).filter(category="Delivery").delete()
    weak = call({"text": "How long until my parcel gets here?", "anonymous_id": "v2"})
    assert weak["action"] == "sign_in" and not weak["citations"]
    assert weak["text"] == "For your privacy I can only look into your orders when you are signed in."
    AnswerTemplate.objects.create(shop=shop, intent="product_question", text="As in {order}.")
    foreign = call({"text": "Which size of the travel tumbler should I take?", "anonymous_id": "v3"})
    assert foreign["intent"] == "product_question" and foreign["action"] == "sign_in" and not foreign["citations"]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("return_item Returns", "Line 1: it needs an intent, a colon and topics."),
        ("# ours\na: Returns\na: Orders", "Line 3: its intent stands there twice."),
    ],
)
def test_topics_that_do_not_hold_are_named_with_their_line(lines: str, words: str) -> None:
    form = SettingsForm(
        data={name: field.initial for name, field in SettingsForm.base_fields.items()} | {"topics": lines}
    )
    assert not form.is_valid() and form.errors["topics"] == [words]


def test_people_only_hands_everything_over(call, shop, go_live) -> None:
    go_live()
    configure(shop, people_only=True)
    answer = call({"text": WHERE, "anonymous_id": "v1"})
    assert answer["action"] == "handover" and answer["fallback"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"text": ""}, "text"),
        ({}, "text"),
        ({"text": 5}, "text"),
        ({"text": "  "}, "text"),
        ({"text": "x" * 5000}, "text"),
    ],
)  # noqa: E501
def test_bad_input_is_named(call, body, field) -> None:
    refused = call(body, status=400)
    assert refused["errors"][0]["field"] == field


def test_switched_off_it_is_not_there(call, shop) -> None:
    registry.switch(shop, "support", False)
    call({"text": WHERE}, status=404)
