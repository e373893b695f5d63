"""Puts the generated shop into the database: once, all of it or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from django.db import transaction

from commerce_ai.ids import uuid7
from commerce_ai.ingest import metrics
from commerce_ai.sample.generate import DEMO, TIMEZONE, Sample, Size, generate
from commerce_ai.shop import partitions
from commerce_ai.shop.bulk import NewEvent, copy_rows, resolve, upsert, write_events
from commerce_ai.shop.models import (
    Customer,
    Door,
    Identity,
    Location,
    Order,
    OrderLine,
    Product,
    Review,
    Shop,
    StockLevel,
    Supplier,
    SupplierProduct,
)
from commerce_ai.shop.revision import bump

Progress = Callable[[float, str], None]
MARK = "sample"  # in Shop.settings: what was loaded
VAT = 0.19
_EVENTS_AT_ONCE = 20_000


class NotASample(Exception):
    """A shop of this name exists and has products that did not come from here."""


def load_sample(
    shop_slug: str = "sample",
    seed: int = 1,
    size: Size = DEMO,
    progress: Progress | None = None,
    *,
    until: date | None = None,
    events: bool = True,
) -> Shop:
    """The shop of this name with the sample in it; what was loaded before stays as it is. A few seconds by default.

    `progress` is told a share of 1 and what is being written. Without `events` there are only goods, people and
    orders. Raises `NotASample`, and then writes nothing.
    """
    tell = progress or (lambda share, what: None)
    found = Shop.objects.filter(slug=shop_slug).first()
    if found is not None and MARK in found.settings:
        tell(1.0, "done")
        return found
    if found is not None and Product.objects.of(found).exists():
        raise NotASample(f"the shop {shop_slug!r} has products of its own; choose another name")
    tell(0.0, "making the shop up")
    sample = generate(seed, size, until)
    with transaction.atomic():
        shop = found or Shop(slug=shop_slug)
        shop.name, shop.currency, shop.timezone, shop.country = "Linden & Lark", "EUR", TIMEZONE, "DE"
        shop.settings = {MARK: {"seed": seed, "until": sample.until.isoformat(), **asdict(size)}}
        shop.save()
        _write(shop, sample, tell, events)
        bump("catalogue", shop)
    tell(1.0, "done")
    return shop


def _write(shop: Shop, sample: Sample, tell: Progress, events: bool) -> None:
    tell(0.05, "products")
    products = _goods(shop, sample)
    tell(0.15, "customers")
    customers = _people(shop, sample)
    tell(0.3, "orders")
    orders = _orders(shop, sample, products, customers)
    _reviews(shop, sample, products, customers, orders)
    if events:
        _visits(shop, sample, products, customers, tell)
    metrics.count_stored(shop)


def _visits(shop: Shop, sample: Sample, products: np.ndarray, customers: np.ndarray, tell: Progress) -> None:
    first, last = sample.happenings.events["at"].min(), sample.until
    if isinstance(first, datetime):
        partitions.ensure_months(first.date(), last.date())
    total = max(len(sample.happenings.events), 1)
    for done, batch in _batches(_events(shop, sample, products, customers)):
        write_events(batch)
        tell(0.4 + 0.6 * done / total, "events")


def _goods(shop: Shop, sample: Sample) -> np.ndarray:
    """Products with stock and suppliers; their ids by row number."""
    goods = sample.goods
    products = goods.products.with_columns(
        pl.lit(shop.pk).alias("shop"),
        pl.lit("sample").alias("source"),
        pl.struct(pl.col("colour")).struct.json_encode().alias("attributes"),
    )
    columns = ["shop", "external_id", "title", "description", "category", "brand", "price", "cost", "attributes",
               "tags", "active", "source", "created_at"]  # fmt: skip
    upsert(Product, columns, products, key=("shop", "external_id"))
    ids = _ids(Product, shop, goods.products)
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
        pl.Series("supplier", _ids(Supplier, shop, goods.suppliers)[goods.supplied["supplier"]]),
        pl.lit(shop.pk).alias("shop"),
    )
    copy_rows(SupplierProduct, ["shop", "supplier", "product", "unit_cost"], supplied)
    return ids


def _people(shop: Shop, sample: Sample) -> np.ndarray:
    people = sample.people
    columns = ["shop", "external_id", "name", "email", "country", "birth_year", "source", "created_at"]
    customers = people.customers.with_columns(pl.lit(shop.pk).alias("shop"), pl.lit("sample").alias("source"))
    upsert(Customer, columns, customers, key=("shop", "external_id"))
    ids = _ids(Customer, shop, people.customers)
    links = people.identities.with_columns(
        pl.Series("customer", ids[people.identities["customer"]]), pl.lit(shop.pk).alias("shop")
    )
    copy_rows(Identity, ["shop", "anonymous_id", "customer", "proven"], links)
    return ids


def _orders(shop: Shop, sample: Sample, products: np.ndarray, customers: np.ndarray) -> np.ndarray:
    orders = sample.happenings.orders
    shipped = pl.col("at") < sample.until - timedelta(days=3)
    frame = orders.select(
        pl.lit(shop.pk).alias("shop"),
        "external_id",
        pl.col("external_id").alias("number"),
        _looked_up(orders["customer"], customers),
        "anonymous_id",
        pl.when(shipped).then(pl.lit(Order.Status.FULFILLED)).otherwise(pl.lit(Order.Status.PAID)).alias("status"),
        pl.lit(shop.currency).alias("currency"),
        "total",
        "shipping",
        (pl.col("total") * VAT / (1 + VAT)).round(2).alias("tax"),
        pl.lit("web").alias("channel"),
        pl.col("at").alias("placed_at"),
        pl.col("at").alias("updated_at"),
        pl.lit(int(Door.SYSTEM)).alias("door"),
        pl.lit("sample").alias("source"),
    )
    upsert(Order, frame.columns, frame, key=("shop", "external_id"))
    ids = _ids(Order, shop, orders)
    lines, goods = sample.happenings.lines, sample.goods.products
    frame = lines.select(
        pl.lit(shop.pk).alias("shop"),
        pl.Series("order", ids[lines["order"]]),
        "position",
        pl.Series("product", products[lines["product"]]),
        goods["external_id"].gather(lines["product"]).alias("sku"),
        goods["title"].gather(lines["product"]).alias("title"),
        "quantity",
        "unit_price",
        goods["cost"].gather(lines["product"]).alias("unit_cost"),
    )
    copy_rows(OrderLine, frame.columns, frame)
    return ids


def _reviews(
    shop: Shop, sample: Sample, products: np.ndarray, customers: np.ndarray, orders: np.ndarray
) -> None:  # fmt: skip
    reviews = sample.happenings.reviews
    frame = reviews.select(
        pl.lit(shop.pk).alias("shop"),
        "external_id",
        pl.Series("product", products[reviews["product"]]),
        pl.Series("customer", customers[reviews["customer"]]),
        pl.Series("order", orders[reviews["order"]]),
        "rating",
        "text",
        "at",
        pl.lit("en").alias("language"),
        pl.lit(True).alias("verified"),
        pl.lit("sample").alias("source"),
    )
    upsert(Review, frame.columns, frame, key=("shop", "external_id"))


def _events(shop: Shop, sample: Sample, products: np.ndarray, customers: np.ndarray) -> Iterator[NewEvent]:
    goods, people = sample.goods.products, sample.people.customers
    skus, prices, names = goods["external_id"].to_list(), goods["price"].to_list(), people["external_id"].to_list()
    numbers, totals = sample.happenings.orders["external_id"].to_list(), sample.happenings.orders["total"].to_list()
    product_ids, customer_ids = products.tolist(), customers.tolist()
    columns = ("name", "visit", "anonymous_id", "customer", "product", "at", "order")
    for number, row in enumerate(sample.happenings.events.select(columns).iter_rows()):
        name, visit, anonymous_id, customer, product, at, order = row
        if order is not None:
            properties = {"order_id": numbers[order], "total": totals[order], "currency": shop.currency}
        else:
            properties = {"product_id": skus[product], "price": prices[product]}
        yield NewEvent(
            id=uuid7(at),
            shop_id=shop.pk,
            name=name,
            message_id=f"sample-{number}",
            anonymous_id=anonymous_id,
            user_id="" if customer is None else names[customer],
            customer_id=None if customer is None else customer_ids[customer],
            session_id=f"s-{visit}",
            product_id=None if product is None else product_ids[product],
            properties=json.dumps(properties),
            platform="web",
            occurred_at=at,
            received_at=at,
        )


def _batches(events: Iterator[NewEvent]) -> Iterator[tuple[int, list[NewEvent]]]:
    done, batch = 0, []
    for event in events:
        batch.append(event)
        if len(batch) == _EVENTS_AT_ONCE:
            done += len(batch)
            yield done, batch
            batch = []
    if batch:
        yield done + len(batch), batch


def _ids(model: Any, shop: Shop, frame: pl.DataFrame) -> np.ndarray:
    """Our ids of a frame's external ids, in its order."""
    names = frame["external_id"].to_list()
    by_name = resolve(model, shop, names)
    return np.fromiter((by_name[name] for name in names), np.int64, len(names))


def _looked_up(rows: pl.Series, ids: np.ndarray) -> pl.Series:
    """Ids by row number; a missing number stays missing."""
    return pl.Series(rows.name, ids).gather(rows) if len(ids) else rows
