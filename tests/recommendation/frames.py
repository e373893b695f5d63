"""Small shops with a pattern that a recommender should find."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from plugins.recommendation.learner import INTERACTIONS

START = datetime(2024, 1, 1, tzinfo=UTC)


def clubs(customers: int = 120, clubs: int = 4, products: int = 10, meetings: int = 8, seed: int = 0) -> pl.DataFrame:
    """Customers who only buy the products of their own club, over 100 days; a few products sell better than others."""
    random = np.random.default_rng(seed)
    popular = 1 / np.arange(1, products + 1)
    rows = []
    for customer in range(customers):
        for product in random.choice(products, meetings, replace=False, p=popular / popular.sum()):
            at = START + timedelta(days=float(random.random() * 100))
            rows.append((1000 + customer, 100 * (customer % clubs) + int(product), at))
    frame = pl.DataFrame(rows, schema=["customer_id", "product_id", "timestamp"], orient="row")
    return INTERACTIONS.check(frame.sort("timestamp"), "clubs")


def meetings(*rows: tuple, **columns: list) -> pl.DataFrame:
    """Rows of (customer, product, day)."""
    frame = pl.DataFrame(
        [(customer, product, START + timedelta(days=day)) for customer, product, day in rows],
        schema=["customer_id", "product_id", "timestamp"],
        orient="row",
    )
    return INTERACTIONS.check(frame.with_columns(**{name: pl.Series(each) for name, each in columns.items()}), "rows")
