"""One simulated visit: what a person does in a shop that shows them lists, prices and a banner.

The shop is whatever stands behind `Front`: the public API over HTTP (`storefront.py`) or policies in this process
(`policies.py`). Nothing here knows which, nor what a plugin is; how people choose stands in `choice.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from commerce_ai.sample import truth
from commerce_ai.sample.choice import ChoiceModel, Draw
from commerce_ai.sample.truth import Floats, Rows, Truth


@dataclass(frozen=True)
class Visitor:
    """`like` is the customer whose tastes they have. `known`: it is that customer, on a device of theirs;
    `signed_in`: and they said so."""

    name: str
    like: int
    known: bool
    signed_in: bool


@dataclass(frozen=True)
class Shown:
    """A list: products by row number, what each costs, and the decision that it came with."""

    products: Rows
    prices: Floats
    decision_id: str | None = None


@dataclass(frozen=True)
class Line:
    product: int
    price: float
    decision_id: str | None


class Front(Protocol):
    """The shop, as one visitor meets it."""

    def arrive(self) -> bool:
        """Open the first page; whether it bore a banner."""
        ...

    def show(self, placement: str, context: list[int]) -> Shown:
        """A list for home, for the page of a product, or beside the cart."""
        ...

    def search(self, products: Rows) -> Shown:
        """These products as a search lists them, with their prices."""
        ...

    def look(self, line: Line) -> float:
        """Open a product's page; its price there."""
        ...

    def add(self, line: Line) -> None: ...

    def order(self, lines: list[Line], stolen: bool) -> bool:
        """Pay; False where the payment was refused."""
        ...

    def chat(self, draw: Draw) -> None: ...


@dataclass
class Visit:
    """What one visitor did. `clicks` are views of products that a list had shown."""

    views: int = 0
    clicks: int = 0
    cart: list[Line] = field(default_factory=list)
    paid: float = 0.0
    refused: bool = False


def visitor_of(of: Truth, seed: int, number: int) -> Visitor:
    """Whoever comes as number `number`: mostly customers, the eager ones more often."""
    draw = np.random.default_rng([seed, number, 0])
    like = min(int(np.searchsorted(of.arrivals, draw.random(), side="right")), len(of.arrivals) - 1)
    known = draw.random() >= truth.STRANGERS
    return Visitor(f"sim-{seed}-{number}", like, known, bool(known and draw.random() < truth.LOGGED_IN))


def visit(front: Front, of: Truth, model: ChoiceModel, who: Visitor, sellable: Rows, draw: Draw) -> Visit:
    """From the first page to the order, or away. `sellable` are the products that a search can find."""
    done = Visit()
    nudge = truth.BANNER if front.arrive() and of.drawn[who.like] else 0.0
    if draw.random() < truth.CHATS:
        front.chat(draw)
    if draw.random() < truth.SEARCHES:
        shown, place = _search(front, of, who, sellable, draw)
    else:
        shown = front.show("home", [])
        place = model.pick(draw, of, who.like, shown.products, shown.prices, nudge)
    while place is not None and done.views < truth.MOST_VIEWS:
        line = Line(int(shown.products[place]), float(shown.prices[place]), shown.decision_id)
        line = Line(line.product, front.look(line), line.decision_id)
        done.views += 1
        done.clicks += line.decision_id is not None
        placement, context = "product", [line.product]
        if draw.random() < model.cart(of, who.like, line.product, line.price, nudge) and not _holds(done, line):
            front.add(line)
            done.cart.append(line)
            placement, context = "cart", [each.product for each in done.cart]
        shown = front.show(placement, context)
        place = model.pick(draw, of, who.like, shown.products, shown.prices, nudge)
    if done.cart and draw.random() < truth.CHECKS_OUT:
        if front.order(done.cart, stolen=bool(draw.random() < truth.THIEVES)):
            done.paid = round(sum(each.price for each in done.cart), 2)
        else:
            done.refused = True
    return done


def _search(front: Front, of: Truth, who: Visitor, sellable: Rows, draw: Draw) -> tuple[Shown, int | None]:
    """What one had in mind: the best liked of some products, as a logit would have it. No plugin has a say in it."""
    some = draw.choice(sellable, min(truth.SEARCHED_AMONG, len(sellable)), replace=False)
    worth = of.liking(who.like, some) + draw.gumbel(size=len(some))
    found = front.search(some[[int(np.argmax(worth))]])
    return found, 0 if len(found.products) else None


def _holds(done: Visit, line: Line) -> bool:
    return any(each.product == line.product for each in done.cart)
