"""The contract, over this plugin with its small frames."""

from __future__ import annotations

from commerce_ai.testing import PluginContract
from tests.factories import ProductFactory
from tests.recommendation.frames import clubs


class TestContract(PluginContract):
    slug = "recommendation"
    frames = {
        "recommendation.popularity": lambda: {"interactions": clubs(60)},
        "recommendation.collaborative": lambda: {"interactions": clubs(60)},
    }
    asks = {
        "recommendations": lambda who: ("GET", "recommendations", {"placement": "home", "anonymous_id": who}),
        "similar": lambda who: ("GET", "recommendations/similar", {"product_id": "p1", "anonymous_id": who}),
    }

    @staticmethod
    def furnish(shop):
        ProductFactory(shop=shop, external_id="p1")
