"""Third parties come by an entry point and are tried in a child process first."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from commerce_ai import plugin
from commerce_ai.plugin import Plugin


@pytest.fixture
def announce(monkeypatch, tmp_path):
    """A package with one plugin module, announced as an installed one would be."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delenv(plugin.TRIAL, raising=False)

    def make(source: str):
        folder = tmp_path / "acme_trial"
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").write_text("")
        (folder / "apps.py").write_text(source)
        point = EntryPoint("acme", "acme_trial", plugin.ENTRY_POINTS)
        monkeypatch.setattr(plugin.importlib.metadata, "entry_points", lambda group: [point])
        return plugin.discover(tmp_path / "var")

    return make


GOOD = """
from commerce_ai.plugin import Plugin
class Acme(Plugin):
    name = "acme_trial"; slug = "acme"; version = "1"; core = "{core}"
"""


def test_a_good_one_joins_and_is_not_tried_twice(announce, monkeypatch, tmp_path):
    assert [(each.name, each.error) for each in announce(GOOD.format(core=">=1,<2"))] == [("acme", None)]
    monkeypatch.setattr(plugin, "_try", lambda module: pytest.fail("tried again although nothing changed"))
    assert plugin.discover(tmp_path / "var")[0].error is None


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import there_is_no_such_module", "there_is_no_such_module"),
        ("raise RuntimeError('broken at import')", "broken at import"),
        (GOOD.format(core=">=9"), "works with core >=9"),
        (GOOD.format(core=">=1") + "    learners = ('learner.Missing',)\n", "Missing|learner"),
    ],
)
def test_a_bad_one_is_left_out_with_its_error(announce, source, says):
    [found] = announce(source)
    assert found.error is not None
    import re

    assert re.search(says, found.error), found.error


@pytest.mark.parametrize(
    ("core", "fits"), [(">=1,<2", True), (">=2", False), ("==1", True), ("!=1", False), ("<=1", True), ("<1", False)]
)
def test_core_range(core, fits):
    config = type("Other", (Plugin,), {"core": core, "name": "x"})
    assert config.core_fits(config) is fits
