"""Jobs of the schedules."""

from __future__ import annotations

from commerce_ai.learning.live import live
from commerce_ai.shop.models import Shop
from plugins.inventory.forms import SLOT


def publish(shop_id: int) -> str:
    """Outlooks and proposals from the stock as it is now, by the live forecast; in words what came of it."""
    from commerce_ai import registry
    from plugins.inventory import publishing

    versions = live(shop_id, SLOT)
    if not versions or registry.settings_for(shop_id, publishing.PLUGIN).ma28_only:
        return "no forecast is live"
    count = publishing.refresh(Shop.objects.get(pk=shop_id), versions[0].scorer, versions[0].version_id)
    return f"{count} proposals are open"
