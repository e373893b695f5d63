"""What is said in and about the sample shop, in the database: reviews, mentions, talks and articles."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from commerce_ai.sample.generate import Sample
from commerce_ai.sample.load_goods import ids_of, look_up
from commerce_ai.sample.phrases import ARTICLES, REPLIES
from commerce_ai.shop.bulk import copy_rows, upsert
from commerce_ai.shop.models import Article, Conversation, Label, Mention, Message, Review, Shop

INTENT = "intent"  # the task of a label
ANSWERED_AFTER = timedelta(minutes=7)


def load_talk(shop: Shop, sample: Sample, products: np.ndarray, customers: np.ndarray, orders: np.ndarray) -> None:
    """All of it; talks of the last day still wait for an answer."""
    _reviews(shop, sample, products, customers, orders)
    mentions = sample.talk.mentions.with_columns(pl.lit(shop.pk).alias("shop"))
    upsert(Mention, mentions.columns, mentions, key=("shop", "external_id"))
    _talks(shop, sample, customers, orders)
    for number, (title, body, category) in enumerate(ARTICLES, 1):
        Article.objects.create(
            shop=shop, external_id=f"A-{number}", title=title, body=body, category=category, language="en"
        )


def _reviews(
    shop: Shop, sample: Sample, products: np.ndarray, customers: np.ndarray, orders: np.ndarray
) -> None:  # fmt: skip
    reviews = sample.talk.reviews
    frame = reviews.select(
        pl.lit(shop.pk).alias("shop"),
        "external_id",
        pl.Series("product", products[reviews["product"]]),
        pl.Series("customer", customers[reviews["customer"]]),
        pl.Series("order", orders[reviews["order"]]),
        "rating",
        "text",
        "at",
        "language",
        pl.lit(True).alias("verified"),
        pl.lit("sample").alias("source"),
    )
    upsert(Review, frame.columns, frame, key=("shop", "external_id"))


def _talks(shop: Shop, sample: Sample, customers: np.ndarray, orders: np.ndarray) -> None:
    talks = sample.talk.talks
    status = pl.when("answered").then(pl.lit(Conversation.Status.CLOSED)).otherwise(pl.lit(Conversation.Status.OPEN))
    frame = talks.select(
        pl.lit(shop.pk).alias("shop"),
        "external_id",
        look_up(talks["customer"], customers),
        pl.Series("order", orders[talks["order"]]),
        status.alias("status"),
        pl.lit("en").alias("language"),
        pl.col("at").alias("opened_at"),
        pl.when("answered").then(pl.col("at") + ANSWERED_AFTER).alias("closed_at"),
    )
    upsert(Conversation, frame.columns, frame, key=("shop", "external_id"))
    ids = pl.Series("conversation", ids_of(Conversation, shop, talks))
    asked = talks.select(
        pl.lit(shop.pk).alias("shop"),
        "external_id",
        ids,
        pl.lit(Message.Role.CUSTOMER).alias("role"),
        "text",
        "at",
    )
    upsert(Message, asked.columns, asked, key=("shop", "external_id"))
    number = pl.int_range(pl.len()) % len(REPLIES)
    replies = talks.select(
        pl.lit(shop.pk).alias("shop"),
        pl.format("{}-reply", "external_id").alias("external_id"),
        ids,
        pl.lit(Message.Role.AGENT).alias("role"),
        number.replace_strict(dict(enumerate(REPLIES)), return_dtype=pl.String).alias("text"),
        pl.col("at") + ANSWERED_AFTER,
        "answered",
    ).filter("answered")
    upsert(Message, replies.columns[:-1], replies.drop("answered"), key=("shop", "external_id"))
    sorted_out = talks.select(
        pl.lit(shop.pk).alias("shop"),
        pl.lit(INTENT).alias("task"),
        pl.lit(Label.Subject.MESSAGE).alias("subject_type"),
        pl.Series("subject_id", ids_of(Message, shop, talks)),
        pl.col("intent").alias("value"),
        pl.lit("sample").alias("source"),
        pl.col("at") + ANSWERED_AFTER,
        "labelled",
    ).filter("labelled")
    copy_rows(Label, sorted_out.columns[:-1], sorted_out.drop("labelled"))
