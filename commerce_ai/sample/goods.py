"""The goods of the sample shop, as frames: products, stock, suppliers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from commerce_ai.sample.pictures import PATH, name_of
from commerce_ai.sample.truth import POPULARITY
from commerce_ai.sample.words import SHELVES, STYLES, SUPPLIERS

N_SHELVES, N_STYLES = len(SHELVES), len(STYLES)
LEAST_PRODUCTS = N_SHELVES * N_STYLES


@dataclass(frozen=True)
class Goods:
    """Frames of the tables, and what only the generator knows of each product (arrays, one entry a product).

    `stock` is empty until the sales are known. `bucket` is shelf × style, 0 … 47; `pull` its popularity within the
    bucket; `quality` about 0 ± 1; `companion` the product that is often looked at next.
    """

    products: pl.DataFrame
    stock: pl.DataFrame
    suppliers: pl.DataFrame
    supplied: pl.DataFrame
    price: np.ndarray
    cost: np.ndarray
    bucket: np.ndarray
    pull: np.ndarray
    quality: np.ndarray
    companion: np.ndarray
    sellable: np.ndarray


def make_goods(rng: np.random.Generator, n: int, first_day: datetime) -> Goods:
    """`n` products (at least 48): spread evenly over shelves and styles, a few inactive, a few sold out."""
    if n < LEAST_PRODUCTS:
        raise ValueError(f"at least {LEAST_PRODUCTS} products are needed, one for each category and style, not {n}")
    number = np.arange(n)
    shelf, style = number % N_SHELVES, (number // N_SHELVES) % N_STYLES
    thing = (number // (N_SHELVES * N_STYLES)) % len(SHELVES[0].things)
    turn = number // (N_SHELVES * N_STYLES * len(SHELVES[0].things))
    quality = rng.normal(0, 1, n)
    usual = np.array([[price for _, price in each.things] for each in SHELVES], float)[shelf, thing]
    price = np.maximum(np.round(usual * np.exp(rng.normal(0, 0.22, n) + 0.08 * quality)), 5) - 0.10
    cost = np.round(price * rng.uniform(0.4, 0.65, n), 2)
    # Every bucket keeps its first product: a shop without a sellable one on some shelf answers nothing there.
    spare = number >= LEAST_PRODUCTS
    active = ~(spare & (rng.random(n) < 0.03))
    sold_out = spare & (rng.random(n) < 0.04)
    age = (365 * rng.random(n)).tolist()
    products = pl.DataFrame(
        {
            "external_id": [f"P{each:05d}" for each in number + 1],
            **_named(shelf, style, thing, turn, number),
            "price": price.round(2),
            "cost": cost,
            "active": active,
            "created_at": [first_day - timedelta(days=each) for each in age],
        },
        schema_overrides={"created_at": pl.Datetime("us", "UTC")},
    )
    supplier = rng.integers(0, len(SUPPLIERS), n)
    return Goods(
        products=products,
        stock=pl.DataFrame(),
        suppliers=_suppliers(rng),
        supplied=pl.DataFrame({"product": number, "supplier": supplier, "unit_cost": cost}),
        price=price,
        cost=cost,
        bucket=shelf * N_STYLES + style,
        # Zipf's law within a bucket, better goods a little higher.
        pull=1.0 / (1 + number // LEAST_PRODUCTS) ** POPULARITY * np.exp(0.25 * quality),
        quality=quality,
        companion=_companions(rng, n, shelf, style),
        sellable=active & ~sold_out,
    )


def _named(
    shelf: np.ndarray, style: np.ndarray, thing: np.ndarray, turn: np.ndarray, number: np.ndarray
) -> dict[str, list[object]]:
    names = list(STYLES)
    rows: dict[str, list[object]] = {
        "title": [],
        "description": [],
        "category": [],
        "brand": [],
        "tags": [],
        "colour": [],
        "image_url": [],
    }
    for s, y, t, k, i in zip(
        shelf.tolist(), style.tolist(), thing.tolist(), turn.tolist(), number.tolist(), strict=True
    ):
        each, colours = SHELVES[s], STYLES[names[y]]
        colour = colours[(t + k) % len(colours)]
        brand = each.brands[(i // N_SHELVES + k) % len(each.brands)]
        series = f" No. {k // len(colours) + 2}" if k >= len(colours) else ""
        rows["title"].append(f"{each.things[t][0]}{series}, {colour}")
        rows["description"].append(f"{each.things[t][0]} by {brand} in {colour}. {each.about}")
        rows["category"].append(each.path)
        rows["brand"].append(brand)
        rows["tags"].append([names[y]])
        rows["colour"].append(colour)
        rows["image_url"].append(f"/{PATH}{name_of(each.things[t][0], colour, names[y])}")
    return rows


def _companions(rng: np.random.Generator, n: int, shelf: np.ndarray, style: np.ndarray) -> np.ndarray:
    """For each product one of the same style on another shelf: the next shelf's, at a random rank."""
    rank = np.arange(n) // LEAST_PRODUCTS
    ranks = rank.max() + 1
    other = ((rank + rng.integers(0, ranks, n)) % ranks) * LEAST_PRODUCTS + style * N_SHELVES + (shelf + 1) % N_SHELVES
    return np.where(other < n, other, style * N_SHELVES + (shelf + 1) % N_SHELVES)


def _suppliers(rng: np.random.Generator) -> pl.DataFrame:
    n = len(SUPPLIERS)
    return pl.DataFrame(
        {
            "external_id": [f"S{each + 1}" for each in range(n)],
            "name": [name for name, _ in SUPPLIERS],
            "country": [country for _, country in SUPPLIERS],
            "lead_time_days": rng.integers(4, 22, n).astype(float),
            "lead_time_sd_days": rng.uniform(0.5, 4, n).round(1),
            "order_multiple": rng.choice([1, 6, 12], n).astype(float),
        }
    )
