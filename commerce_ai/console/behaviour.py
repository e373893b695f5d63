"""What people do in the shop, as groups: who comes back, and which step follows which. Nobody can be told apart.

Retention: of those whose first order fell in a month, how many ordered again in each month after. Paths: which event
follows which within a visit, in the newest events. Rows of fewer than ten people are left out (`cohorts`), and so is
who refused analytics. Paths cost the same however many events there are; retention reads every order of the shop. So
both are counted by a job every ten minutes (`renew`) and kept: nobody who opens the page waits for them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import date
from typing import Any, TypeVar

import msgspec
from django.core.cache import cache
from django.db import connection

from commerce_ai.console.cohorts import at_least_k
from commerce_ai.ingest import metrics
from commerce_ai.shop.consent import Purpose, refused_sql, spared_sql
from commerce_ai.shop.models import Shop

MONTHS = 12
EVENTS = 20_000  # the newest, that paths are read from
MOST_NEXT = 5
KEPT_S = 3600  # longer than from one renewal to the next
Row = TypeVar("Row")


class Cohort(msgspec.Struct, frozen=True):
    """`size` people first ordered in `month`; `back` is the share of them who did again 1, 2, … months later."""

    month: date
    size: int
    back: tuple[float, ...]


class Step(msgspec.Struct, frozen=True):
    """What followed `name`, `times` in all: (next event or empty for the end of the visit, share) by frequency."""

    name: str
    times: int
    then: tuple[tuple[str, float], ...]


def retention(shop: Shop) -> list[Cohort]:
    """Newest month first."""
    return _kept(f"retention:{shop.pk}", Cohort, lambda: _retention(shop))


def paths(shop: Shop) -> list[Step]:
    """Most frequent first."""
    return _kept(f"paths:{shop.pk}", Step, lambda: _paths(shop))


def renew(shop: Shop) -> None:
    """Count both anew, as they are shown from now on."""
    _keep(f"retention:{shop.pk}", _retention(shop))
    _keep(f"paths:{shop.pk}", _paths(shop))


def _kept(key: str, row: type[Row], count: Callable[[], list[Row]]) -> list[Row]:
    if (kept := cache.get(f"behaviour:{key}")) is not None:
        return msgspec.json.decode(kept, type=list[row])  # type: ignore[valid-type]
    found = count()
    _keep(key, found)
    return found


def _keep(key: str, found: list[Row]) -> None:
    cache.set(f"behaviour:{key}", msgspec.json.encode(found).decode(), KEPT_S)


def _retention(shop: Shop) -> list[Cohort]:
    rows = _rows(_COHORTS, {"shop": shop.pk, "tz": shop.timezone, "months": MONTHS})
    back: dict[date, dict[int, int]] = defaultdict(dict)
    for month, later, people in rows:
        back[month][later] = people
    newest = max((_months(month) + later for month, found in back.items() for later in found), default=0)
    counted: list[dict[str, Any]] = [{"month": month, "people": found[0]} for month, found in back.items()]
    months = sorted((each["month"] for each in at_least_k(counted, "people")), reverse=True)
    return [_cohort(month, back[month], newest) for month in months]


def _cohort(month: date, back: dict[int, int], newest: int) -> Cohort:
    later = range(1, newest - _months(month) + 1)
    return Cohort(month, back[0], tuple(back.get(each, 0) / back[0] for each in later))


def _months(day: date) -> int:
    return day.year * 12 + day.month


def _paths(shop: Shop) -> list[Step]:
    rows = _rows(_STEPS, {"shop": shop.pk, "n": EVENTS, "seed": metrics.visitor_seed()})
    named = [{"name": name, "then": then, "times": times, "people": people} for name, then, times, people in rows]
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for each in at_least_k(named, "people"):
        found[each["name"]].append((each["then"], each["times"]))
    steps = []
    for name, following in found.items():
        times = sum(count for _then, count in following)
        following.sort(key=lambda each: (-each[1], each[0]))
        steps.append(Step(name, times, tuple((then, count / times) for then, count in following[:MOST_NEXT])))
    return sorted(steps, key=lambda each: (-each.times, each.name))


def _rows(statement: str, asked: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, asked)
        return cursor.fetchall()


_COHORTS = f"""
    WITH {refused_sql(Purpose.ANALYTICS)}, placed AS (
        SELECT o.customer_id, date_trunc('month', o.placed_at AT TIME ZONE %(tz)s)::date AS month
        FROM shop_order o
        WHERE o.shop_id = %(shop)s AND o.customer_id IS NOT NULL AND o.status <> 'cancelled'
            AND {spared_sql("o.customer_id", "o.anonymous_id")}
        GROUP BY 1, 2
    ), first AS (SELECT customer_id, min(month) AS month FROM placed GROUP BY 1)
    SELECT f.month, (extract(year FROM age(p.month, f.month)) * 12 + extract(month FROM age(p.month, f.month)))::int,
        count(*)
    FROM first f JOIN placed p USING (customer_id)
    WHERE f.month > (SELECT max(month) FROM first) - make_interval(months => %(months)s)
    GROUP BY 1, 2
"""  # noqa: S608  (names of ours)
_STEPS = f"""
    WITH {refused_sql(Purpose.ANALYTICS)}, recent AS MATERIALIZED (
        SELECT e.id, e.name, e.session_id, e.anonymous_id, e.user_id, e.customer_id FROM shop_event e
        WHERE e.shop_id = %(shop)s AND e.kind = 'track' ORDER BY e.id DESC LIMIT %(n)s
    ), step AS (
        SELECT e.name, {metrics.VISITOR} AS visitor, lead(e.name, 1, '') OVER (
            PARTITION BY e.session_id, e.anonymous_id, e.user_id ORDER BY e.id
        ) AS following
        FROM recent e WHERE {spared_sql("e.customer_id", "e.anonymous_id")}
    )
    SELECT name, following, count(*), count(DISTINCT visitor) FROM step GROUP BY 1, 2
"""  # noqa: S608
