"""The last two steps: what came of each decision, and the figures of each day that dashboards read.

`DailyMetric` rows, dimension the plugin; of the day of the decision, but for money, which is of the day of the order:

`decision_impressions`, `decision_clicks`   different products seen and clicked
`decision_click_through`                    of the decisions that were seen, the share that was clicked
`influenced_revenue`, `influenced_margin`, `influenced_orders`   what decisions had a part in: not caused by them
`left_out_bots`, `left_out_staff`           touches that do not count
"""

from __future__ import annotations

from typing import Any

from commerce_ai.decisions import bots, marks
from commerce_ai.decisions.bots import AGENT, programs
from commerce_ai.decisions.rules import Rules
from commerce_ai.shop.models import Shop

IMPRESSIONS, CLICKS, CLICK_THROUGH = "decision_impressions", "decision_clicks", "decision_click_through"
REVENUE, MARGIN, ORDERS = "influenced_revenue", "influenced_margin", "influenced_orders"
BOTS, STAFF = "left_out_bots", "left_out_staff"
NAMES = (IMPRESSIONS, CLICKS, CLICK_THROUGH, REVENUE, MARGIN, ORDERS, BOTS, STAFF)


def renew(cursor: Any, shop: Shop, rules: Rules) -> int:
    """Count what came of the next decisions anew; how many decisions. Marks their days."""
    found = marks.claim(cursor, shop.pk, "decision_id")
    if not found:
        return 0
    asked = {
        "shop": shop.pk, "tz": shop.timezone, "bots": rules.bot_pattern, "impressions": list(rules.impressions),
        "clicks": list(rules.clicks), "carts": list(rules.carts),
    }  # fmt: skip
    cursor.execute(_TABLES)
    cursor.execute(_SEEN, {**asked, "known": [*rules.impressions, *rules.clicks, *rules.carts]})
    cursor.execute("ANALYZE seen")
    bots.find_busy(cursor, shop.pk, rules, "seen")
    bots.find_staff(cursor, shop.pk, rules, _TOUCHING)
    cursor.execute(_LEFT_OUT, asked)
    cursor.execute(_OUTCOMES, asked)
    cursor.execute(_DAYS, asked)
    return found


def sum_up(cursor: Any, shop: Shop, rules: Rules) -> int:
    """Make the figures of the next days anew; how many days."""
    found = marks.claim(cursor, shop.pk, "day")
    if found:
        cursor.execute(_FIGURES, {"shop": shop.pk, "tz": shop.timezone, "names": list(NAMES)})
    return found


_TABLES = """
    DROP TABLE IF EXISTS seen;
    CREATE TEMP TABLE seen (
        decision_id uuid, what "char", product_id bigint, anonymous_id text, customer_id bigint, at timestamptz,
        bot bool, staff bool DEFAULT false
    ) ON COMMIT DROP
"""
_SEEN = f"""
    WITH touched AS MATERIALIZED (
        SELECT e.decision_id, CASE WHEN e.name = ANY(%(impressions)s) THEN 'i' WHEN e.name = ANY(%(clicks)s) THEN 'c'
            ELSE 'a' END AS what, coalesce(e.product_id, 0) AS product_id, e.anonymous_id, e.customer_id,
            e.occurred_at, {AGENT} AS agent
        FROM todo JOIN shop_event e ON e.decision_id = todo.key
        WHERE e.shop_id = %(shop)s AND e.name = ANY(%(known)s)
    )
    INSERT INTO seen (decision_id, what, product_id, anonymous_id, customer_id, at, bot)
    SELECT decision_id, what, product_id, anonymous_id, customer_id, occurred_at, agent IN ({programs("touched")})
    FROM touched
"""  # noqa: S608
_TOUCHING = """
    SELECT customer_id FROM seen WHERE customer_id IS NOT NULL
    UNION
    SELECT i.customer_id FROM (SELECT DISTINCT anonymous_id FROM seen WHERE anonymous_id <> '') s
    JOIN shop_identity i ON i.shop_id = %(shop)s AND i.anonymous_id = s.anonymous_id
"""
_LEFT_OUT = """
    UPDATE seen s SET bot = true FROM busy b
    WHERE s.anonymous_id = b.anonymous_id AND (s.at AT TIME ZONE 'UTC')::date = b.day AND NOT s.bot;
    UPDATE seen SET staff = true WHERE customer_id IN (SELECT customer_id FROM staff) OR anonymous_id IN (
        SELECT i.anonymous_id FROM shop_identity i JOIN staff USING (customer_id) WHERE i.shop_id = %(shop)s)
"""
_OUTCOMES = """
    WITH met AS (  -- a product once, whatever the number of touches
        SELECT decision_id, product_id, what, bool_or(NOT bot AND NOT staff) AS counts,
            count(*) FILTER (WHERE bot) AS bots, count(*) FILTER (WHERE staff AND NOT bot) AS staff
        FROM seen GROUP BY decision_id, product_id, what
    ), counted AS (
        SELECT decision_id, count(*) FILTER (WHERE what = 'i' AND counts) AS impressions,
            count(*) FILTER (WHERE what = 'c' AND counts) AS clicks,
            count(*) FILTER (WHERE what = 'a' AND counts) AS carts, sum(bots) AS bots, sum(staff) AS staff
        FROM met GROUP BY decision_id
    ), earned AS (
        SELECT c.decision_id, count(DISTINCT c.order_id) AS purchases, sum(c.revenue) AS revenue,
            sum(c.margin) AS margin
        FROM todo JOIN decisions_credit c ON c.decision_id = todo.key WHERE c.shop_id = %(shop)s GROUP BY 1
    ), fresh AS (
        SELECT d.id, d.plugin, d.kind, d.placement, d.version_id, d.experiment_id, d.arm,
            to_timestamp(('x' || substr(replace(d.id::text, '-', ''), 1, 12))::bit(48)::bigint / 1000.0) AS made_at,
            coalesce(c.impressions, 0) AS impressions, coalesce(c.clicks, 0) AS clicks, coalesce(c.carts, 0) AS carts,
            coalesce(e.purchases, 0) AS purchases, coalesce(e.revenue, 0) AS revenue, coalesce(e.margin, 0) AS margin,
            coalesce(c.bots, 0) AS bots, coalesce(c.staff, 0) AS staff
        FROM todo JOIN decisions_decision d ON d.id = todo.key AND d.shop_id = %(shop)s
        LEFT JOIN counted c ON c.decision_id = d.id LEFT JOIN earned e ON e.decision_id = d.id
    )
    INSERT INTO decisions_outcome AS old (decision_id, shop_id, plugin, kind, placement, version_id, experiment_id, arm,
        made_at, impressions, clicks, carts, purchases, revenue, margin, bots, staff, updated_at)
    SELECT id, %(shop)s, plugin, kind, placement, version_id, experiment_id, arm, made_at, impressions, clicks, carts,
        purchases, revenue, margin, bots, staff, now() FROM fresh
    ON CONFLICT (decision_id) DO UPDATE SET impressions = EXCLUDED.impressions, clicks = EXCLUDED.clicks,
        carts = EXCLUDED.carts, purchases = EXCLUDED.purchases, revenue = EXCLUDED.revenue, margin = EXCLUDED.margin,
        bots = EXCLUDED.bots, staff = EXCLUDED.staff, updated_at = EXCLUDED.updated_at
    WHERE (old.impressions, old.clicks, old.carts, old.purchases, old.revenue, old.margin, old.bots, old.staff)
        IS DISTINCT FROM (EXCLUDED.impressions, EXCLUDED.clicks, EXCLUDED.carts, EXCLUDED.purchases, EXCLUDED.revenue,
        EXCLUDED.margin, EXCLUDED.bots, EXCLUDED.staff)
"""
_DAYS = """
    INSERT INTO decisions_stale (shop_id, day)
    SELECT DISTINCT %(shop)s::bigint, (o.made_at AT TIME ZONE %(tz)s)::date
    FROM todo JOIN decisions_outcome o ON o.decision_id = todo.key
"""
_FIGURES = """
    DELETE FROM shop_dailymetric WHERE shop_id = %(shop)s AND name = ANY(%(names)s) AND day IN (SELECT key FROM todo);
    WITH span AS (
        SELECT key AS day, key::timestamp AT TIME ZONE %(tz)s AS low, (key + 1)::timestamp AT TIME ZONE %(tz)s AS high
        FROM todo
    ), decided AS (
        SELECT s.day, o.plugin, sum(impressions)::float8 AS impressions, sum(clicks)::float8 AS clicks,
            avg((clicks > 0)::int) FILTER (WHERE impressions > 0 OR clicks > 0)::float8 AS click_through,
            sum(bots)::float8 AS bots, sum(staff)::float8 AS staff
        FROM span s JOIN decisions_outcome o ON o.shop_id = %(shop)s AND o.made_at >= s.low AND o.made_at < s.high
        GROUP BY 1, 2
    ), earned AS (
        SELECT s.day, c.plugin, sum(revenue)::float8 AS revenue, sum(margin)::float8 AS margin,
            count(DISTINCT order_id)::float8 AS orders
        FROM span s JOIN decisions_credit c ON c.shop_id = %(shop)s AND c.placed_at >= s.low AND c.placed_at < s.high
        GROUP BY 1, 2
    )
    INSERT INTO shop_dailymetric (shop_id, day, name, dimension, value, updated_at)
    SELECT %(shop)s, day, figure.name, plugin, figure.value, now() FROM decided, LATERAL (VALUES
        ('decision_impressions', impressions), ('decision_clicks', clicks), ('decision_click_through', click_through),
        ('left_out_bots', bots), ('left_out_staff', staff)) AS figure(name, value) WHERE figure.value IS NOT NULL
    UNION ALL
    SELECT %(shop)s, day, figure.name, plugin, figure.value, now() FROM earned, LATERAL (VALUES
        ('influenced_revenue', revenue), ('influenced_margin', margin), ('influenced_orders', orders)
        ) AS figure(name, value)
"""
