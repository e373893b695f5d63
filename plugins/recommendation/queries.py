"""Shop tables as frames: who met which product, when and how. The only reader of shop tables in this plugin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl
from django.utils.translation import gettext as say
from django.utils.translation import ngettext

from commerce_ai.ids import uuid7_floor
from commerce_ai.learning.learner import Frames, Window
from commerce_ai.learning.shortage import short_of
from commerce_ai.shop import consent, frames
from commerce_ai.shop.kept import Kept
from commerce_ai.shop.models import Customer, Event, Identity, Order, OrderLine, Product

if TYPE_CHECKING:
    from commerce_ai.shop.models import Shop


# What an event says about the visitor's wish; purchases are read from order lines, which every door fills.
KINDS = {
    "Product Viewed": "view",
    "Product Added to Wishlist": "wishlist",
    "Product Added": "cart",
    "Wishlist Product Added to Cart": "cart",
}
LEAST_INTERACTIONS, LEAST_CUSTOMERS, LEAST_PRODUCTS = 100, 20, 10
BESTSELLER_DAYS = 90
BESTSELLERS = 1000

_INTERACTIONS = {
    "customer_id": pl.Int64(),
    "product_id": pl.Int64(),
    "timestamp": pl.Datetime("us", "UTC"),
    "kind": pl.String(),
}


def learning_frames(shop: Shop, window: Window) -> Frames:
    """`interactions` and `customers` (customer_id, external_id of those who occur in them). Raises `NotEnoughData`."""
    rows = interactions(shop, window)
    known = customers(shop).join(rows.select("customer_id").unique(), on="customer_id", how="semi")
    return {"interactions": rows, "customers": known}


def interactions(shop: Shop, window: Window) -> pl.DataFrame:
    """customer_id, product_id, timestamp (UTC), kind (view, wishlist, cart, purchase) of the window, oldest first.

    Events count for whoever is proven to be behind them: the customer that the sender vouched for, else the one
    that the anonymous id is linked to by a proven Identity. All other visitors stay apart from the customers, under
    negative numbers that are the same in every run: what they look at together teaches as much. Only products that
    are on sale now, and nobody who withdrew consent to the training of models.
    """
    start = window.start or datetime(1970, 1, 1, tzinfo=UTC)
    events = frames.read(
        _EVENTS,
        {
            "shop": shop.pk,
            "names": list(KINDS),
            "start": start,
            "end": window.end,
            # An event is received after it occurred, so partitions of earlier months need no look.
            "first_id": uuid7_floor(start - timedelta(days=1)) if window.start else uuid7_floor(start),
        },
        _INTERACTIONS,
    ).with_columns(pl.col("kind").replace_strict(KINDS, return_dtype=pl.String))
    bought = frames.read(_PURCHASES, {"shop": shop.pk, "start": start, "end": window.end}, _INTERACTIONS)
    rows = pl.concat([events, bought]).sort("timestamp", "customer_id", "product_id", "kind")
    _enough(rows)
    return rows


def customers(shop: Shop) -> pl.DataFrame:
    """customer_id and external_id of every customer, by id."""
    return frames.read(_CUSTOMERS, {"shop": shop.pk}, {"customer_id": pl.Int64(), "external_id": pl.String()})


def bestsellers(shop_id: int) -> npt.NDArray[np.int64]:
    """Ids of at most 1,000 products by how many orders hold them, most first: of the last 90 days that had orders."""
    params = {"shop": shop_id, "span": timedelta(days=BESTSELLER_DAYS), "most": BESTSELLERS}
    return frames.read(_BESTSELLERS, params, {"product_id": pl.Int64()})["product_id"].to_numpy()


def lively_customers(shop_id: int, most: int = 20) -> list[str]:
    """External ids of the customers who ordered last: to pick from, in the console."""
    rows = (
        Order.objects.of(shop_id).filter(customer__isnull=False).order_by("-placed_at")
        .values_list("customer__external_id", flat=True)[: 5 * most]
    )  # fmt: skip
    return list(dict.fromkeys(rows))[:most]


def lively_visitors(shop_id: int, most: int = 20) -> list[str]:
    """Anonymous ids that were seen last."""
    rows = Event.objects.of(shop_id).order_by("-id").values_list("anonymous_id", flat=True)[: 25 * most]
    return [each for each in dict.fromkeys(rows) if each][:most]


def _enough(rows: pl.DataFrame) -> None:
    there = rows.height, rows["customer_id"].n_unique(), rows["product_id"].n_unique()
    needed = LEAST_INTERACTIONS, LEAST_CUSTOMERS, LEAST_PRODUCTS
    if all(have >= least for have, least in zip(there, needed, strict=True)):
        return
    remedy = say("Send events from the storefront, or load orders.")
    raise short_of(_counted(*needed), _counted(*there), remedy)


def _counted(rows: int, people: int, products: int) -> str:
    words: dict[str, Any] = {
        "rows": ngettext("%(n)d interaction", "%(n)d interactions", rows) % {"n": rows},
        "people": ngettext("%(n)d visitor", "%(n)d visitors", people) % {"n": people},
        "products": ngettext("%(n)d product", "%(n)d products", products) % {"n": products},
    }
    return say("%(rows)s of %(people)s with %(products)s") % words


def _table(model: Any) -> str:
    return model._meta.db_table


_REFUSED = consent.refused_sql(consent.Purpose.MODEL_TRAINING)

_EVENTS = f"""
    WITH {_REFUSED}
    SELECT coalesce(e.customer_id, i.customer_id, -1 - (hashtextextended(e.anonymous_id, 0) & 9223372036854775806))
               AS customer_id,
           e.product_id, e.occurred_at AS timestamp, e.name AS kind
    FROM {_table(Event)} e
    JOIN {_table(Product)} p ON p.id = e.product_id AND p.shop_id = e.shop_id AND p.active AND NOT p.is_group
    LEFT JOIN {_table(Identity)} i
        ON i.shop_id = e.shop_id AND i.anonymous_id = e.anonymous_id AND i.proven AND e.anonymous_id <> ''
    WHERE e.shop_id = %(shop)s AND e.id >= %(first_id)s AND e.name = ANY(%(names)s)
        AND e.occurred_at >= %(start)s AND e.occurred_at < %(end)s
        AND (e.customer_id IS NOT NULL OR e.anonymous_id <> '')
        AND {consent.spared_sql("e.customer_id", "e.anonymous_id")}
"""  # noqa: S608  (table names of our own)

_PURCHASES = f"""
    WITH {_REFUSED}
    SELECT coalesce(o.customer_id, i.customer_id, -1 - (hashtextextended(o.anonymous_id, 0) & 9223372036854775806))
               AS customer_id,
           l.product_id, o.placed_at AS timestamp, 'purchase' AS kind
    FROM {_table(Order)} o
    JOIN {_table(OrderLine)} l ON l.order_id = o.id
    JOIN {_table(Product)} p ON p.id = l.product_id AND p.shop_id = o.shop_id AND p.active AND NOT p.is_group
    LEFT JOIN {_table(Identity)} i
        ON i.shop_id = o.shop_id AND i.anonymous_id = o.anonymous_id AND i.proven AND o.anonymous_id <> ''
    WHERE o.shop_id = %(shop)s AND o.placed_at >= %(start)s AND o.placed_at < %(end)s AND o.status <> 'cancelled'
        AND (o.customer_id IS NOT NULL OR o.anonymous_id <> '')
        AND {consent.spared_sql("o.customer_id", "o.anonymous_id")}
"""  # noqa: S608

_CUSTOMERS = f"SELECT id AS customer_id, external_id FROM {_table(Customer)} WHERE shop_id = %(shop)s ORDER BY id"  # noqa: S608

_BESTSELLERS = f"""
    SELECT l.product_id
    FROM {_table(Order)} o
    JOIN {_table(OrderLine)} l ON l.order_id = o.id
    WHERE o.shop_id = %(shop)s AND o.status <> 'cancelled' AND l.product_id IS NOT NULL
        AND o.placed_at > (SELECT max(placed_at) FROM {_table(Order)} WHERE shop_id = %(shop)s) - %(span)s
    GROUP BY l.product_id
    ORDER BY count(DISTINCT o.id) DESC, l.product_id
    LIMIT %(most)s
"""  # noqa: S608

# For answers: at most ten minutes old.
kept_bestsellers = Kept(bestsellers, 600.0, np.empty(0, np.int64))
