"""Shop tables as frames: units and price of products, week by week. The only reader of shop tables in this plugin."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
from django.utils.translation import gettext as say
from django.utils.translation import ngettext

from commerce_ai.learning.learner import NotEnoughData, Window
from commerce_ai.learning.shortage import short_of
from commerce_ai.shop import consent, frames
from commerce_ai.shop.models import (
    Order,
    OrderLine,
    PriceChange,
    Product,
    Promotion,
    PromotionProduct,
    Return,
    StockMovement,
)

if TYPE_CHECKING:
    from commerce_ai.shop.models import Shop

LEAST_WEEKS, LEAST_PRODUCTS = 16, 1
LOOK_BACK = timedelta(days=30)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def sales(shop: Shop, window: Window) -> pl.DataFrame:
    """The frame `sales` by the shop's whole weeks (from Monday) in the window, from each product's first sale on.

    Units of orders in the shop's currency that were neither cancelled nor refunded, less what came back; weeks without
    a sale count as 0 while the product could be bought: where stock movements say that it had run out, the week is
    left out. The price is the one that held by `PriceChange`, else what was paid; `promotion` the share of the week.
    Raises `NotEnoughData`.
    """
    params = {"shop": shop.pk, "start": window.start or LONG_AGO, "end": window.end, "zone": shop.timezone}
    sold = frames.read(
        _SOLD, params, {"product_id": pl.Int64, "period": pl.Date, "units": pl.Float64, "paid": pl.Float64}
    )
    goods = frames.read(_GOODS, {"shop": shop.pk}, {"product_id": pl.Int64, "brand": pl.String, "category": pl.String})
    sold = sold.join(goods, on="product_id", how="semi")
    weeks = sold["period"].n_unique()
    if weeks < LEAST_WEEKS or sold["product_id"].n_unique() < LEAST_PRODUCTS:
        raise _missing(weeks, sold["product_id"].n_unique())
    rows = _every_week(sold)
    rows = rows.join(_empty_weeks(params), on=["product_id", "period"], how="anti")
    rows = rows.join(_listed(params), on=["product_id", "period"], how="left")
    rows = rows.join(_promoted(params), on=["product_id", "period"], how="left")
    known = pl.col("paid").forward_fill().backward_fill().over("product_id", order_by="period")
    rows = rows.with_columns(price=pl.coalesce("listed", known), promotion=pl.col("promotion").fill_null(0.0))
    columns = ["product_id", "period", "units", "price", "promotion", "brand", "category"]
    return rows.filter(pl.col("price") > 0).join(goods, on="product_id").select(columns).sort("product_id", "period")


def situations(shop_id: int, product_ids: Iterable[int], now: datetime) -> dict[int, dict[str, Any]]:
    """Product → external_id, title, price, cost, lowest price of the last thirty days; of those that are sold."""
    rows = Product.objects.of(shop_id).filter(pk__in=list(product_ids), active=True, is_group=False)
    found = {
        row["pk"]: row for row in rows.values("pk", "external_id", "title", "price", "cost") if row["price"] is not None
    }
    lowest = lowest_prices(shop_id, found, now)
    return {pk: {**row, "lowest_30_days": lowest.get(pk, row["price"])} for pk, row in found.items()}


def lowest_prices(shop_id: int, product_ids: Iterable[int], now: datetime) -> dict[int, Decimal]:
    """Product → the lowest price that held within the last thirty days, the one at their beginning included."""
    start = now - LOOK_BACK
    changes = PriceChange.objects.of(shop_id).filter(product_id__in=list(product_ids), starts_at__lt=now)
    lowest: dict[int, Decimal] = {}
    before: dict[int, Decimal] = {}
    for product, price, starts_at, previous in changes.order_by("starts_at", "pk").values_list(
        "product_id", "price", "starts_at", "previous_price"
    ):
        if starts_at <= start:
            before[product] = price
        else:
            first = before.pop(product, previous)
            prices = [price, *([first] if first is not None else []), *([lowest[product]] if product in lowest else [])]
            lowest[product] = min(prices)
    return {**before, **lowest}


def ids_of(shop_id: int, external_ids: Iterable[str]) -> dict[str, int]:
    """External id → ours."""
    rows = Product.objects.of(shop_id).filter(external_id__in=list(external_ids), is_group=False)
    return dict(rows.values_list("external_id", "pk"))


def _every_week(sold: pl.DataFrame) -> pl.DataFrame:
    """A row a product and week from its first sale to the last week of all, 0 units where nothing was sold."""
    last = sold["period"].max()
    spans = sold.group_by("product_id").agg(pl.col("period").min().alias("first"))
    weeks = spans.with_columns(period=pl.date_ranges("first", pl.lit(last), "1w")).explode("period").drop("first")
    return weeks.join(sold, on=["product_id", "period"], how="left").with_columns(pl.col("units").fill_null(0.0))


def _empty_weeks(params: dict[str, Any]) -> pl.DataFrame:
    """Weeks in which a product with known movements had run out at some time."""
    found = frames.read(_STOCK, params, {"product_id": pl.Int64, "first": pl.Date, "last": pl.Date})
    weeks = found.with_columns(period=pl.date_ranges("first", "last", "1w")).explode("period")
    return weeks.select("product_id", "period").unique()


def _listed(params: dict[str, Any]) -> pl.DataFrame:
    """The mean price of each product and week by its price changes, each as long as it held."""
    schema = {"product_id": pl.Int64, "period": pl.Date, "listed": pl.Float64}
    return frames.read(_LISTED, params, schema)


def _promoted(params: dict[str, Any]) -> pl.DataFrame:
    schema = {"product_id": pl.Int64, "period": pl.Date, "promotion": pl.Float64}
    return frames.read(_PROMOTED, params, schema)


def _missing(weeks: int, products: int) -> NotEnoughData:
    def words(weeks: int, products: int) -> str:
        return say("%(weeks)s of %(products)s") % {
            "weeks": ngettext("%(n)d week of sales", "%(n)d weeks of sales", weeks) % {"n": weeks},
            "products": ngettext("%(n)d product", "%(n)d products", products) % {"n": products},
        }

    needed, there = words(LEAST_WEEKS, LEAST_PRODUCTS), words(weeks, products)
    return short_of(needed, there, say("Load earlier orders, or wait until more weeks are over."))


def _table(model: Any) -> str:
    return model._meta.db_table


def _week(instant: str) -> str:
    return f"date_trunc('week', {instant} AT TIME ZONE %(zone)s)::date"


_GOODS = (
    f"SELECT id AS product_id, brand, category FROM {_table(Product)}"  # noqa: S608  (table names of our own)
    " WHERE shop_id = %(shop)s AND active AND NOT is_group"
)

# Whole weeks only: the first and the last are cut where the window cuts them.
_WHOLE = f"""
    o.placed_at >= (date_trunc('week', (%(start)s::timestamptz + interval '7 days' - interval '1 microsecond')
                    AT TIME ZONE %(zone)s)) AT TIME ZONE %(zone)s
    AND o.placed_at < ({_week("%(end)s::timestamptz")})::timestamp AT TIME ZONE %(zone)s
"""

_SOLD = f"""
    WITH {consent.refused_sql(consent.Purpose.MODEL_TRAINING)},
    back AS (
        SELECT order_line_id, sum(quantity) AS quantity FROM {_table(Return)}
        WHERE shop_id = %(shop)s AND order_line_id IS NOT NULL GROUP BY order_line_id
    )
    SELECT l.product_id, {_week("o.placed_at")} AS period,
           sum(greatest(l.quantity - coalesce(b.quantity, 0), 0)) AS units,
           sum(l.unit_price * l.quantity - l.discount) / sum(l.quantity) AS paid
    FROM {_table(Order)} o
    JOIN shop_shop s ON s.id = o.shop_id
    JOIN {_table(OrderLine)} l ON l.order_id = o.id AND l.product_id IS NOT NULL
    LEFT JOIN back b ON b.order_line_id = l.id
    WHERE o.shop_id = %(shop)s AND o.currency = s.currency AND o.status NOT IN ('cancelled', 'refunded') AND {_WHOLE}
        AND {consent.spared_sql("o.customer_id", "o.anonymous_id")}
    GROUP BY 1, 2
"""  # noqa: S608

# What lies in all places together after each movement; a product that never got goods in is not tracked.
_STOCK = f"""
    WITH level AS (
        SELECT product_id, at, sum(quantity) OVER past AS on_hand,
               lead(at) OVER (PARTITION BY product_id ORDER BY at, id) AS until,
               bool_or(kind = 'receipt') OVER past AS tracked
        FROM {_table(StockMovement)} WHERE shop_id = %(shop)s AND kind <> 'transfer'
        WINDOW past AS (PARTITION BY product_id ORDER BY at, id)
    )
    SELECT product_id, {_week("at")} AS first, {_week("coalesce(until, %(end)s)")} AS last
    FROM level WHERE on_hand <= 0 AND tracked AND coalesce(until, %(end)s) - at > interval '1 day'
        AND at < %(end)s
"""  # noqa: S608

_LISTED = f"""
    WITH held AS (
        SELECT product_id, price, starts_at,
               least(coalesce(lead(starts_at) OVER (PARTITION BY product_id ORDER BY starts_at, id), %(end)s),
                     coalesce(ends_at, %(end)s), %(end)s) AS until
        FROM {_table(PriceChange)} WHERE shop_id = %(shop)s AND starts_at < %(end)s
    ), weeks AS (
        SELECT week, week AT TIME ZONE %(zone)s AS begins, (week + interval '7 days') AT TIME ZONE %(zone)s AS ends
        FROM generate_series({_week("greatest(%(start)s::timestamptz, (SELECT min(starts_at) FROM held))")}::timestamp,
                             {_week("%(end)s::timestamptz")}::timestamp, interval '7 days') AS week
    )
    SELECT h.product_id, w.week::date AS period,
           sum(h.price * extract(epoch FROM least(h.until, w.ends) - greatest(h.starts_at, w.begins)))
               / sum(extract(epoch FROM least(h.until, w.ends) - greatest(h.starts_at, w.begins))) AS listed
    FROM weeks w JOIN held h ON h.starts_at < w.ends AND h.until > w.begins
    WHERE h.until > h.starts_at
    GROUP BY 1, 2
"""  # noqa: S608

# On products, on a category and all below it, or (neither) on everything.
_PROMOTED = f"""
    WITH running AS (
        SELECT id, category, starts_at, coalesce(ends_at, %(end)s) AS ends_at FROM {_table(Promotion)}
        WHERE shop_id = %(shop)s AND active AND starts_at < %(end)s AND coalesce(ends_at, %(end)s) > %(start)s
            AND code = '' AND kind <> 'shipping'
    ), met AS (
        SELECT r.id, r.starts_at, r.ends_at, x.product_id
        FROM running r JOIN {_table(PromotionProduct)} x ON x.promotion_id = r.id AND x.shop_id = %(shop)s
        UNION
        SELECT r.id, r.starts_at, r.ends_at, p.id
        FROM running r JOIN {_table(Product)} p ON p.shop_id = %(shop)s
            AND (p.category = r.category OR starts_with(p.category, r.category || ' > '))
        WHERE r.category <> '' AND NOT EXISTS (SELECT 1 FROM {_table(PromotionProduct)} x WHERE x.promotion_id = r.id)
    ), weeks AS (
        SELECT week, week AT TIME ZONE %(zone)s AS begins, (week + interval '7 days') AT TIME ZONE %(zone)s AS ends
        FROM generate_series({_week("(SELECT min(starts_at) FROM met)")}::timestamp,
                             {_week("%(end)s::timestamptz")}::timestamp, interval '7 days') AS week
    )
    SELECT m.product_id, w.week::date AS period,
           least(1, sum(extract(epoch FROM least(m.ends_at, w.ends) - greatest(m.starts_at, w.begins)) / 604800))
               AS promotion
    FROM weeks w JOIN met m ON m.starts_at < w.ends AND m.ends_at > w.begins
    GROUP BY 1, 2
"""  # noqa: S608
