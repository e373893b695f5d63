"""What answers from an artifact: elasticities, and what they say about units at another price. Only numpy is needed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from plugins.pricing.features import Floats, Panel, panel, season

Array = npt.NDArray[Any]


class ElasticityScorer:
    """Arrays a product: `product_ids`, `elasticity`, `lower`, `upper`, `sd`, `own` and `own_se` (before shrinking; NaN
    and inf without evidence), `observations`, `level_units` and `level_price` (of the latest periods), `highest_price`;
    the means of the groups and the weights of the controls are for predictions.
    """

    def __init__(self, arrays: Mapping[str, Array], about: Mapping[str, Any]) -> None:
        self.arrays, self.about = arrays, about
        self.product_ids = arrays["product_ids"]
        self.elasticity, self.lower, self.upper = arrays["elasticity"], arrays["lower"], arrays["upper"]
        self.observations = arrays["observations"]
        self.level_units, self.level_price = arrays["level_units"], arrays["level_price"]
        self.highest_price = arrays["highest_price"]

    def __len__(self) -> int:
        return len(self.product_ids)

    @cached_property
    def _places(self) -> dict[Any, int]:
        return {each: place for place, each in enumerate(self.product_ids.tolist())}

    def place_of(self, product_id: int | str) -> int | None:
        """Where the product stands in the arrays; None for one that was not learned from."""
        return self._places.get(product_id)

    def units_at(self, place: int, price: float) -> float:
        """Units a period at `price`, as of the latest periods: before any change of price is considered."""
        level, base = float(self.level_units[place]), float(self.level_price[place])
        return level * (price / base) ** float(self.elasticity[place]) if price > 0 and base > 0 else level

    def pooled_with(self, place: int) -> str:
        """The category that the product's elasticity borrows from."""
        return str(self.arrays["categories"][place])

    def predict_log_units(self, rows: Panel, answer: bool = True) -> Floats:
        """Log units of the panel's rows: the group's mean, plus (with `answer`) price, season and controls."""
        groups = self.arrays["group_key"]
        at = np.minimum(np.searchsorted(groups, np.asarray(rows.group_key, dtype=groups.dtype)), len(groups) - 1)
        known = groups[at] == np.asarray(rows.group_key)
        place = np.array([self._places.get(each, -1) for each in rows.product_ids.to_list()], dtype=np.int64)
        group, there = at[rows.group], known[rows.group]
        product = place[rows.product]

        def mean(name: str) -> Floats:
            """Of the group; of the product where the store is new."""
            one, other = self.arrays[f"group_{name}"][group], self.arrays[f"product_{name}"][product]
            return np.where(there if one.ndim == 1 else there[:, None], one, other)

        guess = mean("units")
        if answer:
            moved = np.nan_to_num(self.controls(rows) - mean("controls"))
            weights = self.arrays["weights"][product]
            guess = guess + self.elasticity[product] * (rows.price - mean("price")) + (weights * moved).sum(axis=1)
        return np.where(product >= 0, guess, np.nan)

    def panel(self, frame: pl.DataFrame) -> Panel:
        """The frame `sales` with the controls that were learned from."""
        return panel(frame, self.about["params"]["periods_per_year"], self.about["controls"])

    def controls(self, rows: Panel) -> Floats:
        params = self.about["params"]
        return np.column_stack([rows.controls, season(rows.when, params["harmonics"], params["trend"])])


def write(folder: Path, arrays: Mapping[str, Array], about: Mapping[str, Any]) -> None:
    """One ``<name>.npy`` an array, and ``scorer.json``."""
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
    (folder / "scorer.json").write_text(json.dumps({**about, "arrays": sorted(arrays)}, indent=1, sort_keys=True))


def read(folder: Path) -> ElasticityScorer:
    """The arrays, mapped and read only."""
    about = json.loads((folder / "scorer.json").read_text())
    return ElasticityScorer({name: _map(folder / f"{name}.npy") for name in about["arrays"]}, about)


def _map(path: Path) -> Array:
    try:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except ValueError:  # an array without elements can't be mapped
        return np.load(path, allow_pickle=False)
