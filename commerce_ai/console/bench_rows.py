"""The statements that fill the shop of `benchmark console pages`: what there is much of.

Parameters: the shop, how many `events` (whatever else there is follows from it), the instant `start` and the `days`
after it, and from which id on there are how many products and customers.
"""

from __future__ import annotations

# ruff: noqa: S608, E501  (statements of our own)
MS = "(extract(epoch FROM {at}) * 1000)::bigint"
ID = f"(lpad(to_hex({MS}), 12, '0') || '7' || substr({{seed}}, 1, 3) || '8' || substr({{seed}}, 4, 15))::uuid"
WHEN = "%(start)s + n * (%(days)s * interval '1 day' / {of})"
FACTS = (
    f"""
    INSERT INTO shop_event (id, shop_id, kind, name, message_id, anonymous_id, user_id, session_id, product_id,
        customer_id, decision_id, properties, context, platform, occurred_at, received_at)
    SELECT {ID.format(at="at", seed="md5('e' || n)")}, %(shop)s, 'track',
        CASE WHEN n %% 20 < 14 THEN 'Product Viewed' WHEN n %% 20 < 16 THEN 'Product List Viewed'
            WHEN n %% 20 < 18 THEN 'Product Added' WHEN n %% 20 = 18 THEN 'Checkout Started'
            WHEN n %% 40 = 19 THEN 'Order Completed' ELSE 'Product Clicked' END,
        'm' || n, 'v' || who, '', 's' || who || '-' || at::date, %(product)s + n %% %(products)s,
        CASE WHEN who < %(customers)s AND n %% 4 = 0 THEN %(customer)s + who END, NULL, '{{}}', '{{}}', 'bench', at, at
    FROM (
        SELECT n, {WHEN.format(of="%(events)s")} AS at, (hashint8(n) & 2147483647) %% %(visitors)s AS who
        FROM generate_series(0, %(events)s - 1) n
    ) e
    """,
    f"""
    INSERT INTO decisions_decision (id, shop_id, plugin, kind, placement, subject, customer_id, anonymous_id, session_id, payload,
        reasons, arm, flags, durable, latency_ms)
    SELECT {ID.format(at="at", seed="md5('d' || n)")}, %(shop)s, plugin, kind, 'home', '', CASE WHEN n %% 3 = 0 THEN %(customer)s + n %% %(customers)s END, 'v' || n %% %(visitors)s, '',
        jsonb_build_object('value', CASE plugin WHEN 'fraud' THEN '{{"action": "allow"}}'::jsonb ELSE '"article"' END,
            'context', CASE plugin WHEN 'advertising' THEN jsonb_build_object('campaign', 'c' || n %% 3, 'considered', 3)
                ELSE '{{}}' END), '[]', '',
        CASE WHEN n %% 9 = 0 THEN '{{fallback}}'::text[] ELSE '{{}}' END, false, 2
    FROM (
        SELECT n, {WHEN.format(of="%(decisions)s")} AS at,
            (ARRAY['recommendation', 'recommendation', 'recommendation', 'fraud', 'support', 'advertising'])[1 + n %% 6] AS plugin,
            (ARRAY['recommendations', 'similar', 'recommendations', 'score', 'reply', 'ad'])[1 + n %% 6] AS kind
        FROM generate_series(0, %(decisions)s - 1) n
    ) d
    """,
    f"""
    INSERT INTO shop_order (shop_id, external_id, number, customer_id, anonymous_id, status, currency, total, discount, shipping, tax,
        coupon, channel, shipping_country, billing_country, attributes, placed_at, updated_at, door, source)
    SELECT %(shop)s, 'o' || n, '', %(customer)s + (hashint8(n) & 2147483647) %% %(customers)s, 'v' || n %% %(visitors)s, 'paid', 'EUR', 40, 0, 0, 0, '', '', '', '', '{{}}',
        {WHEN.format(of="%(orders)s")}, now(), 3, 'bench'
    FROM generate_series(0, %(orders)s - 1) n
    """,
    """
    INSERT INTO shop_orderline (shop_id, order_id, position, product_id, sku, title, quantity, unit_price, discount, tax)
    SELECT %(shop)s, o.id, i, %(product)s + (o.id * i) %% %(products)s, '', '', i, 10 + i, 0, 0
    FROM shop_order o CROSS JOIN generate_series(1, 2) i WHERE o.shop_id = %(shop)s
    """,
    """
    INSERT INTO shop_payment (shop_id, external_id, order_id, customer_id, method, provider, status, currency, amount,
        device_id, ip_country, card_fingerprint, card_country, checks, at, source)
    SELECT shop_id, 'pay' || substr(external_id, 2), id, customer_id, 'card', '', 'captured', 'EUR', total,
        'd' || anonymous_id, 'DE', 'f' || anonymous_id, 'DE', '{}', placed_at, 'bench'
    FROM shop_order WHERE shop_id = %(shop)s
    """,
    """
    INSERT INTO shop_shipment (shop_id, external_id, order_id, status, carrier, tracking_number, shipped_at, source)
    SELECT shop_id, 's' || id, id, 'delivered', 'Post', 't' || id, placed_at + interval '1 day', 'bench'
    FROM shop_order WHERE shop_id = %(shop)s
    """,
    """
    INSERT INTO shop_return (shop_id, external_id, order_id, customer_id, product_id, sku, quantity, reason, at, source)
    SELECT o.shop_id, 'r' || l.id, o.id, o.customer_id, l.product_id, '', 1, '', o.placed_at + interval '9 days', 'bench'
    FROM shop_order o JOIN shop_orderline l ON l.order_id = o.id AND l.position = 1
    WHERE o.shop_id = %(shop)s AND o.id %% 10 = 0
    """,
    """
    INSERT INTO shop_refund (shop_id, external_id, order_id, amount, currency, reason, at, source)
    SELECT shop_id, 'r' || id, id, total, 'EUR', '', placed_at + interval '9 days', 'bench'
    FROM shop_order WHERE shop_id = %(shop)s AND id %% 20 = 0
    """,
    """
    INSERT INTO shop_stockmovement (shop_id, external_id, product_id, location_id, kind, quantity, at, reference, source)
    SELECT o.shop_id, 'l' || l.id, l.product_id, %(location)s, 'sale', -l.quantity, o.placed_at, '', 'bench'
    FROM shop_order o JOIN shop_orderline l ON l.order_id = o.id WHERE o.shop_id = %(shop)s
    """,
    """
    INSERT INTO shop_pricechange (shop_id, product_id, kind, price, starts_at, reason, source, created_at)
    SELECT %(shop)s, %(product)s + n %% %(products)s, 'change', 10 + n %% 7,
        %(start)s + (n / %(products)s) * interval '1 week', '', 'bench', now()
    FROM generate_series(0, %(products)s * 12 - 1) n
    """,
    """
    INSERT INTO shop_identity (shop_id, anonymous_id, customer_id, proven, at)
    SELECT %(shop)s, 'v' || n, %(customer)s + n, true, %(start)s FROM generate_series(0, %(customers)s - 1) n
    """,
    """
    INSERT INTO shop_consent (shop_id, customer_id, anonymous_id, purpose, granted, at, evidence, source)
    SELECT %(shop)s, %(customer)s + n, '', purpose, n %% 50 > 0, %(start)s, '{}', 'bench'
    FROM generate_series(0, %(customers)s - 1) n, unnest(ARRAY['analytics', 'model_training']) purpose
    """,
    """
    INSERT INTO shop_customerscore (shop_id, as_of, customer_id, horizon_days, value, orders, churn, segment)
    SELECT %(shop)s, now(), %(customer)s + n, 180, n %% 300, 1 + n %% 9, 0.01 * (n %% 100),
        (ARRAY['champions', 'loyal', 'new', 'lost'])[1 + n %% 4]
    FROM generate_series(0, %(customers)s - 1) n
    """,
    """
    INSERT INTO shop_socialtie (shop_id, customer_id, other_id, kind, at, source)
    SELECT %(shop)s, %(customer)s + n, %(customer)s + (n + 1) %% %(customers)s, 'follow', %(start)s, 'bench'
    FROM generate_series(0, %(customers)s - 1) n
    """,
    """
    INSERT INTO shop_productsignal (shop_id, as_of, product_id, sentiment, texts, aspects)
    SELECT %(shop)s, now(), %(product)s + n, 0.1, 9, '[]' FROM generate_series(0, %(products)s - 1) n
    """,
    """
    INSERT INTO decisions_outcome (shop_id, decision_id, plugin, kind, placement, arm, made_at, impressions, clicks, carts,
        purchases, revenue, margin, bots, staff, updated_at)
    SELECT shop_id, id, plugin, kind, placement, '', uuid_extract_timestamp(id), 1, 0, 0, 0, 0, 0, 0, 0, now()
    FROM decisions_decision WHERE shop_id = %(shop)s
    """,
    """
    INSERT INTO advertising_upliftscore (shop_id, as_of, customer_id, campaign_id, uplift, response, version_id)
    SELECT %(shop)s, now(), %(customer)s + n, c.id, 0.01 * (n %% 9 - 2), 0.1, 1
    FROM generate_series(0, %(customers)s - 1) n, shop_campaign c WHERE c.shop_id = %(shop)s
    """,
)
