"""What the routes answer, as structs."""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from commerce_ai.decisions.reasons import Reason


class Day(msgspec.Struct, frozen=True):
    """Units expected on one of the shop's days; `q90`: with nine chances in ten it is not more."""

    date: date
    mean: float
    q05: float
    q10: float
    q25: float
    q50: float
    q75: float
    q90: float
    q95: float
    q99: float


class Forecast(msgspec.Struct, frozen=True):
    """`as_of` is when it was computed. `stored` is false where the decision behind the answer was lost."""

    product_id: str
    days: list[Day]
    decision_id: str
    version: str | None
    fallback: bool
    fallback_reason: str
    reasons: list[Reason]
    as_of: datetime | None
    stored: bool


class ProposalAnswer(msgspec.Struct, frozen=True):
    """An order that is proposed; quantities and money as text, `expected_gain` a week in the shop's currency."""

    id: int
    state: str
    product_id: str
    title: str
    supplier_id: str
    location_id: str | None
    quantity: str
    proposed_quantity: str
    unit_cost: str | None
    order_by: date
    stock_out_on: date | None
    available: str
    on_order: str
    reorder_point: float
    order_up_to: float
    safety_stock: float
    service_level: float
    expected_gain: str | None
    gain_low: str | None
    gain_high: str | None
    reasons: list[Reason]
    version_id: int | None
    decision_id: str | None
    purchase_order: str | None


class ProposalsAnswer(msgspec.Struct, frozen=True):
    """A page; `next` is the cursor of the next one, or null."""

    results: list[ProposalAnswer]
    next: str | None


class Approved(msgspec.Struct, frozen=True):
    """What was decided, and the purchase order it became a line of."""

    proposal: ProposalAnswer
    decision_id: str
    version: str | None
    fallback: bool
    fallback_reason: str
    reasons: list[Reason]
    stored: bool
