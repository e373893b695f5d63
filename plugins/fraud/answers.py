"""What is asked and what is answered, between routes, service and console."""

from __future__ import annotations

from datetime import datetime

import msgspec

from commerce_ai.decisions.reasons import Reason
from plugins.fraud.policy import Action


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A payment that is about to be taken. Ids as the shop has them; `amount` in the shop's currency."""

    payment_id: str
    amount: float
    at: datetime
    order_id: str = ""
    customer_id: str | None = None
    device_id: str | None = None
    ip: str | None = None
    card_fingerprint: str | None = None
    countries: frozenset[str] = frozenset()


class Answer(msgspec.Struct, frozen=True):
    """What to do with a payment, and why.

    `score` is the probability of fraud (null where rules decided), `expected_costs` what each action costs on average
    in the shop's currency. `history` says how far back it was looked: `full`, or without the payments since the last
    training (`trained`), or not at all (`none`). `version` names the version that scored; with `fallback` none did,
    and `fallback_reason` says why. `case_id` is the case that a person will decide; `stored` is false when the
    decision could not be kept.
    """

    action: Action
    score: float | None
    expected_costs: dict[str, float]
    reasons: list[Reason]
    decision_id: str
    version: str | None
    fallback: bool
    fallback_reason: str
    history: str
    case_id: int | None
    stored: bool = True
