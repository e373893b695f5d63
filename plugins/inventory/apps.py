"""Forecasts demand and proposes what to reorder, and when."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from commerce_ai.plugin import Approval, Card, Health, Mode, Need, Page, Plugin, Schedule, Slot

if TYPE_CHECKING:
    from django.http import HttpRequest

    from commerce_ai.shop.models import Shop


class InventoryPlugin(Plugin):
    name = "plugins.inventory"
    slug = "inventory"
    version = "1.0"
    verbose_name = _("Inventory")
    summary = _("Forecasts demand and proposes what to reorder, and when.")
    icon = "inventory_2"
    fallback = _("The average of the last four weeks answers.")
    undrawn = _("Forecasts and orders of stock answer no visitor: there is nobody to draw.")
    slots = (
        Slot(
            "inventory.demand",
            single=True,
            inputs={"sales": ("product_id", "date", "units")},
            requests={},
            output=("product_id", "date", "mean", "q0.5"),
            doc="Units a product will sell, day by day, with quantiles.",
        ),
    )
    learners = ("learner.DemandLearner",)
    schedules = (
        Schedule(
            "retrain",
            "commerce_ai.learning.runs.retrain_plugin",
            _("Retrain every night"),
            at="02:00",
            arguments={"plugin": "inventory"},
        ),
        Schedule(
            "publish",
            "plugins.inventory.automatic.look",
            _("Look at the stock every hour"),
            every=timedelta(hours=1),
        ),
    )
    pages = (Page("board/", "plugins.inventory.admin.board", _("Demand and stock")),)

    def cards(self, request: HttpRequest, shop: Shop) -> list[Card]:
        from plugins.inventory import admin

        return admin.cards(shop)

    def health(self, shop: Shop) -> list[Health]:
        from plugins.inventory import admin

        return admin.findings(shop)

    def needs(self, shop: Shop) -> list[Need]:
        from plugins.inventory import admin

        return admin.needs(shop)

    def approvals(self, shop: Shop) -> list[Approval]:
        from plugins.inventory import admin

        return admin.approvals(shop)

    def mode(self, shop: Shop) -> Mode:
        from plugins.inventory import automatic

        return automatic.mode(shop)
