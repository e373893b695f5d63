"""Says which payments to let through, to look at, or to refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from commerce_ai.plugin import Card, Draws, Health, Known, Need, Page, Plugin, Schedule, Slot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest

    from commerce_ai.shop.models import Customer, Shop


class FraudPlugin(Plugin):
    name = "plugins.fraud"
    slug = "fraud"
    version = "1.0"
    verbose_name = _("Fraud")
    summary = _("Says which payments to let through, to look at, or to refuse.")
    icon = "shield"
    fallback = _("Rules alone decide.")
    draws = Draws(("score",), emergency="rules_only", units=("customer",), tries=("fraud.score",), again="shadow.again")
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
    learners = ("learner.TreesLearner",)
    schedules = (
        Schedule(
            "retrain",
            "commerce_ai.learning.runs.retrain_plugin",
            _("Retrain every night"),
            at="02:50",
            arguments={"plugin": "fraud"},
        ),
    )
    pages = (Page("board/", "plugins.fraud.admin.board", _("Fraud")),)

    def cards(self, request: HttpRequest, shop: Shop) -> list[Card]:
        from plugins.fraud import admin

        return admin.cards(shop)

    def health(self, shop: Shop) -> list[Health]:
        from plugins.fraud import admin

        return admin.findings(shop)

    def known(self, shop: Shop, customer: Customer) -> list[Known]:
        from plugins.fraud import person

        return person.known(shop, customer)

    def needs(self, shop: Shop) -> list[Need]:
        from plugins.fraud import admin

        return admin.needs(shop)

    def forget(self, shop_id: int, *, customer_id: int | None, external_id: str, anonymous_ids: Sequence[str]) -> None:
        from plugins.fraud import service

        service.forget(shop_id, external_id)
