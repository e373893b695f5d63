"""Answers customers from the shop's own facts and articles, or hands over to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from commerce_ai.plugin import Card, Draws, Health, Known, Need, Page, Plugin, Schedule, Slot

if TYPE_CHECKING:
    from django.http import HttpRequest

    from commerce_ai.shop.models import Customer, Shop


class SupportPlugin(Plugin):
    name = "plugins.support"
    slug = "support"
    version = "1.0"
    verbose_name = _("Customer service")
    summary = _("Answers customers from the shop's own facts and articles, or hands over to a person.")
    icon = "support_agent"
    fallback = _("Articles are searched by words; a person answers the rest.")
    draws = Draws(
        ("reply",),
        emergency="people_only",
        tries=("support.intent",),
        unasked=_("A decision keeps no word of what a customer wrote, so that nothing can be asked again."),
    )
    slots = (
        Slot(
            "support.intent",
            single=True,
            inputs={"texts": ("text", "intent")},
            requests={"texts": ("text",)},
            output=("intent", "confidence", "out_of_scope_score"),
            doc="What a customer wants, and whether the shop has ever heard it.",
        ),
    )
    learners = ("learner.IntentLearner",)
    schedules = (
        Schedule(
            "retrain",
            "commerce_ai.learning.runs.retrain_plugin",
            _("Retrain every night"),
            at="03:05",
            arguments={"plugin": "support"},
        ),
    )
    pages = (Page("board/", "plugins.support.admin.board", _("Customer service")),)

    def cards(self, request: HttpRequest, shop: Shop) -> list[Card]:
        from plugins.support import admin

        return admin.cards(shop)

    def health(self, shop: Shop) -> list[Health]:
        from plugins.support import admin

        return admin.findings(shop)

    def known(self, shop: Shop, customer: Customer) -> list[Known]:
        from plugins.support import person

        return person.known(shop, customer)

    def needs(self, shop: Shop) -> list[Need]:
        from plugins.support import admin

        return admin.needs(shop)
