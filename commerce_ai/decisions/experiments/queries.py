"""What an experiment's figures are made of, as frames: whom it was shown to, and what they did. The only reader of
shop tables here; what the frames mean is in `measures.py`.

Rows come with both ids of a person, the customer's also where only Identity (proven before claimed) knows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from django.db import connection, transaction

from commerce_ai.decisions import bots
from commerce_ai.decisions.experiments.arms import HOLDOUT, REST, asking
from commerce_ai.decisions.experiments.models import Experiment
from commerce_ai.decisions.rules import rules_of
from commerce_ai.ids import uuid7_floor
from commerce_ai.shop import consent, frames

BEFORE = timedelta(days=28)  # what a unit did this long before its exposure, for CUPED

_WHO = {"anonymous_id": pl.String(), "customer_id": pl.Int64(), "at": pl.Datetime("us", "UTC"), "day": pl.Date()}
SHOWN = {**_WHO, "arm": pl.String(), "above": pl.Float64(), "below": pl.Float64()}
FACTS = {**_WHO, "value": pl.Float64()}


@dataclass(frozen=True)
class Shown:
    """`rows`: one a visitor, arm and day: the first instant, `below` answers that were shown and `above` of them
    clicked. `left_out`: how many visitors are not among them, by why: programs, busy (touched more on a day than people
    do), staff."""

    rows: pl.DataFrame
    left_out: dict[str, int]


def shown(experiment: Experiment, until: datetime) -> Shown:
    """Whom the experiment was shown to. Programs and staff are left out as by the shop's rules of attribution."""
    if experiment.holdout:
        which = _ANSWERS
        arm = f"CASE WHEN d.experiment_id = %(experiment)s AND d.arm = '{HOLDOUT}' THEN '{HOLDOUT}' ELSE '{REST}' END"
    else:
        which, arm = "d.plugin = %(plugin)s AND d.experiment_id = %(experiment)s", "d.arm"
    return _shown(experiment, until, which, arm)


def answered(experiment: Experiment, until: datetime) -> pl.DataFrame:
    """The same of everybody who was answered where it is to run, from its `starts_at` on; nobody is in an arm."""
    which = f"{_ANSWERS} AND %(plugin)s::text IN ('', d.plugin) AND %(placement)s::text IN ('', d.placement)"
    return _shown(experiment, until, which, "''").rows


def _shown(experiment: Experiment, until: datetime, which: str, arm: str) -> Shown:
    params, rules = _params(experiment, until), rules_of(experiment.shop)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_TABLES)
        cursor.execute(_MADE.format(which=which, arm=arm), params)
        cursor.execute("ANALYZE made")
        bots.find_busy(cursor, experiment.shop_id, rules, "made")
        bots.find_staff(cursor, experiment.shop_id, rules, "SELECT customer_id FROM made WHERE customer_id IS NOT NULL")
        cursor.execute(_ASIDE, params)
        cursor.execute("SELECT why, count(*) FROM (SELECT DISTINCT who, why FROM aside) a GROUP BY why ORDER BY why")
        return Shown(frames.read(_SHOWN, params, SHOWN), dict(cursor.fetchall()))


def facts(experiment: Experiment, until: datetime) -> pl.DataFrame:
    """A row an order (or a rated conversation), from 28 days before the start on: when, and its worth in the metric.

    Cancelled orders don't count, refunds are taken off, money in another currency than the shop's is 0.
    """
    metric = Experiment.Metric
    sql = {metric.CONVERSION: _ORDERS, metric.REVENUE: _ORDERS, metric.MARGIN: _MARGINS, metric.SATISFACTION: _RATINGS}
    worth = "1" if experiment.metric == metric.CONVERSION else _REVENUE
    if experiment.metric not in sql:
        return pl.DataFrame(schema=FACTS)
    return frames.read(sql[metric(experiment.metric)].format(worth=worth), _params(experiment, until), FACTS)


def _params(experiment: Experiment, until: datetime) -> dict[str, Any]:
    start, shop = experiment.starts_at or until, experiment.shop
    rules = rules_of(shop)
    return {
        "plugins": list(asking()), "placement": experiment.placement,
        "answers": [f"{plugin} {kind}" for plugin, draws in asking().items() for kind in draws.kinds],
        "shop": shop.pk, "experiment": experiment.pk, "plugin": experiment.plugin, "tz": shop.timezone,
        "currency": shop.currency, "start": start, "before": start - BEFORE, "until": until,
        "from_id": uuid7_floor(start), "until_id": uuid7_floor(until), "bots": rules.bot_pattern,
        "clicks": list(rules.clicks) if experiment.metric == Experiment.Metric.CLICKS else [],
    }  # fmt: skip


_IDENTITY = """
    known AS MATERIALIZED (
        SELECT DISTINCT ON (anonymous_id) anonymous_id, customer_id FROM shop_identity
        WHERE shop_id = %(shop)s ORDER BY anonymous_id, proven DESC
    )"""

# Who may not be counted is not drawn, so that they are on no side.
_ANSWERS = "d.plugin = ANY(%(plugins)s) AND d.plugin || ' ' || d.kind = ANY(%(answers)s) AND " + consent.spared_sql(
    "d.customer_id", "d.anonymous_id"
)

_TABLES = """
    DROP TABLE IF EXISTS made, aside;
    CREATE TEMP TABLE made (
        anonymous_id text, customer_id bigint, arm text, at timestamptz, clicked bool
    ) ON COMMIT DROP;
    CREATE TEMP TABLE aside (who text, why text) ON COMMIT DROP
"""
# The instant of a decision is in the first 48 bits of its id.
_MADE = f"""
    WITH {_IDENTITY}, {consent.refused_sql(consent.Purpose.ANALYTICS)}
    INSERT INTO made
    SELECT d.anonymous_id, coalesce(d.customer_id, k.customer_id), {{arm}},
        to_timestamp(('x' || left(replace(d.id::text, '-', ''), 12))::bit(48)::bigint / 1000.0),
        cardinality(%(clicks)s::text[]) > 0 AND EXISTS (
            SELECT FROM shop_event e
            WHERE e.decision_id = d.id AND e.shop_id = d.shop_id AND e.name = ANY(%(clicks)s::text[])
        )
    FROM decisions_decision d LEFT JOIN known k ON k.anonymous_id = d.anonymous_id AND d.anonymous_id <> ''
    WHERE d.shop_id = %(shop)s AND {{which}} AND d.id >= %(from_id)s AND d.id < %(until_id)s
        AND (d.anonymous_id <> '' OR d.customer_id IS NOT NULL)"""  # noqa: S608  (names of ours)
_NAME = "CASE WHEN m.anonymous_id <> '' THEN 'a' || m.anonymous_id ELSE 'c' || m.customer_id END"
# Wholly, not only from the day on that showed what they are: a unit is in an arm or it is not.
_ASIDE = f"""
    INSERT INTO aside
    SELECT DISTINCT {_NAME}, CASE WHEN b.anonymous_id IS NOT NULL THEN 'programs'
        WHEN s.customer_id IS NOT NULL THEN 'staff' ELSE 'busy' END
    FROM made m
    LEFT JOIN (
        SELECT DISTINCT anonymous_id FROM shop_event
        WHERE shop_id = %(shop)s AND id >= %(from_id)s AND anonymous_id <> ''
            AND lower(context->>'user_agent') ~ %(bots)s
    ) b ON b.anonymous_id = m.anonymous_id
    LEFT JOIN staff s ON s.customer_id = m.customer_id
    LEFT JOIN (SELECT DISTINCT anonymous_id FROM busy) y ON y.anonymous_id = m.anonymous_id
    WHERE b.anonymous_id IS NOT NULL OR s.customer_id IS NOT NULL OR y.anonymous_id IS NOT NULL
"""  # noqa: S608
_SHOWN = f"""
    SELECT m.anonymous_id, m.customer_id, min(m.at) AS at, (m.at AT TIME ZONE %(tz)s)::date AS day, m.arm,
        count(*) FILTER (WHERE m.clicked)::float8 AS above, count(*)::float8 AS below
    FROM made m WHERE NOT EXISTS (SELECT FROM aside a WHERE a.who = {_NAME})
    GROUP BY 1, 2, 4, 5"""  # noqa: S608

_REVENUE = """CASE WHEN o.currency = %(currency)s THEN greatest(o.total - coalesce(
    (SELECT sum(r.amount) FROM shop_refund r WHERE r.order_id = o.id AND r.currency = o.currency), 0), 0) ELSE 0 END"""

_ORDER = """
    FROM shop_order o LEFT JOIN known k ON k.anonymous_id = o.anonymous_id AND o.anonymous_id <> ''
    WHERE o.shop_id = %(shop)s AND o.placed_at >= %(before)s AND o.placed_at < %(until)s
        AND o.status NOT IN ('cancelled', 'refunded')"""
_WHO_ORDERED = """
    SELECT o.anonymous_id, coalesce(o.customer_id, k.customer_id) AS customer_id, o.placed_at AS at,
        (o.placed_at AT TIME ZONE %(tz)s)::date AS day"""

_ORDERS = f"WITH {_IDENTITY} {_WHO_ORDERED}, ({{worth}})::float8 AS value {_ORDER}"

_MARGINS = f"""
    WITH {_IDENTITY} {_WHO_ORDERED}, coalesce((
        SELECT sum(l.quantity * (l.unit_price - coalesce(l.unit_cost, p.cost)) - l.discount)
        FROM shop_orderline l LEFT JOIN shop_product p ON p.id = l.product_id
        WHERE l.order_id = o.id AND coalesce(l.unit_cost, p.cost) IS NOT NULL AND o.currency = %(currency)s
    ), 0)::float8 AS value {_ORDER}"""  # noqa: S608

# A conversation is opened an instant before its first answer, so that it counts from what was said last in it.
_RATINGS = f"""
    WITH {_IDENTITY}, rated AS (
        SELECT c.*, coalesce((SELECT max(m.at) FROM shop_message m WHERE m.conversation_id = c.id), c.opened_at) AS at
        FROM shop_conversation c WHERE c.shop_id = %(shop)s AND c.rating IS NOT NULL
    )
    SELECT c.anonymous_id, coalesce(c.customer_id, k.customer_id) AS customer_id, c.at,
        (c.at AT TIME ZONE %(tz)s)::date AS day, c.rating::float8 AS value
    FROM rated c LEFT JOIN known k ON k.anonymous_id = c.anonymous_id AND c.anonymous_id <> ''
    WHERE c.at >= %(before)s AND c.at < %(until)s
"""  # noqa: S608
