"""Small shops whose demand has a shape that a forecaster should find."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl

START = date(2025, 1, 6)  # a Monday


def sales(products: int = 14, days: int = 84, seed: int = 0, weekend: float = 3.0) -> pl.DataFrame:
    """Steady products with busy Saturdays and Sundays, from one a day to seven; days without sales have no row."""
    rng = np.random.default_rng(seed)
    pace = np.linspace(1, 7, products)[:, None] * np.where(np.arange(days) % 7 >= 5, weekend, 0.5)[None, :]
    units = rng.poisson(pace)
    place, day = np.nonzero(units)
    return pl.DataFrame(
        {
            "product_id": place + 100,
            "date": [START + timedelta(days=int(each)) for each in day],
            "units": units[place, day].astype(float),
        }
    )


def units(*rows: list[float]) -> np.ndarray:
    """A matrix of products × days; nan before the first sale."""
    return np.array(rows, float)
