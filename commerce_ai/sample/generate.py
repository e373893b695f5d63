"""A made-up shop as frames, without any database: the same for the same seed, size and day."""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from commerce_ai.sample.campaigns import Campaigns, make_campaigns
from commerce_ai.sample.goods import Goods, make_goods
from commerce_ai.sample.payments import Payments, make_payments
from commerce_ai.sample.people import People, make_people
from commerce_ai.sample.prices import Prices, make_prices
from commerce_ai.sample.stock import make_stock
from commerce_ai.sample.talk import Talk, make_talk
from commerce_ai.sample.visits import Happenings, make_happenings

TIMEZONE = "Europe/Berlin"


@dataclass(frozen=True)
class Size:
    """How much there is of it. `visits_each`: visits of an average customer over all `days`.

    With `day` the shop is as it stood when so many of its days were over: what came later is not there, and day 7 goes
    on from day 1.
    """

    products: int = 240
    customers: int = 2000
    days: int = 120
    visits_each: float = 14.0
    day: int | None = None

    def __post_init__(self) -> None:
        if self.day is not None and not 0 <= self.day <= self.days:
            raise ValueError(f"the day is one of 0 to {self.days}, not {self.day}")
        if self.customers < 1 or self.days < 1 or self.visits_each <= 0:
            raise ValueError(f"a shop needs customers, days and visits: {self}")


DEMO = Size()
TINY = Size(products=96, customers=120, days=60, visits_each=12.0)  # for tests
SMALL = Size(products=3000, customers=7000, days=90, visits_each=3.0)  # some 40 orders a day
SERVING = Size(products=100_000, customers=200_000, days=90, visits_each=2.6)  # for measuring answers
PRESETS = {"demo": DEMO, "small": SMALL, "large": SERVING}


@dataclass(frozen=True)
class Sample:
    """All of it. Rows name each other by row number: `product`, `customer`, `order`, `supplier`."""

    goods: Goods
    people: People
    prices: Prices
    campaigns: Campaigns
    happenings: Happenings
    payments: Payments
    talk: Talk
    until: datetime

    def interactions(self) -> pl.DataFrame:
        """What people did with products: customer_id, product_id (row numbers), weight, at.

        A view weighs 1, a cart 3, an order line 5. Only of those whose name is known in the end: every visit of a
        linked customer, as a shop sees it.
        """
        seen = self.happenings.events.filter(pl.col("product").is_not_null()).join(
            self.people.identities, on="anonymous_id", how="inner", suffix="_linked"
        )
        weight = pl.when(pl.col("name") == "Product Added").then(3.0).otherwise(1.0)
        orders = self.happenings.orders.select(pl.int_range(pl.len()).alias("order"), "customer", "at")
        bought = self.happenings.lines.join(orders, on="order").filter(pl.col("customer").is_not_null())
        return pl.concat(
            [
                seen.select(
                    pl.col("customer_linked").alias("customer_id"),
                    pl.col("product").alias("product_id"),
                    weight.alias("weight"),
                    "at",
                ),
                bought.select(
                    pl.col("customer").alias("customer_id"),
                    pl.col("product").alias("product_id"),
                    pl.lit(5.0).alias("weight"),
                    "at",
                ),
            ]
        ).sort("at", "customer_id", "product_id")


def generate(seed: int = 1, size: Size = DEMO, until: date | None = None) -> Sample:
    """The shop as it stands at the beginning of the day `until` (default: today, in the shop's time zone).

    Everything happened on the `size.days` days before. About a second for the default size.
    """
    zone = zoneinfo.ZoneInfo(TIMEZONE)
    shown = size.days if size.day is None else size.day
    last = (until or datetime.now(zone).date()) + timedelta(days=size.days - shown)
    midnights = [_midnight(last - timedelta(days=back), zone) for back in range(size.days, -1, -1)]
    # A stream of its own for each part: another number of customers leaves the products as they are.
    streams = [np.random.default_rng([seed, part]) for part in range(8)]
    goods = make_goods(streams[0], size.products, midnights[0])
    people = make_people(streams[1], size.customers, midnights[0])
    prices = make_prices(streams[3], goods, midnights, last - timedelta(days=size.days))
    campaigns = make_campaigns(streams[7], people, midnights)
    happenings = make_happenings(streams[2], goods, people, prices, campaigns, midnights, size.visits_each)
    orders, lines = happenings.orders, happenings.lines
    payments = make_payments(streams[4], people, orders, midnights)
    talk = make_talk(streams[5], goods, people, orders, lines, midnights)
    now = midnights[shown]
    if shown < size.days:
        prices, campaigns = prices.before(now, shown), campaigns.before(now)
        happenings, payments, talk = happenings.before(now), payments.before(now), talk.before(now)
    goods = replace(goods, stock=make_stock(streams[6], goods, happenings.orders, happenings.lines, now))
    return Sample(goods, people, prices, campaigns, happenings, payments, talk, now)


def _midnight(day: date, zone: zoneinfo.ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
