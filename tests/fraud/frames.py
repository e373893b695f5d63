"""Small streams of payments with a pattern that a fraud model should find."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from plugins.fraud.learner import INPUTS

START = datetime(2026, 1, 5, tzinfo=UTC)


def payments(count: int = 3000, days: int = 60, seed: int = 0) -> pl.DataFrame:
    """Honest customers all along; every third day a device makes a burst of fraud, and dear payments are fraud."""
    random = np.random.default_rng(seed)
    at = np.sort(random.random(count) * days)
    customer = random.integers(0, 80, count)
    rows = [
        (day, int(who), 1000 + int(who) // 2 if n % 3 else 10_000 + n // 6, round(float(random.gamma(2, 20)), 2), 0)
        for n, (day, who) in enumerate(zip(at, customer, strict=True))
    ]
    for ring in range(days // 3):
        begin = 3 * ring + float(random.random())
        rows += [
            (begin + turn / 100, int(random.integers(0, 80)), 5000 + ring, round(float(random.gamma(2, 30)), 2), 1)
            for turn in range(12)
        ]
    rows += [(float(random.random() * days), int(random.integers(0, 80)), 1000, 900.0, 1) for _ in range(20)]
    rows.sort()
    frame = pl.DataFrame(
        [(n, START + timedelta(days=day), *rest) for n, (day, *rest) in enumerate(rows)],
        schema=["transaction_id", "timestamp", "customer_id", "terminal_id", "amount", "is_fraud"],
        orient="row",
    )
    return INPUTS.check(frame, "payments")


def stream(*rows: tuple, **columns: list) -> pl.DataFrame:
    """Rows of (day, customer, terminal, amount, is_fraud)."""
    frame = pl.DataFrame(
        [(n, START + timedelta(days=day), *rest) for n, (day, *rest) in enumerate(rows)],
        schema={"transaction_id": pl.Int64, "timestamp": pl.Datetime("us", "UTC"), "customer_id": pl.Int64,
                "terminal_id": pl.Int64, "amount": pl.Float64, "is_fraud": pl.Int64},
        orient="row",
    )  # fmt: skip
    return INPUTS.check(frame.with_columns(**{name: pl.Series(each) for name, each in columns.items()}), "rows")
