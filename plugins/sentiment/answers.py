"""What is answered, between routes, service and console."""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from commerce_ai.decisions.reasons import Reason


class Judged(msgspec.Struct, frozen=True):
    """One text. `label` is null and `probabilities` are empty where nothing can judge; topics need no version."""

    label: str | None
    probabilities: dict[str, float]
    topics: list[str]
    reasons: list[Reason]


class Answer(msgspec.Struct, frozen=True):
    """Texts in the order they were sent.

    `version` names the version that judged; with `fallback` none did, and `fallback_reason` says why. `stored` is
    false when the decision could not be kept.
    """

    results: list[Judged]
    decision_id: str
    version: str | None
    fallback: bool
    fallback_reason: str
    stored: bool = True


class Mention(msgspec.Struct, frozen=True):
    """One text of the shop's own, as it was judged."""

    kind: str
    id: str
    text: str
    product_id: str | None
    at: datetime
    label: str
    sentiment: float
    topics: list[str]
    corrected: bool


class Mentions(msgspec.Struct, frozen=True):
    """`next` is the cursor of the next page, or null."""

    results: list[Mention]
    next: str | None


class Topic(msgspec.Struct, frozen=True):
    """How often the last days' texts speak of a topic, and which share of those texts is negative."""

    topic: str
    texts: int
    negative: int
    negative_share: float | None


class Topics(msgspec.Struct, frozen=True):
    results: list[Topic]
    days: int


class TrendDay(msgspec.Struct, frozen=True):
    """One of the shop's days; days without a text are left out."""

    day: date
    texts: int
    negative: int
    negative_share: float


class Alert(msgspec.Struct, frozen=True):
    """`chance` is that of so many negative texts, had nothing changed since the days before."""

    id: int
    day: date
    product_id: str | None
    topic: str | None
    texts: int
    negative: int
    expected_share: float
    chance: float
    acknowledged_at: datetime | None


class Trend(msgspec.Struct, frozen=True):
    results: list[TrendDay]
    alerts: list[Alert]


class Corrected(msgspec.Struct, frozen=True):
    """The label that counts now; `was` is what it was judged before."""

    kind: str
    id: str
    label: str
    was: str | None
