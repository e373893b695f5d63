"""The policy over a whole shop: which product runs out when, what to order of it, and what that saves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from plugins.inventory import policy
from plugins.inventory.policy import Demand, Floats, Levels, Terms
from plugins.inventory.scorer import DemandScorer

NO_SUPPLIER = -1
MOST_DAYS_AHEAD = 3650.0
LOW, HIGH = 0.05, 0.95  # the interval of the gain


@dataclass(frozen=True)
class Shelves:
    """What lies on the shelves and who fills them, one entry a product, with every gap filled by the settings."""

    product_id: npt.NDArray[np.int64]
    available: Floats
    on_order: Floats
    arrives_in: Floats  # days until the next goods come that are ordered; nan without any
    margin: Floats  # nan where price or cost is not told
    unit_cost: Floats
    supplier_id: npt.NDArray[np.int64]
    location_id: npt.NDArray[np.int64]
    terms: Terms


@dataclass(frozen=True)
class Verdicts:
    """What follows, one entry a product. `gain` is the margin that an order saves, a week, with its interval."""

    cover: Floats
    risk: Floats
    levels: Levels
    quantity: Floats
    order_in: Floats  # days until the order must be out
    gain: Floats
    gain_low: Floats
    gain_high: Floats


def demand_from(scorer: DemandScorer, place: npt.NDArray[np.int64]) -> Demand:
    return Demand(*scorer.sums(place))


def shelves(rows: pl.DataFrame, settings: Any, today: date) -> Shelves:
    """`rows` of `queries.shelves`."""

    def told(name: str, otherwise: float = np.nan) -> Floats:
        return rows[name].cast(pl.Float64).fill_null(otherwise).fill_nan(otherwise).to_numpy()

    price, cost = told("price"), told("cost")
    service = policy.service_levels(
        price, cost, holding_rate=settings.holding_rate, days=settings.cycle_days, usual=settings.service_level,
        least=min(settings.least_service_level, settings.most_service_level), most=settings.most_service_level,
    )  # fmt: skip
    multiple = told("multiple", 1.0)
    terms = Terms(
        told("lead_days", settings.lead_days),
        told("lead_deviation", settings.lead_deviation_days),
        float(settings.review_days),
        float(settings.cycle_days),
        np.where(multiple > 0, multiple, 1.0),
        told("minimum", 0.0),
        service,
    )
    arrives = (rows["arrives_on"] - today).dt.total_days().cast(pl.Float64).fill_null(np.nan).to_numpy()
    return Shelves(
        rows["product_id"].to_numpy(), told("available", 0.0), told("on_order", 0.0), np.maximum(arrives, 0.0),
        price - cost, told("unit_cost"), rows["supplier_id"].fill_null(NO_SUPPLIER).to_numpy(),
        rows["location_id"].fill_null(NO_SUPPLIER).to_numpy(), terms,
    )  # fmt: skip


def judge(found: Shelves, demand: Demand, settings: Any) -> Verdicts:
    terms, position = found.terms, found.available + found.on_order
    levels = policy.levels(demand, terms)
    quantity = policy.order_quantity(position, levels, terms)
    quantity = np.where(found.supplier_id == NO_SUPPLIER, 0.0, quantity)

    # Until goods can come: those that are ordered, else those that would be ordered now.
    waits = np.where(np.isnan(found.arrives_in), terms.lead_days, np.minimum(found.arrives_in, terms.lead_days))
    risk = 1 - policy.below(found.available, *demand.over(waits, terms.lead_deviation))

    # An order that waits for as long as stock lasts above the point for the lead time alone is still in time.
    alone = policy.needed(terms.service, *demand.over(terms.lead_days, terms.lead_deviation))
    order_in = policy.days_of_cover(np.maximum(position - alone, 0.0), demand.mean)
    order_in = np.where(position <= alone, 0.0, np.nan_to_num(order_in, nan=MOST_DAYS_AHEAD))

    gain, low, high = _gains(found, demand, position, quantity)
    return Verdicts(
        policy.days_of_cover(found.available, demand.mean), risk, levels, quantity, order_in, gain, low, high
    )


def _gains(found: Shelves, demand: Demand, position: Floats, quantity: Floats) -> tuple[Floats, Floats, Floats]:
    """Margin a week that is lost without the order and not with it; what is short before it comes is lost anyway."""
    days = found.terms.lead_days + found.terms.review_days + found.terms.cycle_days
    mean, deviation = demand.over(days, found.terms.lead_deviation)
    early_mean, early_deviation = demand.over(found.terms.lead_days, found.terms.lead_deviation)
    weekly = found.margin * 7 / days
    late = policy.expected_shortage(position, early_mean, early_deviation)

    def saved(short: Floats, short_with: Floats, lost: Floats) -> Floats:
        return np.maximum(np.minimum(short - short_with, quantity) - lost, 0.0) * weekly

    short = policy.expected_shortage(position, mean, deviation)
    expected = saved(short, policy.expected_shortage(position + quantity, mean, deviation), late)
    ends = []
    for level in (LOW, HIGH):
        met = policy.quantile(np.full(len(mean), level), mean, deviation)
        early = policy.quantile(np.full(len(mean), level), early_mean, early_deviation)
        gone = np.maximum(early - np.maximum(position, 0.0), 0.0)
        ends.append(saved(_over(met, position), _over(met, position + quantity), gone))
    return expected, np.minimum(ends[0], expected), np.maximum(ends[1], expected)


def _over(demand: Floats, stock: Floats) -> Floats:
    return np.maximum(demand - np.maximum(stock, 0.0), 0.0)
