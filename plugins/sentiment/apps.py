"""Reads what people say about products and the shop, and tells when it turns."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from commerce_ai.plugin import Card, Health, Known, Need, Page, Plugin, Schedule, Slot

if TYPE_CHECKING:
    from django.http import HttpRequest

    from commerce_ai.shop.models import Customer, Shop


class SentimentPlugin(Plugin):
    name = "plugins.sentiment"
    slug = "sentiment"
    version = "1.0"
    verbose_name = _("Sentiment")
    summary = _("Reads what people say about products and the shop, and tells when it turns.")
    icon = "mood"
    fallback = _("Texts stay unjudged; the answer says so.")
    undrawn = _("Texts are judged for the shop: there is no visitor to draw.")
    slots = (
        Slot(
            "sentiment.classifier",
            single=True,
            inputs={"texts": ("text", "label")},
            requests={"texts": ("text",)},
            output=("label",),
            doc="How a text feels about what it speaks of.",
        ),
    )
    learners = ("learner.SentimentLearner",)
    schedules = (
        Schedule(
            "retrain",
            "commerce_ai.learning.runs.retrain_plugin",
            _("Retrain every night"),
            at="03:00",
            arguments={"plugin": "sentiment"},
        ),
        Schedule("read", "plugins.sentiment.tasks.read_new", _("Read new texts"), every=timedelta(hours=1)),
    )
    pages = (Page("board/", "plugins.sentiment.admin.board", _("Sentiment")),)

    def cards(self, request: HttpRequest, shop: Shop) -> list[Card]:
        from plugins.sentiment import admin

        return admin.cards(shop)

    def health(self, shop: Shop) -> list[Health]:
        from plugins.sentiment import admin

        return admin.findings(shop)

    def known(self, shop: Shop, customer: Customer) -> list[Known]:
        from plugins.sentiment import person

        return person.known(shop, customer)

    def needs(self, shop: Shop) -> list[Need]:
        from plugins.sentiment import admin

        return admin.needs(shop)
