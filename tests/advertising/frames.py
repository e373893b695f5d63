"""Small worlds whose truth is known: a campaign that persuades some people only, and buyers who leave one day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from plugins.advertising.learner import CONTACTED
from plugins.advertising.valuing import ORDERS

START = date(2025, 1, 1)


def contacted(customers: int = 3000, seed: int = 0, treated: float = 0.5, effect: float = 0.3) -> pl.DataFrame:
    """A campaign that adds `effect` for people of the south, and nothing for those of the north."""
    random = np.random.default_rng(seed)
    south = random.random(customers) < 0.4
    active = random.random(customers)
    treatment = (random.random(customers) < treated).astype(int)
    chance = 0.1 + 0.4 * active * ~south + effect * treatment * south
    frame = pl.DataFrame(
        {
            "customer_id": np.arange(customers) + 100,
            "treatment": treatment,
            "outcome": (random.random(customers) < chance).astype(int),
            "region": np.where(south, "south", "north"),
            "activity": active,
            "noise": random.random(customers),
        }
    )
    return CONTACTED.check(frame, "contacted")


def bought(customers: int = 400, seed: int = 0, days: int = 360) -> pl.DataFrame:
    """Orders by the story that BG/NBD tells (r 0.8, α 6, a 1, b 4, weeks), over `days`."""
    random = np.random.default_rng(seed)
    rows = []
    for customer in range(customers):
        at, rate = float(random.random() * days * 0.4), random.gamma(0.8, 1 / 6) / 7
        leaves, usual = random.beta(1.0, 4.0), random.gamma(6, 5)
        while at < days:
            rows.append((customer + 1, START + timedelta(days=int(at)), float(random.gamma(8, usual / 8))))
            if random.random() < leaves and len(rows) > 1 and rows[-2][0] == customer + 1:
                break
            at += random.exponential(1 / rate)
    frame = pl.DataFrame(rows, schema=["customer_id", "date", "amount"], orient="row")
    return ORDERS.check(frame, "bought")


def instant(day: int, hour: int = 12) -> datetime:
    return datetime(2026, 1, 1, hour, tzinfo=UTC) + timedelta(days=day)
