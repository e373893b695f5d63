"""A letter that the sample shop sent to half of its customers by chance, and what it did to whom."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from commerce_ai.sample.people import People
from commerce_ai.sample.truth import DRAWN_STYLES, EXTRA_VISITS

BEFORE_END_DAYS = 45
WORKS_DAYS = 12
REACHED = 0.5


@dataclass(frozen=True)
class Campaigns:
    """`assigned` (customer, treated, at) and the visits that the letter caused: `extra` customers on `extra_day`.

    `uplift` is the generator's alone: mean extra visits of each customer if reached.
    """

    assigned: pl.DataFrame
    extra: np.ndarray
    extra_day: np.ndarray
    uplift: np.ndarray
    sent_at: datetime

    def before(self, now: datetime) -> Campaigns:
        """Without whom it was sent to later."""
        return replace(self, assigned=self.assigned.filter(pl.col("at") < now))


def make_campaigns(rng: np.random.Generator, people: People, midnights: list[datetime]) -> Campaigns:
    """One letter, some weeks before the end; on a shop younger than that, at the beginning."""
    days, n = len(midnights) - 1, len(people.style)
    day = max(days - BEFORE_END_DAYS, 0)
    drawn = np.isin(people.style, DRAWN_STYLES)
    uplift = np.where(drawn, EXTRA_VISITS[True], EXTRA_VISITS[False])
    treated = rng.random(n) < REACHED
    extra = np.repeat(np.arange(n), np.where(treated, rng.poisson(uplift), 0))
    extra_day = np.minimum(day + 1 + rng.integers(0, WORKS_DAYS, len(extra)), days - 1)
    sent_at = midnights[day] + timedelta(hours=9)
    assigned = pl.DataFrame({"customer": np.arange(n), "treated": treated}).with_columns(
        pl.lit(sent_at, pl.Datetime("us", "UTC")).alias("at")
    )
    return Campaigns(assigned, extra, extra_day, uplift, sent_at)
