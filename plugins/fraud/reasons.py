"""Why: the features that speak most for fraud, and the rules that are broken, as sentences still to be translated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from plugins.fraud.rules import Hit

MOST = 3
LEAST_ADDED = 0.1  # of a margin; less is noise


def gettext_noop(sentence: str) -> str:
    """Marks a sentence for translation; whoever shows it translates."""
    return sentence


@dataclass(frozen=True)
class Why:
    """A sentence with the figures that belong into it."""

    code: str
    sentence: str
    params: dict[str, Any] = field(default_factory=dict)


_FEATURES = {
    "amount": gettext_noop("The amount, %(value)s, speaks for fraud."),
    "during_weekend": gettext_noop("It was made at a weekend."),
    "during_night": gettext_noop("It was made at night."),
    "customer_tx_count": gettext_noop("The customer made %(value)s payments within %(days)s days."),
    "customer_avg_amount": gettext_noop("The customer's payments of %(days)s days are %(value)s on average."),
    "terminal_tx_count": gettext_noop("The device made %(value)s payments within %(days)s days, before the last days."),
    "terminal_risk": gettext_noop("%(value)s %% of the device's payments within %(days)s days were fraud."),
    "terminal_pace": gettext_noop("The device made %(value)s payments within %(days)s days."),
}
_IN_A_DAY = {
    "customer_tx_count": gettext_noop("The customer made %(value)s payments in a day."),
    "customer_avg_amount": gettext_noop("The customer's payments of a day are %(value)s on average."),
    "terminal_tx_count": gettext_noop("The device made %(value)s payments in a day, before the last days."),
    "terminal_risk": gettext_noop("%(value)s %% of the device's payments in a day were fraud."),
    "terminal_pace": gettext_noop("The device made %(value)s payments in a day."),
}
_HARDLY = {  # of a count that is 0, or 1 with the payment itself
    "customer_tx_count": gettext_noop("The customer has not paid here within %(days)s days before."),
    "terminal_tx_count": gettext_noop("The device was not seen here within %(days)s days before the last ones."),
    "terminal_pace": gettext_noop("The device was not seen here within %(days)s days before."),
}
_HARDLY_IN_A_DAY = {
    "customer_tx_count": gettext_noop("The customer has not paid here within a day before."),
    "terminal_tx_count": gettext_noop("The device was not seen here within a day before the last ones."),
    "terminal_pace": gettext_noop("The device was not seen here within a day before."),
}
_RULES = {
    "device_velocity": gettext_noop("The device made %(value)s payments in a day; %(limit)s are usual."),
    "customer_velocity": gettext_noop("The customer made %(value)s payments in a day; %(limit)s are usual."),
    "amount_over_limit": gettext_noop("The amount, %(value)s, is above %(limit)s."),
    "country_mismatch": gettext_noop("Card, connection and addresses name several countries: %(value)s."),
}


def of_contributions(names: Sequence[str], features: npt.NDArray[Any], added: npt.NDArray[Any]) -> list[Why]:
    """At most three features that add most to the margin, one of a kind (the three spans say much the same)."""
    found: dict[str, Why] = {}
    for at in sorted(range(len(names)), key=lambda place: -float(added[place])):
        kind, days = _kind(names[at])
        if added[at] < LEAST_ADDED or len(found) == MOST:
            break
        value = float(features[at])
        if kind in found or (kind.startswith("during_") and not value):
            continue
        sentence = (_IN_A_DAY if days == 1 else _FEATURES).get(kind, _FEATURES[kind])
        if value < (1 if kind == "terminal_tx_count" else 2):
            sentence = (_HARDLY_IN_A_DAY if days == 1 else _HARDLY).get(kind, sentence)
        found[kind] = Why(names[at], sentence, {"value": _figure(kind, value), "days": days} if days else
                          {"value": _figure(kind, value)})  # fmt: skip
    return list(found.values())


def of_rule(hit: Hit) -> Why:
    money = hit.code == "amount_over_limit"
    params = {"value": _money(hit.value), "limit": _money(hit.limit)} if money else {
        "value": str(hit.value), "limit": str(hit.limit)
    }  # fmt: skip
    return Why(hit.code, _RULES[hit.code], params)


def _kind(name: str) -> tuple[str, int]:
    head, _under, tail = name.rpartition("_")
    return (head, int(tail[:-1])) if tail.endswith("d") and tail[:-1].isdigit() else (name, 0)


def _figure(kind: str, value: float) -> str:
    if kind in ("amount", "customer_avg_amount"):
        return _money(value)
    return f"{100 * value:.0f}" if kind == "terminal_risk" else f"{value:.0f}"


def _money(value: float) -> str:
    return f"{value:,.2f}"
