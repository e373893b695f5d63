"""Prices that are approved by the schedule, in automatic mode and within its guard-rails; every other waits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.utils import timezone

from commerce_ai import registry
from commerce_ai.decisions import automatic
from commerce_ai.decisions.payload import Payload
from commerce_ai.decisions.proposals import Outcome
from commerce_ai.decisions.record import NewDecision, record
from commerce_ai.plugin import Mode
from commerce_ai.shop.models import Shop, StockOutlook
from plugins.pricing import tasks
from plugins.pricing.models import PriceProposal
from plugins.pricing.tasks import PLUGIN

SCARCE_DAYS = 14  # no automatic cut of what is expected to run out by then


def publish(shop_id: int) -> str:
    """The daily job: propose, then approve what may be approved; in words what came of it."""
    proposed = tasks.publish(shop_id)
    outcome = approve_due(Shop.objects.get(pk=shop_id))
    return f"{proposed} are proposed, {len(outcome.done)} were approved"


def approve_due(shop: Shop) -> Outcome:
    """Approve within the guard-rails; nothing in suggest mode, nor while the emergency switch is on."""
    settings = registry.settings_for(shop.pk, PLUGIN)
    if settings.catalogue_only:
        return Outcome()
    outcome = automatic.approve_due(PriceProposal, shop, settings, fits(shop, settings))
    if outcome.done or outcome.refused:
        keep(shop, "approve", outcome, by="schedule")
    return outcome


def fits(shop: Shop, settings: Any) -> Callable[[PriceProposal], bool]:
    """Whether a price is small enough a step, surely gains, and is no cut of what runs out soon."""
    until = timezone.now().astimezone(shop.tz).date() + timedelta(days=SCARCE_DAYS)
    scarce = set(StockOutlook.objects.of(shop).filter(stock_out_on__lte=until).values_list("product_id", flat=True))
    most = settings.automatic_step_percent / 100

    def is_fit(proposal: PriceProposal) -> bool:
        step = float(proposal.price / proposal.current_price) - 1 if proposal.current_price else 1.0
        surely = proposal.gain_low is not None and proposal.gain_low > 0
        return abs(step) <= most + 1e-9 and surely and (step > 0 or proposal.product_id not in scarce)

    return is_fit


def mode(shop: Shop, url: str = "") -> Mode:
    return automatic.standing(PriceProposal, shop, registry.settings_for(shop.pk, PLUGIN), url)


def keep(shop: Shop, verb: str, outcome: Outcome, by: str) -> None:
    """What was decided on many at once, as one durable decision."""
    value = {"verb": verb, "done": outcome.done, "refused": {str(pk): why for pk, why in outcome.refused.items()}}
    record(
        NewDecision(shop_id=shop.pk, plugin=PLUGIN, kind=verb, payload=Payload(value=value, context={"by": by})),
        durable=True,
    )
