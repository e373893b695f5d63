"""Answers one request: the published forecast of a product, or the moving average; and decides proposals."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from django.db import transaction
from django.utils.translation import gettext as say

from commerce_ai import registry
from commerce_ai.decisions import payload, proposals
from commerce_ai.decisions.proposals import AlreadyDecided
from commerce_ai.decisions.reasons import Reason
from commerce_ai.decisions.record import NewDecision, new_decision_id, record
from commerce_ai.learning.live import live
from commerce_ai.shop.facts import shop_facts
from commerce_ai.shop.models import DemandForecast, Product, Shop
from commerce_ai.shop.money import money_text
from plugins.inventory import queries
from plugins.inventory.answers import Approved, Day, Forecast, ProposalAnswer
from plugins.inventory.forms import SLOT
from plugins.inventory.models import ReorderProposal

PLUGIN = "inventory"
USUAL_DAYS, MOST_DAYS = 28, 182
AVERAGED_DAYS = 28
LEVELS = DemandForecast.QUANTILES


class UnknownProduct(LookupError):
    """The shop's catalogue has no such product."""


def forecast(shop: Shop, external_id: str, first: date | None = None, last: date | None = None) -> Forecast:
    """The days `first` to `last` (default: four weeks from today) that were forecast. Raises `UnknownProduct`."""
    started = time.perf_counter()
    product = queries.find_product(shop.pk, external_id)
    if product is None:
        raise UnknownProduct(external_id)
    first = first or queries.today(shop)
    last = min(last or first + timedelta(days=USUAL_DAYS - 1), first + timedelta(days=MOST_DAYS - 1))
    only_average = registry.settings_for(shop.pk, PLUGIN).ma28_only
    rows = [] if only_average else list(published(shop, product, first, last))
    days, fallback_reason = [day_of(row) for row in rows], ""
    if not rows:
        days = moving_average(shop, product, first, last)
        fallback_reason = _why(shop, only_average)
    reason = Reason("learned", say("Learned from the shop's sales, prices and calendar"))
    if fallback_reason:
        reason = Reason("moving_average", say("The average of the last %(days)d days") % {"days": AVERAGED_DAYS})
    version_id = rows[0].version_id if rows else None
    decision = NewDecision(
        shop_id=shop.pk,
        plugin=PLUGIN,
        kind="forecast",
        subject=f"product:{external_id}",
        version_id=version_id,
        payload=payload.Payload(
            value=round(sum(day.mean for day in days), 3),
            context={"from": first.isoformat(), "to": last.isoformat(), "days": len(days)},
        ),
        reasons=[reason.code],
        flags=("fallback",) if fallback_reason else (),
        latency_ms=round((time.perf_counter() - started) * 1000, 3),
    )
    stored = record(decision).stored
    return Forecast(
        product_id=external_id,
        days=days,
        decision_id=str(decision.decision_id),
        version=version_words(shop.pk, version_id),
        fallback=bool(fallback_reason),
        fallback_reason=fallback_reason,
        reasons=[reason],
        as_of=rows[0].as_of if rows else None,
        stored=stored,
    )


def published(shop: Shop, product: Product, first: date, last: date) -> Any:
    """The product's rows of `DemandForecast` over all locations, by day."""
    mine = DemandForecast.objects.of(shop).filter(product=product, location=None, day__gte=first, day__lte=last)
    return mine.order_by("day")


def day_of(row: DemandForecast) -> Day:
    return Day(row.day, round(row.mean, 4), **{name: round(getattr(row, name), 4) for name in LEVELS})


def moving_average(shop: Shop, product: Product, first: date, last: date) -> list[Day]:
    """The same for every day: mean and quantiles of the last four weeks."""
    units = np.array([units for _day, units in queries.units_of(shop, product.pk, AVERAGED_DAYS)])
    found = np.quantile(units, list(LEVELS.values()))
    levels = {name: round(float(value), 4) for name, value in zip(LEVELS, found, strict=True)}
    mean = round(float(units.mean()), 4)
    return [Day(first + timedelta(days=ahead), mean, **levels) for ahead in range((last - first).days + 1)]


def version_words(shop_id: int, version_id: int | None) -> str | None:
    """As in ``inventory.demand v12``."""
    if version_id is None:
        return None
    name = next((each.learner.name for each in live(shop_id, SLOT) if each.version_id == version_id), SLOT)
    return f"{name} v{version_id}"


def approve(proposal: ReorderProposal, by: Any = None, quantity: Decimal | None = None) -> Approved:
    """Approve, with another quantity if one is given, and keep the decision; all of it or nothing.

    One that is approved already with this quantity answers the same again. Raises `AlreadyDecided`, `Refused`.
    """
    with transaction.atomic():
        found = ReorderProposal.objects.of(proposal.shop_id).select_for_update(of=("self",)).get(pk=proposal.pk)
        stored = True
        if found.state == ReorderProposal.State.APPROVED and quantity in (None, found.quantity):
            pass
        else:
            if not found.is_open:
                raise AlreadyDecided(say("It is %(state)s already.") % {"state": found.get_state_display()})
            if quantity is not None:
                found.quantity = quantity
            found.decision_id = new_decision_id()
            found.save(update_fields=["quantity", "decision_id"])
            found.approve(by)
            stored = record(_decision(found, "reorder"), durable=True).stored
    return Approved(
        proposal=shown(found),
        decision_id=str(found.decision_id),
        version=version_words(found.shop_id, found.version_id),
        fallback=False,
        fallback_reason="",
        reasons=_reasons(found),
        stored=stored,
    )


def reject(proposal: ReorderProposal, by: Any = None) -> None:
    """Close it without an order, and keep the decision. Raises `AlreadyDecided`."""
    _close(proposal, "reorder-rejected", lambda: proposal.reject(by))


def undo(proposal: ReorderProposal, by: Any = None) -> None:
    """Take an approval back, and keep the decision. Raises `AlreadyDecided`, `Refused`."""
    _close(proposal, "reorder-undone", lambda: proposal.undo(by))


def edit(proposal: ReorderProposal, quantity: Decimal) -> None:
    """Another quantity for an open proposal. Raises `AlreadyDecided`."""
    with transaction.atomic():
        found = ReorderProposal.objects.of(proposal.shop_id).select_for_update(of=("self",)).get(pk=proposal.pk)
        if not found.is_open:
            raise AlreadyDecided(say("It is %(state)s already.") % {"state": found.get_state_display()})
        found.quantity = quantity
        found.save(update_fields=["quantity"])


def each(found: list[ReorderProposal], act: Callable[[ReorderProposal], Any]) -> proposals.Outcome:
    """Do it to each, one transaction each; what is refused stops no other."""
    outcome = proposals.Outcome()
    for proposal in found:
        try:
            act(proposal)
            outcome.done.append(proposal.pk)
        except proposals.Refused as error:
            outcome.refused[proposal.pk] = str(error)
    return outcome


def shown(row: ReorderProposal) -> ProposalAnswer:
    line = row.purchase_line
    return ProposalAnswer(
        id=row.pk,
        state=row.state,
        product_id=row.product.external_id,
        title=row.product.title,
        supplier_id=row.supplier.external_id,
        location_id=row.location.external_id if row.location else None,
        quantity=plain(row.quantity),
        proposed_quantity=plain(row.proposed_quantity),
        unit_cost=None if row.unit_cost is None else plain(row.unit_cost),
        order_by=row.order_by,
        stock_out_on=row.stock_out_on,
        available=plain(row.available),
        on_order=plain(row.on_order),
        reorder_point=round(row.reorder_point, 3),
        order_up_to=round(row.order_up_to, 3),
        safety_stock=round(row.safety_stock, 3),
        service_level=round(row.service_level, 4),
        expected_gain=_money(row, "expected_gain"),
        gain_low=_money(row, "gain_low"),
        gain_high=_money(row, "gain_high"),
        reasons=_reasons(row),
        version_id=row.version_id,
        decision_id=str(row.decision_id) if row.decision_id else None,
        purchase_order=line.purchase_order.external_id if line else None,
    )


def plain(value: Decimal) -> str:
    """``12`` and ``0.25``, never ``1.2E+1``."""
    return f"{value.normalize():f}"


def _close(proposal: ReorderProposal, kind: str, act: Callable[[], None]) -> None:
    with transaction.atomic():
        act()
        record(_decision(proposal, kind), durable=True)


def _decision(row: ReorderProposal, kind: str) -> NewDecision:
    return NewDecision(
        shop_id=row.shop_id,
        plugin=PLUGIN,
        kind=kind,
        subject=f"product:{row.product.external_id}",
        version_id=row.version_id,
        payload=payload.Payload(
            value=plain(row.quantity),
            context={
                "proposal": row.pk, "proposed_quantity": plain(row.proposed_quantity), "supplier": row.supplier_id,
                "reorder_point": round(row.reorder_point, 3), "order_up_to": round(row.order_up_to, 3),
                "service_level": round(row.service_level, 4), "expected_gain": _money(row, "expected_gain"),
            },
        ),
        reasons=[reason["code"] for reason in row.reasons],
        decision_id=row.decision_id if kind == "reorder" and row.decision_id else new_decision_id(),
    )  # fmt: skip


def _reasons(row: ReorderProposal) -> list[Reason]:
    return [Reason(each["code"], each["message"], each["params"]) for each in row.reasons]


def _money(row: ReorderProposal, name: str) -> str | None:
    value = getattr(row, name)
    return None if value is None else money_text(value, shop_facts(row.shop_id).currency)


def _why(shop: Shop, only_average: bool) -> str:
    if only_average:
        return say("The shop has switched to the moving average only.")
    if not live(shop.pk, SLOT):
        return say("No version is live yet: the average of the last four weeks answers.")
    return say("These days or this product were not forecast: the average of the last four weeks answers.")
