"""The contract, over this plugin with its small frames."""

from __future__ import annotations

import polars as pl

from commerce_ai.testing import PluginContract
from plugins.inventory.learner import DemandLearner
from tests.inventory.frames import sales


def history() -> dict[str, pl.DataFrame]:
    return {"sales": DemandLearner().inputs["sales"].check(sales(products=6, days=70), "sales")}


class TestContract(PluginContract):
    slug = "inventory"
    frames = {"inventory.demand": history}
