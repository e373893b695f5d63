"""The contract of every plugin, with small frames of our learners."""

from __future__ import annotations

from commerce_ai.testing import PluginContract
from tests.advertising.frames import bought, contacted


class TestContract(PluginContract):
    slug = "advertising"
    frames = {
        "advertising.uplift": lambda: {"customers": contacted(600)},
        "advertising.value": lambda: {"orders": bought(200)},
    }
