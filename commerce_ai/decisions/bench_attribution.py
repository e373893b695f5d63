"""The measuring side of `benchmark decisions attribution`: runs in a process of its own, prints a line a figure."""

from __future__ import annotations

# ruff: noqa: S608, E501  (statements of our own)
import os
import resource
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import connection

from commerce_ai.decisions import attribution, marks
from commerce_ai.decisions.bench_house import say
from commerce_ai.shop import partitions
from commerce_ai.shop.models import Product, Shop

SIZES = ((1_000, 200), (250_000, 50_000), (1_000_000, 200_000))
DAYS, PRODUCTS = 20, 5_000
ARRIVALS = 4  # runs between which the shuffled events come
MORE = 1_000  # events that come when all others are counted


def measure(sizes: tuple[tuple[int, int], ...] = SIZES) -> None:
    """For each size: everything at once in order, then a few more; then all of it shuffled, each event twice, orders in
    the middle, in parts. At last what the largest size took for what the one before it took."""
    whole: list[tuple[int, float, float]] = []
    partitions.ensure_months((datetime.now(UTC) - timedelta(days=DAYS + 2)).date(), datetime.now(UTC).date())
    for events, decisions in sizes:
        shop = Shop.objects.create(slug=f"bench-{events}", name="Bench", currency="EUR")
        asked = {
            "shop": shop.pk, "events": events, "decisions": decisions, "visitors": decisions // 5,
            "orders": events // 20, "products": PRODUCTS, "start": datetime.now(UTC) - timedelta(days=DAYS),
            "days": DAYS,
        }  # fmt: skip
        Product.objects.bulk_create(
            Product(shop=shop, external_id=f"p{n}", title="Product", price=10, cost=6) for n in range(PRODUCTS)
        )
        _execute(_FACTS, asked)
        _arrive(asked, "n")
        _execute([_ORDERS, "ANALYZE shop_order", _LINES, "ANALYZE"], asked)
        say(f"{events:,} events, marks", {"marks": marks.waiting(shop.pk)})
        spent, busy, _marks = _count(shop)
        whole.append((events, spent, busy))
        in_order = _result(shop)
        say(f"{events:,} events, in order", {**_rows(shop), "peak MB": _peak_mb(), "CPU s": busy}, spent)
        _more(shop, asked)
        _execute(_EMPTY, asked)
        spent = busy = 0.0
        for part in range(ARRIVALS):
            if part == ARRIVALS // 2:
                _execute([_ORDERS, "ANALYZE shop_order", _LINES], asked)
            for _twice in range(2):
                _arrive({**asked, "part": part, "parts": ARRIVALS}, "md5(n::text)")
            part_spent, part_busy, _marks = _count(shop)
            spent, busy = spent + part_spent, busy + part_busy
        same = _result(shop) == in_order
        say(f"{events:,} events, shuffled, twice, in {ARRIVALS} parts",
            {**_rows(shop), "same": same, "peak MB": _peak_mb(), "CPU s": busy}, spent)  # fmt: skip
        _execute([*_EMPTY, "DROP TABLE bench_event"], asked)
    if len(whole) > 1:
        (fewer, fewer_s, fewer_busy), (events, spent, busy) = whole[-2:]
        ratios = {"events": events / fewer, "time": spent / fewer_s, "CPU": busy / max(fewer_busy, 0.01)}
        say(f"{events:,} events for {fewer:,}: how many times", ratios)


def _count(shop: Shop) -> tuple[float, float, int]:
    """Seconds, processor seconds of the server, marks."""
    started, busy = time.perf_counter(), _cpu_s()
    found = attribution.run(shop)
    return time.perf_counter() - started, _cpu_s() - busy, found


def _more(shop: Shop, asked: dict[str, Any]) -> None:
    """A thousand events when all others are counted: of the last hours as they mostly come, then of all days."""
    events = asked["events"]
    drawn = (("of the last hours", "ORDER BY at DESC LIMIT"), ("of all days", "ORDER BY hashint4(n) LIMIT"))
    for times, (which, some) in enumerate(drawn, 1):
        first = times * events
        _execute(
            [
                "INSERT INTO bench_event SELECT row_number() OVER () - 1 + %(first)s, decision_id, anonymous_id,"
                " session_id, name, product_id, at"
                f" FROM (SELECT * FROM bench_event WHERE n < %(events)s {some} {MORE}) AS drawn",
                _ARRIVE.format(order="n", where="WHERE n >= %(first)s"),
            ],
            {**asked, "first": first},
        )
        spent, busy, found = _count(shop)
        say(f"{events:,} events counted, {MORE:,} more {which}", {"marks": found, "CPU s": busy}, spent)
    _execute(["DELETE FROM bench_event WHERE n >= %(events)s"], asked)


def _arrive(asked: dict[str, Any], order: str) -> None:
    """What the door does with a batch, for all of them at once: keys first, then who was not there before."""
    part = "hashint4(n) & 2147483647" if "part" in asked else ""
    where = f"WHERE ({part}) %% %(parts)s = %(part)s" if part else ""
    _execute([_ARRIVE.format(order=order, where=where)], asked)


def _execute(statements: list[str], asked: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        for each in statements:
            cursor.execute(each, asked)


def _result(shop: Shop) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT md5(string_agg(concat_ws(' ', decision_id, impressions, clicks, carts, purchases, revenue,"
            " margin, bots, staff), ',' ORDER BY decision_id)) FROM decisions_outcome WHERE shop_id = %(shop)s),"
            " (SELECT md5(string_agg(concat_ws(' ', o.external_id, l.position, c.decision_id, way, revenue, margin), ','"
            " ORDER BY o.external_id, l.position, c.decision_id)) FROM decisions_credit c"
            " JOIN shop_orderline l ON l.id = c.line_id JOIN shop_order o ON o.id = l.order_id"
            " WHERE c.shop_id = %(shop)s),"
            " (SELECT md5(string_agg(concat_ws(' ', day, name, dimension, round(value::numeric, 4)), ','"
            " ORDER BY day, name, dimension)) FROM shop_dailymetric WHERE shop_id = %(shop)s)",
            {"shop": shop.pk},
        )
        return tuple(cursor.fetchone())


def _rows(shop: Shop) -> dict[str, float]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM decisions_outcome WHERE shop_id = %(shop)s), count(*), sum(revenue)::float8,"
            " (SELECT sum(unit_price * quantity)::float8 FROM shop_orderline WHERE shop_id = %(shop)s)"
            " FROM decisions_credit WHERE shop_id = %(shop)s",
            {"shop": shop.pk},
        )
        return dict(zip(("outcomes", "credits", "revenue", "of all orders"), cursor.fetchone(), strict=True))


def _cpu_s() -> float:
    """Processor seconds of the server process so far: on a machine that does other things, what a quiet one takes."""
    ticks = Path(f"/proc/{connection.connection.info.backend_pid}/stat").read_text().rpartition(")")[2].split()
    return (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mb() -> float:
    """Of this process and of the server process that works for it, its part of the shared buffers included."""
    server = Path(f"/proc/{connection.connection.info.backend_pid}/status").read_text()
    high = next(int(line.split()[1]) for line in server.splitlines() if line.startswith("VmHWM"))
    return (high + resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024


def _drawn(what: str, below: str, of: str = "n") -> str:
    """A number below `below` that is the same for the same `n` in every run."""
    return f"(hashint8extended({of}, {what}) & 9223372036854775807) %% {below}"


_MS = "(extract(epoch FROM {})*1000)::bigint"
_UUID = "(lpad(to_hex({ms}), 12, '0') || '7' || substr(md5({seed}), 1, 3) || '8' || substr(md5({seed}), 4, 15))::uuid"
_DECIDED = "%(start)s + n * (%(days)s * interval '1 day' / %(decisions)s)"
_FACTS = [
    "DROP TABLE IF EXISTS bench_product",
    "CREATE TABLE bench_product AS SELECT substr(external_id, 2)::int AS n, id, external_id FROM shop_product"
    " WHERE shop_id = %(shop)s",
    "CREATE INDEX ON bench_product (n)",
    f"""
    INSERT INTO decisions_decision (id, shop_id, plugin, kind, placement, subject, anonymous_id, session_id, payload,
        reasons, arm, flags, durable)
    SELECT {_UUID.format(ms=_MS.format(_DECIDED), seed="'d' || n || ' ' || %(shop)s")}, %(shop)s,
        (ARRAY['recommendation', 'recommendation', 'advertising', 'pricing'])[1 + n %% 4], 'list', 'home', '',
        'v' || n %% %(visitors)s, '', jsonb_build_object('items', CASE WHEN n %% 4 = 2 THEN '[]'::jsonb ELSE (
            SELECT jsonb_agg(jsonb_build_object('id', p.id, 'product_id', p.external_id, 'position', i, 'source', 'als'))
            FROM generate_series(1, 10) i JOIN bench_product p ON p.n = (n * 7 + i * 13) %% %(products)s) END),
        '[]', '', '{{}}', false
    FROM generate_series(0, %(decisions)s - 1) n
    """,
    f"""
    CREATE TABLE bench_event AS
    SELECT n, d.id AS decision_id, d.anonymous_id, d.session_id, d.name, d.product_id, d.at FROM (
        SELECT w.n, {_UUID.format(ms=_MS.format("w.made"), seed="'d' || w.d || ' ' || %(shop)s")} AS id,
            'v' || w.d %% %(visitors)s AS anonymous_id, '' AS session_id,
            (ARRAY['Product List Viewed', 'Product Clicked', 'Product List Viewed', 'Product Viewed', 'Product Added']
                )[1 + w.n / %(decisions)s] AS name,
            CASE WHEN w.n / %(decisions)s IN (0, 2) THEN NULL ELSE p.id END AS product_id,
            w.made + ({_drawn("3", "7200", "w.n")}) * interval '1 second' AS at
        FROM (SELECT n::int, n %% %(decisions)s AS d, %(start)s + (n %% %(decisions)s)
            * (%(days)s * interval '1 day' / %(decisions)s) AS made FROM generate_series(0, %(events)s - 1) n) w
        JOIN bench_product p ON p.n = (w.d * 7 + (1 + {_drawn("4", "10", "w.n")}) * 13) %% %(products)s
    ) d
    """,
    "CREATE INDEX ON bench_event (n)",
    "ANALYZE",
]
_ARRIVE = f"""
    WITH fresh AS (
        INSERT INTO shop_eventkey (shop_id, message_id, received_on)
        SELECT %(shop)s, 'm' || n, current_date FROM bench_event {{where}} ON CONFLICT DO NOTHING RETURNING message_id
    )
    INSERT INTO shop_event (id, shop_id, kind, name, message_id, anonymous_id, user_id, session_id, product_id,
        decision_id, properties, context, platform, occurred_at, received_at)
    SELECT {_UUID.format(ms=_MS.format("e.at"), seed="'e' || random()")}, %(shop)s, 'track', e.name, f.message_id,
        e.anonymous_id, '', e.session_id, e.product_id, e.decision_id, '{{{{}}}}',
        '{{{{"user_agent": "Mozilla/5.0 (X11; Linux x86_64)"}}}}', 'bench', e.at, e.at
    FROM fresh f JOIN bench_event e ON 'm' || e.n = f.message_id ORDER BY {{order}}
"""
# An order a while after an event: half of them with the product that was clicked, and one that nobody showed.
_ORDERS = f"""
    INSERT INTO shop_order (shop_id, external_id, number, anonymous_id, status, currency, total, discount, shipping, tax,
        coupon, channel, shipping_country, billing_country, attributes, placed_at, updated_at, door, source)
    SELECT %(shop)s, 'o' || n, '', anonymous_id, CASE WHEN n %% 7 = 0 THEN 'cancelled' ELSE 'paid' END, 'EUR', 40, 0,
        0, 0, '', '', '', '', '{{}}', at + ({_drawn("5", "200000")}) * interval '1 second', now(), 3, 'bench'
    FROM bench_event WHERE n %% 20 = 7
"""
_LINES = """
    INSERT INTO shop_orderline (shop_id, order_id, position, product_id, sku, title, quantity, unit_price, discount, tax)
    SELECT %(shop)s, o.id, i, CASE WHEN i = 1 THEN coalesce(e.product_id, p.id) ELSE p.id END, '', '', i, 10 + i, 0, 0
    FROM shop_order o JOIN bench_event e ON e.n = substr(o.external_id, 2)::int
    JOIN bench_product p ON p.n = e.n %% %(products)s CROSS JOIN generate_series(1, 2) i WHERE o.shop_id = %(shop)s
"""
_EMPTY = [
    "TRUNCATE shop_event, shop_eventkey, decisions_heard, decisions_stale, decisions_outcome, decisions_credit",
    "DELETE FROM shop_dailymetric",
    "DELETE FROM shop_orderline",
    "DELETE FROM shop_order",
    "TRUNCATE decisions_stale",
]
