"""Which products to show to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from commerce_ai.plugin import Card, Draws, Health, Known, Need, Page, Plugin, Schedule, Slot

if TYPE_CHECKING:
    from django.http import HttpRequest

    from commerce_ai.shop.models import Customer, Shop


class RecommendationPlugin(Plugin):
    name = "plugins.recommendation"
    slug = "recommendation"
    version = "1.0"
    verbose_name = _("Recommendation")
    summary = _("Chooses the products to show, for known customers, sessions and strangers.")
    icon = "recommend"
    fallback = _("The shop's bestsellers answer.")
    draws = Draws(
        ("recommendations", "similar"), emergency="bestsellers_only", tries=("recommendation.candidates",),
        again="shadow.again",
    )  # fmt: skip
    slots = (
        Slot(
            "recommendation.candidates",
            single=False,
            inputs={"interactions": ("customer_id", "product_id")},
            requests={"customers": ("customer_id",)},
            output=("customer_id", "product_id", "rank", "score"),
            doc="Products a customer may want next, best first.",
        ),
    )
    learners = ("learner.PopularityLearner", "learner.CollaborativeLearner")
    schedules = (
        Schedule(
            "retrain",
            "commerce_ai.learning.runs.retrain_plugin",
            _("Retrain every night"),
            at="03:15",
            arguments={"plugin": "recommendation"},
        ),
    )
    pages = (Page("board/", "plugins.recommendation.admin.board", _("Recommendations")),)

    def cards(self, request: HttpRequest, shop: Shop) -> list[Card]:
        from plugins.recommendation import admin

        return admin.cards(shop)

    def health(self, shop: Shop) -> list[Health]:
        from plugins.recommendation import admin

        return admin.findings(shop)

    def known(self, shop: Shop, customer: Customer) -> list[Known]:
        from plugins.recommendation import person

        return person.known(shop, customer)

    def needs(self, shop: Shop) -> list[Need]:
        from plugins.recommendation import admin

        return admin.needs(shop)
