"""The board in the console: what it shows, whom it lets act, and what its actions do."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from commerce_ai.learning.models import Run
from commerce_ai.shop.models import Label, Review, ShopMember
from plugins.sentiment import tasks
from plugins.sentiment.models import Judgement, SentimentAlert

BOARD = "/console/sentiment/board/"


@pytest.fixture
def person(shop: Any, client: Client, django_user_model: Any) -> Any:
    def enter(role: str) -> Client:
        user = django_user_model.objects.create_user(role, password="x", is_staff=True)
        ShopMember.objects.create(shop=shop, user=user, role=role)
        client.force_login(user)
        return client

    return enter


@pytest.fixture
def alert(shop: Any) -> SentimentAlert:
    today = timezone.now().astimezone(shop.tz).date()
    return SentimentAlert.objects.create(shop=shop, day=today, texts=10, negative=8, expected=0.2, chance=0.0001)


def test_an_empty_shop_is_told_the_next_step(person):
    text = person("owner").get(BOARD).content.decode()
    assert "Load reviews or mentions" in text and "No text was judged yet" in text


def test_negative_texts_their_share_and_alerts_are_shown(person, shop, other_shop, write, alert, product):
    write(shop, 10, 4, product=product)
    Review.objects.create(shop=other_shop, external_id="x", text="elsewhere it was awful", rating=1)
    tasks.read_new(shop.pk)
    tasks.read_new(other_shop.pk)
    page = person("analyst").get(BOARD)
    text = page.content.decode()
    assert "8 of 10" in text and "Kettle" in text and "elsewhere" not in text
    chart = {str(each.label): each.values for each in page.context["chart"].series}
    assert chart["negative"] == [0.4] == chart["alert"] and chart["texts"] == [10]
    cards = {str(card.title): card.value for card in page.context["cards"]}
    assert cards["Negative texts, last 7 days"] == "40 %" and cards["Sentiment alerts to be seen"] == "1"
    assert len(page.context["lines"]) == 4 and "Save" not in text


def test_what_names_no_alert_or_text_is_an_error_and_no_crash(person):
    client = person("operator")
    for number in ("", "x", "²", "9" * 30):
        assert client.post(BOARD, {"action": "acknowledge", "alert": number}).status_code == 302
    assert client.post(BOARD, {"action": "correct", "kind": "review", "text": "a\0"}).status_code == 400


def test_an_operator_marks_an_alert_as_seen(person, shop, other_shop, alert):
    client = person("operator")
    assert client.post(BOARD, {"action": "acknowledge", "alert": alert.pk}).status_code == 302
    alert.refresh_from_db()
    assert alert.acknowledged_by.username == "operator" and alert.acknowledged_at
    assert "8 of 10" not in client.get(BOARD).content.decode()
    foreign = SentimentAlert.objects.create(
        shop=other_shop, day="2026-03-01", texts=10, negative=8, expected=0.2, chance=0.0001
    )
    client.post(BOARD, {"action": "acknowledge", "alert": foreign.pk})
    foreign.refresh_from_db()
    assert foreign.acknowledged_at is None


def test_an_operator_corrects_a_label(person, shop, write):
    row, *_ = write(shop, 2, 1)
    tasks.read_new(shop.pk)
    client = person("operator")
    client.post(BOARD, {"action": "correct", "kind": "review", "text": row.external_id, "label": "positive"})
    label = Label.objects.of(shop).get()
    assert (label.task, label.value, label.subject_id, label.by.username) == (
        "sentiment",
        "positive",
        row.pk,
        "operator",
    )
    assert Judgement.objects.of(shop).get(text_id=row.pk).corrected
    client.post(BOARD, {"action": "correct", "kind": "review", "text": row.external_id, "label": "nonsense"})
    client.post(BOARD, {"action": "correct", "kind": "order", "text": row.external_id, "label": "positive"})
    assert Label.objects.of(shop).count() == 1


def test_an_analyst_may_look_but_not_act(person, shop, alert):
    client = person("analyst")
    assert client.post(BOARD, {"action": "acknowledge", "alert": alert.pk}).status_code == 403
    alert.refresh_from_db()
    assert alert.acknowledged_at is None


def test_retrain_queues_once(person, shop):
    client = person("operator")
    client.post(BOARD, {"action": "retrain"})
    assert set(Run.objects.of(shop).values_list("learner", flat=True)) == {"sentiment.classifier"}
    client.post(BOARD, {"action": "retrain"})
    assert Run.objects.of(shop).count() == 1


def test_the_tables_open_and_only_show(person, shop, alert, write):
    write(shop, 2, 1)
    tasks.read_new(shop.pk)
    client = person("owner")
    for table in ("judgement", "sentimentalert"):
        assert client.get(f"/console/sentiment/{table}/").status_code == 200
        assert client.get(f"/console/sentiment/{table}/add/").status_code == 403
