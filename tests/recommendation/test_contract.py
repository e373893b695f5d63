"""The contract, over this plugin with its small frames."""

from __future__ import annotations

from commerce_ai.testing import PluginContract
from tests.recommendation.frames import clubs


class TestContract(PluginContract):
    slug = "recommendation"
    frames = {
        "recommendation.popularity": lambda: {"interactions": clubs(60)},
        "recommendation.collaborative": lambda: {"interactions": clubs(60)},
    }
