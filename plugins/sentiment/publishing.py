"""What others read of judged texts: their days in `DailyMetric`, and each product's `ProductSignal`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import polars as pl
from django.db import transaction
from django.utils import timezone

from commerce_ai.shop import bulk
from commerce_ai.shop.models import DailyMetric, ProductSignal, Shop
from plugins.sentiment import queries

SIGNAL_DAYS = 180


def count_days(shop_id: int, days: Iterable[date]) -> None:
    """Count the judged texts of some of the shop's days into `DailyMetric`."""
    wanted = sorted(set(days))
    if not wanted:
        return
    counts = queries.counted(shop_id, wanted)
    rows = [
        (shop_id, row["day"], name, row["dimension"][:255], float(row[column]))
        for row in counts.iter_rows(named=True)
        for name, column in ((queries.TEXTS, "texts"), (queries.NEGATIVES, "negative"))
    ]
    names = queries.TEXTS, queries.NEGATIVES
    with transaction.atomic():
        # A topic or product that a day no longer speaks of must not keep its old count.
        DailyMetric.objects.of(shop_id).filter(name__in=names, day__in=wanted).delete()
        bulk.copy_rows(DailyMetric, ("shop", "day", "name", "dimension", "value"), rows)


def publish_signals(shop: Shop, version_id: int | None) -> int:
    """`ProductSignal` of every product that the last months' texts speak of; how many."""
    now = timezone.now()
    rows = queries.spoken_of_products(shop.pk, now.astimezone(shop.tz).date() - timedelta(days=SIGNAL_DAYS))
    whole = {row["product_id"]: row for row in rows.filter(pl.col("topic") == "").iter_rows(named=True)}
    aspects: dict[int, dict[str, Any]] = {product: {} for product in whole}
    for row in rows.filter(pl.col("topic") != "").iter_rows(named=True):
        aspects[row["product_id"]][row["topic"]] = {"sentiment": round(row["sentiment"], 4), "texts": row["texts"]}
    bulk.upsert(
        ProductSignal,
        ("shop", "product", "sentiment", "texts", "aspects", "version_id", "as_of"),
        [
            (shop.pk, product, round(row["sentiment"], 6), row["texts"], aspects[product], version_id, now)
            for product, row in whole.items()
        ],
        key=("product",),
    )
    return len(whole)
