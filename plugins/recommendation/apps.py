"""Which products to show to whom."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from commerce_ai.plugin import Card, Health, Page, Plugin, Schedule, Slot

if TYPE_CHECKING:
    from django.http import HttpRequest

    from commerce_ai.shop.models import Shop


class RecommendationPlugin(Plugin):
    name = "plugins.recommendation"
    slug = "recommendation"
    version = "1.0"
    verbose_name = _("Recommendation")
    summary = _("Chooses the products to show, for known customers, sessions and strangers.")
    icon = "recommend"
    fallback = _("The shop's bestsellers answer.")
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
    pages = (
        Page("board/", "plugins.recommendation.admin.board", _("Recommendations")),
        Page("retrain/", "plugins.recommendation.admin.retrain", _("Retrain"), permission="operator"),
        Page("source/", "plugins.recommendation.admin.source", _("Source"), permission="operator"),
    )

    def cards(self, request: HttpRequest, shop: Shop) -> list[Card]:
        """How many lists were answered in the last 24 hours, and how good the version behind them is."""
        from commerce_ai.console.pages import url_of
        from plugins.recommendation import board

        answered, fallbacks = board.answered(shop, timedelta(hours=24))
        best = next(iter(board.live_versions(shop)), None)
        address = url_of(self.slug, "board/")
        share = say("%(share).0f%% by the fallback") % {"share": 100 * fallbacks / answered} if answered else ""
        return [
            Card(_("Recommendations, last 24 hours"), f"{answered:,}", share, address),
            Card(
                _("Live recommender"),
                f"{best.score:.3f}" if best and best.score is not None else "–",
                f"{best.learner} · {best.metric}" if best else _("None is live: the bestsellers answer."),
                address,
                "good" if best else "warn",
            ),
        ]

    def health(self, shop: Shop) -> list[Health]:
        """Is a version live, is it stale, did the last run fail?"""
        from plugins.recommendation import board

        return board.findings(shop)
