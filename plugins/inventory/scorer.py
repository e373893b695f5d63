"""The artifact: forecasts of every product over the horizon, and what makes quantiles and sums of them. Arrays only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from plugins.inventory import conformal
from plugins.inventory.conformal import Calibration
from plugins.inventory.features import Floats

Array = npt.NDArray[Any]
_OF_CALIBRATION = ("edges", "table", "shift", "spread")


@dataclass(frozen=True)
class DemandScorer:
    """`means` [products × days from `first_day` on]; `product_ids` are sorted and as learned.

    `base` is the moving average of 28 days [products], with a calibration of its own; `step` and `squared_step` scale
    errors; `own` are quantiles of each product's own past.
    """

    arrays: Mapping[str, Array]
    about: Mapping[str, Any]

    @property
    def product_ids(self) -> Array:
        return self.arrays["product_ids"]

    @property
    def means(self) -> Array:
        return self.arrays["means"]

    @property
    def first_day(self) -> date:
        return date.fromisoformat(self.about["first_day"])

    @property
    def days(self) -> list[date]:
        return [self.first_day + timedelta(days=ahead) for ahead in range(self.means.shape[1])]

    def calibration(self, name: str = "") -> Calibration:
        return Calibration(**{each: np.asarray(self.arrays[f"{name}{each}"]) for each in _OF_CALIBRATION})

    def quantiles(self, which: Any = slice(None)) -> Floats:
        """[products × days × conformal.LEVELS] of some rows."""
        means, kinds, own = (np.asarray(self.arrays[name][which], float) for name in ("means", "kinds", "own"))
        return conformal.quantiles(self.calibration(), means, kinds.astype(int), own, float(self.about["own"]))

    def base_quantiles(self, which: Any = slice(None)) -> Floats:
        """As `quantiles`, of the baseline."""
        means = np.repeat(np.asarray(self.arrays["base"][which], float)[:, None], self.means.shape[1], axis=1)
        kinds = np.asarray(self.arrays["kinds"][which])
        return conformal.quantiles(self.calibration("base_"), means, kinds, np.empty((len(kinds), 1)), 0.0)

    def sums(self, which: Any = slice(None)) -> tuple[Floats, Floats]:
        """Mean and deviation of the demand of the first 1, 2, … days [products × days]."""
        means = np.asarray(self.arrays["means"][which], float)
        return conformal.sums(self.calibration(), means, np.asarray(self.arrays["kinds"][which]))

    def places(self, ids: pl.Series) -> npt.NDArray[np.int64]:
        """The row of each id, -1 where it was not learned."""
        wanted = ids.to_numpy()
        if not len(self.product_ids):
            return np.full(len(wanted), -1)
        place = np.minimum(np.searchsorted(self.product_ids, wanted), len(self.product_ids) - 1)
        return np.where(self.product_ids[place] == wanted, place, -1)


def write(folder: Path, arrays: Mapping[str, Array], about: Mapping[str, Any]) -> None:
    for name, array in arrays.items():
        slim = array.astype(np.float32) if array.dtype == np.float64 else array
        np.save(folder / f"{name}.npy", slim, allow_pickle=False)
    (folder / "demand.json").write_text(json.dumps({**about, "arrays": sorted(arrays)}, indent=1))


def read(folder: Path) -> DemandScorer:
    """Arrays are mapped into memory, not read. Raises OSError, ValueError for a folder that is none of ours."""
    about = json.loads((folder / "demand.json").read_text())
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in about["arrays"]}
    return DemandScorer(arrays, about)


def with_calibration(arrays: dict[str, Array], calibration: Calibration, name: str = "") -> dict[str, Array]:
    return arrays | {f"{name}{each}": getattr(calibration, each) for each in _OF_CALIBRATION}
