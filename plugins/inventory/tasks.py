"""Jobs, and what others read: forecasts, outlooks and proposals, each replaced as a whole in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as say

from commerce_ai import registry
from commerce_ai.learning.live import live
from commerce_ai.shop.bulk import copy_rows
from commerce_ai.shop.models import DemandForecast, Shop, StockOutlook
from plugins.inventory import conformal, queries, replenishment
from plugins.inventory.features import Floats
from plugins.inventory.forms import SLOT
from plugins.inventory.models import ReorderProposal
from plugins.inventory.replenishment import NO_SUPPLIER, Shelves, Verdicts
from plugins.inventory.scorer import DemandScorer

PLUGIN = "inventory"
AT_ONCE = 5_000  # products whose days are laid out at a time
COLUMNS = tuple(DemandForecast.QUANTILES)
_AT = [int(np.argmin(np.abs(conformal.LEVELS - level))) for level in DemandForecast.QUANTILES.values()]
WEEK = 7
_CHANGING = (
    "supplier_id", "location_id", "quantity", "proposed_quantity", "unit_cost", "order_by", "lead_days", "available",
    "on_order", "reorder_point", "order_up_to", "safety_stock", "service_level", "stock_out_on", "expected_gain",
    "gain_low", "gain_high", "reasons", "version_id", "made_at", "expires_at",
)  # fmt: skip


def look(shop_id: int) -> str:
    """The hourly job: outlooks and proposals from the stock as it is now; in words what came of it."""
    versions = live(shop_id, SLOT)
    if not versions or registry.settings_for(shop_id, PLUGIN).ma28_only:
        return "no forecast is live"
    count = refresh(Shop.objects.get(pk=shop_id), versions[0].scorer, versions[0].version_id)
    return f"{count} proposals are open"


def publish(shop: Shop, scorer: DemandScorer, version_id: int) -> None:
    """Write `DemandForecast` of every product over the horizon, then what follows from it (`refresh`)."""
    with transaction.atomic():
        _one_at_a_time(shop)
        DemandForecast.objects.of(shop).delete()
        for rows in _forecasts(shop, scorer, version_id):
            copy_rows(DemandForecast, rows.columns, rows)
        _follow(shop, scorer, version_id)


def refresh(shop: Shop, scorer: DemandScorer, version_id: int) -> int:
    """Write `StockOutlook` and the open proposals from the stock as it is now; how many proposals are open."""
    with transaction.atomic():
        _one_at_a_time(shop)
        return _follow(shop, scorer, version_id)


def judge(shop: Shop, scorer: DemandScorer) -> tuple[Shelves, Verdicts, date]:
    """What the policy says of every tracked product that was learned, on the shop's day."""
    settings = registry.settings_for(shop.pk, PLUGIN)
    today = queries.today(shop)
    shelves = queries.shelves(shop)
    place = scorer.places(shelves["product_id"])
    shelves, place = shelves.filter(pl.Series(place >= 0)), place[place >= 0]
    demand = replenishment.demand_from(_turned(scorer, today), place)
    filled = replenishment.shelves(shelves, settings, today)
    return filled, replenishment.judge(filled, demand, settings), today


def _follow(shop: Shop, scorer: DemandScorer, version_id: int) -> int:
    shelves, verdicts, today = judge(shop, scorer)
    StockOutlook.objects.of(shop).delete()
    rows = _outlooks(shop, shelves, verdicts, version_id, today)
    copy_rows(StockOutlook, rows.columns, rows)
    return propose(shop, shelves, verdicts, version_id, today)


def _forecasts(shop: Shop, scorer: DemandScorer, version_id: int) -> Iterator[pl.DataFrame]:
    """Rows of 5,000 products at a time; products that are gone are left out."""
    ids = pl.Series("product_id", np.asarray(scorer.product_ids))
    there = queries.products(shop).join(pl.DataFrame({"product_id": ids}), on="product_id", how="semi")
    planned = queries.plans(shop, scorer.first_day, len(scorer.days)).select(
        "product_id", pl.col("date").alias("day"), "price"
    )
    as_of, horizon = timezone.now(), len(scorer.days)
    for start in range(0, there.height, AT_ONCE):
        part = there[start : start + AT_ONCE]
        place = scorer.places(part["product_id"])
        levels = scorer.quantiles(place)[:, :, _AT].reshape(len(place) * horizon, -1)
        days = pl.Series(scorer.days, dtype=pl.Date)
        frame = pl.DataFrame(
            {
                "product_id": np.repeat(part["product_id"].to_numpy(), horizon),
                "day": days.gather(np.tile(np.arange(horizon), len(place))),
                "mean": np.asarray(scorer.means[place], float).ravel(),
                **{name: levels[:, number] for number, name in enumerate(COLUMNS)},
                "usual": np.repeat(part["price"].to_numpy(), horizon),
            }
        ).join(planned, on=["product_id", "day"], how="left", maintain_order="left")
        yield frame.select(
            pl.lit(shop.pk).alias("shop_id"),
            "product_id",
            "day",
            "mean",
            *COLUMNS,
            pl.coalesce(pl.col("price"), pl.col("usual").fill_nan(None)).cast(pl.Decimal(14, 4)).alias("planned_price"),
            pl.lit(version_id).alias("version_id"),
            pl.lit(as_of).alias("as_of"),
        )


def _outlooks(shop: Shop, shelves: Shelves, verdicts: Verdicts, version_id: int, today: date) -> pl.DataFrame:
    cover = pl.Series(verdicts.cover).fill_nan(None)
    until = [None if days is None or days > 3649 else today + timedelta(days=int(days)) for days in cover]
    return pl.DataFrame({"product_id": shelves.product_id, "days_of_cover": cover}).with_columns(
        pl.lit(shop.pk).alias("shop_id"),
        pl.Series("stock_out_on", until, dtype=pl.Date),
        pl.Series("stock_out_probability", np.clip(verdicts.risk, 0.0, 1.0)),
        pl.lit(version_id).alias("version_id"),
        pl.lit(timezone.now()).alias("as_of"),
    )


def _turned(scorer: DemandScorer, today: date) -> DemandScorer:
    """The forecast as from `today` on, as long as before: what is missing at its end is as its last week."""
    gone = min(max((today - scorer.first_day).days, 0), scorer.means.shape[1])
    if not gone:
        return scorer
    means: Floats = np.asarray(scorer.means, float)
    week = means[:, -min(WEEK, means.shape[1]) :]
    after = np.tile(week, (1, gone // week.shape[1] + 1))[:, :gone]
    return replace(scorer, arrays={**scorer.arrays, "means": np.concatenate([means[:, gone:], after], axis=1)})


def _one_at_a_time(shop: Shop) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"inventory.publish:{shop.pk}"])


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
    ReorderProposal.objects.of(shop).bulk_create(new, batch_size=1000)
    if changed:
        ReorderProposal.objects.of(shop).bulk_update(changed, _CHANGING, batch_size=50)
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
    found: list[tuple[str, str, dict[str, Any]]] = [
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
