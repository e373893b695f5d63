"""The measuring side of `benchmark privacy consent`: runs in a process of its own, prints a line a figure."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import polars as pl
from django.db import connection

from commerce_ai.ingest import consents
from commerce_ai.shop import allowed, consent, frames, partitions
from commerce_ai.shop.consent import Purpose
from commerce_ai.shop.models import Consent, Customer, Event, Identity, Shop
from commerce_ai.shop.revision import refresher

EVENTS, CUSTOMERS, DEVICES, CONSENTS = 1_000_000, 200_000, 100_000, 100_000
PEOPLE = 1_000_000  # of the shop where everybody refused
TIMES = 3
PURPOSE = Purpose.MODEL_TRAINING


def measure() -> None:
    """Make the shop, then time frames and answers with and without consent."""
    shop = Shop.objects.create(slug="bench", name="Bench")
    numbers = {"shop": shop.pk, "events": EVENTS, "customers": CUSTOMERS, "devices": DEVICES, "consents": CONSENTS}
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=20)
    partitions.ensure_months(start.date(), datetime.now(UTC).date())
    seconds = _timed(lambda: _run([_CUSTOMERS, _IDENTITIES, _EVENTS, _CONSENTS], {**numbers, "start": start}))[0]
    _say("the shop", {"events": EVENTS, "consents": CONSENTS}, seconds)
    _frames(shop)
    consent.set_silences(shop, {PURPOSE.value: "opt_in"})
    _frames(shop, " opt-in")
    _hear(shop)
    _million()


def _frames(shop: Shop, which: str = "") -> None:
    """The whole way into a frame, and what Postgres alone pays; in turns, so that neither has the warmer cache."""
    for name, read in (("frame", _read_frame), ("count", _count)):
        ratios, plain, spared, rows = [], [], [], (0, 0)
        for _turn in range(TIMES):
            without, all_rows = _timed(lambda read=read: read(_PLAIN, shop.pk))  # type: ignore[misc]
            with_consent, left = _timed(lambda read=read: read(_SPARED, shop.pk))  # type: ignore[misc]
            ratios.append(with_consent / without)
            plain.append(without)
            spared.append(with_consent)
            rows = (all_rows, left)
        _say(f"{name} without{which}", {"rows": rows[0]}, statistics.median(plain))
        figures = {"rows": rows[1], "ratio": statistics.median(ratios)}
        _say(f"{name} with{which}", figures, statistics.median(spared))


def _read_frame(sql: str, shop_id: int) -> int:
    return frames.read(sql, {"shop": shop_id}, _SCHEMA).height


def _count(sql: str, shop_id: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ({sql}) AS found", {"shop": shop_id})  # noqa: S608
        return cursor.fetchone()[0]


def _hear(shop: Shop) -> None:
    """10,000 events of 2,000 devices that say what they said before: what the projection pays for them."""
    at = datetime.now(UTC)
    states = {each.value: True for each in Purpose}
    words = [consents.Word(f"h{n % 2000}", None, at + timedelta(milliseconds=n), states) for n in range(10_000)]
    first, rows = _timed(lambda: consents.hear(shop.pk, words))
    again = [msgspec.structs.replace(each, at=each.at + timedelta(minutes=1)) for each in words]
    second, more = _timed(lambda: consents.hear(shop.pk, again))
    _say("10,000 events, all new", {"rows": rows, "us an event": first * 100}, first)
    _say("10,000 events, nothing new", {"rows": more, "us an event": second * 100}, second)


def _million() -> None:
    """A shop where a million customers refused: what it takes to know it, and to ask."""
    shop = Shop.objects.create(slug="million", name="Million")
    numbers = {"shop": shop.pk, "customers": PEOPLE, "consents": PEOPLE}
    _run([_CUSTOMERS, _ALL_REFUSE], numbers)
    before = _resident()
    seconds, _answer = _timed(lambda: consent.allows(shop.pk, PURPOSE, customer_external_id="c1"))
    held = allowed._answers.get(shop.pk)
    figures = {"people": PEOPLE, "held MB": held.bytes / 1e6, "process MB": (_resident() - before) / 1e6}
    _say("load", figures, seconds)
    for name, who in (("refused", "c7"), ("unknown", "nobody")):
        spent = _timed(lambda who=who: [_ask(shop.pk, who) for _ in range(20_000)])[0]  # type: ignore[misc]
        _say(f"allows, {name}", {"us": spent / 20_000 * 1e6}, spent)
    consent.record(shop, anonymous_id="late", purpose=PURPOSE, granted=False, source="bench")
    _say("one more answer", {"later": 1}, _timed(refresher.poll)[0])
    assert not consent.allows(shop.pk, PURPOSE, anonymous_id="late")


def _ask(shop_id: int, who: str) -> bool:
    return consent.allows(shop_id, PURPOSE, customer_external_id=who, anonymous_id="a")


def _run(statements: list[str], numbers: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        for each in statements:
            cursor.execute(each, numbers)
        cursor.execute("ANALYZE")


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    found = work()
    return time.perf_counter() - started, found


def _resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def _say(name: str, figures: dict[str, float], seconds: float) -> None:
    sys.stdout.write(msgspec.json.encode({"name": name, "figures": figures, "seconds": seconds}).decode() + "\n")


_SCHEMA = {"who": pl.Int64(), "at": pl.Datetime("us", "UTC"), "kind": pl.String()}
_READ = f"""
    SELECT coalesce(e.customer_id, i.customer_id, -1 - (hashtextextended(e.anonymous_id, 0) & 9223372036854775806))
               AS who, e.occurred_at AS at, e.name AS kind
    FROM {Event._meta.db_table} e
    LEFT JOIN {Identity._meta.db_table} i
        ON i.shop_id = e.shop_id AND i.anonymous_id = e.anonymous_id AND i.proven AND e.anonymous_id <> ''
    WHERE e.shop_id = %(shop)s AND e.name = ANY(ARRAY['Product Viewed', 'Product Added'])
"""  # noqa: S608  (names of our own)
_PLAIN = _READ
_SPARED = f"WITH {consent.refused_sql(PURPOSE)} {_READ} AND {consent.spared_sql('e.customer_id', 'e.anonymous_id')}"

_CUSTOMERS = f"""
    INSERT INTO {Customer._meta.db_table}
        (shop_id, external_id, email, phone, name, address, country, gender, attributes, source, created_at, updated_at)
    SELECT %(shop)s, 'c' || n, '', '', '', '', '', '', '{{}}', 'bench', now(), now()
    FROM generate_series(1, %(customers)s) n
"""  # noqa: S608
_OF_SHOP = f"(SELECT row_number() OVER (ORDER BY id) AS n, id FROM {Customer._meta.db_table} WHERE shop_id = %(shop)s)"  # noqa: S608
# Half of the devices are tied to somebody, one in five of these by a mere claim.
_IDENTITIES = f"""
    INSERT INTO {Identity._meta.db_table} (shop_id, anonymous_id, customer_id, proven, at)
    SELECT %(shop)s, 'v' || c.n, c.id, c.n %% 5 > 0, now() FROM {_OF_SHOP} c WHERE c.n <= %(devices)s / 2
"""  # noqa: S608
# Half of the events are of known customers, half of devices; ids follow the instants, as in an import.
_EVENTS = f"""
    INSERT INTO {Event._meta.db_table} (id, shop_id, kind, name, message_id, anonymous_id, user_id, customer_id,
        session_id, properties, context, platform, occurred_at, received_at)
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(n %% 4096), 3, '0')
               || '8' || lpad(to_hex(n), 15, '0'))::uuid,
        %(shop)s, 'track', CASE WHEN n %% 4 > 0 THEN 'Product Viewed' ELSE 'Product List Viewed' END, 'm' || n,
        CASE WHEN n %% 2 = 0 THEN 'v' || 1 + (n::bigint * 7919) %% %(devices)s ELSE '' END, '', c.id, '',
        '{{"product_id": "p1", "price": 9.99}}', '{{}}', 'bench', at, at
    FROM (
        SELECT n, %(start)s::timestamptz + n * interval '1.5 seconds' AS at FROM generate_series(1, %(events)s) n
    ) made
    LEFT JOIN (SELECT n AS place, id FROM {_OF_SHOP} each) c
        ON n %% 2 = 1 AND place = 1 + (n::bigint * 6700417) %% %(customers)s
"""  # noqa: S608
# Three in ten refuse.
_CONSENTS = f"""
    INSERT INTO {Consent._meta.db_table} (shop_id, customer_id, anonymous_id, purpose, granted, at, evidence, source)
    SELECT %(shop)s, CASE WHEN c.n %% 2 = 0 THEN c.id END, CASE WHEN c.n %% 2 = 1 THEN 'v' || c.n ELSE '' END,
        'model_training', c.n %% 10 > 2, now() - interval '30 days', '', 'bench'
    FROM {_OF_SHOP} c WHERE c.n <= %(consents)s
"""  # noqa: S608
_ALL_REFUSE = f"""
    INSERT INTO {Consent._meta.db_table} (shop_id, customer_id, anonymous_id, purpose, granted, at, evidence, source)
    SELECT %(shop)s, c.id, '', 'model_training', false, now(), '', 'bench' FROM {_OF_SHOP} c
"""  # noqa: S608
