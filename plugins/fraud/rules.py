"""Rules that need no training: what answers until a version is live, and what a version has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from plugins.fraud.features import NAMES

Array = npt.NDArray[Any]
_CUSTOMER, _TERMINAL = NAMES.index("customer_tx_count_1d"), NAMES.index("terminal_pace_1d")


@dataclass(frozen=True)
class Limits:
    """What is out of the ordinary: payments a day of one customer, of one device; an amount in the shop's currency."""

    customer_a_day: int = 5
    device_a_day: int = 5
    amount: float = 500.0
    countries: bool = True


@dataclass(frozen=True)
class Hit:
    """A rule that is broken: by what (`value`), beyond what (`limit`)."""

    code: str
    value: Any
    limit: Any


def broken(features: Array, countries: set[str], limits: Limits) -> list[Hit]:
    """The rules that one payment breaks; `countries` are those that card, address and connection name."""
    amount, customer, device = (float(features[0, at]) for at in (0, _CUSTOMER, _TERMINAL))
    hits = []
    if device > limits.device_a_day:
        hits.append(Hit("device_velocity", int(device), limits.device_a_day))
    if customer > limits.customer_a_day:
        hits.append(Hit("customer_velocity", int(customer), limits.customer_a_day))
    if amount > limits.amount:
        hits.append(Hit("amount_over_limit", amount, limits.amount))
    if limits.countries and len(countries) > 1:
        hits.append(Hit("country_mismatch", ", ".join(sorted(countries)), 1))
    return hits


def points(features: Array, limits: Limits) -> Array:
    """How many rules each payment breaks; within the same number, the dearer first. Between 0 and 4."""
    amount = features[:, 0]
    hits = (amount > limits.amount).astype(np.float64)
    hits += features[:, _CUSTOMER] > limits.customer_a_day
    hits += features[:, _TERMINAL] > limits.device_a_day
    return hits + amount / (amount + limits.amount)
