"""Jobs: judge the shop's new texts, count their days, look for a surge, publish what is said of each product.

Each step can be repeated: a text is judged once a version, a day is counted from its judgements, an alert stands once
a day and series.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as say

from commerce_ai import alerts, registry
from commerce_ai.learning.live import live
from commerce_ai.shop import bulk
from commerce_ai.shop.models import Product, Shop
from plugins.sentiment import publishing, queries, service, surge
from plugins.sentiment.classifier import SentimentModel, Texts
from plugins.sentiment.features import scripts_of
from plugins.sentiment.models import NEGATIVE, NEUTRAL, POSITIVE, Judgement, SentimentAlert
from plugins.sentiment.surge import Day

JUDGED_DAYS = 90  # how far back texts are judged, and anew when a version goes live: the baseline must be its own
WATCHED_DAYS = 3  # finished days that are looked at: a job that missed a night catches up
AT_ONCE = 500
_COLUMNS = (
    "shop", "kind", "text_id", "product", "at", "day", "label", "sentiment", "topics", "corrected", "version_id",
    "judged_at",
)  # fmt: skip


def read_new(shop_id: int) -> str:
    """The hourly job: new texts are judged, their days counted, surges told, product signals brought up to date."""
    shop = Shop.objects.get(pk=shop_id)
    settings = registry.settings_for(shop_id, service.PLUGIN)
    version = None if settings.unjudged else next(iter(live(shop_id, service.SLOT)), None)
    scorer, number = (version.scorer, version.version_id) if version else (None, None)
    days = judge_texts(shop, scorer, number)
    told = watch(shop)
    if days:
        publishing.publish_signals(shop, number)
    return f"{len(days)} days were counted, {len(told)} alerts made"


def publish_version(shop: Shop, scorer: SentimentModel, version_id: int) -> None:
    """A version went live: it judges the last months anew, so that a day and its baseline are judged alike."""
    judge_texts(shop, scorer, version_id, again=True)
    watch(shop)
    publishing.publish_signals(shop, version_id)


def judge_texts(
    shop: Shop,
    scorer: SentimentModel | None,
    version_id: int | None,
    *,
    again: bool = False,
    now: datetime | None = None,
) -> list[date]:
    """Judge what was not judged yet, or all (`again`); the shop's days that changed.

    Without a scorer only a review's rating speaks. A person's label counts before both.
    """
    since = (now or timezone.now()) - timedelta(days=JUDGED_DAYS)
    messages = registry.settings_for(shop.pk, service.PLUGIN).messages
    rows = queries.written(shop.pk, since, messages=messages, again=again)
    if scorer is None:
        rows = rows.filter(pl.col("rating").is_not_null() | pl.col("label").is_not_null())
    taxonomy = service.taxonomy_for(shop.pk)
    at = timezone.now()
    days: set[date] = set()
    for part in rows.iter_slices(AT_ONCE):
        made = []
        for row, (label, sentiment) in zip(part.iter_rows(named=True), _said(part, scorer), strict=True):
            day = row["at"].astimezone(shop.tz).date()
            days.add(day)
            made.append((
                shop.pk, row["kind"], row["text_id"], row["product_id"], row["at"], day, label, sentiment,
                list(taxonomy.find(row["text"])), row["label"] is not None, version_id, at,
            ))  # fmt: skip
        bulk.upsert(Judgement, _COLUMNS, made, key=("shop", "kind", "text_id"))
    publishing.count_days(shop.pk, days)
    return sorted(days)


def watch(shop: Shop, today: date | None = None) -> list[SentimentAlert]:
    """Test the last finished days, in the shop's calendar; the alerts that are new."""
    today = today or timezone.now().astimezone(shop.tz).date()
    first = today - timedelta(days=WATCHED_DAYS)
    kept = queries.daily(shop.pk, first - timedelta(days=surge.BASELINE_DAYS), today)
    budget = registry.settings_for(shop.pk, service.PLUGIN).false_alarms_a_year
    made = []
    for day in (first + timedelta(days=step) for step in range(WATCHED_DAYS)):
        made += _test(shop, day, kept, budget)
    return made


def _said(part: pl.DataFrame, scorer: SentimentModel | None) -> list[tuple[str, float]]:
    """Label and sentiment of each row: a person's, else the version's, else the rating's."""
    given = part["label"].to_list()
    if scorer is None:
        rated = [_of_rating(rating) for rating in part["rating"]]
    else:
        texts = part["text"].to_list()
        chances = scorer.probabilities(Texts(texts, scripts_of(texts, part["language"].to_list())))
        names = list(scorer.classes)
        up, down = (
            chances[:, names.index(each)] if each in names else 0 * chances[:, 0] for each in (POSITIVE, NEGATIVE)
        )
        rated = [(names[place], float(score)) for place, score in zip(chances.argmax(axis=1), up - down, strict=True)]
    return [
        (label, service.sentiment_of_label(label)) if label else each for label, each in zip(given, rated, strict=True)
    ]


def _of_rating(rating: int | None) -> tuple[str, float]:
    if rating is None:  # labelled by a person, who is asked first
        return NEUTRAL, 0.0
    return (NEGATIVE if rating <= 2 else POSITIVE if rating >= 4 else NEUTRAL), (rating - 3) / 2


def _test(shop: Shop, day: date, kept: pl.DataFrame, budget: float) -> list[SentimentAlert]:
    series = _series(shop, day, kept)
    made = []
    for (dimension, spans), level in zip(series, surge.levels([not name for name, _ in series], budget), strict=True):
        chance, seen = surge.alarming(spans)
        kind, _, name = dimension.partition("=")
        if chance > level or (kind == "product" and not Product.objects.of(shop).filter(pk=int(name)).exists()):
            continue
        about: dict[str, Any] = {
            "product_id": int(name) if kind == "product" else None, "topic": name if kind == "topic" else "",
        }  # fmt: skip
        with transaction.atomic():
            alert, new = SentimentAlert.objects.of(shop).get_or_create(
                shop=shop, day=day, **about,
                defaults={
                    "texts": seen.texts, "negative": seen.negative, "expected": seen.expected, "chance": chance,
                },
            )  # fmt: skip
            if new:
                _raise(shop, alert)
        if new:
            made.append(alert)
    return made


def _raise(shop: Shop, alert: SentimentAlert) -> None:
    """Into the shop's inbox, beside what other plugins found: the budget of what people are told is one."""
    alerts.raise_alert(
        shop.pk, source=service.PLUGIN, key=service.key_of(alert), severity="warning",
        title=say("More negative texts than usual about %(what)s") % {"what": alert.about},
        detail=say("%(negative)d of %(texts)d on %(day)s, where %(share).0f %% are usual.")
        % {"negative": alert.negative, "texts": alert.texts, "day": alert.day, "share": 100 * alert.expected},
        url=reverse("console:sentiment.board"), product_id=alert.product_id,
    )  # fmt: skip


def _series(shop: Shop, day: date, kept: pl.DataFrame) -> list[tuple[str, list[Day]]]:
    """What can be tested on a day. Days of alerts that nobody has seen yet are left out of the baseline."""
    start, before = day - timedelta(days=surge.BASELINE_DAYS), day - timedelta(days=1)
    made = SentimentAlert.objects.of(shop).filter(day__gte=start, day__lt=day)
    odd = {(_dimension(each), each.day) for each in made if each.acknowledged_at is None}
    told = {_dimension(each) for each in made if each.day == before}
    found = []
    for (dimension,), rows in kept.group_by(["dimension"], maintain_order=True):
        name = str(dimension)
        counts = {each["day"]: (each["texts"], each["negative"]) for each in rows.iter_rows(named=True)}
        quiet = {each for each in counts if start <= each < day and (name, each) not in odd}
        spans = [_held_against([day], quiet, counts)]
        if before in counts and name not in told:  # else one bad day would be told twice
            spans.append(_held_against([before, day], quiet - {before}, counts))
        if day in counts and spans[0].is_testable:
            found.append((name, [each for each in spans if each.is_testable]))
    return found


def _held_against(days: Sequence[date], baseline: Iterable[date], counts: dict[date, tuple[int, int]]) -> Day:
    parts = [[counts[each] for each in side if each in counts] for side in (days, baseline)]
    (texts, negative), (before, negative_before) = (
        (sum(count for count, _ in part), sum(bad for _, bad in part)) for part in parts
    )
    return Day(texts, negative, before, negative_before)


def _dimension(alert: SentimentAlert) -> str:
    if alert.product_id is not None:
        return f"product={alert.product_id}"
    return f"topic={alert.topic}" if alert.topic else ""
