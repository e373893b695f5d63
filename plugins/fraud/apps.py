"""Says which payments to let through, to look at, or to refuse."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from commerce_ai.plugin import Plugin, Slot


class FraudPlugin(Plugin):
    name = "plugins.fraud"
    slug = "fraud"
    version = "1.0"
    verbose_name = _("Fraud")
    summary = _("Says which payments to let through, to look at, or to refuse.")
    icon = "shield"
    fallback = _("Rules alone decide.")
    slots = (
        Slot(
            "fraud.score",
            single=True,
            inputs={
                "transactions": ("transaction_id", "timestamp", "customer_id", "terminal_id", "amount", "is_fraud")
            },
            requests={"transactions": ("transaction_id", "timestamp", "customer_id", "terminal_id", "amount")},
            output=("transaction_id", "score"),
            doc="The probability that a payment is fraud.",
        ),
    )
