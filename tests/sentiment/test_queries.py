"""What is learned from: weak labels, what people said instead, and nobody who refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from django.utils import timezone

from commerce_ai.learning.learner import NotEnoughData, Window
from commerce_ai.shop import consent
from commerce_ai.shop.consent import Purpose
from commerce_ai.shop.models import Conversation, Customer, Label, Mention, Message, Review
from plugins.sentiment import queries


@pytest.fixture(autouse=True)
def few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "LEAST_TEXTS", 1)
    monkeypatch.setattr(queries, "LEAST_OF_LABEL", 0)
    monkeypatch.setattr(queries, "_enough", lambda rows: None)


def learned(shop: Any, start: Any = None, end: Any = None) -> dict[str, str]:
    window = Window(start, end or timezone.now() + timedelta(days=1))
    rows = queries.learning_frames(shop, window)["texts"]
    assert rows.columns == ["text", "label", "language", "timestamp", "writer"]
    return dict(zip(rows["text"], rows["label"], strict=True))


def review(shop: Any, name: str, rating: int | None, **more: Any) -> Review:
    return Review.objects.create(shop=shop, external_id=name, text=name, rating=rating, **more)


def label(shop: Any, row: Any, value: str, task: str = "sentiment", **more: Any) -> None:
    kind = row._meta.model_name
    Label.objects.create(shop=shop, task=task, subject_type=kind, subject_id=row.pk, value=value, **more)


def test_ratings_are_weak_labels_and_three_is_none(shop, other_shop):
    for rating in (1, 2, 3, 4, 5, None):
        review(shop, f"rated {rating}", rating)
    Review.objects.create(shop=shop, external_id="empty", text=" ", rating=5)
    review(shop, "spam", 5, status="rejected")
    review(other_shop, "elsewhere", 5)
    review(shop, "body", 5, title="Title")
    assert learned(shop) == {
        "rated 1": "negative", "rated 2": "negative", "rated 4": "positive", "rated 5": "positive",
        "Title\nbody": "positive",
    }  # fmt: skip


def test_the_latest_label_by_a_person_counts_instead(shop):
    row = review(shop, "ironic", 5)
    label(shop, row, "positive", at=timezone.now() - timedelta(days=1))
    label(shop, row, "negative")
    label(shop, row, "complaint", task="intent")
    plain = review(shop, "so so", 3)
    label(shop, plain, "neutral")
    assert learned(shop) == {"ironic": "negative", "so so": "neutral"}


def test_mentions_and_messages_are_learned_from_once_labelled(shop, other_shop):
    mention = Mention.objects.create(shop=shop, external_id="m", platform="news", text="praised")
    talk = Conversation.objects.create(shop=shop, external_id="c", language="en")
    message = Message.objects.create(shop=shop, external_id="t", conversation=talk, role="customer", text="angry")
    assert learned(shop) == {}
    label(shop, mention, "positive")
    label(shop, message, "negative")
    assert learned(shop) == {"praised": "positive", "angry": "negative"}
    assert learned(other_shop) == {}


def test_it_is_known_who_wrote_a_text_where_anybody_knows(shop):
    customer = Customer.objects.create(shop=shop, external_id="c1")
    review(shop, "mine", 5, customer=customer)
    review(shop, "nobody's", 5)
    for name, author in (("signed", "Ada"), ("unsigned", "")):
        made = Mention.objects.create(shop=shop, external_id=name, platform="news", text=name, author=author)
        label(shop, made, "positive")
    talks = [
        Conversation.objects.create(shop=shop, external_id=name, **of)
        for name, of in (("own", {"customer": customer}), ("strange", {"anonymous_id": "a1"}))
    ]
    for talk in talks:
        for number in (1, 2):
            name = f"{talk.external_id} {number}"
            said = {"shop": shop, "external_id": name, "conversation": talk, "role": "customer", "text": name}
            label(shop, Message.objects.create(**said), "negative")
    rows = queries.learning_frames(shop, Window(None, timezone.now() + timedelta(days=1)))["texts"]
    by_text = dict(zip(rows["text"], rows["writer"], strict=True))
    assert by_text["nobody's"] is None and by_text["unsigned"] is None and by_text["signed"] is not None
    assert by_text["mine"] == by_text["own 1"] == by_text["own 2"] is not None
    assert by_text["strange 1"] == by_text["strange 2"] is not None
    assert len({by_text["mine"], by_text["strange 1"], by_text["signed"]}) == 3


def test_who_refused_training_is_left_out(shop):
    customer = Customer.objects.create(shop=shop, external_id="c1")
    review(shop, "mine", 5, customer=customer)
    review(shop, "theirs", 5)
    talk = Conversation.objects.create(shop=shop, external_id="c", anonymous_id="a1")
    said = Message.objects.create(shop=shop, external_id="t", conversation=talk, role="customer", text="said")
    label(shop, said, "negative")
    assert set(learned(shop)) == {"mine", "theirs", "said"}
    consent.record(shop, customer=customer, purpose=Purpose.MODEL_TRAINING, granted=False, source="test")
    consent.record(shop, anonymous_id="a1", purpose=Purpose.MODEL_TRAINING, granted=False, source="test")
    assert set(learned(shop)) == {"theirs"}


def test_the_window_is_half_open(shop):
    at = timezone.now() - timedelta(days=3)
    for days in (0, 1, 2):
        review(shop, f"day {days}", 5, at=at + timedelta(days=days))
    assert set(learned(shop, at + timedelta(days=1), at + timedelta(days=2))) == {"day 1"}


def test_too_little_says_what_is_missing(shop, monkeypatch):
    monkeypatch.undo()
    review(shop, "alone", 5)
    with pytest.raises(NotEnoughData, match="needs at least 100 labelled texts, with 20 of each.*there are 1"):
        queries.learning_frames(shop, Window(None, timezone.now()))


def test_written_texts_come_once_unless_asked_again(shop):
    from plugins.sentiment.models import Judgement

    row = review(shop, "first", 2, language="en")
    review(shop, "second", None)
    review(shop, "old", 1, at=timezone.now() - timedelta(days=100))
    since = timezone.now() - timedelta(days=90)
    assert set(queries.written(shop.pk, since, messages=True)["text"]) == {"first", "second"}
    Judgement.objects.create(shop=shop, kind="review", text_id=row.pk, at=row.at, day=row.at.date(), label="negative",
                             sentiment=-1)  # fmt: skip
    assert set(queries.written(shop.pk, since, messages=True)["text"]) == {"second"}
    again = queries.written(shop.pk, since, messages=True, again=True)
    assert again.filter(pl.col("text") == "first").row(0, named=True)["rating"] == 2


def test_questions_to_customer_service_are_no_opinions_until_the_shop_says_so(shop):
    talk = Conversation.objects.create(shop=shop, external_id="t")
    for name in ("where is my order", "this is a disgrace"):
        Message.objects.create(shop=shop, external_id=name, conversation=talk, role="customer", text=name)
    label(shop, Message.objects.get(external_id="this is a disgrace"), "negative")
    since = timezone.now() - timedelta(days=1)
    assert queries.written(shop.pk, since, messages=False)["text"].to_list() == ["this is a disgrace"]
    assert queries.written(shop.pk, since, messages=True).height == 2
