"""Whoever has too few facts is told in one shape, by every learner."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from commerce_ai import registry
from commerce_ai.learning.learner import NotEnoughData
from commerce_ai.learning.shortage import short_of

PLUGINS = Path(__file__).resolve().parent.parent.parent / "plugins"
KINDS: dict[str, Any] = {
    "id": pl.Int64(), "int": pl.Int64(), "float": pl.Float64(), "text": pl.String(), "bool": pl.Boolean(),
    "timestamp": pl.Datetime("us", "UTC"), "date": pl.Date(), "any": pl.Int64(),
}  # fmt: skip
RAISED = re.compile(r"raise NotEnoughData\((?!f\"\{customers\.height\} customers: \{error\}\")")


def test_it_says_what_is_needed_what_is_there_and_what_to_do() -> None:
    said = str(short_of("16 weeks of sales", 2, "Load earlier orders."))
    assert said == "needs at least 16 weeks of sales; there are 2. Load earlier orders."


@pytest.mark.parametrize("name", sorted(registry.learner_paths()))
def test_every_learner_says_it_so_of_an_empty_file(name: str) -> None:
    learner = registry.learner(name)
    if not learner.__module__.startswith("plugins."):
        pytest.skip("a third party's")
    frames = {
        title: pl.DataFrame(schema={column: KINDS[each.kind] for column, each in schema.columns.items()})
        for title, schema in learner.inputs.items()
        if not schema.optional
    }
    with pytest.raises(NotEnoughData, match=r"^needs at least .*; there are .*\. [A-Z].*\.$"):
        learner.split(frames)


def test_no_plugin_words_it_in_its_own_way() -> None:
    files = [each for each in PLUGINS.rglob("*.py") if RAISED.search(each.read_text())]
    assert not files
