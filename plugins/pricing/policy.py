"""The price that earns most inside guard-rails, and what to expect of it. A price is a product's: no customer is known.

Demand near the present price is taken as units × (price / present price)^elasticity; margin a week is units × (price
without tax − cost). Prices are whole numbers of the currency's smallest unit, so that nothing is lost in rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt

Units = npt.NDArray[np.int64]

MOST_TRIED = 20_000


@dataclass(frozen=True)
class Rules:
    """What no proposal breaks.

    Shares are of 1 (0.1: ten per cent). `ending` is how prices end, as in ``.99``, ``9.90`` or ``80``; empty: any.
    `digits` are those of the currency's smallest unit. `above_highest`: how far over the highest price that
    customers have met.
    """

    min_margin: float = 0.05
    above_highest: float = 0.1
    max_step: float = 0.1
    ending: str = ""
    digits: int = 2
    tax: float = 0.0


@dataclass(frozen=True)
class Situation:
    """A product now. `units` a week at `price`; `lowest_30_days` is the lowest price of the last thirty days."""

    price: Decimal
    cost: Decimal | None
    units: float
    highest_price: Decimal
    lowest_30_days: Decimal | None = None


@dataclass(frozen=True)
class Response:
    """Elasticity and the bounds of its interval."""

    elasticity: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Figure:
    """What to expect, and between what it lies."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Effect:
    """A week at a price: units, revenue and margin (None where the cost is unknown), and what is gained over now."""

    units: Figure
    revenue: Figure
    margin: Figure | None
    gain: Figure | None


@dataclass(frozen=True)
class Advice:
    """A price and its effect. `prior_price` is what European law wants shown beside an announced reduction to it."""

    price: Decimal
    effect: Effect
    prior_price: Decimal | None


class NoRoom(ValueError):
    """The guard-rails leave no price; the message says which."""


def best(now: Situation, response: Response, rules: Rules) -> Advice | None:
    """The price with the highest expected margin; None where that is the present one. Raises `NoRoom`."""
    prices = allowed(now, rules)
    margins = _margin(prices, now, response.elasticity, rules)
    price = _money(int(prices[int(np.argmax(margins))]), rules.digits)
    if price == now.price or margins.max() <= _margin_at(now.price, now, response.elasticity, rules):
        return None
    return Advice(price, effect(price, now, response, rules), prior_price(price, now))


def effect(price: Decimal, now: Situation, response: Response, rules: Rules) -> Effect:
    """What to expect at `price`: units, revenue, margin and gain a week, with their interval from the elasticity's."""
    units = {
        each: now.units * float(price / now.price) ** each
        for each in (response.elasticity, response.lower, response.upper)
    }
    net = float(price) / (1 + rules.tax)

    def over(value: float, minus: float = 0.0) -> Figure:
        return _figure([each * value - minus for each in units.values()])

    if now.cost is None:
        return Effect(over(1.0), over(float(price)), None, None)
    each_earns = net - float(now.cost)
    present = now.units * (float(now.price) / (1 + rules.tax) - float(now.cost))
    return Effect(over(1.0), over(float(price)), over(each_earns), over(each_earns, present))


def allowed(now: Situation, rules: Rules) -> Units:
    """Every price inside the guard-rails, in smallest units, lowest first. Raises `NoRoom`.

    Between floor and cap, at most a step from the present price, with the right ending; the present price is not one
    of them unless it fulfils all of these.
    """
    if now.price <= 0:
        raise NoRoom("the product has no price")
    if now.cost is None:
        raise NoRoom("the product's cost is unknown")
    scale = 10**rules.digits
    floor = float(now.cost) * (1 + rules.min_margin) * (1 + rules.tax)
    cap = float(now.highest_price) * (1 + rules.above_highest)
    low = _up(max(floor, float(now.price) * (1 - rules.max_step)) * scale)
    high = _down(min(cap, float(now.price) * (1 + rules.max_step)) * scale)
    low = max(low, 1)
    if high < low:
        raise NoRoom("floor, cap and step leave no price")
    start, step = _ending(rules.ending, rules.digits)
    first = low + (start - low) % step
    if first > high:
        raise NoRoom(f"no price between them ends in {rules.ending}")
    step *= max(1, (high - first) // step // MOST_TRIED)
    return np.arange(first, high + 1, step, dtype=np.int64)


def prior_price(price: Decimal, now: Situation) -> Decimal | None:
    """The price that an announced reduction to `price` is measured from: the lowest of the last thirty days.

    Directive 98/6/EC, article 6a. None where `price` is not below it: then nothing may be announced as a reduction.
    """
    lowest = now.lowest_30_days if now.lowest_30_days is not None else now.price
    lowest = min(lowest, now.price)
    return lowest if price < lowest else None


def to_money(price: float, rules: Rules) -> Decimal:
    """The nearest price in smallest units."""
    return _money(round(price * 10**rules.digits), rules.digits)


def ends_right(price: Decimal, ending: str, digits: int) -> bool:
    """Whether a price has the ending."""
    start, step = _ending(ending, digits)
    return int(price.scaleb(digits)) % step == start % step


def _ending(ending: str, digits: int) -> tuple[int, int]:
    """(rest, modulus) in smallest units; an ending finer than the currency's smallest unit is none."""
    if not ending:
        return 0, 1
    whole, _point, part = ending.partition(".")
    if len(part) > digits:
        return 0, 1
    return int(Decimal(ending).scaleb(digits)), 10 ** (len(whole) + digits)


def _margin(prices: Units, now: Situation, elasticity: float, rules: Rules) -> npt.NDArray[np.float64]:
    money = prices / 10**rules.digits
    return (money / float(now.price)) ** elasticity * (money / (1 + rules.tax) - float(now.cost or 0))


def _margin_at(price: Decimal, now: Situation, elasticity: float, rules: Rules) -> float:
    return float(_margin(np.array([int(price.scaleb(rules.digits))]), now, elasticity, rules)[0])


def _figure(values: list[float]) -> Figure:
    return Figure(values[0], min(values), max(values))


def _money(smallest: int, digits: int) -> Decimal:
    return Decimal(smallest).scaleb(-digits)


def _up(value: float) -> int:
    """The next whole number, but for the noise of binary fractions."""
    return math.ceil(round(value, 6))


def _down(value: float) -> int:
    return math.floor(round(value, 6))
