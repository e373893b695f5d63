"""The pages of what people do: all of them as groups, and one customer from first visit to last order."""

from __future__ import annotations

import logging
from typing import Any

from django.http import Http404
from django.utils.translation import gettext as _

from commerce_ai import registry
from commerce_ai.console import behaviour
from commerce_ai.console.cohorts import K
from commerce_ai.console.money import money
from commerce_ai.console.pages import page
from commerce_ai.decisions.models import Decision
from commerce_ai.plugin import Known, Plugin
from commerce_ai.shop.consent import Purpose, allows
from commerce_ai.shop.models import Consent, Customer, CustomerScore, Event, Identity, Order, SocialTie

logger = logging.getLogger(__name__)
MOST_EVENTS, MOST_ORDERS, MOST_DECISIONS = 60, 20, 20


@page(template="console/behaviour.html")
def overview(request: Any) -> dict[str, Any]:
    """Who comes back, and what follows what."""
    cohorts = behaviour.retention(request.shop)
    return {
        "title": _("Behaviour"), "k": K, "newest": behaviour.EVENTS, "cohorts": cohorts,
        "months": range(1, max((len(each.back) for each in cohorts), default=0) + 1),
        "steps": behaviour.paths(request.shop),
    }  # fmt: skip


@page(template="console/customer.html")
def customer(request: Any, pk: int) -> dict[str, Any]:
    """Path, profile, what each plugin knows and what was decided for one customer, with why.

    Neither contact data nor anything that the person wrote stands here, so that analysts may read it.
    """
    shop = request.shop
    found = Customer.objects.of(shop).filter(pk=pk).first()
    if found is None:
        raise Http404
    orders = Order.objects.of(shop).filter(customer=found).order_by("-placed_at")
    decisions = Decision.objects.of(shop).filter(customer_id=found.pk).order_by("-id")
    # Who refused analytics is not followed; what they bought is the shop's books.
    followed = allows(shop.pk, Purpose.ANALYTICS, customer_external_id=found.external_id)
    events = Event.objects.of(shop).filter(customer=found).select_related("product").order_by("-id")
    return {
        "title": found.external_id, "customer": found, "followed": followed,
        "events": list(events[:MOST_EVENTS]) if followed else [],
        "orders": [(each, money(each.total, each.currency)) for each in orders[:MOST_ORDERS]],
        "count": orders.count(), "score": _score(request, found), "known": _known(request, found),
        "decisions": list(decisions[:MOST_DECISIONS]),
        "devices": Identity.objects.of(shop).filter(customer=found).count(),
        "ties": SocialTie.objects.of(shop).filter(customer=found).count(),
        "consents": _consents(request, found),
    }  # fmt: skip


def _known(request: Any, found: Customer) -> list[tuple[Plugin, list[Known]]]:
    """By plugin; one that knows nothing of anybody is left out."""
    told = []
    for plugin in registry.plugins():
        if type(plugin).known is Plugin.known or not registry.is_on(request.shop.pk, plugin.slug):
            continue
        try:
            told.append((plugin, list(plugin.known(request.shop, found))))
        except Exception as error:  # a third party's code must not take the page with it
            logger.exception("known() of the plugin %s failed", plugin.slug)
            told.append((plugin, [Known(_("It can't be said"), str(error))]))
    return told


def _score(request: Any, found: Customer) -> dict[str, Any] | None:
    score = CustomerScore.objects.of(request.shop).filter(customer=found).first()
    if score is None:
        return None
    return {"of": score, "value": money(score.value, request.shop.currency) if score.value is not None else "–"}


def _consents(request: Any, found: Customer) -> list[tuple[str, bool, Consent | None]]:
    """For each purpose what holds today, and the answer it comes from, if there is one."""
    latest: dict[str, Consent] = {}
    for each in Consent.objects.of(request.shop).filter(customer=found).order_by("at", "id"):
        latest[each.purpose] = each
    return [
        (
            str(purpose.label),
            allows(request.shop.pk, purpose, customer_external_id=found.external_id),
            latest.get(purpose.value),
        )
        for purpose in Purpose
    ]
