"""Invoices into Product, Customer, Order, OrderLine and Return, in one transaction.

What a product is called and costs, where a customer lives and which order a return belongs to follows from the lines
in the table, not from the file: a history that comes in monthly files gives the same shop in whatever order they are
loaded.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl
from django.db import connection

from commerce_ai.ingest.files.loading import Loading
from commerce_ai.ingest.files.problems import ROW
from commerce_ai.ingest.files.retail_invoices import BUCKETS
from commerce_ai.shop import bulk
from commerce_ai.shop.models import Customer, Door, Order, OrderLine, Product, Return

SOURCE = "online-retail"
_MANY = 10_000  # rows after which the tables' statistics are no longer what they were

_Since = dict[int, datetime]


def write(loading: Loading) -> None:
    """Everything in staging. In the caller's transaction."""
    if not loading.staging.has("products"):
        return
    products = _products(loading)
    customers = _customers(loading)
    orders: list[int] = []
    returns: list[str] = []
    for number in range(BUCKETS):
        orders += _orders(loading, number, products, customers)
        returns += _returns(loading, number, products, customers)
    if loading.read >= _MANY:
        with connection.cursor() as cursor:
            # What was just copied is unknown to the planner, here and for the first readers.
            for model in (Product, Customer, Order, OrderLine, Return):
                cursor.execute(f'ANALYZE "{model._meta.db_table}"')
    settle(loading, _since(loading, "products", products), _since(loading, "customers", customers), orders, returns)


def _since(loading: Loading, name: str, ids: dict[str, int]) -> _Since:
    """The first instant in the file, by our id."""
    if not loading.staging.has(name):
        return {}
    return {
        ids[key]: first
        for frame in loading.staging.parts(name)
        for key, first in frame.select("external_id", "first").rows()
        if key in ids  # else it is somebody who was erased
    }


def _products(loading: Loading) -> dict[str, int]:
    """Our ids by SKU. New ones are called by their SKU until `settle` knows better."""
    skus = pl.concat(loading.staging.parts("products"))
    frame = skus.select(
        pl.lit(loading.shop.pk).alias("shop_id"), "external_id", pl.col("external_id").alias("title"),
        pl.lit(SOURCE).alias("source"), pl.col("first").alias("created_at"),
    )  # fmt: skip
    count = bulk.upsert(Product, frame.columns, frame, key=("shop_id", "external_id"), update=())
    loading.wrote("products", count.inserted, 0, count.unchanged)
    return bulk.resolve(Product, loading.shop, skus["external_id"])


def _customers(loading: Loading) -> dict[str, int]:
    found = pl.concat(loading.staging.parts("customers")) if loading.staging.has("customers") else None
    if found is None:
        return {}
    frame = found.select(
        pl.lit(loading.shop.pk).alias("shop_id"), "external_id", "country",
        pl.lit(SOURCE).alias("source"), pl.col("first").alias("created_at"),
    )  # fmt: skip
    count = bulk.upsert(Customer, frame.columns, frame, key=("shop_id", "external_id"), update=())
    loading.wrote("customers", count.inserted, 0, count.unchanged)
    return bulk.resolve(Customer, loading.shop, found["external_id"])


def _orders(loading: Loading, number: int, products: dict[str, int], customers: dict[str, int]) -> list[int]:
    """One bucket's orders and lines; ids of the orders."""
    orders = _part(loading, f"orders-{number:02}")
    sales = _part(loading, f"sales-{number:02}")
    if orders is None:
        return []
    sales = sales if sales is not None else _NO_SALES
    doors = _doors(loading, orders["invoice"])
    theirs = [name for name, (_id, door) in doors.items() if door > Door.FILE]
    lost = sales.filter(pl.col("invoice").is_in(theirs))
    loading.left_out += lost.height
    loading.findings.add("known_from_api", lost.height, examples=sorted(theirs)[:5])
    orders, sales = orders.filter(~pl.col("invoice").is_in(theirs)), sales.filter(~pl.col("invoice").is_in(theirs))
    if loading.retried:
        # Single lines come back from quarantine: the rest of their invoice is there already.
        orders = orders.filter(
            pl.col("invoice").is_in(list(doors)) | pl.col("invoice").is_in(sales["invoice"].implode())
        )
        _upsert_orders(loading, orders.filter(~pl.col("invoice").is_in(list(doors))), customers)
        _add_shipping(loading, orders.filter(pl.col("invoice").is_in(list(doors))), doors)
    else:
        _replace_tracked(loading, [id for id, door in doors.values() if door < Door.FILE])
        _upsert_orders(loading, orders, customers)
    ids = bulk.resolve(Order, loading.shop, orders["invoice"])
    lines = sales.select(
        pl.lit(loading.shop.pk).alias("shop_id"),
        pl.col("invoice").replace_strict(ids, return_dtype=pl.Int64).alias("order_id"),
        "position",
        pl.col("sku").replace_strict(products, return_dtype=pl.Int64).alias("product_id"),
        "sku",
        pl.col("description").fill_null("").alias("title"),
        "quantity",
        "unit_price",
    ) if sales.height else None  # fmt: skip
    if lines is not None:
        known = [ids[name] for name, (_id, door) in doors.items() if name in ids]
        if loading.retried:
            lines = _after_the_last(lines)
        # Orders that were not there have no lines yet: nothing to look for, a plain copy will do.
        fresh = lines.filter(~pl.col("order_id").is_in(known))
        copied = bulk.copy_rows(OrderLine, fresh.columns, fresh) if fresh.height else 0
        again = lines.filter(pl.col("order_id").is_in(known))
        count = (
            bulk.upsert(OrderLine, again.columns, again, key=("order_id", "position"))
            if again.height
            else bulk.UpsertCount()
        )
        loading.wrote("order_lines", copied + count.inserted, count.updated, count.unchanged)
        loading.progress.advance(lines.height)
    return list(ids.values())


def _upsert_orders(loading: Loading, orders: pl.DataFrame, customers: dict[str, int]) -> None:
    if orders.is_empty():
        return
    loading.touch_days(orders["placed_at"])
    money = pl.Decimal(14, 4)
    frame = orders.select(
        pl.lit(loading.shop.pk).alias("shop_id"), pl.col("invoice").alias("external_id"),
        pl.col("invoice").alias("number"),
        pl.col("customer_id").replace_strict(customers, default=None, return_dtype=pl.Int64),
        pl.lit(str(Order.Status.FULFILLED)).alias("status"), pl.lit(loading.shop.currency).alias("currency"),
        (pl.col("goods") + pl.col("shipping")).cast(money).alias("total"), pl.col("shipping").cast(money),
        pl.col("country").alias("shipping_country"), "placed_at", pl.col("placed_at").alias("updated_at"),
        pl.lit(int(Door.FILE)).alias("door"), pl.lit(SOURCE).alias("source"),
    )  # fmt: skip
    count = bulk.upsert(Order, frame.columns, frame, key=("shop_id", "external_id"), newest_by=("door", "updated_at"))
    loading.wrote("orders", count.inserted, count.updated, count.unchanged)


def _returns(loading: Loading, number: int, products: dict[str, int], customers: dict[str, int]) -> list[str]:
    """One bucket's returns, not yet tied to orders; their outside ids."""
    returns = _part(loading, f"returns-{number:02}")
    if returns is None:
        return []
    if loading.retried:
        returns = returns.with_columns(pl.format("{}-{}-q{}", "invoice", "sku", ROW).alias("external_id"))
    amount = (pl.col("quantity").cast(pl.Float64) * pl.col("unit_price").cast(pl.Float64)).round(4)
    frame = returns.select(
        pl.lit(loading.shop.pk).alias("shop_id"), pl.col("external_id").str.slice(0, 255),
        pl.col("customer_id").replace_strict(customers, default=None, return_dtype=pl.Int64),
        pl.col("sku").replace_strict(products, return_dtype=pl.Int64).alias("product_id"), "sku", "quantity",
        amount.cast(pl.Decimal(14, 4)).alias("amount"),
        pl.when("cancelled").then(pl.lit("cancelled")).otherwise(pl.lit("")).alias("reason"),
        pl.col("timestamp").alias("at"), pl.lit(SOURCE).alias("source"),
    )  # fmt: skip
    count = bulk.upsert(Return, frame.columns, frame, key=("shop_id", "external_id"))
    loading.wrote("returns", count.inserted, count.updated, count.unchanged)
    loading.progress.advance(frame.height)
    return frame["external_id"].to_list()


def settle(loading: Loading, products: _Since, customers: _Since, orders: list[int], returns: list[str]) -> None:
    """Everything that follows from lines: titles, prices, countries, a return's order, totals after a retry."""
    shop = loading.shop.pk
    with connection.cursor() as cursor:
        if loading.retried:
            cursor.execute(_TOTALS, [orders])
        cursor.execute(_PRODUCTS, {"shop": shop, "ids": [*products], "first": [*products.values()], "source": SOURCE})
        loading.settled("products", cursor.rowcount)
        cursor.execute(
            _CUSTOMERS, {"shop": shop, "ids": [*customers], "first": [*customers.values()], "source": SOURCE}
        )
        loading.settled("customers", cursor.rowcount)
        cursor.execute(_RETURNS, {"shop": shop, "ids": [*customers], "source": SOURCE})
        loading.settled("returns", cursor.rowcount)
        cursor.execute(
            "SELECT count(*) FROM shop_return WHERE shop_id = %s AND external_id = ANY(%s) AND order_id IS NULL",
            [shop, returns],
        )
        loading.findings.add("returns_without_order", cursor.fetchone()[0])


_NO_SALES = pl.DataFrame(schema={"invoice": pl.String})


def _part(loading: Loading, name: str) -> pl.DataFrame | None:
    return pl.concat(loading.staging.parts(name)) if loading.staging.has(name) else None


def _doors(loading: Loading, invoices: pl.Series) -> dict[str, tuple[int, int]]:
    """The orders that are there already, locked until the end: id and door by outside id."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT external_id, id, door FROM shop_order WHERE shop_id = %s AND external_id = ANY(%s)"
            " ORDER BY id FOR UPDATE",
            [loading.shop.pk, invoices.to_list()],
        )
        return {name: (id, door) for name, id, door in cursor.fetchall()}


def _replace_tracked(loading: Loading, ids: list[int]) -> None:
    """What tracking saw of an order makes room for what the books say."""
    if ids:
        with connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM shop_orderline WHERE shop_id = %s AND order_id = ANY(%s)", [loading.shop.pk, ids]
            )


def _add_shipping(loading: Loading, orders: pl.DataFrame, doors: dict[str, tuple[int, int]]) -> None:
    loading.touch_days(orders["placed_at"])
    rows = [
        (amount, doors[name][0])
        for name, amount in orders.filter(pl.col("shipping") > 0).select("invoice", "shipping").rows()
    ]
    with connection.cursor() as cursor:
        cursor.executemany("UPDATE shop_order SET shipping = shipping + %s WHERE id = %s", rows)


def _after_the_last(lines: pl.DataFrame) -> pl.DataFrame:
    ids = lines["order_id"].unique().to_list()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT order_id, max(position) + 1 FROM shop_orderline WHERE order_id = ANY(%s) GROUP BY order_id", [ids]
        )
        free = dict(cursor.fetchall())
    first = pl.col("order_id").replace_strict(free, default=0, return_dtype=pl.Int64)
    return lines.with_columns(pl.col("position") + first)


_TOTALS = """
UPDATE shop_order o SET total = l.goods + o.shipping
  FROM (SELECT order_id, sum(quantity * unit_price - discount + tax) AS goods FROM shop_orderline
         WHERE order_id = ANY(%s) GROUP BY order_id) l
 WHERE o.id = l.order_id AND o.total IS DISTINCT FROM round(l.goods + o.shipping, 4)
"""
# The most frequent description (of equally many the first by alphabet), the price of the last sale (of several at
# the same instant the lowest). A product that another source described keeps what that says.
_PRODUCTS = """
WITH said AS (
    SELECT l.product_id, l.title, l.unit_price, o.placed_at
      FROM shop_orderline l JOIN shop_order o ON o.id = l.order_id
     WHERE l.shop_id = %(shop)s AND l.product_id = ANY(%(ids)s)
), titles AS (
    SELECT product_id, mode() WITHIN GROUP (ORDER BY title) AS title FROM said WHERE title <> '' GROUP BY product_id
), prices AS (
    SELECT DISTINCT ON (product_id) product_id, unit_price AS price FROM said WHERE unit_price > 0
     ORDER BY product_id, placed_at DESC, unit_price
)
UPDATE shop_product p
   SET title = coalesce(t.title, p.title), price = coalesce(c.price, p.price),
       created_at = least(p.created_at, i.first), updated_at = now()
  FROM (SELECT * FROM unnest(%(ids)s::bigint[], %(first)s::timestamptz[]) AS given(id, first)) i
       LEFT JOIN titles t ON t.product_id = i.id LEFT JOIN prices c ON c.product_id = i.id
 WHERE p.shop_id = %(shop)s AND p.id = i.id AND p.source = %(source)s
   AND (p.title, p.price, p.created_at)
       IS DISTINCT FROM (coalesce(t.title, p.title), coalesce(c.price, p.price), least(p.created_at, i.first))
"""
_CUSTOMERS = """
WITH latest AS (
    SELECT DISTINCT ON (customer_id) customer_id, shipping_country AS country FROM shop_order
     WHERE shop_id = %(shop)s AND customer_id = ANY(%(ids)s) AND shipping_country <> ''
     ORDER BY customer_id, placed_at DESC, external_id DESC
)
UPDATE shop_customer c
   SET country = coalesce(o.country, c.country), created_at = least(c.created_at, i.first), updated_at = now()
  FROM (SELECT * FROM unnest(%(ids)s::bigint[], %(first)s::timestamptz[]) AS given(id, first)) i
       LEFT JOIN latest o ON o.customer_id = i.id
 WHERE c.shop_id = %(shop)s AND c.id = i.id AND c.source = %(source)s
   AND (c.country, c.created_at) IS DISTINCT FROM (coalesce(o.country, c.country), least(c.created_at, i.first))
"""
# A return belongs to the customer's last order of that product before it.
_RETURNS = """
UPDATE shop_return r SET order_id = f.order_id, order_line_id = f.line_id
  FROM shop_return s CROSS JOIN LATERAL (
       SELECT o.id AS order_id, l.id AS line_id FROM shop_order o JOIN shop_orderline l ON l.order_id = o.id
        WHERE o.shop_id = s.shop_id AND o.customer_id = s.customer_id AND o.placed_at <= s.at
          AND l.product_id = s.product_id
        ORDER BY o.placed_at DESC, o.external_id DESC, l.position LIMIT 1) f
 WHERE s.shop_id = %(shop)s AND s.source = %(source)s AND s.customer_id = ANY(%(ids)s) AND r.id = s.id
   AND (r.order_id, r.order_line_id) IS DISTINCT FROM (f.order_id, f.line_id)
"""
