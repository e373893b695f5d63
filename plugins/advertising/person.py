"""What advertising knows of one customer: what campaigns would do, and which audiences they are in."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext as _

from commerce_ai.console.pages import url_of
from commerce_ai.plugin import Known
from commerce_ai.shop.models import Customer, Shop
from plugins.advertising.models import AudienceMember, UpliftScore
from plugins.advertising.service import PLUGIN

MOST = 5


def known(shop: Shop, customer: Customer) -> list[Known]:
    """The campaigns that would do most, then the audiences built last."""
    board = url_of(PLUGIN, "board/")
    scores = UpliftScore.objects.of(shop).filter(customer=customer).select_related("campaign").order_by("-uplift")
    members = AudienceMember.objects.of(shop).filter(customer=customer).select_related("audience")
    return [
        *(_uplift(each) for each in scores[:MOST]),
        *(
            Known(_("In the audience"), each.audience.name, url=board, at=each.audience.built_at)
            for each in members.order_by("-audience__built_at")[:MOST]
        ),
    ]


def _uplift(score: UpliftScore) -> Known:
    campaign = score.campaign
    there = reverse("admin:shop_campaign_change", args=[campaign.pk]) if campaign else ""
    return Known(
        _("Uplift of %(campaign)s") % {"campaign": campaign} if campaign else _("Uplift of campaigns to come"),
        _("%(points)+.1f percentage points") % {"points": 100 * score.uplift},
        _("%(share).1f %% would order if left alone") % {"share": 100 * score.response},
        there, score.as_of,
    )  # fmt: skip
