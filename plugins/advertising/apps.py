"""Whom a campaign persuades, and whom it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from commerce_ai.plugin import Card, Draws, Health, Known, Need, Page, Plugin, Schedule, Slot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest

    from commerce_ai.shop.models import Customer, Shop


class AdvertisingPlugin(Plugin):
    name = "plugins.advertising"
    slug = "advertising"
    version = "1.0"
    verbose_name = _("Advertising")
    summary = _("Chooses whom a campaign persuades, and whom it does not.")
    icon = "campaign"
    fallback = _("Campaigns are shown to a random share of the customers, so that there is something to learn from.")
    draws = Draws(
        ("ads",),
        emergency="hold",
        untried=_(
            "Campaigns are chosen by what the live version says of every customer beforehand: no other says anything."
        ),
    )
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
    learners = ("learner.UpliftLearner", "valuing.ValueLearner")
    schedules = (
        Schedule(
            "retrain",
            "commerce_ai.learning.runs.retrain_plugin",
            _("Retrain every night"),
            at="02:40",
            arguments={"plugin": "advertising"},
        ),
    )
    pages = (Page("board/", "plugins.advertising.admin.board", _("Advertising")),)

    def cards(self, request: HttpRequest, shop: Shop) -> list[Card]:
        from plugins.advertising import admin

        return admin.cards(shop)

    def health(self, shop: Shop) -> list[Health]:
        from plugins.advertising import admin

        return admin.findings(shop)

    def known(self, shop: Shop, customer: Customer) -> list[Known]:
        from plugins.advertising import person

        return person.known(shop, customer)

    def needs(self, shop: Shop) -> list[Need]:
        from plugins.advertising import admin

        return admin.needs(shop)

    def forget(self, shop_id: int, *, customer_id: int | None, external_id: str, anonymous_ids: Sequence[str]) -> None:
        from plugins.advertising import service

        service.forget(shop_id, customer_id, external_id, anonymous_ids)
