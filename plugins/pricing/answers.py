"""What the pricing routes take and give. No struct has a place for a customer, and an unknown field is refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any

import msgspec

from commerce_ai.decisions.reasons import Reason
from commerce_ai.shop.money import minor_digits

MOST_PRODUCTS = 200
MOST_IDS = 500

Ids = Annotated[list[int], msgspec.Meta(min_length=1, max_length=MOST_IDS)]


class PricesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    product_id: Annotated[list[str], msgspec.Meta(min_length=1, max_length=MOST_PRODUCTS)]


class Price(msgspec.Struct, frozen=True):
    """`price` is null where the catalogue has none; `source` is catalogue or plan."""

    product_id: str
    price: str | None
    source: str
    proposal_id: int | None
    reasons: list[Reason]


class PricesAnswer(msgspec.Struct, frozen=True):
    """`stored` is false where the decision was lost."""

    prices: list[Price]
    currency: str
    decision_id: str
    version: str | None
    fallback: bool
    fallback_reason: str
    stored: bool


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A product at a `price` (money as text or number), or with its present price changed by `percent`."""

    product_id: str
    price: str | float | None = None
    percent: Annotated[float, msgspec.Meta(gt=-100, le=1000)] | None = None


class SimulateBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    products: Annotated[list[Wanted], msgspec.Meta(min_length=1, max_length=MOST_PRODUCTS)]


class Figure(msgspec.Struct, frozen=True):
    """What to expect, and between what it lies: money in whole smallest units, units to 3 digits, elasticity to 4."""

    value: float
    low: float
    high: float


def elasticity_of(value: float, low: float, high: float) -> Figure:
    """An elasticity and its interval, as they are shown."""
    return _figure({"value": value, "low": low, "high": high}, 4)


def figures_of(effect: Mapping[str, Any], currency: str) -> dict[str, Figure | None]:
    """Units, revenue, margin and gain of an effect (as JSON), as they are shown; what is unknown is None."""
    digits = {"units": 3}
    return {
        name: None if each is None else _figure(each, digits.get(name, minor_digits(currency)))
        for name, each in effect.items()
    }


def _figure(each: Mapping[str, float], digits: int) -> Figure:
    return Figure(**{part: round(value, digits) + 0.0 for part, value in each.items()})  # no "-0.0"


class Simulated(msgspec.Struct, frozen=True):
    """A week at `price`. Figures are null where nothing was learned of it, margin where the cost is unknown."""

    product_id: str
    current_price: str
    price: str
    elasticity: Figure | None
    units: Figure | None
    revenue: Figure | None
    margin: Figure | None
    gain: Figure | None
    prior_price: str | None
    reasons: list[Reason]


class SimulateAnswer(msgspec.Struct, frozen=True):
    products: list[Simulated]
    currency: str
    decision_id: str
    version: str | None
    fallback: bool
    fallback_reason: str
    stored: bool


class ProposalsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    state: str = "proposed"
    product_id: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    cursor: str = ""


class ProposalRow(msgspec.Struct, frozen=True):
    id: int
    product_id: str
    title: str
    state: str
    current_price: str
    price: str
    prior_price: str | None
    starts_on: date
    expected_gain: str | None
    gain_low: str | None
    gain_high: str | None
    elasticity: Figure
    effect: dict[str, Any]
    reasons: list[Any]
    made_at: datetime
    expires_at: datetime | None
    decided_at: datetime | None
    decision_id: str | None
    version: str | None


class ProposalsAnswer(msgspec.Struct, frozen=True):
    results: list[ProposalRow]
    next: str | None


class DecideBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    ids: Ids


class Refusal(msgspec.Struct, frozen=True):
    id: int
    message: str


class DecideAnswer(msgspec.Struct, frozen=True):
    """`done` were decided; each of `refused` says why not."""

    done: list[int]
    refused: list[Refusal]
    decision_id: str
    stored: bool
