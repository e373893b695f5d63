"""Goods of the sample shop in the database: products with their price history, promotions, stock, suppliers."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from commerce_ai.sample.generate import Sample
from commerce_ai.sample.words import SHELVES
from commerce_ai.shop.bulk import copy_rows, resolve, upsert
from commerce_ai.shop.models import (
    Location,
    PriceChange,
    Product,
    Promotion,
    PromotionProduct,
    Shop,
    StockLevel,
    Supplier,
    SupplierProduct,
)


def load_goods(shop: Shop, sample: Sample) -> np.ndarray:
    """Products with stock and suppliers; their ids by row number."""
    goods = sample.goods
    products = goods.products.with_columns(
        pl.Series("price", sample.prices.price[:, -1]),  # today's
        pl.lit(shop.pk).alias("shop"),
        pl.lit("sample").alias("source"),
        pl.struct(pl.col("colour")).struct.json_encode().alias("attributes"),
    )
    columns = ["shop", "external_id", "title", "description", "category", "brand", "price", "cost", "attributes",
               "image_url", "tags", "active", "source", "created_at"]  # fmt: skip
    upsert(Product, columns, products, key=("shop", "external_id"))
    ids = ids_of(Product, shop, goods.products)
    warehouse = Location.objects.create(shop=shop, external_id="main", name="Main warehouse", country="DE")
    stock = goods.stock.with_columns(
        pl.Series("product", ids[goods.stock["product"]]),
        pl.lit(shop.pk).alias("shop"),
        pl.lit(warehouse.pk).alias("location"),
    )
    copy_rows(StockLevel, ["shop", "product", "location", "on_hand", "reserved"], stock)
    suppliers = goods.suppliers.with_columns(pl.lit(shop.pk).alias("shop"))
    upsert(Supplier, ["shop", *goods.suppliers.columns], suppliers, key=("shop", "external_id"))
    supplied = goods.supplied.with_columns(
        pl.Series("product", ids[goods.supplied["product"]]),
        pl.Series("supplier", ids_of(Supplier, shop, goods.suppliers)[goods.supplied["supplier"]]),
        pl.lit(shop.pk).alias("shop"),
    )
    copy_rows(SupplierProduct, ["shop", "supplier", "product", "unit_cost"], supplied)
    _prices(shop, sample, ids)
    return ids


def _prices(shop: Shop, sample: Sample, products: np.ndarray) -> None:
    changes = sample.prices.changes.with_columns(
        pl.Series("product", products[sample.prices.changes["product"]]),
        pl.lit(shop.pk).alias("shop"),
        pl.when(pl.col("kind") == "reduction").then(pl.col("starts_at")).alias("announced_at"),
        pl.lit("sample").alias("source"),
    )
    columns = ["shop", "product", "kind", "price", "previous_price", "prior_price", "starts_at", "announced_at",
               "source"]  # fmt: skip
    copy_rows(PriceChange, columns, changes.select(columns))
    shelf = np.arange(len(products)) % len(SHELVES)
    for number, row in enumerate(sample.prices.promotions.iter_rows(named=True), 1):
        path = SHELVES[row["shelf"]].path
        promotion = Promotion.objects.create(
            shop=shop, external_id=f"PROMO-{number}", name=f"{path.split(' > ')[-1]} week", value=row["percent"],
            category=path, starts_at=row["starts_at"], ends_at=row["ends_at"], source="sample",
        )  # fmt: skip
        reduced = np.flatnonzero(shelf == row["shelf"])
        shown = pl.DataFrame(
            {"product": products[reduced], "price": sample.prices.price[reduced, row["week"]]}
        ).with_columns(
            pl.lit(shop.pk).alias("shop"),
            pl.lit(promotion.pk).alias("promotion"),
            pl.lit("front page").alias("feature"),
        )
        copy_rows(PromotionProduct, ["shop", "promotion", "product", "price", "feature"], shown)


def ids_of(model: Any, shop: Shop, frame: pl.DataFrame) -> np.ndarray:
    """Our ids of a frame's external ids, in its order."""
    names = frame["external_id"].to_list()
    by_name = resolve(model, shop, names)
    return np.fromiter((by_name[name] for name in names), np.int64, len(names))


def look_up(rows: pl.Series, ids: np.ndarray) -> pl.Series:
    """Ids by row number; a missing number stays missing."""
    return pl.Series(rows.name, ids).gather(rows) if len(ids) else rows
