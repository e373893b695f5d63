"""The second step: which decisions an order's lines are owed to, and what of each line's money.

A line's money is what was paid for it after discounts, never more than the order's total without shipping in sum, less
what was returned or refunded; parts add up to it exactly. A cancelled or refunded order is owed to nobody, and neither
is one of staff. An order in another currency than the shop's counts as a purchase without money.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from commerce_ai.decisions import bots, marks
from commerce_ai.decisions.bots import AGENT, FLOOR, programs
from commerce_ai.decisions.rules import EQUAL, Rules
from commerce_ai.shop.models import Shop

_DAY = timedelta(days=1)


def renew(cursor: Any, shop: Shop, rules: Rules) -> int:
    """Credit the next orders anew; how many. Marks the decisions and days whose figures follow."""
    found = marks.claim(cursor, shop.pk, "order_id")
    if not found:
        return 0
    asked = {
        "shop": shop.pk, "currency": shop.currency, "tz": shop.timezone, "reach": rules.reach + _DAY, "day": _DAY,
        "click_days": timedelta(days=rules.click_days), "view_hours": timedelta(hours=rules.view_hours),
        "same_session": rules.same_session, "any_product": rules.any_product, "equal": rules.sharing == EQUAL,
        "clicks": [*rules.clicks, *rules.carts], "views": list(rules.impressions), "bots": rules.bot_pattern,
    }  # fmt: skip
    cursor.execute(_TABLES)
    cursor.execute(_OLD, asked)
    cursor.execute(_MARK, asked)
    cursor.execute("DELETE FROM decisions_credit WHERE order_id IN (SELECT key FROM todo)")
    cursor.execute(_BUYERS, asked)
    bots.find_staff(
        cursor, shop.pk, rules, "SELECT customer_id FROM buyer UNION SELECT customer_id FROM buyer_customer"
    )
    cursor.execute(_WITHOUT_STAFF)
    cursor.execute("ANALYZE buyer")
    cursor.execute(_TOUCHES, asked)
    bots.find_busy(cursor, shop.pk, rules, "touch")
    cursor.execute("DELETE FROM touch t USING busy b WHERE t.anonymous_id = b.anonymous_id"
                   " AND (t.at AT TIME ZONE 'UTC')::date = b.day")  # fmt: skip
    cursor.execute("ANALYZE touch")
    cursor.execute(_LINES, asked)
    cursor.execute("ANALYZE line")
    cursor.execute(_CREDIT, asked)
    cursor.execute("TRUNCATE moved")
    cursor.execute(_OLD, asked)
    cursor.execute(_MARK, asked)
    return found


_TABLES = """
    DROP TABLE IF EXISTS moved, buyer, buyer_customer, touch, line;
    CREATE TEMP TABLE moved (decision_id uuid, day date) ON COMMIT DROP;
    CREATE TEMP TABLE buyer (
        order_id bigint PRIMARY KEY, external_id text, anonymous_id text, customer_id bigint, placed_at timestamptz
    ) ON COMMIT DROP;
    CREATE TEMP TABLE buyer_customer (order_id bigint, customer_id bigint) ON COMMIT DROP;
    CREATE TEMP TABLE touch (
        order_id bigint, decision_id uuid, product_id bigint, tier int, at timestamptz, anonymous_id text
    ) ON COMMIT DROP;
    CREATE TEMP TABLE line (
        id bigint PRIMARY KEY, order_id bigint, product_id bigint, family bigint, decision_id uuid,
        placed_at timestamptz, money numeric, margin numeric
    ) ON COMMIT DROP;
"""
_OLD = """
    INSERT INTO moved SELECT DISTINCT decision_id, (placed_at AT TIME ZONE %(tz)s)::date
    FROM decisions_credit WHERE order_id IN (SELECT key FROM todo)
"""
_MARK = """
    WITH days AS (
        INSERT INTO decisions_stale (shop_id, day) SELECT DISTINCT %(shop)s::bigint, day FROM moved
    )
    INSERT INTO decisions_stale (shop_id, decision_id) SELECT DISTINCT %(shop)s::bigint, decision_id FROM moved
"""
_BUYERS = """
    INSERT INTO buyer
    SELECT o.id, o.external_id, o.anonymous_id, o.customer_id, o.placed_at FROM todo
    JOIN shop_order o ON o.id = todo.key AND o.shop_id = %(shop)s
    WHERE o.status NOT IN ('cancelled', 'refunded') AND o.cancelled_at IS NULL;
    INSERT INTO buyer_customer
    SELECT order_id, customer_id FROM buyer WHERE customer_id IS NOT NULL
    UNION
    SELECT b.order_id, i.customer_id FROM buyer b
    JOIN shop_identity i ON i.shop_id = %(shop)s AND i.anonymous_id = b.anonymous_id;
"""
_WITHOUT_STAFF = """
    DELETE FROM buyer WHERE order_id IN (SELECT order_id FROM buyer_customer JOIN staff USING (customer_id))
"""
_EVENT = "e.id, e.name, e.decision_id, e.product_id, e.session_id, e.occurred_at, e.anonymous_id, e.agent, e.bought"
# The order that an *Order Completed* names, as `commerce_ai.ingest.orders` reads it; one that names none is any.
_BOUGHT = """CASE WHEN e.name = 'Order Completed' THEN coalesce(nullif(e.properties->>'order_id', ''),
                nullif(e.properties->>'orderId', ''), e.properties->>'checkout_id', '') END AS bought"""
# What the buyers did with decisions before they bought: tier 1 click, 2 view, 3 same session.
_TOUCHES = f"""
    WITH names AS (
        SELECT order_id, anonymous_id FROM buyer WHERE anonymous_id <> ''
        UNION
        SELECT c.order_id, i.anonymous_id FROM buyer_customer c
        JOIN shop_identity i ON i.customer_id = c.customer_id AND i.shop_id = %(shop)s
    ), done AS (
        SELECT b.order_id, b.external_id, b.placed_at, {_EVENT} FROM names JOIN buyer b USING (order_id)
        CROSS JOIN LATERAL (
            SELECT *, {AGENT} AS agent, {_BOUGHT} FROM shop_event e
            WHERE e.shop_id = %(shop)s AND e.anonymous_id = names.anonymous_id
                AND e.id >= {FLOOR.format("(b.placed_at - %(reach)s)")}
                AND (e.occurred_at BETWEEN b.placed_at - %(reach)s AND b.placed_at AND e.decision_id IS NOT NULL
                    OR e.occurred_at BETWEEN b.placed_at - %(day)s AND b.placed_at + %(day)s
                    AND e.name = 'Order Completed')
        ) e
        UNION
        SELECT b.order_id, b.external_id, b.placed_at, {_EVENT} FROM buyer_customer c JOIN buyer b USING (order_id)
        CROSS JOIN LATERAL (
            SELECT *, {AGENT} AS agent, {_BOUGHT} FROM shop_event e
            WHERE e.customer_id = c.customer_id AND e.shop_id = %(shop)s
                AND e.id >= {FLOOR.format("(b.placed_at - %(reach)s)")}
                AND (e.occurred_at BETWEEN b.placed_at - %(reach)s AND b.placed_at AND e.decision_id IS NOT NULL
                    OR e.occurred_at BETWEEN b.placed_at - %(day)s AND b.placed_at + %(day)s
                    AND e.name = 'Order Completed')
        ) e
    ), visit AS (
        -- The page that thanks for an order says so a little after the shop's server placed it.
        SELECT DISTINCT order_id, session_id FROM done
        WHERE bought IN ('', external_id) AND occurred_at BETWEEN placed_at - %(day)s AND placed_at + %(day)s
            AND session_id <> '' AND %(same_session)s
    ), ranked AS (
        SELECT d.*, CASE
            WHEN name = ANY(%(clicks)s) AND occurred_at >= placed_at - %(click_days)s AND %(click_days)s > '0' THEN 1
            WHEN name = ANY(%(views)s) AND occurred_at >= placed_at - %(view_hours)s AND %(view_hours)s > '0' THEN 2
            WHEN (name = ANY(%(clicks)s) OR name = ANY(%(views)s)) AND EXISTS (
                SELECT 1 FROM visit v WHERE v.order_id = d.order_id AND v.session_id = d.session_id) THEN 3
        END AS tier
        FROM done d WHERE decision_id IS NOT NULL AND occurred_at <= placed_at
    )
    INSERT INTO touch
    SELECT order_id, decision_id, product_id, tier, occurred_at, anonymous_id FROM ranked
    WHERE tier IS NOT NULL AND agent NOT IN ({programs("ranked")})
"""  # noqa: S608  (names of ours)
# What is left of each line: its share of what was paid, less returns, less refunds beyond them.
_LINES = """
    WITH given AS (
        SELECT l.id, l.order_id, l.product_id, coalesce(p.parent_id, p.id) AS family, l.decision_id, b.placed_at,
            l.sku, l.position, l.quantity, coalesce(l.unit_cost, p.cost) AS cost,
            greatest(l.unit_price * l.quantity - l.discount, 0) AS net,
            o.currency = %(currency)s AS ours, o.currency, greatest(o.total - o.shipping, 0) AS paid,
            coalesce(sum(l.quantity) OVER (PARTITION BY l.order_id, l.product_id, l.sku ORDER BY l.position
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
        FROM buyer b JOIN shop_order o ON o.id = b.order_id JOIN shop_orderline l ON l.order_id = b.order_id
        LEFT JOIN shop_product p ON p.id = l.product_id
    ), priced AS (
        SELECT g.*, net * least(1, paid / nullif(sum(net) OVER (PARTITION BY order_id), 0)) AS worth FROM given g
    ), unnamed AS (
        SELECT r.*, coalesce(sum(quantity) OVER (PARTITION BY order_id, product_id, sku ORDER BY external_id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
        FROM shop_return r WHERE order_line_id IS NULL AND order_id IN (SELECT order_id FROM buyer)
    ), laid AS (  -- returns that name no line, laid end to end beside the lines of their product
        SELECT g.id, r.id AS return_id, r.amount,
            least(g.before + g.quantity, r.before + r.quantity) - greatest(g.before, r.before) AS taken
        FROM unnamed r JOIN priced g ON g.order_id = r.order_id
            AND (r.product_id = g.product_id OR (r.product_id IS NULL AND r.sku <> '' AND r.sku = g.sku))
    ), back AS (
        SELECT g.id, r.quantity, r.amount FROM shop_return r JOIN priced g ON g.id = r.order_line_id
        UNION ALL
        SELECT id, taken, amount * taken / sum(taken) OVER (PARTITION BY return_id) FROM laid WHERE taken > 0
    ), returned AS (
        SELECT p.id, least(sum(b.quantity), max(p.quantity)) AS quantity,
            least(sum(coalesce(b.amount, p.worth * least(b.quantity / p.quantity, 1))), max(p.worth)) AS worth
        FROM back b JOIN priced p USING (id) GROUP BY p.id
    ), kept AS (
        SELECT p.*, p.quantity - coalesce(r.quantity, 0) AS pieces, coalesce(p.worth, 0) - coalesce(r.worth, 0) AS rest,
            coalesce(r.worth, 0) AS came_back
        FROM priced p LEFT JOIN returned r USING (id)
    ), refunded AS (
        SELECT k.order_id, sum(r.amount) AS amount FROM (SELECT DISTINCT order_id, currency FROM kept) k
        JOIN shop_refund r ON r.order_id = k.order_id AND r.currency = k.currency GROUP BY k.order_id
    ), final AS (
        SELECT k.*, CASE WHEN ours THEN trunc(rest * (1 - least(1, coalesce(
            greatest(coalesce(f.amount, 0) - sum(came_back) OVER whole, 0) / nullif(sum(rest) OVER whole, 0), 0))), 4)
            ELSE 0 END AS money
        FROM kept k LEFT JOIN refunded f USING (order_id) WINDOW whole AS (PARTITION BY k.order_id)
    )
    INSERT INTO line
    SELECT id, order_id, product_id, family, decision_id, placed_at, money,
        CASE WHEN ours AND cost IS NOT NULL THEN trunc(money - cost * pieces, 4) ELSE 0 END
    FROM final
"""
# For each line the best tier that anybody reached; within it the last touch of each plugin; then parts to the last
# digit. Ties go by the decision's id, not by the event's: that one says when it came.
_CREDIT = """
    WITH candidate AS (
        SELECT l.id, d.id AS decision_id, d.plugin, 0 AS tier, l.placed_at AS at
        FROM line l JOIN decisions_decision d ON d.id = l.decision_id AND d.shop_id = %(shop)s
        UNION ALL
        SELECT l.id, t.decision_id, d.plugin, t.tier, t.at
        FROM line l JOIN touch t ON t.order_id = l.order_id
        JOIN decisions_decision d ON d.id = t.decision_id AND d.shop_id = %(shop)s
        LEFT JOIN shop_product p ON p.id = t.product_id
        WHERE %(any_product)s OR CASE
            WHEN t.product_id IS NOT NULL
                THEN t.product_id = l.product_id OR coalesce(p.parent_id, p.id) = l.family
            WHEN coalesce(jsonb_array_length(nullif(d.payload->'items', 'null')), 0) = 0 THEN true
            ELSE d.payload->'items' @> jsonb_build_array(jsonb_build_object('id', l.product_id))
                OR d.payload->'items' @> jsonb_build_array(jsonb_build_object('id', l.family))
        END
    ), best AS (
        SELECT *, min(tier) OVER (PARTITION BY id) AS lowest,
            row_number() OVER (PARTITION BY id, plugin, tier ORDER BY at DESC, decision_id DESC) AS of_plugin,
            row_number() OVER (PARTITION BY id, tier ORDER BY at DESC, decision_id DESC) AS of_all
        FROM candidate
    ), chosen AS (
        SELECT *, count(*) OVER (PARTITION BY id) AS n,
            row_number() OVER (PARTITION BY id ORDER BY at DESC, decision_id DESC) AS place
        FROM best WHERE tier = lowest AND (of_all = 1 OR (%(equal)s AND of_plugin = 1))
    )
    INSERT INTO decisions_credit (shop_id, order_id, line_id, decision_id, plugin, way, placed_at, revenue, margin)
    SELECT %(shop)s, l.order_id, l.id, c.decision_id, c.plugin,
        (ARRAY['named', 'click', 'view', 'session'])[c.tier + 1], l.placed_at,
        CASE WHEN place = 1 THEN l.money - (n - 1) * trunc(l.money / n, 4) ELSE trunc(l.money / n, 4) END,
        CASE WHEN place = 1 THEN l.margin - (n - 1) * trunc(l.margin / n, 4) ELSE trunc(l.margin / n, 4) END
    FROM chosen c JOIN line l USING (id)
"""
