"""What happens in the sample shop: views, carts and orders; array operations, no loop over visits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from commerce_ai.sample.campaigns import Campaigns
from commerce_ai.sample.goods import N_SHELVES, N_STYLES, Goods
from commerce_ai.sample.people import People
from commerce_ai.sample.prices import Prices
from commerce_ai.sample.truth import (
    BOUNCES,
    CARTS,
    CHECKS_OUT,
    DWELL,
    DWELL_QUALITY,
    DWELL_SD,
    FOLLOWS,
    GIVES_UP,
    KEEPS_STYLE,
    LOGGED_IN,
    QUALITY,
    STRANGERS,
)

MOST_VIEWS = 12
DAY_S = 86_400
# By hour of the day, in the shop's own time: mornings, lunch, long evenings.
# The last visit of an evening ends before midnight: less than an hour from the first view to the order.
HOURS = np.array([1, 0.5, 0.3, 0.2, 0.2, 0.4, 1, 2, 3, 4, 4, 4, 5, 5, 4, 4, 4, 5, 6, 8, 9, 8, 5, 2.5])
WEEKDAYS = np.array([1.0, 0.95, 0.95, 1.0, 1.05, 1.25, 1.35])


@dataclass(frozen=True)
class Happenings:
    """Frames; `customer` (null: unknown) and `product` are row numbers of their tables, `at` an instant in UTC."""

    events: pl.DataFrame
    orders: pl.DataFrame
    lines: pl.DataFrame

    def before(self, now: datetime) -> Happenings:
        """Without what came later. Orders lie in the order of time, so that their row numbers stay."""
        orders = self.orders.filter(pl.col("at") < now)
        return Happenings(
            self.events.filter(pl.col("at") < now), orders, self.lines.filter(pl.col("order") < len(orders))
        )


def make_happenings(
    rng: np.random.Generator,
    goods: Goods,
    people: People,
    prices: Prices,
    campaigns: Campaigns,
    midnights: list[datetime],
    visits_each: float,
) -> Happenings:
    """Visits on the days between `midnights` (instants of the shop's midnights), `visits_each` a customer over all."""
    views = _views(rng, goods, people, prices, campaigns, midnights, visits_each)
    carts = _carts(rng, goods, prices, views)
    orders, lines = _orders(rng, carts)
    # Streams of their own: whoever only passes by, or gives up at the till, leaves everybody else's visits as they are.
    passing_by, giving_up = rng.spawn(2)
    passing = _passing_by(passing_by, goods, prices, midnights, views)
    checkouts = _checkouts(giving_up, carts, orders)
    events = _events(pl.concat([views, passing]), carts, checkouts, orders)
    return Happenings(events=events, orders=orders, lines=lines)


def _views(
    rng: np.random.Generator,
    goods: Goods,
    people: People,
    prices: Prices,
    campaigns: Campaigns,
    midnights: list[datetime],
    visits_each: float,
) -> pl.DataFrame:
    """One row a product view: visit, visitor, customer (null: a stranger), logged_in, product, price, week, at."""
    n_customers = len(people.style)
    usual = np.repeat(np.arange(n_customers), rng.poisson(people.activity * visits_each))
    known = np.concatenate([usual, campaigns.extra])
    strange = rng.integers(0, n_customers, int(len(known) * STRANGERS / (1 - STRANGERS)))
    like = np.concatenate([known, strange])  # whose taste the visitor has
    stranger = np.arange(len(like)) >= len(known)
    weight = _weight_of_days(midnights)
    day = rng.choice(len(weight), len(like), p=weight)
    day[len(usual) : len(known)] = campaigns.extra_day
    still = stranger | (day <= people.stays[like])
    like, stranger, day = like[still], stranger[still], day[still]
    start = _starts(rng, day, midnights)
    count = np.minimum(1 + rng.geometric(0.28, len(like)), MOST_VIEWS)

    visit = np.repeat(np.arange(len(like)), count)
    step = np.arange(len(visit)) - np.repeat(np.cumsum(count) - count, count)
    product = _choose(rng, goods, people, like[visit])
    follows = np.flatnonzero((step > 0) & (rng.random(len(visit)) < FOLLOWS))
    product[follows] = goods.companion[product[follows - 1]]
    seconds = start[visit] + step * rng.uniform(20, 60, len(visit))
    # Better goods are looked at longer. What came later draws from a stream of its own.
    dwell = rng.spawn(1)[0].lognormal(DWELL, DWELL_SD, len(visit)) * np.exp(DWELL_QUALITY * goods.quality[product])
    frame = pl.DataFrame(
        {
            "visit": visit,
            "customer": pl.Series(like[visit]).set(pl.Series(stranger[visit]), None),
            "logged_in": (~stranger & (rng.random(len(like)) < LOGGED_IN))[visit],
            "product": product,
            "price": prices.at(product, day[visit]),
            "week": prices.week[day[visit]],
            "dwell_s": np.clip(np.round(dwell), 2, 600).astype(np.int64),
            "at": (seconds * 1e6).astype(np.int64),
        }
    )
    return _named(frame).filter(pl.Series(goods.sellable[product]))


def _passing_by(
    rng: np.random.Generator, goods: Goods, prices: Prices, midnights: list[datetime], views: pl.DataFrame
) -> pl.DataFrame:
    """Strangers who look at one product, mostly a popular one, and leave: `BOUNCES` for each other visit."""
    n, weight = round(BOUNCES * views["visit"].n_unique()), _weight_of_days(midnights)
    sellable = np.flatnonzero(goods.sellable)
    product = rng.choice(sellable, n, p=goods.pull[sellable] / goods.pull[sellable].sum())
    day = rng.choice(len(weight), n, p=weight)
    dwell = rng.lognormal(DWELL, DWELL_SD, n) * np.exp(DWELL_QUALITY * goods.quality[product]) / 2
    first = int(views["visit"].max() or 0) + 1 if len(views) else 0  # type: ignore[arg-type]
    return _named(
        pl.DataFrame(
            {
                "visit": np.arange(first, first + n),
                "customer": pl.Series([None] * n, dtype=pl.Int64),
                "logged_in": np.zeros(n, dtype=bool),
                "product": product,
                "price": prices.at(product, day),
                "week": prices.week[day],
                "dwell_s": np.clip(np.round(dwell), 2, 600).astype(np.int64),
                "at": (_starts(rng, day, midnights) * 1e6).astype(np.int64),
            }
        )
    )


def _named(views: pl.DataFrame) -> pl.DataFrame:
    """With the browser's name of each visitor, and instants as such."""
    visitor = pl.when(pl.col("customer").is_null()).then(pl.format("v-{}", "visit"))
    return views.with_columns(
        visitor.otherwise(pl.format("a-{}", pl.col("customer") + 1)).alias("anonymous_id"),
        pl.col("at").cast(pl.Datetime("us", "UTC")),
    )


def _weight_of_days(midnights: list[datetime]) -> np.ndarray:
    # By noon it is the same day in UTC as in the shop.
    weekday = [(each + timedelta(hours=12)).weekday() for each in midnights[:-1]]
    weight = WEEKDAYS[weekday] * np.linspace(0.9, 1.1, len(weekday))
    return weight / weight.sum()


def _starts(rng: np.random.Generator, day: np.ndarray, midnights: list[datetime]) -> np.ndarray:
    """Instants on the days (row numbers): a day of 23 or 25 hours is lived through as quickly or as slowly."""
    midnight = np.array([each.timestamp() for each in midnights])
    clock = rng.choice(24, len(day), p=HOURS / HOURS.sum()) * 3600 + rng.random(len(day)) * 2600
    return midnight[day] + clock * np.diff(midnight)[day] / DAY_S


def _choose(rng: np.random.Generator, goods: Goods, people: People, like: np.ndarray) -> np.ndarray:
    """A product for each view: a shelf by taste, mostly the own style, then by popularity within."""
    cumulated = people.taste.cumsum(axis=1)
    # One row of thresholds a view would be large: add the row number instead and search once in the flat array.
    flat = (cumulated / cumulated[:, -1:] * (1 - 1e-12) + np.arange(len(cumulated))[:, None]).ravel()
    shelf = np.minimum(
        np.searchsorted(flat, like + rng.random(len(like)), side="right") - like * N_SHELVES, N_SHELVES - 1
    )
    keeps = rng.random(len(like)) < KEEPS_STYLE
    style = np.where(keeps, people.style[like], rng.integers(0, N_STYLES, len(like)))
    order = np.argsort(goods.bucket, kind="stable")
    reach = goods.pull[order].cumsum()
    bucket = shelf * N_STYLES + style
    ends = np.searchsorted(goods.bucket[order], np.arange(N_SHELVES * N_STYLES), side="right")
    high = reach[ends - 1]
    low = np.concatenate([[0.0], high[:-1]])
    at = np.searchsorted(reach, low[bucket] + rng.random(len(like)) * (high - low)[bucket], side="right")
    return order[np.minimum(at, ends[bucket] - 1)]


def _carts(rng: np.random.Generator, goods: Goods, prices: Prices, views: pl.DataFrame) -> pl.DataFrame:
    """The views after which the product went into the cart, once a visit and product, a few seconds later."""
    product = views["product"].to_numpy()
    chance = CARTS * np.exp(QUALITY * goods.quality[product]) * prices.demand[product, views["week"].to_numpy()]
    return (
        views.filter(pl.Series(rng.random(len(views)) < chance))
        .unique(["visit", "product"], keep="first", maintain_order=True)
        .with_columns(pl.col("at") + pl.duration(seconds=8))
    )


def _orders(rng: np.random.Generator, carts: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    visits = carts["visit"].unique(maintain_order=True)
    paid = visits.filter(pl.Series(rng.random(len(visits)) < CHECKS_OUT))
    bought = carts.filter(pl.col("visit").is_in(paid.implode())).sort("visit", "at")
    lines = bought.select(
        "visit",
        "product",
        pl.Series("quantity", 1 + (rng.random(len(bought)) < 0.15)),
        pl.col("price").alias("unit_price"),
    ).with_columns((pl.int_range(pl.len()).over("visit") + 1).alias("position"))
    orders = (
        bought.group_by("visit", maintain_order=True)
        .agg(pl.col("customer", "anonymous_id").first(), (pl.col("at").max() + pl.duration(seconds=150)).alias("at"))
        .join(
            lines.group_by("visit").agg((pl.col("quantity") * pl.col("unit_price")).sum().alias("goods")),
            on="visit", maintain_order="left",
        )
        .sort("at", "visit")
        .with_row_index("number", 1)
    )  # fmt: skip
    shipping = pl.when(pl.col("goods") >= 50).then(0.0).otherwise(4.9)
    orders = orders.select(
        pl.format("O-{}", pl.col("number") + 10_000).alias("external_id"),
        "visit", "customer", "anonymous_id", "at",
        shipping.alias("shipping"), (pl.col("goods") + shipping).round(2).alias("total"),
    )  # fmt: skip
    where = orders.select("visit", pl.int_range(pl.len()).alias("order"))
    return orders, lines.join(where, on="visit", maintain_order="left").drop("visit")


def _checkouts(rng: np.random.Generator, carts: pl.DataFrame, orders: pl.DataFrame) -> pl.DataFrame:
    """The till is reached by everybody who orders, and by some who then leave."""
    last = carts.sort("at", "visit").unique("visit", keep="last", maintain_order=True)
    paid = last["visit"].is_in(orders["visit"].implode())
    return last.filter(paid | pl.Series(rng.random(len(last)) < GIVES_UP)).with_columns(
        pl.col("at") + pl.duration(seconds=60)
    )


def _events(views: pl.DataFrame, carts: pl.DataFrame, checkouts: pl.DataFrame, orders: pl.DataFrame) -> pl.DataFrame:
    """The tracking words for what happened, in order of time; `order` is set on completed orders only."""
    seen = pl.col("customer").is_not_null() & pl.col("logged_in")
    named = pl.when(seen).then(pl.col("customer")).alias("customer")
    columns: list[str | pl.Expr] = ["visit", "anonymous_id", named, "product", "price", "at"]
    none, nothing = pl.lit(None, pl.Int64), pl.lit(None, pl.Float64)
    untimed = none.alias("dwell_s")
    happened = [
        views.select(pl.lit("Product Viewed").alias("name"), *columns, "dwell_s", none.alias("order")),
        carts.select(pl.lit("Product Added").alias("name"), *columns, untimed, none.alias("order")),
        checkouts.select(pl.lit("Checkout Started").alias("name"), "visit", "anonymous_id", named,
                         none.alias("product"), nothing.alias("price"), "at", untimed, none.alias("order")),
        # Whoever orders says who they are.
        orders.select(pl.lit("Order Completed").alias("name"), "visit", "anonymous_id", "customer",
                      none.alias("product"), nothing.alias("price"), "at", untimed,
                      pl.int_range(pl.len()).alias("order")),
    ]  # fmt: skip
    return pl.concat(happened).sort("at", "visit", maintain_order=True)
