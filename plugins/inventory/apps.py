"""Forecasts demand and proposes what to reorder, and when."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from commerce_ai.plugin import Plugin, Slot


class InventoryPlugin(Plugin):
    name = "plugins.inventory"
    slug = "inventory"
    version = "1.0"
    verbose_name = _("Inventory")
    summary = _("Forecasts demand and proposes what to reorder, and when.")
    icon = "inventory_2"
    fallback = _("The average of the last four weeks answers.")
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
