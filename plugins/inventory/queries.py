"""Shop tables as frames: what was sold on which of the shop's days, what lies there, who delivers. The only reader of
shop tables in this plugin.

Sums of units a day are of no person, so consent leaves none out: a shelf that forgot some customers would be too small.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
from django.utils import timezone
from django.utils.translation import gettext as say

from commerce_ai.learning.learner import Frames, Window
from commerce_ai.learning.shortage import short_of
from commerce_ai.shop import frames
from commerce_ai.shop.models import (
    Order,
    OrderLine,
    PriceChange,
    PricePlan,
    Product,
    Promotion,
    PromotionProduct,
    PurchaseOrder,
    PurchaseOrderLine,
    StockLevel,
    StockMovement,
    Supplier,
    SupplierProduct,
)

if TYPE_CHECKING:
    from commerce_ai.shop.models import Shop

HISTORY_DAYS = 1096
PLANNED_DAYS = 56
LEAST_LINES, LEAST_DAYS = 50, 42

_SALES = {
    "product_id": pl.Int64(), "date": pl.Date(), "units": pl.Float64(), "price": pl.Float64(),
    "promotion": pl.Float64(), "stock_out": pl.Boolean(),
}  # fmt: skip


def learning_frames(shop: Shop, window: Window) -> Frames:
    """`sales` of whole days before the window's end, and `plans` of the days from then on. Raises `NotEnoughData`."""
    last = window.end.astimezone(shop.tz).date() - timedelta(days=1)
    first = last - timedelta(days=HISTORY_DAYS - 1)
    if window.start is not None:
        first = max(first, window.start.astimezone(shop.tz).date())
    return {"sales": sales(shop, first, last), "plans": plans(shop, last + timedelta(days=1))}


def sales(shop: Shop, first: date, last: date) -> pl.DataFrame:
    """product_id, date, units, price, promotion, stock_out of the shop's days `first` to `last`, cancelled orders out.

    One row a product and day on which something is told: sales, a price, a promotion, a stock-out; and one with the
    last day for each, so that a quiet last day counts. Products on sale now.
    """
    params = _params(shop, first, last)
    sold = frames.read(_SOLD, params, _picked("product_id", "date", "units", "price"))
    earliest: Any = sold["date"].min()
    days = (last - earliest).days + 1 if sold.height else 0
    if sold.height < LEAST_LINES or days < LEAST_DAYS:
        words = say("%(lines)d days with sales of a product, over %(days)d days in all")
        raise short_of(
            words % {"lines": LEAST_LINES, "days": LEAST_DAYS}, words % {"lines": sold.height, "days": days},
            say("Load earlier orders, or wait until more were placed."),
        )  # fmt: skip
    ends = sold.select(pl.col("product_id").unique()).with_columns(pl.lit(last).alias("date"))
    rows = pl.concat(
        [
            sold,
            ends,
            frames.read(_PRICES, params, _picked("product_id", "date", "price")),
            frames.read(_PROMOTED, params, _picked("product_id", "date", "promotion")),
            frames.read(_SOLD_OUT, params, _picked("product_id", "date", "stock_out")),
        ],
        how="diagonal",
    ).join(ends.select("product_id"), on="product_id", how="semi")
    summed = rows.group_by("product_id", "date").agg(
        pl.col("units").sum(), pl.col("price").mean(), pl.col("promotion").max(),
        pl.col("stock_out").any(),
    )  # fmt: skip
    filled = summed.with_columns(pl.col("promotion").fill_null(0.0), pl.col("stock_out").fill_null(False))
    return filled.select(list(_SALES)).sort("product_id", "date")


def plans(shop: Shop, first: date, days: int = PLANNED_DAYS) -> pl.DataFrame:
    """product_id, date, price, promotion of days to come, where a price or promotion is planned."""
    params = _params(shop, first, first + timedelta(days=days - 1))
    rows = pl.concat(
        [
            frames.read(_PLANNED, params, _picked("product_id", "date", "price")),
            frames.read(_PROMOTED, params, _picked("product_id", "date", "promotion")),
        ],
        how="diagonal",
    )
    summed = rows.group_by("product_id", "date").agg(pl.col("price").max(), pl.col("promotion").max())
    return summed.with_columns(pl.col("promotion").fill_null(0.0)).sort("product_id", "date")


def shelves(shop: Shop) -> pl.DataFrame:
    """One row a tracked product: available (on hand less reserved), on_order, arrives_on, location_id, price, cost,
    and of the preferred active supplier supplier_id, unit_cost, lead_days, lead_deviation, multiple, minimum."""
    return frames.read(_SHELVES, {"shop": shop.pk}, _SHELF)


def products(shop: Shop) -> pl.DataFrame:
    """product_id and price of every product of the shop."""
    return frames.read(_PRODUCTS, {"shop": shop.pk}, {"product_id": pl.Int64(), "price": pl.Float64()})


def units_of(shop: Shop, product_id: int, days: int) -> list[tuple[date, float]]:
    """The product's units on each of the last `days` whole days, oldest first, zeros included."""
    last = today(shop) - timedelta(days=1)
    first = last - timedelta(days=days - 1)
    params = {**_params(shop, first, last), "product": product_id}
    found = frames.read(_SOLD_OF, params, {"date": pl.Date(), "units": pl.Float64()})
    units = dict(found.iter_rows())
    return [(day, units.get(day, 0.0)) for day in (first + timedelta(days=n) for n in range(days))]


def today(shop: Shop) -> date:
    """The shop's day."""
    return timezone.now().astimezone(shop.tz).date()


def find_product(shop_id: int, external_id: str) -> Product | None:
    return Product.objects.of(shop_id).filter(external_id=external_id, is_group=False).first()


def _params(shop: Shop, first: date, last: date) -> dict[str, Any]:
    def midnight(day: date) -> datetime:
        return datetime.combine(day, time(), shop.tz)

    return {
        "shop": shop.pk, "zone": shop.timezone, "currency": shop.currency, "first": first, "last": last,
        "start": midnight(first), "end": midnight(last + timedelta(days=1)),
    }  # fmt: skip


def _picked(*names: str) -> dict[str, pl.DataType]:
    return {name: _SALES[name] for name in names}


def _table(model: Any) -> str:
    return model._meta.db_table


_SELLABLE = f"JOIN {_table(Product)} p ON p.id = l.product_id AND p.shop_id = %(shop)s AND p.active AND NOT p.is_group"

_LINES = f"""
    FROM {_table(Order)} o
    JOIN {_table(OrderLine)} l ON l.order_id = o.id
    {_SELLABLE}
    WHERE o.shop_id = %(shop)s AND o.placed_at >= %(start)s AND o.placed_at < %(end)s AND o.status <> 'cancelled'
"""

_SOLD = f"""
    SELECT l.product_id, (o.placed_at AT TIME ZONE %(zone)s)::date AS date, sum(l.quantity) AS units,
           sum(l.unit_price * l.quantity - l.discount) FILTER (WHERE o.currency = %(currency)s)
               / nullif(sum(l.quantity) FILTER (WHERE o.currency = %(currency)s), 0) AS price
    {_LINES}
    GROUP BY 1, 2
"""

_SOLD_OF = f"""
    SELECT (o.placed_at AT TIME ZONE %(zone)s)::date AS date, sum(l.quantity) AS units
    {_LINES} AND l.product_id = %(product)s
    GROUP BY 1
"""

_PRICES = f"""
    SELECT c.product_id, greatest((c.starts_at AT TIME ZONE %(zone)s)::date, %(first)s) AS date, avg(c.price) AS price
    FROM {_table(PriceChange)} c
    WHERE c.shop_id = %(shop)s AND c.starts_at >= %(start)s AND c.starts_at < %(end)s
    GROUP BY 1, 2
"""  # noqa: S608

_PLANNED = f"""
    SELECT DISTINCT ON (c.product_id, day) c.product_id, day::date AS date, c.price
    FROM {_table(PricePlan)} c,
        generate_series(
            greatest(c.starts_on, %(first)s), least(coalesce(c.ends_on, %(last)s), %(last)s), '1 day') AS day
    WHERE c.shop_id = %(shop)s AND c.starts_on <= %(last)s AND coalesce(c.ends_on, %(last)s) >= %(first)s
    ORDER BY c.product_id, day, c.starts_on DESC
"""  # noqa: S608

_PROMOTED = f"""
    SELECT DISTINCT p.id AS product_id, day::date AS date, 1.0 AS promotion
    FROM {_table(Promotion)} r
    JOIN {_table(Product)} p ON p.shop_id = r.shop_id AND p.active AND NOT p.is_group AND (
        p.id IN (SELECT t.product_id FROM {_table(PromotionProduct)} t WHERE t.promotion_id = r.id)
        OR (r.category <> '' AND (p.category = r.category OR starts_with(p.category, r.category || ' > '))))
    CROSS JOIN generate_series(
        greatest((r.starts_at AT TIME ZONE %(zone)s)::date, %(first)s),
        least((coalesce(r.ends_at, %(end)s) AT TIME ZONE %(zone)s)::date, %(last)s), '1 day') AS day
    WHERE r.shop_id = %(shop)s AND r.active AND r.starts_at < %(end)s AND coalesce(r.ends_at, %(end)s) >= %(start)s
"""  # noqa: S608

# Stock at the end of a day is what lies there now less what moved since. It can be told only of products whose sales
# are movements too; of the others, that nothing has lain there since the level was last written.
_SOLD_OUT = f"""
    WITH now_there AS (
        SELECT product_id, sum(on_hand) AS on_hand, (max(updated_at) AT TIME ZONE %(zone)s)::date AS since
        FROM {_table(StockLevel)} WHERE shop_id = %(shop)s GROUP BY 1
    ), moved AS (
        SELECT product_id, (at AT TIME ZONE %(zone)s)::date AS day, sum(quantity) AS net, bool_or(kind = 'sale') AS sale
        FROM {_table(StockMovement)} WHERE shop_id = %(shop)s GROUP BY 1, 2
    ), ends AS (
        SELECT m.product_id, m.day,
               n.on_hand - (sum(m.net) OVER w - m.net) AS balance,
               lead(m.day) OVER (PARTITION BY m.product_id ORDER BY m.day) AS next_day
        FROM moved m JOIN now_there n USING (product_id)
        WHERE m.product_id IN (SELECT product_id FROM moved WHERE sale)
        WINDOW w AS (PARTITION BY m.product_id ORDER BY m.day DESC)
    )
    SELECT DISTINCT product_id, day::date AS date, true AS stock_out FROM (
        SELECT e.product_id, generate_series(
            greatest(e.day, %(first)s), least(coalesce(e.next_day - 1, %(last)s), %(last)s), '1 day') AS day
        FROM ends e WHERE e.balance <= 0
        UNION ALL
        SELECT n.product_id, generate_series(greatest(n.since + 1, %(first)s), %(last)s, '1 day')
        FROM now_there n
        WHERE n.on_hand <= 0 AND n.product_id NOT IN (SELECT product_id FROM moved WHERE sale)
    ) AS days
"""  # noqa: S608

_SHELF = {
    "product_id": pl.Int64(), "price": pl.Float64(), "cost": pl.Float64(), "available": pl.Float64(),
    "location_id": pl.Int64(), "on_order": pl.Float64(), "arrives_on": pl.Date(), "supplier_id": pl.Int64(),
    "unit_cost": pl.Float64(), "lead_days": pl.Float64(), "lead_deviation": pl.Float64(), "multiple": pl.Float64(),
    "minimum": pl.Float64(),
}  # fmt: skip

_SHELVES = f"""
    WITH there AS (
        SELECT product_id, sum(on_hand - reserved) AS available,
               (array_agg(location_id ORDER BY on_hand DESC, location_id))[1] AS location_id
        FROM {_table(StockLevel)} WHERE shop_id = %(shop)s GROUP BY 1
    ), coming AS (
        SELECT l.product_id, sum(greatest(l.quantity - l.quantity_received, 0)) AS on_order,
               min(o.expected_on) AS arrives_on
        FROM {_table(PurchaseOrder)} o JOIN {_table(PurchaseOrderLine)} l ON l.purchase_order_id = o.id
        WHERE o.shop_id = %(shop)s AND o.status IN ('draft', 'placed', 'partly_received')
            AND l.quantity > l.quantity_received
        GROUP BY 1
    ), supplied AS (
        SELECT s.product_id, s.supplier_id, s.unit_cost, coalesce(s.lead_time_days, u.lead_time_days) AS lead_days,
               u.lead_time_sd_days AS lead_deviation, coalesce(s.order_multiple, u.order_multiple) AS multiple,
               coalesce(s.minimum_quantity, u.minimum_quantity) AS minimum
        FROM {_table(SupplierProduct)} s JOIN {_table(Supplier)} u ON u.id = s.supplier_id AND u.active
        WHERE s.shop_id = %(shop)s AND s.preferred
    )
    SELECT p.id AS product_id, p.price, coalesce(s.unit_cost, p.cost) AS cost, t.available, t.location_id,
           coalesce(c.on_order, 0) AS on_order, c.arrives_on, s.supplier_id, s.unit_cost, s.lead_days,
           s.lead_deviation, s.multiple, s.minimum
    FROM {_table(Product)} p
    JOIN there t ON t.product_id = p.id
    LEFT JOIN coming c ON c.product_id = p.id
    LEFT JOIN supplied s ON s.product_id = p.id
    WHERE p.shop_id = %(shop)s AND p.active AND NOT p.is_group
    ORDER BY p.id
"""  # noqa: S608

_PRODUCTS = f"SELECT id AS product_id, price FROM {_table(Product)} WHERE shop_id = %(shop)s ORDER BY id"  # noqa: S608
