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
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Any

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
    voices: dict[tuple[str, int | None, str], list[Said]] = defaultdict(list)
    for word in words:
        if word.anonymous_id or word.customer_id is not None:
            who = (word.anonymous_id, None) if word.anonymous_id else ("", word.customer_id)
            for purpose, granted in word.purposes.items():
                voices[*who, purpose].append(Said(word.at, not granted))
    news: list[Answer] = []
    turns: list[Answer] = []  # against what was said before, and nothing known after
    for devices in (True, False):
        those = {key: _changes(said) for key, said in voices.items() if bool(key[0]) is devices}
        if those:
            _compare(shop_id, those, devices, news, turns)
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


def _changes(said: list[Said]) -> list[Said]:
    """The first and the last word, and every turn between them."""
    said.sort()
    kept = [
        each for place, each in enumerate(said)
        if place in (0, len(said) - 1) or each.refused != said[place - 1].refused
    ]  # fmt: skip
    # Of several at one instant the last, which is the refusal.
    return [each for place, each in enumerate(kept) if place + 1 == len(kept) or kept[place + 1].at != each.at]


def _compare(
    shop_id: int, voices: dict[tuple[str, int | None, str], list[Said]], devices: bool,
    news: list[Answer], turns: list[Answer],
) -> None:  # fmt: skip
    keys = list(voices)
    places = [(place, said) for place, key in enumerate(keys) for said in voices[key]]
    asked: dict[str, Any] = {
        "shop": shop_id, "source": SOURCE, "v": [place for place, _ in places], "t": [said.at for _, said in places],
        "p": [keys[place][2] for place, _ in places],
        "who": [keys[place][0] if devices else keys[place][1] for place, _ in places],
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_BEFORE_DEVICE if devices else _BEFORE_CUSTOMER, asked)
        stored = cursor.fetchall()
    last: dict[int, Said] = {}
    for (place, said), (at, granted, has_later) in zip(places, stored, strict=True):
        before = last.get(place)
        if at is not None and (before is None or at >= before.at):
            before = Said(at, not granted)
        last[place] = said
        if before is not None and before.refused == said.refused:
            continue
        anonymous_id, customer_id, purpose = keys[place]
        answer = Answer(purpose, not said.refused, said.at, customer_id, anonymous_id)
        news.append(answer)
        if before is not None and not has_later and said == voices[keys[place]][-1]:
            turns.append(answer)


def _before(voice: str, type_: str) -> str:
    return f"""
        SELECT old.at, old.granted, EXISTS (
            SELECT FROM shop_consent l
            WHERE l.shop_id = %(shop)s AND {voice} AND l.purpose = w.p AND l.at > w.t AND l.source = %(source)s
        )
        FROM unnest(%(v)s::int[], %(t)s::timestamptz[], %(p)s::text[], %(who)s::{type_}[]) WITH ORDINALITY
            AS w(v, t, p, who, n)
        LEFT JOIN LATERAL (
            SELECT l.at, l.granted FROM shop_consent l
            WHERE l.shop_id = %(shop)s AND {voice} AND l.purpose = w.p AND l.at <= w.t AND l.source = %(source)s
            ORDER BY l.at DESC, l.granted LIMIT 1
        ) old ON true
        ORDER BY w.n
    """  # noqa: S608  (conditions of our own)


_BEFORE_DEVICE = _before("l.anonymous_id = w.who AND l.customer_id IS NULL", "text")
_BEFORE_CUSTOMER = _before("l.customer_id = w.who AND l.anonymous_id = ''", "bigint")


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
