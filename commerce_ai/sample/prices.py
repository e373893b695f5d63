"""Prices of the sample shop through its weeks, and how demand answers them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np
import polars as pl

from commerce_ai.sample.goods import N_SHELVES, Goods
from commerce_ai.sample.truth import DISPLAY, ELASTICITY, ELASTICITY_SD, PRICES_START

CHANGES = 0.3  # a product's price changes from one week to the next
PROMOTED_WEEKS = 0.4  # weeks in which one shelf is reduced
REDUCTIONS = (0.15, 0.25)


@dataclass(frozen=True)
class Prices:
    """`price` and `promoted` have a row a product and a column a week; weeks begin on Mondays.

    `elasticity` (one a product) is the generator's alone, as is `demand`: what price and announcement do to the
    chance of a cart, 1 at the usual price.
    """

    price: np.ndarray
    promoted: np.ndarray
    demand: np.ndarray
    elasticity: np.ndarray
    week: np.ndarray
    changes: pl.DataFrame
    promotions: pl.DataFrame

    def before(self, now: datetime, days: int) -> Prices:
        """Without the weeks that begin later; `days` are over."""
        weeks = int(self.week[min(days, len(self.week) - 1)]) + 1
        return replace(
            self,
            price=self.price[:, :weeks], promoted=self.promoted[:, :weeks], demand=self.demand[:, :weeks],
            week=self.week[:days],
            changes=self.changes.filter(pl.col("starts_at") <= now),
            promotions=self.promotions.filter(pl.col("starts_at") <= now),
        )  # fmt: skip

    def at(self, product: np.ndarray, day: np.ndarray) -> np.ndarray:
        """What each product cost on each day (numbers from 0)."""
        return self.price[product, self.week[day]]


def make_prices(rng: np.random.Generator, goods: Goods, midnights: list[datetime], first_day: date) -> Prices:
    """Weekly prices on the days that begin at `midnights`; the last entry is the end of the last day."""
    days = len(midnights) - 1
    ordinal = first_day.toordinal() + np.arange(days)
    week = (ordinal - 1) // 7 - (ordinal[0] - 1) // 7  # the first ordinal was a Monday
    n, weeks = len(goods.price), int(week[-1]) + 1
    shelf = np.arange(n) % N_SHELVES
    of_shelf = -rng.uniform(-ELASTICITY[1], -ELASTICITY[0], N_SHELVES)
    elasticity = np.clip(of_shelf[shelf] + rng.normal(0, ELASTICITY_SD, n), *ELASTICITY)

    changes = rng.random((n, weeks)) < CHANGES
    changes[:, 0] = True
    level = np.exp(rng.normal(0, PRICES_START, (n, weeks)))
    last = np.maximum.accumulate(np.where(changes, np.arange(weeks), 0), axis=1)
    usual = np.take_along_axis(level, last, axis=1) * goods.price[:, None]
    promoted, promotions = _promotions(rng, shelf, weeks)
    price = np.maximum(np.round(usual * (1 - promoted)) - 0.10, np.round(goods.cost[:, None] * 1.05, 2) + 0.05)
    price = price.round(2)
    relative = price / goods.price[:, None]
    demand = relative ** elasticity[:, None] * np.where(promoted > 0, DISPLAY, 1.0)
    begins = [int(np.flatnonzero(week == each)[0]) for each in range(weeks)]
    instants = [midnights[each] for each in begins] + [midnights[-1]]
    return Prices(
        price, promoted, demand, elasticity, week,
        _changes(price, promoted, instants),
        promotions.with_columns(
            pl.Series("starts_at", [instants[w] for w in promotions["week"].to_list()], pl.Datetime("us", "UTC")),
            pl.Series("ends_at", [instants[w + 1] for w in promotions["week"].to_list()], pl.Datetime("us", "UTC")),
        ),
    )  # fmt: skip


def _promotions(rng: np.random.Generator, shelf: np.ndarray, weeks: int) -> tuple[np.ndarray, pl.DataFrame]:
    """Share taken off by product and week; never in the running week, so that today's prices are the usual ones."""
    chosen = np.flatnonzero(rng.random(weeks) < PROMOTED_WEEKS)
    chosen = chosen[chosen < weeks - 1]
    shelves = rng.integers(0, N_SHELVES, len(chosen))
    off = rng.uniform(*REDUCTIONS, len(chosen)).round(2)
    promoted = np.zeros((len(shelf), weeks))
    for week, which, share in zip(chosen.tolist(), shelves.tolist(), off.tolist(), strict=True):
        promoted[shelf == which, week] = share
    return promoted, pl.DataFrame(
        {"week": chosen, "shelf": shelves, "percent": (off * 100).round()},
        schema={"week": pl.Int64, "shelf": pl.Int64, "percent": pl.Float64},
    )


def _changes(price: np.ndarray, promoted: np.ndarray, instants: list[datetime]) -> pl.DataFrame:
    """One row a change: product, price, previous_price, prior_price (the lowest of 30 days, for reductions), kind."""
    before = np.concatenate([np.full((len(price), 1), np.nan), price[:, :-1]], axis=1)
    product, week = np.nonzero(price != before)
    lowest = np.stack(
        [np.nanmin(before[:, max(0, w - 3) : w + 1], axis=1) if w else price[:, 0] for w in range(price.shape[1])], 1
    )
    reduced = promoted[product, week] > 0
    previous = before[product, week]
    return pl.DataFrame(
        {
            "product": product,
            "week": week,
            "price": price[product, week],
            "previous_price": pl.Series(previous).fill_nan(None),
            "prior_price": pl.Series(np.where(reduced, lowest[product, week], np.nan)).fill_nan(None),
            "kind": np.where(reduced, "reduction", "change"),
            "starts_at": pl.Series([instants[each] for each in week.tolist()], dtype=pl.Datetime("us", "UTC")),
        }
    )
