"""Answers how texts feel and what they speak of, from the live version; takes a person's correction.

Warm, nothing is read from Postgres: version and settings are in memory, and the decision is the one INSERT. It keeps
counts and never a text.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as say

from commerce_ai import alerts, registry
from commerce_ai.decisions.payload import Payload
from commerce_ai.decisions.reasons import Reason
from commerce_ai.decisions.record import NewDecision, record
from commerce_ai.learning.live import live
from commerce_ai.shop.models import Label
from plugins.sentiment import publishing, queries
from plugins.sentiment.answers import Answer, Corrected, Judged
from plugins.sentiment.classifier import SentimentModel, Texts
from plugins.sentiment.features import scripts_of
from plugins.sentiment.forms import SLOT
from plugins.sentiment.models import NEGATIVE, POSITIVE, Feeling, Judgement, SentimentAlert
from plugins.sentiment.topics import Taxonomy, taxonomy_of

PLUGIN = "sentiment"
BY_WEIGHT = 3  # reasons of a text at most


class UnknownText(LookupError):
    """The shop has no such text."""


def analyze(shop_id: int, texts: Sequence[str], language: str | None = None, *, keep: bool = True) -> Answer:
    """Judge texts that somebody sends. With `keep` false no decision is stored: a look from the console."""
    started = time.perf_counter()
    taxonomy = taxonomy_for(shop_id)
    settings = registry.settings_for(shop_id, PLUGIN)
    version = None if settings.unjudged else next(iter(live(shop_id, SLOT)), None)
    if version is None:
        results = [Judged(None, {}, list(taxonomy.find(text)), _of_topics(taxonomy, text)) for text in texts]
        why = (
            say("The shop has switched judging off.")
            if settings.unjudged
            else say("No version is live yet: texts stay unjudged.")
        )
    else:
        results, why = judge(version.scorer, texts, language, taxonomy), ""
    counts = Counter(each.label or "unjudged" for each in results)
    decision = NewDecision(
        shop_id=shop_id,
        plugin=PLUGIN,
        kind="analyze",
        version_id=version.version_id if version else None,
        payload=Payload(value={"texts": len(texts), "labels": dict(counts)}),
        reasons=sorted({reason.code for each in results for reason in each.reasons}),
        flags=("fallback",) if why else (),
        latency_ms=round((time.perf_counter() - started) * 1000, 3),
    )
    stored = record(decision).stored if keep else False
    name = f"{version.learner.name} v{version.version_id}" if version else None
    return Answer(results, str(decision.decision_id), name, bool(why), why, stored)


def judge(scorer: SentimentModel, texts: Sequence[str], language: str | None, taxonomy: Taxonomy) -> list[Judged]:
    """Each text's label with its probabilities, topics and the words that spoke most for it."""
    asked = Texts(texts, scripts_of(texts, [language] * len(texts)))
    found = []
    for text, script, row in zip(texts, asked.scripts, scorer.probabilities(asked), strict=True):
        label = scorer.classes[int(row.argmax())]
        reasons = [
            Reason(
                "word",
                say("“%(word)s” speaks for %(label)s") % {"word": word, "label": named(label)},
                {"word": word, "label": label, "weight": round(weight, 3)},
            )
            for word, weight in scorer.speaking(text, script, label, BY_WEIGHT)
        ]
        if not reasons:
            reasons = [Reason("whole_text", say("No single word decides; the text as a whole does"))]
        chances = {name: round(float(each), 4) for name, each in zip(scorer.classes, row, strict=True)}
        found.append(Judged(label, chances, list(taxonomy.find(text)), reasons + _of_topics(taxonomy, text)))
    return found


def correct(shop_id: int, kind: str, external_id: str, label: str, *, by: Any = None, source: str = "api") -> Corrected:
    """Keep a person's label of one of the shop's texts: it counts at once, and at the next training.

    Raises `UnknownText`, and ValueError for a label that is none of `Feeling`.
    """
    label = Feeling(label).value
    model = queries.MODELS.get(kind)
    row = model.objects.of(shop_id).filter(external_id=external_id).first() if model else None
    if row is None:
        raise UnknownText(external_id)
    with transaction.atomic():
        Label.objects.of(shop_id).create(
            shop_id=shop_id, task=queries.TASK, subject_type=kind, subject_id=row.pk, value=label, by=by, source=source
        )
        judged = Judgement.objects.of(shop_id).filter(kind=kind, text_id=row.pk).first()
        was = judged.label if judged else None
        if judged is not None:
            judged.label, judged.sentiment, judged.corrected = label, sentiment_of_label(label), True
            judged.save(update_fields=["label", "sentiment", "corrected"])
            publishing.count_days(shop_id, [judged.day])
    return Corrected(kind, external_id, label, was)


def acknowledge(shop_id: int, alert_id: int, by: Any = None) -> SentimentAlert | None:
    """Mark an alert as seen (said twice, the first time counts); None if the shop has no such alert."""
    alert = SentimentAlert.objects.of(shop_id).filter(pk=alert_id).select_related("product").first()
    if alert is not None and alert.acknowledged_at is None:
        alert.acknowledged_at, alert.acknowledged_by = timezone.now(), by
        alert.save(update_fields=["acknowledged_at", "acknowledged_by"])
        alerts.resolve(shop_id, PLUGIN, key_of(alert))
    return alert


def key_of(alert: SentimentAlert) -> str:
    """Its key in the shop's inbox."""
    return f"surge:{alert.pk}"


def taxonomy_for(shop_id: int) -> Taxonomy:
    """The shop's topics. Warm."""
    return taxonomy_of(registry.settings_for(shop_id, PLUGIN).topics)


def sentiment_of_label(label: str) -> float:
    """-1, 0 or 1."""
    return {NEGATIVE: -1.0, POSITIVE: 1.0}.get(label, 0.0)


def named(label: str) -> str:
    """A label for people."""
    return str(Feeling(label).label) if label in Feeling.values else label


def _of_topics(taxonomy: Taxonomy, text: str) -> list[Reason]:
    return [
        Reason("topic", say("Speaks of %(topic)s") % {"topic": topic}, {"topic": topic})
        for topic in taxonomy.find(text)
    ]
