"""The customers of the sample shop: who they are, and the taste that only the generator knows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from commerce_ai.sample.goods import N_SHELVES, N_STYLES
from commerce_ai.sample.truth import (
    AGE_LEANING,
    GENDER_LEANING,
    GENDERS,
    HOMOPHILY,
    LEAVE,
    LEAVE_AFTER_DAYS,
    TASTE_SHAPE,
    TIES_EACH,
)
from commerce_ai.sample.words import COUNTRIES, FIRST_NAMES, LAST_NAMES


@dataclass(frozen=True)
class People:
    """Three tables, and arrays with a row a customer: `taste` over shelves (sums to 1), `style`, `activity` (mean 1).

    `stays` are the days, counted from the first, after which a customer never comes back.
    """

    customers: pl.DataFrame
    identities: pl.DataFrame
    ties: pl.DataFrame
    taste: np.ndarray
    style: np.ndarray
    activity: np.ndarray
    stays: np.ndarray


def make_people(rng: np.random.Generator, n: int, first_day: datetime) -> People:
    """`n` customers, each with two or three favourite shelves, one style, and their own eagerness.

    Age and gender lean their taste to some shelves, and who is tied to whom shares a favourite more often than not.
    """
    more = rng.spawn(1)[0]  # what came later draws from a stream of its own
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
    gender = more.choice(list(GENDERS), n, p=list(GENDERS.values()))
    age = first_day.year - customers["birth_year"].to_numpy()
    taste = rng.gamma(TASTE_SHAPE, 1.0, (n, N_SHELVES)) + 1e-3
    taste *= np.exp(_leaning(more, gender, age))
    style = rng.integers(0, N_STYLES, n)
    return People(
        customers=customers.with_columns(pl.Series("gender", gender.tolist(), pl.String)),
        ties=_ties(more, taste.argmax(axis=1) * N_STYLES + style, first_day),
        identities=pl.DataFrame({"customer": number[linked]}).with_columns(
            pl.format("a-{}", pl.col("customer") + 1).alias("anonymous_id"), pl.lit(True).alias("proven")
        ),
        taste=taste / taste.sum(axis=1, keepdims=True),
        style=style,
        activity=rng.gamma(0.8, 1.25, n),
        stays=np.where(rng.random(n) < LEAVE, rng.exponential(LEAVE_AFTER_DAYS, n), np.inf),
    )


def _leaning(rng: np.random.Generator, gender: np.ndarray, age: np.ndarray) -> np.ndarray:
    """What being of a gender and an age adds to the logarithm of the taste for each shelf."""
    of_gender = {name: rng.normal(0, GENDER_LEANING, N_SHELVES) for name in GENDERS if name}
    of_age = rng.normal(0, AGE_LEANING, N_SHELVES)
    table = np.array([of_gender.get(name, np.zeros(N_SHELVES)) for name in GENDERS])
    which = np.searchsorted(list(GENDERS), gender, sorter=(order := np.argsort(list(GENDERS))))
    return table[order[which]] + of_age * ((age - 42) / 12)[:, None]


def _ties(rng: np.random.Generator, circle: np.ndarray, first_day: datetime) -> pl.DataFrame:
    """customer, other (row numbers), kind, at: most within a `circle` of like taste, before the first day."""
    n = len(circle)
    customer = np.repeat(np.arange(n), rng.poisson(TIES_EACH, n))
    anybody = rng.integers(0, n, len(customer))
    order = np.argsort(circle, kind="stable")
    counts = np.bincount(circle, minlength=circle.max() + 1)
    begins = np.cumsum(counts) - counts
    own = circle[customer]
    alike = order[begins[own] + (rng.random(len(customer)) * counts[own]).astype(np.int64)]
    other = np.where(rng.random(len(customer)) < HOMOPHILY, alike, anybody)
    days = rng.exponential(150, len(customer))
    return (
        pl.DataFrame(
            {
                "customer": customer,
                "other": other,
                "kind": rng.choice(["follow", "referral", "gift"], len(customer), p=[0.6, 0.25, 0.15]),
                "at": [first_day - timedelta(days=each) for each in days.tolist()],
            },
            schema={"customer": pl.Int64, "other": pl.Int64, "kind": pl.String, "at": pl.Datetime("us", "UTC")},
        )
        .filter(pl.col("customer") != pl.col("other"))
        .unique(["customer", "other", "kind"], keep="first", maintain_order=True)
    )
