"""Keeps the open proposals in step with the policy: new ones, changed ones, and those whose reason is gone."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from django.utils import timezone
from django.utils.translation import gettext as say

from commerce_ai import registry
from commerce_ai.shop.models import Shop
from plugins.inventory.models import ReorderProposal
from plugins.inventory.replenishment import NO_SUPPLIER, Shelves, Verdicts

PLUGIN = "inventory"
_CHANGING = (
    "supplier_id", "location_id", "quantity", "proposed_quantity", "unit_cost", "order_by", "lead_days", "available",
    "on_order", "reorder_point", "order_up_to", "safety_stock", "service_level", "stock_out_on", "expected_gain",
    "gain_low", "gain_high", "reasons", "version_id", "made_at", "expires_at",
)  # fmt: skip


def propose(shop: Shop, shelves: Shelves, verdicts: Verdicts, version_id: int, today: date) -> int:
    """One open proposal for each product that needs an order; an edited quantity stays. How many are open."""
    mine = ReorderProposal.objects.of(shop)
    mine.expire()
    open_now = {each.product_id: each for each in mine.filter(state=ReorderProposal.State.PROPOSED).select_for_update()}
    valid = timedelta(days=registry.settings_for(shop.pk, PLUGIN).valid_days)
    new, changed = [], []
    for place in np.flatnonzero(verdicts.quantity > 0):
        fields = _fields(shelves, verdicts, int(place), version_id, today, valid)
        found = open_now.pop(int(shelves.product_id[place]), None)
        if found is None:
            new.append(ReorderProposal(shop=shop, product_id=int(shelves.product_id[place]), **fields))
            continue
        if found.edited:
            del fields["quantity"]
        for name, value in fields.items():
            setattr(found, name, value)
        changed.append(found)
    ReorderProposal.objects.bulk_create(new, batch_size=1000)
    if changed:
        ReorderProposal.objects.bulk_update(changed, _CHANGING, batch_size=500)
    gone = [each.pk for each in open_now.values()]
    mine.filter(pk__in=gone).update(state=ReorderProposal.State.EXPIRED, decided_at=timezone.now())
    return len(new) + len(changed)


def _fields(
    shelves: Shelves, verdicts: Verdicts, at: int, version_id: int, today: date, valid: timedelta
) -> dict[str, Any]:
    quantity, location = _pieces(verdicts.quantity[at]), int(shelves.location_id[at])
    cover = float(verdicts.cover[at])
    out_on = None if np.isnan(cover) or cover > 3649 else today + timedelta(days=int(cover))
    now = timezone.now()
    return {
        "supplier_id": int(shelves.supplier_id[at]),
        "location_id": None if location == NO_SUPPLIER else location,
        "quantity": quantity,
        "proposed_quantity": quantity,
        "unit_cost": _money(shelves.unit_cost[at]),
        "order_by": today + timedelta(days=int(min(verdicts.order_in[at], 3650))),
        "lead_days": float(shelves.terms.lead_days[at]),
        "available": _pieces(shelves.available[at]),
        "on_order": _pieces(shelves.on_order[at]),
        "reorder_point": float(verdicts.levels.reorder_point[at]),
        "order_up_to": float(verdicts.levels.order_up_to[at]),
        "safety_stock": float(verdicts.levels.safety[at]),
        "service_level": float(shelves.terms.service[at]),
        "stock_out_on": out_on,
        "expected_gain": _money(verdicts.gain[at]),
        "gain_low": _money(verdicts.gain_low[at]),
        "gain_high": _money(verdicts.gain_high[at]),
        "reasons": _reasons(shelves, verdicts, at),
        "version_id": version_id,
        "made_at": now,
        "expires_at": now + valid,
    }


def _reasons(shelves: Shelves, verdicts: Verdicts, at: int) -> list[dict[str, Any]]:
    """In the operator's words; the figures stand in `params` too."""
    position = {
        "position": round(float(shelves.available[at] + shelves.on_order[at]), 1),
        "reorder_point": round(float(verdicts.levels.reorder_point[at]), 1),
        "on_order": round(float(shelves.on_order[at]), 1),
    }
    found = [
        (
            "below_reorder_point",
            say("%(position)s available or on order; the reorder point is %(reorder_point)s"),
            position,
        )
    ]
    cover = float(verdicts.cover[at])
    if np.isfinite(cover):
        days = {"days": round(cover, 1), "lead_days": round(float(shelves.terms.lead_days[at]), 1)}
        found.append(("cover", say("Lasts %(days)s days; goods need %(lead_days)s"), days))
    risk = {"percent": round(100 * float(verdicts.risk[at]))}
    if risk["percent"] >= 1:
        found.append(("risk", say("Runs out before goods come with %(percent)s %% probability"), risk))
    return [{"code": code, "message": words % params, "params": params} for code, words, params in found]


def _pieces(value: float) -> Decimal:
    return Decimal(f"{float(value):.3f}")


def _money(value: float) -> Decimal | None:
    return None if not np.isfinite(value) else Decimal(f"{float(value):.4f}")
