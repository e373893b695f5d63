"""Orders that are approved by the schedule, in automatic mode and within its guard-rails; every other waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from commerce_ai import registry
from commerce_ai.decisions import automatic
from commerce_ai.decisions.proposals import Outcome
from commerce_ai.plugin import Mode
from commerce_ai.shop.models import Shop
from plugins.inventory import service, tasks
from plugins.inventory.models import ReorderProposal, worth
from plugins.inventory.service import PLUGIN


def look(shop_id: int) -> str:
    """The hourly job: look at the stock, then approve what may be approved; in words what came of it."""
    said = tasks.look(shop_id)
    outcome = approve_due(Shop.objects.get(pk=shop_id))
    return f"{said}, {len(outcome.done)} were approved"


def approve_due(shop: Shop) -> Outcome:
    """Approve within the guard-rails; nothing in suggest mode, nor while the emergency switch is on."""
    settings = registry.settings_for(shop.pk, PLUGIN)
    if settings.ma28_only:
        return Outcome()
    return automatic.approve_due(ReorderProposal, shop, settings, fits(settings), lambda row: service.approve(row))


def fits(settings: Any) -> Callable[[ReorderProposal], bool]:
    """Whether an order line costs little enough, at a known price, in the proposed quantity, and gains."""
    most = settings.automatic_most_money

    def is_fit(row: ReorderProposal) -> bool:
        cost = worth(row.quantity, row.unit_cost)
        return cost is not None and cost <= most and not row.edited and (row.expected_gain or 0) > 0

    return is_fit


def mode(shop: Shop, url: str = "") -> Mode:
    return automatic.standing(ReorderProposal, shop, registry.settings_for(shop.pk, PLUGIN), url)
