"""Chooses whom a campaign persuades, and whom it does not."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from commerce_ai.plugin import Plugin, Slot


class AdvertisingPlugin(Plugin):
    name = "plugins.advertising"
    slug = "advertising"
    version = "1.0"
    verbose_name = _("Advertising")
    summary = _("Chooses whom a campaign persuades, and whom it does not.")
    icon = "campaign"
    fallback = _("No campaign is shown.")
    slots = (
        Slot(
            "advertising.uplift",
            single=True,
            inputs={"customers": ("customer_id", "treatment", "outcome")},
            requests={"customers": ("customer_id",)},
            output=("customer_id", "uplift", "response"),
            doc="What a campaign adds to a customer's chance of responding.",
        ),
        Slot(
            "advertising.value",
            single=True,
            inputs={"orders": ("customer_id", "date", "amount")},
            requests={"customers": ("customer_id",)},
            output=("customer_id", "value"),
            doc="What a customer will spend, and whether they are still there.",
        ),
    )
