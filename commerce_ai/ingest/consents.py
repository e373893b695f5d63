"""What visitors' browsers say of consent: read at the door, kept with the event, recorded by the projection.

A consent platform sends its state with every message, so that only a change of it is an answer: a *voice* (a device by
its anonymous id; a customer where no device is named) is heard when it says something else than it said last.
What another door wrote in between stands until the device's own state changes. A device speaks for whoever is proven
on it (`commerce_ai.shop.consent`), so that its rows name nobody else.

https://segment.com/docs/privacy/consent-management/consent-in-segment-connections/ has
``context.consent.categoryPreferences``; its categories are the shop's own, the usual names are known here.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Any, TypeAlias

import msgspec
from django.db import connection, transaction

from commerce_ai.ingest import visitors
from commerce_ai.shop import consent, tombstones
from commerce_ai.shop.consent import Answer, Purpose
from commerce_ai.shop.models import Customer

SOURCE = "tracking"
_CATEGORIES = {
    Purpose.ANALYTICS: (
        "analytics", "analytical", "statistics", "statistic", "performance", "measurement", "analyticsstorage", "c0002",
    ),
    Purpose.PERSONALISATION: (
        "personalisation", "personalization", "functional", "functionality", "preferences", "preference",
        "personalizationstorage", "functionalitystorage", "c0003",
    ),
    Purpose.ADS: (
        "ads", "ad", "advertising", "advertisement", "marketing", "targeting", "adstorage", "aduserdata",
        "adpersonalization", "saleofinfo", "c0004",
    ),
    Purpose.MODEL_TRAINING: ("modeltraining", "training", "aitraining", "machinelearning", "ml"),
}  # fmt: skip
_PURPOSES = {name: purpose.value for purpose, names in _CATEGORIES.items() for name in names}
_WORDS = {"granted": True, "true": True, "yes": True, "denied": False, "false": False, "no": False}
_WORD = re.compile(r"[^a-z0-9]+")
_MOST = 64  # categories that are looked at


Key: TypeAlias = tuple[str, int | None, str]  # a voice (anonymous id, or our id of a customer) and a purpose


class Said(msgspec.Struct, frozen=True, order=True):
    """One state of consent in one event. Of two of one instant the refusal sorts last, and so counts."""

    at: datetime
    refused: bool


class Word(msgspec.Struct, frozen=True):
    """A whole event's consent: whose voice (a customer only where no device is named), when, and what by purpose."""

    anonymous_id: str
    customer_id: int | None
    at: datetime
    purposes: dict[str, bool]


def purposes_of(value: Any) -> dict[str, bool]:
    """``context.consent`` as purpose → granted; what is no known category or no answer is left out. Of two categories
    of one purpose the refusal counts."""
    if not isinstance(value, dict):
        return {}
    given = value.get("categoryPreferences")
    found: dict[str, bool] = {}
    for name, answer in list((given if isinstance(given, dict) else value).items())[:_MOST]:
        purpose = _PURPOSES.get(_WORD.sub("", name.lower())) if len(name) <= _MOST else None
        granted = _WORDS.get(answer.lower()) if isinstance(answer, str) else answer
        if purpose is not None and isinstance(granted, bool):
            found[purpose] = granted and found.get(purpose, True)
    return found


class Permits:
    """Asks `consent.allows` of the senders of one batch, each once; what an event itself says comes before that."""

    def __init__(self, shop_id: int, purpose: Purpose) -> None:
        self._shop_id, self._purpose = shop_id, purpose
        self._known: dict[tuple[str | int | None, str], bool] = {}
        self._is_open = consent.allows_all(shop_id, purpose)

    def __call__(self, said: dict[str, bool] | None, customer: str | int | None, anonymous_id: str) -> bool:
        """`customer`: the outside id, or our own. A no in the event itself holds at once, a yes when it is recorded."""
        if said and said.get(self._purpose.value) is False:
            return False
        if self._is_open:
            return True
        key = (customer, anonymous_id)
        if (known := self._known.get(key)) is None:
            who = {"customer_external_id": customer} if isinstance(customer, str) else {"customer_id": customer}
            known = consent.allows(self._shop_id, self._purpose, anonymous_id=anonymous_id, **who)  # type: ignore[arg-type]
            self._known[key] = known
        return known


def hear(shop_id: int, words: Iterable[Word]) -> int:
    """Record what changed in what the voices say; how many rows that were. In the caller's transaction.

    Events in whatever order leave the same answers: a change that comes late is followed by what was said after it.
    """
    voices = _voices(words)
    news: list[Answer] = []
    turns: list[Answer] = []  # against what was said before, and nothing known after
    stored = _stored(shop_id, voices)
    for key, said in voices.items():
        _compare(key, said, stored.get(key, []), news, turns)
    if turns:
        news += _said_since(shop_id, turns)
    if news:  # the door follows the tombstones within two seconds only
        gone = tombstones.erased(shop_id, {each.anonymous_id for each in news}, tombstones.Kind.ANONYMOUS)
        news = [each for each in news if each.anonymous_id not in gone]
    refused = [each for each in news if each.purpose == Purpose.PERSONALISATION and not each.granted]
    if refused:
        transaction.on_commit(partial(_forget, shop_id, refused), robust=True)
    return consent.record_many(shop_id, news, source=SOURCE)


def _forget(shop_id: int, refused: list[Answer]) -> None:
    """Let go of the visits of who does not want to be known again."""
    named = [each.customer_id for each in refused if each.customer_id is not None]
    for external_id in Customer.objects.of(shop_id).filter(pk__in=named).values_list("external_id", flat=True):
        visitors.forget(shop_id, customer_external_id=external_id)
    for each in refused:
        visitors.forget(shop_id, anonymous_id=each.anonymous_id or None)


def _voices(words: Iterable[Word]) -> dict[Key, list[Said]]:
    """What each voice says of each purpose: the first and the last word, and every turn between them."""
    states: dict[tuple[str, int | None], list[tuple[datetime, dict[str, bool]]]] = defaultdict(list)
    for word in words:
        if word.anonymous_id or word.customer_id is not None:
            states[word.anonymous_id, None if word.anonymous_id else word.customer_id].append((word.at, word.purposes))
    voices: dict[Key, list[Said]] = {}
    for who, said in states.items():
        said.sort(key=lambda each: each[0])
        by_purpose: dict[str, list[Said]] = defaultdict(list)
        for place, (at, purposes) in enumerate(said):
            # A state that is the same before and after says nothing, and most are.
            if 0 < place < len(said) - 1 and said[place - 1][1] == purposes == said[place + 1][1]:
                continue
            for purpose, granted in purposes.items():
                by_purpose[purpose].append(Said(at, not granted))
        for purpose, each in by_purpose.items():
            voices[*who, purpose] = _changes(each)
    return voices


def _changes(said: list[Said]) -> list[Said]:
    said.sort()
    # Of several at one instant the last, which is the refusal.
    said = [each for place, each in enumerate(said) if place + 1 == len(said) or said[place + 1].at != each.at]
    return [
        each for place, each in enumerate(said)
        if place in (0, len(said) - 1) or each.refused != said[place - 1].refused
    ]  # fmt: skip


def _stored(shop_id: int, voices: Iterable[Key]) -> dict[Key, list[Said]]:
    """What the voices are known to have said, oldest first."""
    devices = list({anonymous_id for anonymous_id, _customer, _purpose in voices if anonymous_id})
    customers = list({customer for _device, customer, _purpose in voices if customer is not None})
    found: dict[Key, list[Said]] = defaultdict(list)
    if devices or customers:
        with connection.cursor() as cursor:
            cursor.execute(_STORED, {"shop": shop_id, "source": SOURCE, "devices": devices, "customers": customers})
            for anonymous_id, customer_id, purpose, at, granted in cursor.fetchall():
                found[anonymous_id, customer_id, purpose].append(Said(at, not granted))
    for said in found.values():
        said.sort()
    return found


_STORED = """
    SELECT anonymous_id, customer_id, purpose, at, granted FROM shop_consent
    WHERE shop_id = %(shop)s AND anonymous_id = ANY(%(devices)s::text[]) AND customer_id IS NULL AND source = %(source)s
    UNION ALL
    SELECT anonymous_id, customer_id, purpose, at, granted FROM shop_consent
    WHERE customer_id = ANY(%(customers)s::bigint[]) AND shop_id = %(shop)s AND anonymous_id = ''
        AND source = %(source)s
"""


def _compare(key: Key, said: list[Said], stored: list[Said], news: list[Answer], turns: list[Answer]) -> None:
    anonymous_id, customer_id, purpose = key
    last: Said | None = None
    for each in said:
        place = bisect_right(stored, Said(each.at, True))
        before = stored[place - 1] if place else None
        if last is not None and (before is None or last.at > before.at):
            before = last
        last = each
        if before is not None and before.refused == each.refused:
            continue
        answer = Answer(purpose, not each.refused, each.at, customer_id, anonymous_id)
        news.append(answer)
        if before is not None and place == len(stored) and each is said[-1]:
            turns.append(answer)


def _said_since(shop_id: int, turns: list[Answer]) -> list[Answer]:
    """What the voices said last after their turns, where that is something else: it was no change when it came."""
    with connection.cursor() as cursor:
        cursor.execute(
            _SINCE,
            {
                "shop": shop_id, "a": [each.anonymous_id for each in turns], "t": [each.at for each in turns],
                "c": [each.customer_id for each in turns], "p": [each.purpose for each in turns],
            },
        )  # fmt: skip
        found = cursor.fetchall()
    return [
        Answer(turn.purpose, granted, at, turn.customer_id, turn.anonymous_id)
        for turn, (at, granted) in zip(turns, found, strict=True)
        if at is not None and granted != turn.granted
    ]


_SINCE = """
    SELECT new.occurred_at, new.granted
    FROM unnest(%(a)s::text[], %(t)s::timestamptz[], %(c)s::bigint[], %(p)s::text[]) WITH ORDINALITY
        AS w(a, t, c, p, n)
    LEFT JOIN LATERAL (
        SELECT each.occurred_at, each.granted FROM (
            SELECT e.occurred_at, (e.context->'consent'->>w.p)::boolean AS granted FROM shop_event e
            WHERE e.shop_id = %(shop)s AND e.anonymous_id = w.a AND w.a <> '' AND e.occurred_at > w.t
                AND jsonb_exists(e.context->'consent', w.p)
            UNION ALL
            SELECT e.occurred_at, (e.context->'consent'->>w.p)::boolean FROM shop_event e
            WHERE e.customer_id = w.c AND e.shop_id = %(shop)s AND e.anonymous_id = '' AND w.a = ''
                AND e.occurred_at > w.t AND jsonb_exists(e.context->'consent', w.p)
        ) each ORDER BY each.occurred_at DESC, each.granted LIMIT 1
    ) new ON true
    ORDER BY w.n
"""
