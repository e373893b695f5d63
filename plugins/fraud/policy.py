"""Allow, review or block: whichever is expected to cost least."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Action = Literal["allow", "review", "block"]


@dataclass(frozen=True)
class Costs:
    """What mistakes cost a shop. Money in its currency, shares between 0 and 1.

    `margin` of the amount is lost with a customer who is refused for nothing, and again `annoyance` times. A person
    finds `found` of the frauds they look at. Below `review_from` and `block_from` nobody is reviewed or blocked.
    """

    review: float = 3.0
    chargeback_fee: float = 15.0
    margin: float = 0.3
    annoyance: float = 1.0
    found: float = 0.9
    review_from: float = 0.01
    block_from: float = 0.5


@dataclass(frozen=True)
class Choice:
    """An action, and what each would cost on average."""

    action: Action
    costs: dict[Action, float]
    full: bool = False  # a review was cheapest, and nobody had time for it

    @property
    def loss(self) -> float:
        """What letting it pass would cost on average."""
        return self.costs["allow"]


def expected(probability: float, amount: float, costs: Costs) -> dict[Action, float]:
    """What each action costs on average, in the shop's currency."""
    loss = probability * (amount + costs.chargeback_fee)
    return {
        "allow": loss,
        "review": costs.review + (1 - costs.found) * loss,
        "block": (1 - probability) * amount * costs.margin * (1 + costs.annoyance),
    }


def choose(probability: float, amount: float, costs: Costs, *, reviews_left: bool) -> Choice:
    """The cheapest action that the bounds let; without a person to review it, the cheaper of the other two."""
    each = expected(probability, amount, costs)
    may: list[Action] = ["allow"]
    if probability >= costs.review_from:
        may.append("review")
    if probability >= costs.block_from:
        may.append("block")
    best = min(may, key=lambda action: each[action])
    if best == "review" and not reviews_left:
        rest = min((action for action in may if action != "review"), key=lambda action: each[action])
        return Choice(rest, each, full=True)
    return Choice(best, each)
