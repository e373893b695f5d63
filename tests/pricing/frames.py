"""Sales with a known answer to price."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl

MONDAY = date(2024, 1, 1)
TRUE = {"tea": -3.0, "bread": -1.5}


def sales(
    products: int = 8, weeks: int = 80, *, level: float = 60.0, noise: float = 0.15, seed: int = 3
) -> pl.DataFrame:
    """Weekly sales of `products`, half of them tea (elasticity −3), half bread (−1.5), with a season, promotions that
    lower the price and sell by themselves, and a price that runs against the season (so that plain regression is wrong)."""
    rng = np.random.default_rng(seed)
    rows = []
    for product in range(products):
        category = "tea" if product % 2 == 0 else "bread"
        base = 4.0 + product
        step = 1.0
        for week in range(weeks):
            if week % 3 == 0:
                step = float(np.exp(rng.normal(0, 0.08)))
            wave = np.sin(2 * np.pi * week / 52)
            promotion = float(rng.random() < 0.12)
            price = round(base * step * np.exp(-0.08 * wave) * (0.85 if promotion else 1.0), 2)
            mean = level * (price / base) ** TRUE[category] * np.exp(0.5 * wave + 0.4 * promotion)
            units = rng.poisson(mean * np.exp(rng.normal(0, noise) - noise**2 / 2))
            rows.append((product + 1, MONDAY + timedelta(weeks=week), float(units), price, promotion, category))
    schema = ["product_id", "period", "units", "price", "promotion", "category"]
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(brand=pl.lit("Acme"))


def frames() -> dict[str, pl.DataFrame]:
    return {"sales": sales(4, 40)}
