"""The SQL behind queries.py: tables and columns by the names that the models have."""

from __future__ import annotations

from typing import Any

from commerce_ai.decisions.models import Decision
from commerce_ai.shop import consent
from commerce_ai.shop.consent import Purpose
from commerce_ai.shop.models import (
    AdSpend,
    Campaign,
    Customer,
    CustomerScore,
    Event,
    Identity,
    Order,
    OrderLine,
    Product,
)
from plugins.advertising.models import Assignment, UpliftScore

PLUGIN, KIND = "advertising", "ads"
SHOWN, HELD_OUT = "shown", "held_out"


def _table(model: Any) -> str:
    return model._meta.db_table


# Orders as one knew them at that instant: one that was cancelled later still counted.
KNOWN = "(o.status <> 'cancelled' OR o.cancelled_at >= s.at)"

FEATURES = f"""
    extract(epoch FROM s.at - bought.last) / 86400 AS days_since_order, bought.orders, bought.orders_90_days,
    bought.spent, bought.spent / nullif(bought.orders, 0) AS order_value, bought.discount_share,
    greatest(extract(epoch FROM s.at - least(c.created_at, bought.first)) / 86400, 0) AS days_known,
    c.country, kinds.categories, kinds.favourite_category, seen.visits AS visits_30_days,
    extract(epoch FROM s.at - seen.last) / 86400 AS days_since_visit
    FROM spine s
    JOIN {_table(Customer)} c ON c.id = s.customer_id
    LEFT JOIN LATERAL (
        SELECT count(*) AS orders, count(*) FILTER (WHERE o.placed_at >= s.at - interval '90 days') AS orders_90_days,
            coalesce(sum(o.total), 0) AS spent,
            sum(o.discount) / nullif(sum(o.total + o.discount), 0) AS discount_share,
            max(o.placed_at) AS last, min(o.placed_at) AS first
        FROM {_table(Order)} o
        WHERE o.customer_id = s.customer_id AND o.placed_at < s.at AND {KNOWN}
    ) bought ON true
    LEFT JOIN LATERAL (
        SELECT count(*) AS categories, (array_agg(category ORDER BY n DESC, category))[1] AS favourite_category
        FROM (
            SELECT split_part(p.category, ' > ', 1) AS category, count(*) AS n
            FROM {_table(Order)} o
            JOIN {_table(OrderLine)} l ON l.order_id = o.id
            JOIN {_table(Product)} p ON p.id = l.product_id AND p.category <> ''
            WHERE o.customer_id = s.customer_id AND o.placed_at < s.at AND {KNOWN}
            GROUP BY 1
        ) each
    ) kinds ON true
    LEFT JOIN LATERAL (
        SELECT count(DISTINCT occurred_at::date) AS visits, max(occurred_at) AS last
        FROM (
            SELECT e.occurred_at FROM {_table(Event)} e
            WHERE e.shop_id = %(shop)s AND e.customer_id = s.customer_id
                AND e.occurred_at < s.at AND e.occurred_at >= s.at - interval '30 days'
            UNION ALL
            SELECT e.occurred_at FROM {_table(Identity)} i
            JOIN {_table(Event)} e ON e.shop_id = i.shop_id AND e.anonymous_id = i.anonymous_id
            WHERE i.shop_id = %(shop)s AND i.customer_id = s.customer_id AND i.proven AND e.customer_id IS NULL
                AND e.occurred_at < s.at AND e.occurred_at >= s.at - interval '30 days'
        ) each
    ) seen ON true
"""  # noqa: S608  (table names of our own)

# A decision's id says when it was made: the first 48 bits are milliseconds.
MADE_AT = "to_timestamp(('x' || lpad(substr(replace(d.id::text, '-', ''), 1, 12), 16, '0'))::bit(64)::bigint / 1000.0)"

# By what was decided, not by the arm: in an experiment that is the experiment's.
WAS_SHOWN = "d.payload->>'value' IS NOT NULL"

LEARNING = f"""
    WITH {consent.refused_sql(Purpose.MODEL_TRAINING)},
    drawn AS (
        SELECT d.customer_id, (d.payload->'context'->>'considered')::bigint AS campaign_id,
            ({WAS_SHOWN})::int AS treatment, (d.payload->'context'->>'propensity')::float8 AS propensity,
            {MADE_AT} AS at
        FROM {_table(Decision)} d
        WHERE d.shop_id = %(shop)s AND d.plugin = '{PLUGIN}' AND d.kind = '{KIND}' AND d.id >= %(first_id)s
            AND d.customer_id IS NOT NULL AND d.payload->'context'->>'considered' IS NOT NULL
        UNION ALL
        SELECT a.customer_id, a.campaign_id, a.treated::int, a.propensity, a.at
        FROM {_table(Assignment)} a WHERE a.shop_id = %(shop)s
    ),
    spine AS (
        SELECT DISTINCT ON (customer_id, campaign_id, floor(extract(epoch FROM at) / 86400 / %(days)s)) *
        FROM drawn
        WHERE at >= %(start)s AND at < %(last)s
            AND (propensity IS NULL OR (propensity > 0 AND propensity < 1))
            AND {consent.spared_sql("drawn.customer_id", "NULL::text")}
        ORDER BY customer_id, campaign_id, floor(extract(epoch FROM at) / 86400 / %(days)s), at
    )
    SELECT s.customer_id, s.campaign_id, g.external_id AS campaign, g.channel, s.treatment, s.propensity,
        s.at AS timestamp, (EXISTS (
            SELECT FROM {_table(Order)} o
            WHERE o.customer_id = s.customer_id AND o.status <> 'cancelled'
                AND o.placed_at >= s.at AND o.placed_at < s.at + make_interval(days => %(days)s)
                AND o.placed_at < %(end)s
        ))::int AS outcome,
    {FEATURES}
    JOIN {_table(Campaign)} g ON g.id = s.campaign_id AND g.shop_id = %(shop)s
    WHERE c.shop_id = %(shop)s
"""  # noqa: S608

TARGETS = f"""
    WITH spine AS (SELECT id AS customer_id, %(at)s::timestamptz AS at FROM {_table(Customer)} WHERE shop_id = %(shop)s)
    SELECT s.customer_id, {FEATURES}
    ORDER BY s.customer_id
"""  # noqa: S608

ORDERS = f"""
    WITH {consent.refused_sql(Purpose.MODEL_TRAINING)}
    SELECT o.customer_id, (o.placed_at AT TIME ZONE %(tz)s)::date AS date, o.total AS amount
    FROM {_table(Order)} o
    WHERE o.shop_id = %(shop)s AND o.placed_at >= %(start)s AND o.placed_at < %(end)s
        AND o.status <> 'cancelled' AND o.currency = %(currency)s AND o.customer_id IS NOT NULL
        AND {consent.spared_sql("o.customer_id", "o.anonymous_id")}
    ORDER BY o.placed_at, o.id
"""  # noqa: S608

ALLOWED = f"""
    WITH {{refused}}
    SELECT c.id FROM {_table(Customer)} c WHERE c.shop_id = %(shop)s AND {{spared}}
"""  # noqa: S608

CAMPAIGNS = f"""
    SELECT g.id, g.external_id, g.name, g.channel, g.starts_at, g.ends_at,
        CASE WHEN jsonb_typeof(g.attributes->'cost_per_contact') = 'number'
            THEN (g.attributes->>'cost_per_contact')::float8
            ELSE recent.cost / nullif(recent.impressions, 0) END AS cost
    FROM {_table(Campaign)} g
    LEFT JOIN LATERAL (
        SELECT sum(a.cost) AS cost, sum(a.impressions) AS impressions,
            (SELECT sum(every.cost) FROM {_table(AdSpend)} every WHERE every.campaign_id = g.id) AS spent
        FROM {_table(AdSpend)} a WHERE a.campaign_id = g.id AND a.day >= current_date - 30
    ) recent ON true
    WHERE g.shop_id = %(shop)s AND g.status = 'active' AND (g.ends_at IS NULL OR g.ends_at > now())
        AND (g.budget IS NULL OR coalesce(recent.spent, 0) < g.budget)
    ORDER BY g.id
"""  # noqa: S608

MEAN_ORDER = f"""
    SELECT avg(o.total) AS value FROM {_table(Order)} o JOIN shop_shop s ON s.id = o.shop_id
    WHERE o.shop_id = %(shop)s AND o.status <> 'cancelled' AND o.currency = s.currency
        AND o.placed_at > (SELECT max(placed_at) FROM {_table(Order)} WHERE shop_id = %(shop)s) - %(span)s
"""  # noqa: S608

CANDIDATES = f"""
    SELECT c.id AS customer_id, s.segment, s.value, coalesce(own.uplift, general.uplift) AS uplift
    FROM {_table(Customer)} c
    LEFT JOIN {_table(CustomerScore)} s ON s.customer_id = c.id
    LEFT JOIN {_table(UpliftScore)} own ON own.customer_id = c.id AND own.campaign_id = %(campaign)s
    LEFT JOIN {_table(UpliftScore)} general ON general.customer_id = c.id AND general.campaign_id IS NULL
    WHERE c.shop_id = %(shop)s
    ORDER BY c.id
"""  # noqa: S608

EXPECTED = f"""
    SELECT campaign_id, count(*) AS n, sum(uplift) AS orders
    FROM {_table(UpliftScore)} WHERE shop_id = %(shop)s AND campaign_id IS NOT NULL AND uplift > 0 GROUP BY 1
"""  # noqa: S608

SEGMENTS = f"""
    SELECT segment, count(*) AS customers, coalesce(sum(orders), 0) AS orders, coalesce(sum(value), 0) AS value
    FROM {_table(CustomerScore)} WHERE shop_id = %(shop)s AND segment <> '' GROUP BY 1 ORDER BY 4 DESC, 1
"""  # noqa: S608

DECIDED = f"""
    SELECT d.payload->'context'->>'campaign' AS campaign,
        CASE WHEN {WAS_SHOWN} THEN '{SHOWN}' ELSE '{HELD_OUT}' END AS arm, count(*) AS n
    FROM {_table(Decision)} d
    WHERE d.shop_id = %(shop)s AND d.plugin = '{PLUGIN}' AND d.kind = '{KIND}' AND d.id >= %(first_id)s
        AND d.payload->'context'->>'campaign' IS NOT NULL
    GROUP BY 1, 2
"""  # noqa: S608
