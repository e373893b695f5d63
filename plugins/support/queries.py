"""Shop tables as frames and facts: labelled questions, a customer's own orders, articles. The plugin's only reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl
from django.db import connection
from django.utils.formats import date_format
from django.utils.translation import gettext as say

from commerce_ai.learning.learner import Frames, Window
from commerce_ai.learning.shortage import short_of
from commerce_ai.shop import consent, frames
from commerce_ai.shop.consent import Purpose
from commerce_ai.shop.models import Article, Conversation, Customer, Label, Message, Order, Refund, Shipment
from plugins.support.models import DEFAULTS, AnswerTemplate

if TYPE_CHECKING:
    from commerce_ai.shop.models import Shop

TASK = "intent"  # of a Label
LEAST_TEXTS = 50
MOST_ARTICLES = 2000
# Postgres knows these; any other language is read word by word.
LANGUAGES = {"de": "german", "en": "english", "es": "spanish", "fr": "french", "it": "italian", "nl": "dutch",
             "pt": "portuguese", "da": "danish", "sv": "swedish", "no": "norwegian", "fi": "finnish"}  # fmt: skip


def learning_frames(shop: Shop, window: Window) -> Frames:
    """`texts` (text, intent): labelled messages and texts of the window. Raises `NotEnoughData`.

    The latest label of a message counts. Nobody who withdrew consent to the training of models.
    """
    params = {"shop": shop.pk, "task": TASK, "start": window.start, "end": window.end}
    rows = frames.read(_LABELLED, params, {"text": pl.String(), "intent": pl.String()})
    if not rows.height:
        words = say("%(texts)d messages labelled with an intent") % {"texts": LEAST_TEXTS}
        raise short_of(words, 0, say("Note intents in the inbox of the support board, or load labels."))
    return {"texts": rows}


@dataclass(frozen=True)
class Articles:
    """The shop's active articles, and what changes when they do. `topics` are categories and tags in lower case."""

    ids: list[int]
    external_ids: list[str]
    titles: list[str]
    bodies: list[str]
    urls: list[str]
    topics: list[frozenset[str]]
    mark: tuple[int, datetime | None]


def articles(shop_id: int) -> Articles:
    """At most 2,000 active articles, latest first."""
    rows = list(
        Article.objects.of(shop_id).filter(active=True).order_by("-updated_at", "-pk")
        .values_list("pk", "external_id", "title", "body", "url", "category", "tags", "updated_at")[:MOST_ARTICLES]
    )  # fmt: skip
    mark = (len(rows), rows[0][-1] if rows else None)
    columns = list(zip(*rows, strict=True)) if rows else [()] * 8
    ids, external_ids, titles, bodies, urls = (list(each) for each in columns[:5])
    topics = [
        frozenset(each.strip().casefold() for each in (category, *tags) if each.strip())
        for category, tags in zip(*columns[5:7], strict=True)
    ]
    return Articles(ids, external_ids, titles, bodies, urls, topics, mark)


def found_by_words(shop_id: int, question: str, language: str, ids: Sequence[int]) -> list[int]:
    """Places in `ids` of the articles that share words with the question, best first (`ts_rank_cd`, any word)."""
    place = {each: row for row, each in enumerate(ids)}
    with connection.cursor() as cursor:
        way = LANGUAGES.get(language[:2].lower(), "english" if not language else "simple")
        cursor.execute(_BY_WORDS, {"shop": shop_id, "question": question, "way": way})
        return [place[each] for (each,) in cursor.fetchall() if each in place]


def order_facts(shop: Shop, customer: Customer, numbers: Sequence[str]) -> dict[str, str]:
    """Slots about the customer's own order: the one that is named, else the latest. Empty if there is none."""
    theirs = Order.objects.of(shop).filter(customer=customer)
    order = None
    if numbers:
        order = theirs.filter(number__in=numbers).order_by("-placed_at").first()
        order = order or theirs.filter(external_id__in=numbers).order_by("-placed_at").first()
    order = order or theirs.order_by("-placed_at").first()
    if order is None:
        return {}
    facts = {
        "order": order.number or order.external_id,
        "order_status": str(order.get_status_display()),
        "order_date": date_format(order.placed_at, "DATE_FORMAT"),
        "order_total": f"{order.total} {order.currency}",
    }
    shipment = Shipment.objects.of(shop).filter(order=order).order_by("-pk").first()
    if shipment is not None:
        facts |= {"tracking": shipment.tracking_number, "carrier": shipment.carrier}
    refund = Refund.objects.of(shop).filter(order=order).order_by("-at").first()
    if refund is not None:
        facts["refund"] = f"{refund.amount} {refund.currency}"
    return facts


def templates(shop: Shop, intent: str) -> list[str]:
    """The answers to an intent, to be tried in order: the shop's own, else those that suit most shops."""
    own = AnswerTemplate.objects.of(shop).filter(intent=intent).first()
    if own is not None:
        return [own.text] if own.active else []
    return [say(each) for each in DEFAULTS.get(intent, ())]


def customer_of(shop_id: int, external_id: str) -> Customer | None:
    return Customer.objects.of(shop_id).filter(external_id=external_id).first()


def inbox(shop: Shop, most: int) -> list[Any]:
    """Conversations that wait for a person, the longest waiting first, each with its `latest` message."""
    waiting = list(
        Conversation.objects.of(shop).filter(status=Conversation.Status.HANDED_OFF)
        .select_related("assignee").order_by("updated_at", "pk")[:most]
    )  # fmt: skip
    said = (
        Message.objects.of(shop).filter(conversation__in=waiting, role=Message.Role.CUSTOMER)
        .order_by("conversation", "-at", "-pk").distinct("conversation")
    )  # fmt: skip
    latest = {each.conversation_id: each for each in said}
    for each in waiting:
        each.latest = latest.get(each.pk)  # type: ignore[attr-defined]
    return waiting


def _table(model: Any) -> str:
    return model._meta.db_table


_LABELLED = f"""
    WITH {consent.refused_sql(Purpose.MODEL_TRAINING)},
    latest AS (
        SELECT DISTINCT ON (subject_type, subject_id, CASE WHEN subject_id IS NULL THEN text END)
            subject_type, subject_id, text, value
        FROM {_table(Label)}
        WHERE shop_id = %(shop)s AND task = %(task)s AND subject_type IN ('message', 'text')
            AND at < %(end)s AND (%(start)s::timestamptz IS NULL OR at >= %(start)s)
        ORDER BY subject_type, subject_id, CASE WHEN subject_id IS NULL THEN text END, at DESC, id DESC
    )
    SELECT coalesce(m.text, l.text) AS text, l.value AS intent
    FROM latest l
    LEFT JOIN {_table(Message)} m ON l.subject_type = 'message' AND m.id = l.subject_id AND m.shop_id = %(shop)s
    LEFT JOIN {_table(Conversation)} c ON c.id = m.conversation_id
    WHERE coalesce(m.text, l.text) <> '' AND {consent.spared_sql("c.customer_id", "c.anonymous_id")}
    ORDER BY l.subject_id NULLS LAST, 1
"""  # noqa: S608

_BY_WORDS = f"""
    WITH asked AS (
        SELECT nullif(replace(plainto_tsquery(%(way)s::regconfig, %(question)s)::text, '&', '|'), '')::tsquery q
    )
    SELECT a.id FROM {_table(Article)} a, asked
    WHERE a.shop_id = %(shop)s AND a.active AND to_tsvector(%(way)s::regconfig, a.title || ' ' || a.body) @@ asked.q
    ORDER BY ts_rank_cd(
        setweight(to_tsvector(%(way)s::regconfig, a.title), 'A')
        || to_tsvector(%(way)s::regconfig, a.body), asked.q) DESC, a.id
    LIMIT 10
"""  # noqa: S608
