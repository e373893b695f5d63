"""Facts in, a training in this process, the gate, a live version, an answer, its decision, the inbox, a label."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from commerce_ai.api import keys
from commerce_ai.decisions.models import Decision
from commerce_ai.learning import leases
from commerce_ai.learning.attempt import execute
from commerce_ai.learning.models import Run, Version
from commerce_ai.learning.runs import request_run
from commerce_ai.shop import consent
from commerce_ai.shop.models import Conversation, Label, Message, Shop, ShopMember
from commerce_ai.shop.revision import refresher
from plugins.support import queries
from plugins.support.forms import SLOT
from tests.support.conftest import questions

BOARD = "/console/support/board/"


@pytest.fixture
def operator(shop: Shop, client: Client, django_user_model: Any) -> Client:
    user = django_user_model.objects.create_user("operator", password="x", is_staff=True)
    ShopMember.objects.create(shop=shop, user=user, role="operator")
    client.force_login(user)
    return client


@pytest.fixture
def asked(shop: Shop) -> list[Message]:
    """A conversation a question, each labelled by a person."""
    made = []
    for number, (text, intent) in enumerate(questions().iter_rows()):
        talk = Conversation.objects.create(shop=shop, external_id=f"t{number}", anonymous_id=f"v{number}")
        message = Message.objects.create(
            shop=shop, external_id=f"m{number}", conversation=talk, role="customer", text=text
        )
        Label.objects.create(shop=shop, task="intent", subject_type="message", subject_id=message.pk, value=intent)
        made.append(message)
    return made


def test_from_labels_to_an_answer_and_back_to_a_label(shop, asked, operator, tmp_path: Path) -> None:
    run = request_run(shop, "support.intent", wake=False)
    ended = execute(leases.claim("test", run.pk))
    assert ended.state == Run.State.SUCCEEDED, ended.reason
    version = Version.objects.of(shop).get(slot=SLOT, state=Version.State.LIVE)
    refresher.poll()

    key = keys.create_key(shop, "storefront", "publishable", origins=["*"])[1]
    refresher.poll()

    def say(text: str, **more: Any) -> Any:
        sent = json.dumps({"text": text, "anonymous_id": "me", **more})
        response = Client().post(
            "/api/v1/support/reply", sent, content_type="application/json", headers={"Authorization": f"Bearer {key}"}
        )
        assert response.status_code == 200, response.content
        return response.json()

    answer = say("the box was crushed and my mug is broken, what now?")
    assert answer["version"] == f"support.intent v{version.pk}"
    assert answer["action"] == "article", answer
    assert answer["citations"][0]["title"] == "If something arrives damaged"
    assert Decision.objects.of(shop).get(pk=answer["decision_id"]).payload["context"]["articles"] == ["A-9"]

    handed = say("let me speak to a real person please", conversation_id=answer["conversation_id"])
    assert handed["action"] == "handover"
    page = operator.get(BOARD)
    text = page.content.decode()
    assert "let me speak to a real person please" in text
    assert {str(card.title): card.value for card in page.context["cards"]}["Waiting for a person"] == "1"

    talk = answer["conversation_id"]
    operator.post(BOARD, {"action": "answer", "conversation": talk, "text": "Hello, this is Ida."})
    assert Conversation.objects.of(shop).get(external_id=talk).status == "waiting"
    assert Message.objects.of(shop).get(role="agent").author.username == "operator"
    message = Message.objects.of(shop).filter(conversation__external_id=talk, role="customer").earliest("pk")
    operator.post(
        BOARD, {"action": "label", "conversation": talk, "message": str(message.pk), "intent": "damaged_item"}
    )
    learned = queries.learning_frames(shop, _window())["texts"]
    assert (message.text, "damaged_item") in learned.rows()
    assert "Hello, this is Ida." in operator.get(BOARD, {"conversation": talk}).content.decode()


def test_who_refused_training_is_not_learned_from(shop, asked) -> None:
    consent.record(shop, anonymous_id="v0", purpose="model_training", granted=False, source="test")
    texts = queries.learning_frames(shop, _window())["texts"]["text"].to_list()
    assert asked[0].text not in texts and asked[1].text in texts


def test_the_latest_label_of_a_message_counts(shop, asked) -> None:
    Label.objects.create(shop=shop, task="intent", subject_type="message", subject_id=asked[0].pk, value="other")
    rows = dict(queries.learning_frames(shop, _window())["texts"].rows())
    assert rows[asked[0].text] == "other" and len(rows) == len(asked)


def test_an_analyst_looks_and_does_not_act(shop, client, django_user_model) -> None:
    user = django_user_model.objects.create_user("analyst", password="x", is_staff=True)
    ShopMember.objects.create(shop=shop, user=user, role="analyst")
    client.force_login(user)
    text = client.get(BOARD).content.decode()
    assert "No message was answered yet" in text and "Nobody waits" in text
    assert client.post(BOARD, {"action": "retrain"}).status_code == 403


def test_articles_are_written_over_rest(shop, client) -> None:
    key = keys.create_key(shop, "server", "secret")[1]
    headers = {"Authorization": f"Bearer {key}"}
    row = {"title": "Warranty", "body": "Two years.", "language": "en"}
    made = client.put("/api/v1/articles/w-1", json.dumps(row), content_type="application/json", headers=headers)
    assert made.status_code == 201, made.content
    assert client.get("/api/v1/articles/w-1", headers=headers).json()["body"] == "Two years."
    bad = client.put(
        "/api/v1/articles/w-2", json.dumps({"title": "x"}), content_type="application/json", headers=headers
    )
    assert bad.status_code == 400 and bad.json()["errors"][0]["field"] == "body"


def _window() -> Any:
    from datetime import timedelta

    from django.utils import timezone

    from commerce_ai.learning.learner import Window

    return Window(None, timezone.now() + timedelta(minutes=1))
