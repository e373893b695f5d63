"""People of the sample shop in the database, what they ordered and how they paid."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from commerce_ai.sample.campaigns import REACHED
from commerce_ai.sample.generate import Sample
from commerce_ai.sample.load_goods import ids_of, look_up
from commerce_ai.shop.bulk import copy_rows, upsert
from commerce_ai.shop.models import (
    Campaign,
    Chargeback,
    Customer,
    Door,
    Identity,
    Order,
    OrderLine,
    Payment,
    Shop,
    SocialTie,
)
from plugins.advertising.models import Assignment

VAT = 0.19


def load_people(shop: Shop, sample: Sample) -> np.ndarray:
    people = sample.people
    columns = ["shop", "external_id", "name", "email", "country", "birth_year", "gender", "source", "created_at"]
    customers = people.customers.with_columns(pl.lit(shop.pk).alias("shop"), pl.lit("sample").alias("source"))
    upsert(Customer, columns, customers, key=("shop", "external_id"))
    ids = ids_of(Customer, shop, people.customers)
    links = people.identities.with_columns(
        pl.Series("customer", ids[people.identities["customer"]]), pl.lit(shop.pk).alias("shop")
    )
    copy_rows(Identity, ["shop", "anonymous_id", "customer", "proven"], links)
    ties = people.ties.with_columns(
        pl.Series("customer", ids[people.ties["customer"]]),
        pl.Series("other", ids[people.ties["other"]]),
        pl.lit(shop.pk).alias("shop"),
        pl.lit("sample").alias("source"),
    )
    copy_rows(SocialTie, ["shop", "customer", "other", "kind", "at", "source"], ties)
    return ids


def load_orders(shop: Shop, sample: Sample, products: np.ndarray, customers: np.ndarray) -> np.ndarray:
    orders = sample.happenings.orders
    shipped = pl.col("at") < sample.until - timedelta(days=3)
    frame = orders.select(
        pl.lit(shop.pk).alias("shop"),
        "external_id",
        pl.col("external_id").alias("number"),
        look_up(orders["customer"], customers),
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
    ids = ids_of(Order, shop, orders)
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
    _payments(shop, sample, customers, ids)
    return ids


def load_campaigns(shop: Shop, sample: Sample, customers: np.ndarray) -> None:
    """The letter that is over, with whom it reached; and one that may be shown now."""
    sent = sample.campaigns.sent_at
    letter = Campaign.objects.create(
        shop=shop, external_id="letter", name="Seasonal letter", channel="email", status=Campaign.Status.ENDED,
        starts_at=sent, ends_at=sent + timedelta(days=14), budget=500, source="sample",
    )  # fmt: skip
    Campaign.objects.create(
        shop=shop, external_id="welcome-back", name="Welcome back", channel="onsite", starts_at=sample.until,
        budget=1000, source="sample",
    )  # fmt: skip
    assigned = sample.campaigns.assigned
    frame = assigned.with_columns(
        pl.lit(shop.pk).alias("shop"),
        pl.lit(letter.pk).alias("campaign"),
        look_up(assigned["customer"], customers),
        pl.lit(REACHED).alias("propensity"),
    )
    copy_rows(Assignment, frame.columns, frame)


def _payments(shop: Shop, sample: Sample, customers: np.ndarray, orders: np.ndarray) -> None:
    given = sample.payments.payments
    frame = given.with_columns(
        pl.lit(shop.pk).alias("shop"),
        look_up(given["order"], orders),
        look_up(given["customer"], customers),
        pl.lit(shop.currency).alias("currency"),
        pl.lit("sample").alias("source"),
    ).drop("is_fraud")
    upsert(Payment, frame.columns, frame, key=("shop", "external_id"))
    ids = ids_of(Payment, shop, given)
    known = sample.payments.chargebacks
    frame = known.with_columns(
        pl.lit(shop.pk).alias("shop"),
        pl.Series("payment", ids[known["payment"]]),
        pl.lit(shop.currency).alias("currency"),
        pl.lit("stolen card").alias("reason"),
        pl.lit(True).alias("is_fraud"),
        pl.lit("sample").alias("source"),
    )
    upsert(Chargeback, frame.columns, frame, key=("shop", "external_id"))
