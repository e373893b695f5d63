"""What was decided, in one form for all plugins: items in order, or one value, and the context it was decided in."""

from __future__ import annotations

from typing import Any

import msgspec


class Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """One product that was chosen, and how.

    `product_id` is the shop's own name for it, `id` ours. `source` names the learner or rule that brought it,
    `propensity` the probability with which it was shown here (1 where nothing was drawn by chance; off-policy
    estimates divide by it), `score` the scorer's own figure.
    """

    product_id: str
    id: int
    position: int
    source: str
    propensity: float | None = None
    score: float | None = None
    reasons: list[str] = []


class Payload(msgspec.Struct, frozen=True, omit_defaults=True):
    """`items` for lists, `value` for a price, a verdict, a text; `context` is what the decision depended on.

    No e-mail, phone, name or address may enter any of them.
    """

    items: list[Item] = []
    value: Any = None
    context: dict[str, Any] = {}


def read(payload: Any) -> Payload:
    """The payload of a stored decision. Raises msgspec.ValidationError for a row that is not one."""
    return msgspec.convert(payload, Payload)
