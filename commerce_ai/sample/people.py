"""The customers of the sample shop: who they are, and the taste that only the generator knows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from commerce_ai.sample.goods import N_SHELVES, N_STYLES
from commerce_ai.sample.truth import LEAVE, LEAVE_AFTER_DAYS, TASTE_SHAPE
from commerce_ai.sample.words import COUNTRIES, FIRST_NAMES, LAST_NAMES


@dataclass(frozen=True)
class People:
    """Two tables, and arrays with a row a customer: `taste` over shelves (sums to 1), `style`, `activity` (mean 1).

    `stays` are the days, counted from the first, after which a customer never comes back.
    """

    customers: pl.DataFrame
    identities: pl.DataFrame
    taste: np.ndarray
    style: np.ndarray
    activity: np.ndarray
    stays: np.ndarray


def make_people(rng: np.random.Generator, n: int, first_day: datetime) -> People:
    """`n` customers, each with two or three favourite shelves, one style, and their own eagerness."""
    number = np.arange(n)
    first, last = rng.integers(0, len(FIRST_NAMES), n), rng.integers(0, len(LAST_NAMES), n)
    names = [f"{FIRST_NAMES[f]} {LAST_NAMES[s]}" for f, s in zip(first.tolist(), last.tolist(), strict=True)]
    known_days = rng.exponential(200, n)
    linked = rng.random(n) < 0.85
    customers = pl.DataFrame(
        {
            "external_id": [f"C{each:06d}" for each in number + 1],
            "name": names,
            "email": [
                f"{name.lower().replace(' ', '.')}.{each}@example.com"
                for name, each in zip(names, (number + 1).tolist(), strict=True)
            ],
            "country": rng.choice(list(COUNTRIES), n, p=list(COUNTRIES.values())).tolist(),
            "birth_year": (first_day.year - 18 - rng.gamma(4, 6, n).clip(0, 70)).astype(np.int64),
            "created_at": [first_day - timedelta(days=each) for each in known_days.tolist()],
        },
        schema_overrides={"created_at": pl.Datetime("us", "UTC")},
    )
    taste = rng.gamma(TASTE_SHAPE, 1.0, (n, N_SHELVES)) + 1e-3
    return People(
        customers=customers,
        identities=pl.DataFrame({"customer": number[linked]}).with_columns(
            pl.format("a-{}", pl.col("customer") + 1).alias("anonymous_id"), pl.lit(True).alias("proven")
        ),
        taste=taste / taste.sum(axis=1, keepdims=True),
        style=rng.integers(0, N_STYLES, n),
        activity=rng.gamma(0.8, 1.25, n),
        stays=np.where(rng.random(n) < LEAVE, rng.exponential(LEAVE_AFTER_DAYS, n), np.inf),
    )
