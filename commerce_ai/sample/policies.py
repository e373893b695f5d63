"""What may choose the lists of a made-up shop without any database: random, bestsellers, the recommender, an oracle.

Policies see facts only: who met which product when, what is on sale, what this visitor did. The recommender is the
plugin's own code behind its service (`sources.fill` over the versions of a learner, bestsellers behind them), fitted
as a training run fits it, on the frame that its queries would read. The oracle alone is given the truth.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl

from commerce_ai import registry
from commerce_ai.learning.learner import Silent
from commerce_ai.learning.live import LiveVersion
from commerce_ai.learning.recipe import recipe_of
from commerce_ai.sample.choice import Draw
from commerce_ai.sample.generate import Sample
from commerce_ai.sample.truth import Floats, Rows, Truth
from commerce_ai.sample.visitors import Line, Shown, Visitor
from commerce_ai.shop.catalogue import Catalogue
from plugins.recommendation import sources
from plugins.recommendation.assortment import EVERYTHING, Assortment

ITEMS = 10  # of a list, as the plugin's settings have it
BESTSELLER_DAYS, MOST_BESTSELLERS = 90, 1000
REMEMBERED, REMEMBERED_DAYS = 50, 30  # product events of a visitor that a running shop has at hand
KINDS = {"Product Viewed": "view", "Product Added": "cart"}


@dataclass(frozen=True)
class Facts:
    """What a shop knows at the end of the history: `interactions` as the plugin's queries give them (customers and
    products by row number, strangers below zero), `bestsellers` (best first), `recent` views by customer, `price`."""

    interactions: pl.DataFrame
    bestsellers: Rows
    recent: dict[int, tuple[Rows, Floats]]
    price: Floats
    sellable: Rows


class Policy(Protocol):
    name: str

    def rank(self, who: Visitor, placement: str, context: list[int], session: list[int]) -> Rows:
        """Up to ten products, best first. `session`: those that were looked at in this visit, oldest first."""
        ...


def facts_of(sample: Sample) -> Facts:
    """The facts of a generated shop, without a database."""
    goods = sample.goods
    sellable = np.flatnonzero(goods.sellable)
    active = pl.Series(np.flatnonzero(goods.products["active"].to_numpy()))
    rows = _interactions(sample).filter(pl.col("product_id").is_in(active.implode()))
    return Facts(rows, _bestsellers(sample), _recent(sample, rows), sample.prices.price[:, -1], sellable)


def _interactions(sample: Sample) -> pl.DataFrame:
    """customer_id, product_id, timestamp, kind; whoever is never named stays apart, under a number below zero."""
    named = sample.people.identities.select("anonymous_id", pl.col("customer").alias("linked"))
    events = sample.happenings.events.filter(pl.col("name").is_in(list(KINDS))).join(
        named, on="anonymous_id", how="left", maintain_order="left"
    )
    stranger = -1 - pl.col("anonymous_id").rank("dense").cast(pl.Int64)
    orders = sample.happenings.orders.select(
        pl.int_range(pl.len()).alias("order"), "customer", "anonymous_id", pl.col("at").alias("timestamp")
    )
    bought = sample.happenings.lines.join(orders, on="order", maintain_order="left").join(
        named, on="anonymous_id", how="left", maintain_order="left"
    )
    met = pl.concat(
        [
            events.select("anonymous_id", pl.coalesce("customer", "linked").alias("customer_id"),
                          pl.col("product").alias("product_id"), pl.col("at").alias("timestamp"),
                          pl.col("name").replace_strict(KINDS, return_dtype=pl.String).alias("kind")),
            bought.select("anonymous_id", pl.coalesce("customer", "linked").alias("customer_id"),
                          pl.col("product").alias("product_id"), "timestamp", pl.lit("purchase").alias("kind")),
        ]
    )  # fmt: skip
    return met.select(
        pl.coalesce("customer_id", stranger).alias("customer_id"), "product_id", "timestamp", "kind"
    ).sort("timestamp", "customer_id", "product_id", "kind")


def _bestsellers(sample: Sample) -> Rows:
    since = pl.lit(sample.until - timedelta(days=BESTSELLER_DAYS), pl.Datetime("us", "UTC"))
    orders = sample.happenings.orders.select(pl.int_range(pl.len()).alias("order"), "at").filter(pl.col("at") >= since)
    return (
        sample.happenings.lines.join(orders, on="order").group_by("product").agg(pl.col("order").n_unique())
        .sort("order", "product", descending=[True, False])["product"].head(MOST_BESTSELLERS).to_numpy()
    )  # fmt: skip


def _recent(sample: Sample, rows: pl.DataFrame) -> dict[int, tuple[Rows, Floats]]:
    since = pl.lit(sample.until - timedelta(days=REMEMBERED_DAYS), pl.Datetime("us", "UTC"))
    lately = rows.filter((pl.col("timestamp") >= since) & (pl.col("customer_id") >= 0) & (pl.col("kind") != "purchase"))
    of_each = lately.group_by("customer_id").agg(
        pl.col("product_id").tail(REMEMBERED), pl.col("timestamp").dt.epoch("us").tail(REMEMBERED)
    )
    return {
        who: (np.array(products, np.int64), np.array(at, np.float64) / 1e6) for who, products, at in of_each.iter_rows()
    }


# --- the policies -----------------------------------------------------------------------------------------


@dataclass
class Random:
    facts: Facts
    draw: Draw
    name: str = "random"

    def rank(self, who: Visitor, placement: str, context: list[int], session: list[int]) -> Rows:
        left = np.setdiff1d(self.facts.sellable, [*context, *session])
        return self.draw.choice(left, min(ITEMS, len(left)), replace=False)


@dataclass
class Bestsellers:
    """The shop's bestsellers, less what is on the page or was looked at in this visit."""

    facts: Facts
    name: str = "bestsellers"

    def rank(self, who: Visitor, placement: str, context: list[int], session: list[int]) -> Rows:
        first = self.facts.bestsellers[: ITEMS + 2 * (len(context) + len(session)) + 40]
        left = first[np.isin(first, self.facts.sellable) & ~np.isin(first, [*context, *session])]
        return left[:ITEMS]


@dataclass
class Oracle:
    """Knows the truth of every visitor, though not their whims of the moment."""

    facts: Facts
    truth: Truth
    name: str = "oracle"

    def rank(self, who: Visitor, placement: str, context: list[int], session: list[int]) -> Rows:
        left = np.setdiff1d(self.facts.sellable, [*context, *session])
        worth = self.truth.worth(who.like, left, self.facts.price[left])
        return left[np.argsort(-worth, kind="stable")[:ITEMS]]


class Recommender:
    """The live recommender as its service answers: similar products first on a product's page, then the version's
    own, then bestsellers; what was bought or looked at in this visit left out."""

    name = "recommender"

    def __init__(self, facts: Facts, sample: Sample, learner: str, folder: Path) -> None:
        from commerce_ai.learning import training  # needs Django's models, which policies do not

        self.facts, self._until = facts, sample.until.timestamp()
        found = registry.learner(learner)
        frames = {"interactions": found.inputs["interactions"].check(facts.interactions, "interactions")}
        trial = training.try_recipe(recipe_of(found, {}), found.split(frames), folder / "trial", Silent())
        training.refit(trial, frames, folder / "final", Silent())
        version = LiveVersion(1, found, found.load(folder / "final"), {}, sample.until, folder, "")
        self._versions, self._assortment = [version], Assortment(catalogue_of(sample))

    def rank(self, who: Visitor, placement: str, context: list[int], session: list[int]) -> Rows:
        page, seen = np.array(context, np.int64), np.array(session, np.int64)
        recent, recent_at = seen, self._until + 1.0 + np.arange(len(seen))
        # Of whom is signed in the version knows the past; of a known device the shop has the last views at hand.
        if who.known and not who.signed_in and who.like in self.facts.recent:
            before, at = self.facts.recent[who.like]
            recent, recent_at = np.concatenate([before, seen]), np.concatenate([at, recent_at])
        visit = sources.Visit(
            customer_id=who.like if who.signed_in else None, recent=recent, recent_at=recent_at, context=page
        )
        wish = sources.Wish(ITEMS, self._assortment, EVERYTHING, visit, True, set(context))
        if placement == "product":
            sources.fill_similar(wish, self._versions, context[-1])
        sources.fill(wish, self._versions, lambda: self.facts.bestsellers)
        return np.array([each.place for each in wish.picks], np.int64)


def catalogue_of(sample: Sample) -> Catalogue:
    """The catalogue that a loaded shop would have in memory; ids are row numbers."""
    products, n = sample.goods.products, len(sample.goods.price)
    categories, brands = (products[name].unique().sort() for name in ("category", "brand"))
    codes = [
        np.searchsorted(names.to_numpy(), products[name].to_numpy()).astype(np.int32)
        for names, name in ((categories, "category"), (brands, "brand"))
    ]
    nothing: Any = np.zeros(n, np.bool_)
    return Catalogue(
        shop_id=0, currency="EUR", id=np.arange(n), external_id=products["external_id"].to_list(),
        parent=np.full(n, -1), is_group=nothing, title=products["title"].to_list(), category=codes[0],
        categories=categories.to_list(), brand=codes[1], brands=brands.to_list(), price=sample.prices.price[:, -1],
        stock=sample.goods.stock["on_hand"].to_numpy().astype(np.float64), active=products["active"].to_numpy(),
        sellable=sample.goods.sellable, image_url=[""] * n, url=[""] * n, frame=products, since=sample.until,
    )  # fmt: skip


# --- the shop around them ---------------------------------------------------------------------------------


@dataclass
class PolicyFront:
    """The shop as one visitor meets it, where a policy chooses the lists; prices are today's, every payment passes."""

    policy: Policy
    facts: Facts
    who: Visitor
    session: list[int] = field(default_factory=list)

    def arrive(self) -> bool:
        return False

    def show(self, placement: str, context: list[int]) -> Shown:
        products = self.policy.rank(self.who, placement, context, self.session)
        return Shown(products, self.facts.price[products], "shown")

    def search(self, products: Rows) -> Shown:
        return Shown(products, self.facts.price[products])

    def look(self, line: Line) -> float:
        self.session = [*(each for each in self.session if each != line.product), line.product]
        return line.price

    def add(self, line: Line) -> None:
        return None

    def order(self, lines: list[Line], stolen: bool) -> bool:
        return True

    def chat(self, draw: Draw) -> None:
        return None
