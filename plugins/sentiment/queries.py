"""Shop tables as frames: what people wrote, and what is known of how it feels. The only reader of them here."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import polars as pl
from django.utils.translation import gettext as say

from commerce_ai.learning.learner import Frames, Window
from commerce_ai.learning.shortage import short_of
from commerce_ai.shop import consent, frames
from commerce_ai.shop.models import Conversation, DailyMetric, Label, Mention, Message, Product, Review
from plugins.sentiment.models import Judgement, Kind

if TYPE_CHECKING:
    from commerce_ai.shop.models import Shop

TASK = "sentiment"  # of `Label`
TEXTS, NEGATIVES = "sentiment.texts", "sentiment.negative"  # names of `DailyMetric`
LEAST_TEXTS, LEAST_OF_LABEL = 100, 20
MODELS: dict[str, Any] = {Kind.REVIEW: Review, Kind.MENTION: Mention, Kind.MESSAGE: Message}
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)

_LEARNED = {
    "text": pl.String(),
    "label": pl.String(),
    "language": pl.String(),
    "timestamp": pl.Datetime("us", "UTC"),
    "writer": pl.String(),
}
_WRITTEN = {
    "kind": pl.String(),
    "text_id": pl.Int64(),
    "product_id": pl.Int64(),
    "at": pl.Datetime("us", "UTC"),
    "text": pl.String(),
    "language": pl.String(),
    "rating": pl.Int64(),
    "label": pl.String(),
}
_DAILY = {"day": pl.Date(), "dimension": pl.String(), "texts": pl.Int64(), "negative": pl.Int64()}
_SPOKEN = {"product_id": pl.Int64(), "topic": pl.String(), "texts": pl.Int64(), "sentiment": pl.Float64()}


def learning_frames(shop: Shop, window: Window) -> Frames:
    """`texts` (text, label, language, timestamp, writer) of the window, oldest first. Raises `NotEnoughData`.

    A review's rating is a weak label: 1 and 2 negative, 4 and 5 positive, 3 none. What a person labelled counts
    instead, on mentions and messages too. Nobody who withdrew consent to the training of models.
    """
    params = {"shop": shop.pk, "task": TASK, "start": window.start or ALWAYS, "end": window.end}
    rows = frames.read(_LEARNING, params, _LEARNED)
    _enough(rows)
    return {"texts": rows}


def written(shop_id: int, since: datetime, *, messages: bool, again: bool = False) -> pl.DataFrame:
    """Texts since an instant that were not judged yet, or all of them (`again`), oldest first.

    Of customers' messages only with `messages`, or where a person has labelled one.

    kind, text_id, product_id, at (UTC), text, language, rating (1 to 5), label (by a person); what is unknown is null.
    """
    params = {"shop": shop_id, "task": TASK, "since": since, "again": again, "messages": messages}
    return frames.read(_TEXTS, params, _WRITTEN)


def counted(shop_id: int, days: Iterable[date]) -> pl.DataFrame:
    """How many texts were judged on each of the shop's `days`, and how many negative: day, dimension, texts, negative.

    `dimension` is empty for the whole, ``product=<our id>`` or ``topic=<name>``.
    """
    return frames.read(_COUNTS, {"shop": shop_id, "days": list(days)}, _DAILY)


def daily(shop_id: int, start: date, end: date, dimension: str | None = None) -> pl.DataFrame:
    """The counts that are kept, for `start` <= day < `end`: of all dimensions, or of one."""
    params = {"shop": shop_id, "start": start, "end": end, "dimension": dimension, "texts": TEXTS, "bad": NEGATIVES}
    return frames.read(_KEPT, params, _DAILY)


def spoken_of_products(shop_id: int, since: date) -> pl.DataFrame:
    """product_id, topic (empty: all), texts, mean sentiment, of what was written since a day."""
    return frames.read(_SIGNALS, {"shop": shop_id, "since": since}, _SPOKEN)


def texts_of(shop_id: int, judged: Iterable[Judgement]) -> dict[tuple[str, int], Any]:
    """The rows of `shop` behind judgements, by kind and number; a text that is gone is left out."""
    wanted: dict[str, list[int]] = {}
    for each in judged:
        wanted.setdefault(each.kind, []).append(each.text_id)
    return {
        (kind, row.pk): row
        for kind, numbers in wanted.items()
        for row in MODELS[kind].objects.of(shop_id).filter(pk__in=numbers)
    }


def _enough(rows: pl.DataFrame) -> None:
    of_label = rows.group_by("label").len().filter(pl.col("len") >= LEAST_OF_LABEL).height
    if rows.height >= LEAST_TEXTS and of_label >= 2:
        return
    needed = say("%(texts)d labelled texts, with %(each)d of each of 2 labels")
    there = say("%(texts)d, and %(labels)d labels have enough") % {"texts": rows.height, "labels": of_label}
    raise short_of(
        needed % {"texts": LEAST_TEXTS, "each": LEAST_OF_LABEL}, there,
        say("Load reviews with ratings, or correct labels on the board."),
    )  # fmt: skip


def _table(model: Any) -> str:
    return model._meta.db_table


_SPARED_REVIEW = consent.spared_sql("v.customer_id", "''")
_SPARED_MESSAGE = consent.spared_sql("c.customer_id", "c.anonymous_id")
_WORDS = "concat_ws(E'\\n', nullif(trim({0}.title), ''), nullif(trim({0}.text), ''))"
_LABELS = f"""
    labels AS MATERIALIZED (
        SELECT DISTINCT ON (subject_type, subject_id) subject_type, subject_id, value
        FROM {_table(Label)}
        WHERE shop_id = %(shop)s AND task = %(task)s AND subject_id IS NOT NULL
        ORDER BY subject_type, subject_id, at DESC, id DESC
    )"""  # noqa: S608  (table names of our own, here and below)

_LEARNING = f"""
    WITH {consent.refused_sql(consent.Purpose.MODEL_TRAINING)}, {_LABELS}, known AS (
        SELECT {_WORDS.format("v")} AS text,
            coalesce(l.value, CASE WHEN v.rating <= 2 THEN 'negative' WHEN v.rating >= 4 THEN 'positive' END) AS label,
            v.language, v.at AS timestamp, v.id, 'customer ' || v.customer_id AS writer
        FROM {_table(Review)} v
        LEFT JOIN labels l ON l.subject_type = 'review' AND l.subject_id = v.id
        WHERE v.shop_id = %(shop)s AND v.status <> 'rejected' AND {_SPARED_REVIEW}
        UNION ALL
        SELECT {_WORDS.format("m")}, l.value, m.language, m.at, m.id, m.platform || ' ' || nullif(m.author, '')
        FROM {_table(Mention)} m JOIN labels l ON l.subject_type = 'mention' AND l.subject_id = m.id
        WHERE m.shop_id = %(shop)s
        UNION ALL
        SELECT m.text, l.value, c.language, m.at, m.id,
            coalesce('customer ' || c.customer_id, 'conversation ' || c.id)
        FROM {_table(Message)} m
        JOIN labels l ON l.subject_type = 'message' AND l.subject_id = m.id
        JOIN {_table(Conversation)} c ON c.id = m.conversation_id
        WHERE m.shop_id = %(shop)s AND {_SPARED_MESSAGE}
    )
    SELECT text, label, nullif(language, '') AS language, timestamp, writer FROM known
    WHERE label IS NOT NULL AND text <> '' AND timestamp >= %(start)s AND timestamp < %(end)s
    ORDER BY timestamp, id, text
"""  # noqa: S608

_TEXTS = f"""
    WITH {_LABELS}, texts AS (
        SELECT 'review' AS kind, r.id AS text_id, r.product_id, r.at, {_WORDS.format("r")} AS text, r.language, r.rating
        FROM {_table(Review)} r WHERE r.shop_id = %(shop)s AND r.status <> 'rejected' AND r.at >= %(since)s
        UNION ALL
        SELECT 'mention', m.id, m.product_id, m.at, {_WORDS.format("m")}, m.language, NULL
        FROM {_table(Mention)} m WHERE m.shop_id = %(shop)s AND m.at >= %(since)s
        UNION ALL
        SELECT 'message', m.id, NULL, m.at, m.text, c.language, NULL
        FROM {_table(Message)} m JOIN {_table(Conversation)} c ON c.id = m.conversation_id
        WHERE m.shop_id = %(shop)s AND m.role = 'customer' AND m.at >= %(since)s
    )
    SELECT t.kind, t.text_id, t.product_id, t.at, t.text, nullif(t.language, '') AS language, t.rating, l.value AS label
    FROM texts t LEFT JOIN labels l ON l.subject_type = t.kind AND l.subject_id = t.text_id
    WHERE t.text <> '' AND (t.kind <> 'message' OR %(messages)s OR l.value IS NOT NULL) AND (%(again)s OR NOT EXISTS (
        SELECT FROM {_table(Judgement)} j WHERE j.shop_id = %(shop)s AND j.kind = t.kind AND j.text_id = t.text_id))
    ORDER BY t.at, t.kind, t.text_id
"""  # noqa: S608

_COUNTS = f"""
    SELECT day, dimension, count(*) AS texts, count(*) FILTER (WHERE label = 'negative') AS negative
    FROM (
        SELECT day, label, unnest(ARRAY['']
            || CASE WHEN product_id IS NULL THEN ARRAY[]::text[] ELSE ARRAY['product=' || product_id] END
            || ARRAY(SELECT 'topic=' || topic FROM unnest(topics) AS topic)) AS dimension
        FROM {_table(Judgement)} WHERE shop_id = %(shop)s AND day = ANY(%(days)s)
    ) AS said
    GROUP BY day, dimension ORDER BY day, dimension
"""  # noqa: S608

_KEPT = f"""
    SELECT t.day, t.dimension, t.value::bigint AS texts, coalesce(n.value, 0)::bigint AS negative
    FROM {_table(DailyMetric)} t
    LEFT JOIN {_table(DailyMetric)} n
        ON n.shop_id = t.shop_id AND n.name = %(bad)s AND n.day = t.day AND n.dimension = t.dimension
    WHERE t.shop_id = %(shop)s AND t.name = %(texts)s AND t.day >= %(start)s AND t.day < %(end)s
        AND (%(dimension)s::text IS NULL OR t.dimension = %(dimension)s)
    ORDER BY t.day, t.dimension
"""  # noqa: S608

_SIGNALS = f"""
    SELECT product_id, topic, count(*) AS texts, avg(sentiment) AS sentiment
    FROM (
        SELECT j.product_id, j.sentiment, unnest(ARRAY['']::text[] || j.topics::text[]) AS topic
        FROM {_table(Judgement)} j JOIN {_table(Product)} p ON p.id = j.product_id
        WHERE j.shop_id = %(shop)s AND j.day >= %(since)s
    ) AS said
    GROUP BY product_id, topic ORDER BY product_id, topic
"""  # noqa: S608
