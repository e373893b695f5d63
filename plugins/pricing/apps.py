"""Proposes prices that earn more, within guard-rails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from commerce_ai.plugin import Approval, Card, Health, Mode, Need, Page, Plugin, Schedule, Slot

if TYPE_CHECKING:
    from django.http import HttpRequest

    from commerce_ai.shop.models import Shop


class PricingPlugin(Plugin):
    name = "plugins.pricing"
    slug = "pricing"
    version = "1.0"
    verbose_name = _("Dynamic pricing")
    summary = _("Proposes prices that earn more, within guard-rails.")
    icon = "sell"
    fallback = _("The catalogue's own prices answer.")
    undrawn = _(
        "Prices are the same for everybody, so nobody is drawn into a price. What another price does is learned from "
        "the weeks in which a product had one; approve a proposal, and undo it where it brings nothing."
    )
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
    learners = ("learner.ElasticityLearner",)
    schedules = (
        Schedule(
            "retrain",
            "commerce_ai.learning.runs.retrain_plugin",
            _("Retrain every night"),
            at="02:20",
            arguments={"plugin": "pricing"},
        ),
        Schedule("carry_out", "plugins.pricing.tasks.carry_out", _("Carry out approved prices"), at="00:05"),
        Schedule("publish", "plugins.pricing.automatic.publish", _("Propose prices"), at="05:30"),
    )
    pages = (Page("board/", "plugins.pricing.admin.board", _("Prices")),)

    def cards(self, request: HttpRequest, shop: Shop) -> list[Card]:
        from plugins.pricing import admin

        return admin.cards(shop)

    def health(self, shop: Shop) -> list[Health]:
        from plugins.pricing import admin

        return admin.findings(shop)

    def needs(self, shop: Shop) -> list[Need]:
        from plugins.pricing import admin

        return admin.needs(shop)

    def approvals(self, shop: Shop) -> list[Approval]:
        from plugins.pricing import admin

        return admin.approvals(shop)

    def mode(self, shop: Shop) -> Mode:
        from plugins.pricing import automatic

        return automatic.mode(shop)
