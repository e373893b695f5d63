"""Routes: judge texts, and read what the shop's own texts say."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

import msgspec
from django.db.models import Q
from django.http import HttpRequest
from django.urls import path
from django.utils.translation import gettext_lazy as _

from commerce_ai.api.errors import invalid_field, not_found
from commerce_ai.api.hot import Caller, hot
from commerce_ai.api.pages import cursor_of, read_cursor
from commerce_ai.shop.facts import shop_facts
from commerce_ai.shop.models import Product
from plugins.sentiment import queries, service
from plugins.sentiment.answers import Alert, Answer, Corrected, Mention, Mentions, Topic, Topics, Trend, TrendDay
from plugins.sentiment.features import MOST_CHARACTERS
from plugins.sentiment.models import Feeling, Judgement, Kind, SentimentAlert

MOST_TEXTS = 100
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=MOST_CHARACTERS)]
Days = Annotated[int, msgspec.Meta(ge=1, le=366)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=1000)]
# What customers wrote to the shop itself is not handed on: reviews and mentions are public.
Public = Literal["review", "mention"]


class AnalyzeBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    texts: Annotated[list[Text], msgspec.Meta(min_length=1, max_length=MOST_TEXTS)]
    language: str | None = None


class CorrectBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    kind: Literal["review", "mention", "message"]
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    label: Literal["negative", "neutral", "positive"]


class MentionsQuery(msgspec.Struct, frozen=True, kw_only=True):
    label: str = ""
    topic: str = ""
    product_id: str = ""
    kind: Public | None = None
    limit: Limit = 100
    cursor: str = ""


class TopicsQuery(msgspec.Struct, frozen=True, kw_only=True):
    days: Days = 30


class TrendsQuery(msgspec.Struct, frozen=True, kw_only=True):
    product_id: str = ""
    topic: str = ""
    days: Days = 90


@hot(
    scope="decide",
    plugin="sentiment",
    methods=("POST",),
    body=AnalyzeBody,
    answer=Answer,
    summary=_("How texts feel and what they speak of"),
)
def analyze(request: HttpRequest, caller: Caller, query: None, body: AnalyzeBody) -> Answer:
    """Up to 100 `texts`, each with its label, probabilities, topics, and the words that spoke most.

    `language` (BCP 47) holds for all of them; without it each is told by its letters. No text is kept.
    """
    return service.analyze(caller.shop_id, body.texts, body.language)


@hot(
    scope="decide",
    plugin="sentiment",
    query=MentionsQuery,
    answer=Mentions,
    summary=_("The shop's reviews and mentions as they were judged, newest first"),
)
def mentions(request: HttpRequest, caller: Caller, query: MentionsQuery, body: None) -> Mentions:
    """Filter by `label`, `topic`, `product_id` (the shop's) and `kind`; `next` is the cursor of the next page."""
    if query.label and query.label not in Feeling.values:
        known = ", ".join(Feeling.values)
        raise invalid_field("label", _("There is no such label. The labels are: %(known)s.") % {"known": known})
    _known_topic(caller, query.topic)
    rows = Judgement.objects.of(caller.shop_id).filter(kind__in=[query.kind] if query.kind else [*_PUBLIC])
    rows = rows.filter(label=query.label) if query.label else rows
    rows = rows.filter(topics__contains=[query.topic]) if query.topic else rows
    rows = rows.filter(product=_product(caller, query.product_id)) if query.product_id else rows
    if before := read_cursor(query.cursor):
        last = Judgement.objects.of(caller.shop_id).filter(pk=before).values_list("at", flat=True).first()
        if last is None:
            raise invalid_field("cursor", _("Not a cursor."))
        rows = rows.filter(Q(at__lt=last) | Q(at=last, pk__lt=before))
    page = list(rows.select_related("product").order_by("-at", "-pk")[: query.limit + 1])
    following = cursor_of(page[query.limit - 1].pk) if len(page) > query.limit else None
    page = page[: query.limit]
    texts = queries.texts_of(caller.shop_id, page)
    found = [_mention(each, texts[each.kind, each.text_id]) for each in page if (each.kind, each.text_id) in texts]
    return Mentions(found, following)


@hot(scope="decide", plugin="sentiment", query=TopicsQuery, answer=Topics, summary=_("What texts speak of"))
def topics(request: HttpRequest, caller: Caller, query: TopicsQuery, body: None) -> Topics:
    """Every topic of the shop's list with its texts of the last `days` and the share that is negative."""
    today = shop_facts(caller.shop_id).today
    kept = queries.daily(caller.shop_id, today - timedelta(days=query.days - 1), today + timedelta(days=1))
    counts = {row["dimension"]: row for row in kept.group_by("dimension").sum().iter_rows(named=True)}
    found = []
    for name in service.taxonomy_for(caller.shop_id).names:
        row = counts.get(f"topic={name}", {"texts": 0, "negative": 0})
        share = _share(row) if row["texts"] else None
        found.append(Topic(name, row["texts"], row["negative"], share))
    return Topics(found, query.days)


@hot(scope="decide", plugin="sentiment", query=TrendsQuery, answer=Trend, summary=_("Negative texts by day"))
def trends(request: HttpRequest, caller: Caller, query: TrendsQuery, body: None) -> Trend:
    """Of the whole shop, or of one `product_id` or `topic`, with the alerts in those `days`."""
    if query.product_id and query.topic:
        raise invalid_field("topic", _("Give a product_id or a topic, not both."))
    _known_topic(caller, query.topic)
    today = shop_facts(caller.shop_id).today
    start = today - timedelta(days=query.days - 1)
    product = _product(caller, query.product_id) if query.product_id else None
    dimension = f"product={product.pk}" if product else f"topic={query.topic}" if query.topic else ""
    kept = queries.daily(caller.shop_id, start, today + timedelta(days=1), dimension)
    alerts = SentimentAlert.objects.of(caller.shop_id).filter(day__gte=start, product=product, topic=query.topic)
    return Trend(
        [TrendDay(row["day"], row["texts"], row["negative"], _share(row)) for row in kept.iter_rows(named=True)],
        [_alert(each) for each in alerts.select_related("product").order_by("day")],
    )


@hot(
    scope="decide",
    plugin="sentiment",
    methods=("POST",),
    body=CorrectBody,
    answer=Corrected,
    summary=_("Correct how a text was judged"),
)
def correct(request: HttpRequest, caller: Caller, query: None, body: CorrectBody) -> Corrected:
    """`id` is the shop's own of the review, mention or message. Counts at once, and at the next training."""
    try:
        return service.correct(caller.shop_id, body.kind, body.id, body.label)
    except service.UnknownText:
        raise not_found("id", _("There is no such text in this shop.")) from None


@hot(scope="decide", plugin="sentiment", methods=("POST",), answer=Alert, summary=_("Mark an alert as seen"))
def acknowledge(request: HttpRequest, caller: Caller, query: None, body: None, alert_id: int) -> Alert:
    """From then on the alert's day counts as usual: the days after it are held against it, too."""
    alert = service.acknowledge(caller.shop_id, alert_id)
    if alert is None:
        raise not_found("alert_id", _("There is no such alert in this shop."))
    return _alert(alert)


_PUBLIC = (Kind.REVIEW, Kind.MENTION)


def _share(row: Any) -> float:
    return round(row["negative"] / row["texts"], 4)


def _known_topic(caller: Caller, topic: str) -> None:
    names = service.taxonomy_for(caller.shop_id).names
    if topic and topic not in names:
        said = _("There is no such topic. The topics are: %(known)s.") % {"known": ", ".join(names)}
        raise invalid_field("topic", said)


def _mention(judged: Judgement, row: Any) -> Mention:
    words = "\n".join(each for each in (getattr(row, "title", ""), row.text) if each)
    product = judged.product.external_id if judged.product else None
    return Mention(
        judged.kind, row.external_id, words, product, judged.at, judged.label,
        round(judged.sentiment, 4), judged.topics, judged.corrected,
    )  # fmt: skip


def _alert(each: SentimentAlert) -> Alert:
    product = each.product.external_id if each.product else None
    return Alert(
        each.pk, each.day, product, each.topic or None, each.texts, each.negative,
        round(each.expected, 4), float(f"{each.chance:.3g}"), each.acknowledged_at,
    )  # fmt: skip


def _product(caller: Caller, external_id: str) -> Product:
    found = Product.objects.of(caller.shop_id).filter(external_id=external_id).first()
    if found is None:
        raise not_found("product_id", _("There is no such product in this shop."))
    return found


urlpatterns = [
    path("sentiment/analyze", analyze, name="sentiment-analyze"),
    path("sentiment/mentions", mentions, name="sentiment-mentions"),
    path("sentiment/topics", topics, name="sentiment-topics"),
    path("sentiment/trends", trends, name="sentiment-trends"),
    path("sentiment/labels", correct, name="sentiment-labels"),
    path("sentiment/alerts/<int:alert_id>/acknowledge", acknowledge, name="sentiment-acknowledge"),
]
