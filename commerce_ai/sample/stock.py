"""What lies in the sample shop's warehouse in the end: a few days' to two months' worth of sales of each product."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from commerce_ai.sample.goods import Goods

RECENT_DAYS = 28
COVER_DAYS = (2.0, 60.0)


def make_stock(
    rng: np.random.Generator, goods: Goods, orders: pl.DataFrame, lines: pl.DataFrame, until: datetime
) -> pl.DataFrame:
    """product (row number), on_hand, reserved; nothing on hand of what cannot be sold."""
    recent = lines.join(orders.select(pl.int_range(pl.len()).alias("order"), "at"), on="order").filter(
        pl.col("at") >= pl.lit(until - timedelta(days=RECENT_DAYS), pl.Datetime("us", "UTC"))
    )
    sold = np.bincount(recent["product"].to_numpy(), weights=recent["quantity"].to_numpy(), minlength=len(goods.price))
    cover = rng.uniform(*COVER_DAYS, len(goods.price))
    on_hand = 2 + np.round(sold / RECENT_DAYS * cover).astype(np.int64)
    active = goods.products["active"].to_numpy()
    return pl.DataFrame(
        {
            "product": np.arange(len(goods.price)),
            "on_hand": np.where(goods.sellable | ~active, on_hand, 0),
            "reserved": np.zeros(len(goods.price), np.int64),
        }
    )
