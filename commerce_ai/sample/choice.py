"""How a visitor chooses among what is shown: two models of different form, which know nothing of plugins.

`Logit` weighs all that caught the eye against going away; `Satisficing` goes down the list and takes the first that
is good enough. Both see the list as it stands (products, prices, places) and the visitor's own likings.
"""

from __future__ import annotations

from math import erf, sqrt
from typing import Any, Protocol

import numpy as np

from commerce_ai.sample import truth
from commerce_ai.sample.truth import Floats, Rows, Truth

Draw = np.random.Generator


class ChoiceModel(Protocol):
    """`nudge` are logits that something else (a banner) adds to every liking of this visitor."""

    name: str

    def pick(self, draw: Draw, of: Truth, who: int, products: Rows, prices: Floats, nudge: float = 0.0) -> int | None:
        """The place in the list of what `who` looks at next; None: nothing of it."""
        ...

    def cart(self, of: Truth, who: int, product: int, price: float, nudge: float = 0.0) -> float:
        """The chance that what is looked at goes into the cart."""
        ...


class Logit:
    """Multinomial logit over the products that caught the eye and going away."""

    name = "logit"

    def pick(self, draw: Draw, of: Truth, who: int, products: Rows, prices: Floats, nudge: float = 0.0) -> int | None:
        chances = self.chances(of, who, products, prices, draw.random(len(products)) < examined(len(products)), nudge)
        place = int(np.searchsorted(np.cumsum(chances), draw.random(), side="right"))
        return place if place < len(products) else None

    def chances(self, of: Truth, who: int, products: Rows, prices: Floats, seen: Any, nudge: float = 0.0) -> Floats:
        """Of each product of the list; what is left to 1 is that of going away. `seen` says what caught the eye."""
        pull = truth.PRICE_IN_LIST * of.price_pull(who, products, prices)
        odds = np.where(seen, np.exp(of.liking(who, products) + pull + nudge - truth.OUTSIDE), 0.0)
        return np.asarray(odds / (1 + odds.sum()))

    def cart(self, of: Truth, who: int, product: int, price: float, nudge: float = 0.0) -> float:
        return float(1 / (1 + np.exp(-(truth.CART_BASE + _in_the_hand(of, who, product, price) + nudge))))


class Satisficing:
    """Down the list, what costs far too much left out, until something is good enough or patience ends."""

    name = "satisficing"

    def pick(self, draw: Draw, of: Truth, who: int, products: Rows, prices: Floats, nudge: float = 0.0) -> int | None:
        n = len(products)
        pull = truth.PRICE_IN_LIST * of.price_pull(who, products, prices)
        glance = of.liking(who, products) + pull + nudge + draw.normal(0, truth.NOISE_SD, n)
        good = (glance >= truth.ASPIRATION - truth.ASPIRATION_FALLS * np.arange(n)) & (prices <= 2 * of.budget[who])
        reached = int(draw.geometric(truth.STOPS))  # products before patience ends
        found = np.flatnonzero(good[:reached])
        return int(found[0]) if len(found) else None

    def cart(self, of: Truth, who: int, product: int, price: float, nudge: float = 0.0) -> float:
        above = _in_the_hand(of, who, product, price) + nudge - truth.CART_ASPIRATION
        return 0.5 * (1 + erf(above / truth.CART_SD / sqrt(2)))


MODELS: dict[str, ChoiceModel] = {each.name: each for each in (Logit(), Satisficing())}


def examined(n: int) -> Floats:
    """The chance that each of `n` places catches the eye."""
    return np.asarray(1 / np.arange(1, n + 1) ** truth.EXAMINED)


def _in_the_hand(of: Truth, who: int, product: int, price: float) -> float:
    """What speaks for a product on its own page, in logits."""
    one, prices = np.array([product]), np.array([price])
    pull = (1 - truth.PRICE_IN_LIST) * of.price_pull(who, one, prices)
    liking = truth.CART_LIKING * of.liking(who, one) + truth.QUALITY * of.quality[one]
    return float((liking + pull)[0])
