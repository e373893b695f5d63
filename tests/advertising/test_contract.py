"""The contract of every plugin, with small frames of our learners."""

from __future__ import annotations

from commerce_ai.testing import PluginContract
from plugins.advertising import worth
from tests.advertising.frames import bought, contacted
from tests.factories import CampaignFactory


class TestContract(PluginContract):
    slug = "advertising"
    frames = {
        "advertising.uplift": lambda: {"customers": contacted(600)},
        "advertising.value": lambda: {"orders": bought(200)},
    }
    asks = {"ads": lambda who: ("POST", "ads/decide", {"anonymous_id": who})}

    @staticmethod
    def furnish(shop):
        worth.forget_all()
        CampaignFactory(shop=shop, external_id="spring")
