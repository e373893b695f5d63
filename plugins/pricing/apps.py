"""Proposes prices that earn more, within guard-rails."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from commerce_ai.plugin import Plugin, Slot


class PricingPlugin(Plugin):
    name = "plugins.pricing"
    slug = "pricing"
    version = "1.0"
    verbose_name = _("Dynamic pricing")
    summary = _("Proposes prices that earn more, within guard-rails.")
    icon = "sell"
    fallback = _("The catalogue's own prices answer.")
    slots = (
        Slot(
            "pricing.elasticity",
            single=True,
            inputs={"sales": ("product_id", "period", "units", "price")},
            requests={},
            output=("product_id", "elasticity", "lower", "upper"),
            doc="How demand answers to price, per product.",
        ),
    )
