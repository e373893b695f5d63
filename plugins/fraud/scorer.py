"""What answers from an artifact: trees, calibration, and the last weeks of payments that windows look back on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from commerce_ai.learning import boosters
from commerce_ai.learning.params import read_params
from plugins.fraud import features, trees
from plugins.fraud.features import DAY_US, DAYS, NAMES, Past, Rows
from plugins.fraud.trees import TreesParams

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class FraudScorer:
    """`past` are the payments of the last month and delay, in time; the orders line them up by whose they are."""

    booster: Any
    params: TreesParams
    past: Rows
    customer_order: Array
    terminal_order: Array
    amount_limit: float  # one payment in two hundred was dearer

    @property
    def names(self) -> tuple[str, ...]:
        return NAMES if self.params.pace else features.HANDBOOK

    @property
    def until(self) -> int:
        """The instant (µs) of the last payment it knows of; 0 without one."""
        return int(self.past.time[-1]) if len(self.past) else 0

    def probabilities(self, matrix: Array) -> Array:
        """The probability of fraud of rows of features."""
        margin = boosters.answer(self.booster, matrix[:, : len(self.names)], margin=True)
        return trees.probabilities(margin, self.params)

    def contributions(self, matrix: Array) -> Array:
        """What each feature adds to each row's margin (TreeSHAP), without the bias."""
        return boosters.contributions(self.booster, matrix[:, : len(self.names)])[:, :-1]

    def matrix(self, rows: Rows) -> Array:
        """Features of later `rows`, which follow on the kept past; of an overlap, only the rows themselves count."""
        if not len(rows):
            return np.empty((0, len(NAMES)))
        past = self.past.take(slice(0, int(np.searchsorted(self.past.time, rows.time[0], side="left"))))
        return features.matrix(past.then(rows), self.params.label_delay_days, start=len(past))

    def past_of(self, customer: Any, terminal: Any, before: int) -> Past:
        """What it knows of one customer and one terminal before an instant (µs). Ids as they were learned."""
        theirs = self._find("customer", self.customer_order, customer, before)
        its = self._find("terminal", self.terminal_order, terminal, before)
        bad = its[self.past.fraud[its] == 1]
        return Past(
            customer_times=self.past.time[theirs],
            customer_units=self.past.units[theirs],
            terminal_times=self.past.time[its],
            fraud_times=self.past.time[bad],
            fraud_known=self.past.known[bad],
        )

    def _find(self, side: str, order: Array, who: Any, before: int) -> Array:
        ids = getattr(self.past, side)
        if who == features.nobody(ids):
            return order[:0]
        low = np.searchsorted(ids, who, side="left", sorter=order)
        high = np.searchsorted(ids, who, side="right", sorter=order)
        return order[low:high][self.past.time[order[low:high]] <= before]


def keep(rows: Rows, delay_days: int) -> Rows:
    """The rows that a window of a later payment can still reach."""
    if not len(rows):
        return rows
    reach = rows.time[-1] - (max(DAYS) + delay_days) * DAY_US
    return rows.take(slice(int(np.searchsorted(rows.time, reach, side="right")), None))


def write(folder: Path, booster: Any, params: TreesParams, past: Rows, about: Mapping[str, Any]) -> None:
    """trees.ubj, one .npy a column of the past, scorer.json."""
    boosters.save(booster, folder / "trees.ubj")
    orders = {
        side: np.argsort(getattr(past, side), kind="stable").astype(np.int64) for side in ("customer", "terminal")
    }
    for name, array in {**_columns(past), **{f"{side}_order": order for side, order in orders.items()}}.items():
        np.save(folder / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
    (folder / "scorer.json").write_text(json.dumps({**about, "params": asdict(params)}, indent=1, sort_keys=True))


def read(folder: Path) -> FraudScorer:
    """The scorer of an artifact; its arrays are mapped and read only."""
    about = json.loads((folder / "scorer.json").read_text())
    past = Rows(*(_map(folder / f"past_{each.name}.npy") for each in fields(Rows)))
    return FraudScorer(
        booster=boosters.load(folder / "trees.ubj"),
        params=read_params(TreesParams, about["params"]),
        past=past,
        customer_order=_map(folder / "customer_order.npy"),
        terminal_order=_map(folder / "terminal_order.npy"),
        amount_limit=float(about["amount_limit"]),
    )


def _columns(past: Rows) -> dict[str, Array]:
    return {f"past_{each.name}": getattr(past, each.name) for each in fields(past)}


def _map(path: Path) -> Array:
    try:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except ValueError:  # an array without elements can't be mapped
        return np.load(path, allow_pickle=False)
