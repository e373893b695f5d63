"""The contract over what is installed: ours each in their own tests, third parties' here."""

from __future__ import annotations

import importlib

import polars as pl
import pytest

from commerce_ai import registry
from commerce_ai.learning.learner import Learner
from commerce_ai.plugin import Plugin
from commerce_ai.testing import PluginContract


def ratings() -> dict[str, pl.DataFrame]:
    rows = [(number, number % 7, float(1 + (number * number) % 5)) for number in range(200)]
    return {"ratings": pl.DataFrame(rows, schema=["rating_id", "product_id", "rating"], orient="row")}


OURS = [each for each in registry.plugins() if each.name.startswith("plugins.")]
FRAMES = {"dummy.mean": ratings}

for _plugin in registry.plugins():
    if _plugin not in OURS:
        _name = f"Test{_plugin.slug.title().replace('_', '')}"
        globals()[_name] = type(_name, (PluginContract,), {"slug": _plugin.slug, "frames": FRAMES})


@pytest.mark.parametrize("plugin", OURS, ids=lambda each: each.slug)
def test_ours_run_the_contract_once_each_with_frames_for_every_learner(plugin: Plugin) -> None:
    module = importlib.import_module(f"tests.{plugin.slug}.test_contract")
    assert issubclass(module.TestContract, PluginContract)
    assert module.TestContract.slug == plugin.slug
    learners = registry.learners_of(plugin.slug).values()
    assert {each.name for each in learners if type(each).__module__.startswith(plugin.name)} == set(
        module.TestContract.frames
    )


def test_all_seven_are_there_and_the_third_party_came_through_the_same_door() -> None:
    assert len(OURS) == 7 and "dummy" in {each.slug for each in registry.plugins()}


@pytest.mark.parametrize("plugin", OURS, ids=lambda each: each.slug)
def test_our_learners_give_curves_or_say_why_they_have_none(plugin: Plugin) -> None:
    for learner in registry.learners_of(plugin.slug).values():
        if type(learner).__module__.startswith(plugin.name):
            gives = type(learner).table is not Learner.table
            assert gives != bool(learner.no_table()), learner.name
