"""How much to keep and when to order: newsvendor, safety stock, reorder point, order-up-to level, days of cover.

Snyder and Shen: *Fundamentals of Supply Chain Theory*, 2nd ed., 2019: newsvendor (4.3), (r, Q) and (s, S) policies
(4.4, 5), safety stock with an uncertain lead time (5.1). Arrays hold one entry a product; units are pieces and days.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]

DAYS_A_YEAR = 365.0
LEAST_DEVIATION = 1e-9


@dataclass(frozen=True)
class Newsvendor:
    """The stock that costs least over one period, and that cost."""

    level: float
    cost: float


@dataclass(frozen=True)
class Terms:
    """What a supplier and a shop's habits allow: days and pieces; `service` is the wanted chance of no shortage."""

    lead_days: Floats
    lead_deviation: Floats
    review_days: float
    cycle_days: float
    multiple: Floats
    minimum: Floats
    service: Floats


@dataclass(frozen=True)
class Levels:
    """Stock levels in pieces. `safety` is what the reorder point holds above the expected demand."""

    safety: Floats
    reorder_point: Floats
    order_up_to: Floats


@dataclass(frozen=True)
class Demand:
    """Mean and deviation of the demand of the first 1, 2, … days [products × days]."""

    mean: Floats
    deviation: Floats

    def over(self, days: Floats, deviation: Floats | float = 0.0) -> tuple[Floats, Floats]:
        """Mean and deviation over a number of days, one a product, that is itself uncertain by `deviation` days.

        Beyond the last day demand goes on as on average, and deviations grow with the root of time.
        """
        days = np.broadcast_to(np.asarray(days, float), (len(self.mean),))
        mean, spread = _at(self.mean, days, 1.0), _at(self.deviation, days, 0.5)
        pace = self.mean[:, -1] / self.mean.shape[1]
        return mean, np.sqrt(spread**2 + (pace * deviation) ** 2)


def newsvendor(holding: float, shortage: float, mean: float, deviation: float) -> Newsvendor:
    """For normal demand: `holding` is the cost of a piece left over, `shortage` that of a piece that was missing."""
    ratio = float(critical_ratio(np.array(shortage), np.array(holding)))
    place = float(special.ndtri(ratio))
    density = float(np.exp(-(place**2) / 2) / np.sqrt(2 * np.pi))
    return Newsvendor(mean + place * deviation, (holding + shortage) * density * deviation)


def critical_ratio(shortage: Floats, holding: Floats) -> Floats:
    """The chance of no shortage at which one piece more costs as much as it brings; nan where nothing is told."""
    total = np.asarray(shortage + holding, float)
    return np.divide(shortage, total, out=np.full(total.shape, np.nan), where=total > 0)


def service_levels(
    price: Floats, cost: Floats, *, holding_rate: float, days: float, usual: float, least: float, most: float
) -> Floats:
    """The critical ratio of margin against a year's `holding_rate` of the cost over `days`, kept within bounds.

    Products without a price, a cost or a margin get `usual`.
    """
    margin = price - cost
    ratio = critical_ratio(
        np.maximum(np.nan_to_num(margin), 0.0), np.nan_to_num(cost) * holding_rate * days / DAYS_A_YEAR
    )
    told = (margin > 0) & np.isfinite(ratio)
    return np.where(told, np.clip(ratio, least, most), usual)


def levels(demand: Demand, terms: Terms) -> Levels:
    """Reorder when the position is at or below the reorder point; then order up to the level.

    The reorder point covers the demand until goods come that are ordered at the next review; the level adds what is
    sold between two orders.
    """
    covered = terms.lead_days + terms.review_days
    mean, deviation = demand.over(covered, terms.lead_deviation)
    point = needed(terms.service, mean, deviation)
    until = demand.over(covered + terms.cycle_days)[0]
    return Levels(np.maximum(point - mean, 0.0), point, point + np.maximum(until - mean, 0.0))


def order_quantity(position: Floats, found: Levels, terms: Terms) -> Floats:
    """Pieces to order now: none above the reorder point; else up to the level, at least the minimum, whole cases."""
    wanted = np.maximum(found.order_up_to - position, terms.minimum)
    cases = np.ceil(np.round(wanted / terms.multiple, 9))
    needed = (position <= found.reorder_point) & (found.order_up_to > position) & (found.order_up_to > 0)
    return np.where(needed, np.maximum(cases, 1.0) * terms.multiple, 0.0)


def needed(level: Floats, mean: Floats, deviation: Floats) -> Floats:
    """The stock that meets demand with the chance `level`; never less where demand is vaguer.

    The plain quantile of a very wide distribution falls again, since most of it lies at zero: the width counts only as
    far as it asks for more stock.
    """
    levels, widths = _widest()
    most = np.interp(level, levels, widths) * mean
    return quantile(level, mean, np.minimum(deviation, most))


def quantile(level: Floats, mean: Floats, deviation: Floats) -> Floats:
    """Of a gamma distribution with this mean and deviation, which is never negative; the mean without a deviation."""
    shape, scale = _gamma(mean, deviation)
    found = special.gammaincinv(shape, level) * scale
    return np.where(_certain(mean, deviation), mean, np.nan_to_num(found))


def below(stock: Floats, mean: Floats, deviation: Floats) -> Floats:
    """The chance that demand is at most `stock`."""
    shape, scale = _gamma(mean, deviation)
    found = special.gammainc(shape, np.maximum(stock, 0.0) / scale)
    return np.where(_certain(mean, deviation), (mean <= stock).astype(float), np.where(stock < 0, 0.0, found))


def expected_shortage(stock: Floats, mean: Floats, deviation: Floats) -> Floats:
    """Pieces that are missing on average where demand meets `stock`."""
    stock = np.maximum(stock, 0.0)
    shape, scale = _gamma(mean, deviation)
    served_less = mean * (1 - special.gammainc(shape + 1, stock / scale)) - stock * (
        1 - special.gammainc(shape, stock / scale)
    )
    return np.maximum(np.where(_certain(mean, deviation), mean - stock, served_less), 0.0)


def days_of_cover(stock: Floats, mean: Floats, *, most: float = 3650.0) -> Floats:
    """Days until the expected demand has used `stock` up; nan where (almost) nothing is sold.

    `mean` are running totals [products × days]; beyond the last day demand goes on as on average.
    """
    stock = np.maximum(stock, 0.0)
    days = mean.shape[1]
    gone = (mean < stock[:, None]).sum(axis=1)  # whole days that the stock outlasts
    before = np.where(gone > 0, np.take_along_axis(mean, np.maximum(gone - 1, 0)[:, None], 1)[:, 0], 0.0)
    after = np.take_along_axis(mean, np.minimum(gone, days - 1)[:, None], 1)[:, 0]
    pace = mean[:, -1] / days
    within = gone + np.divide(stock - before, after - before, out=np.zeros(len(stock)), where=after > before)
    beyond = np.divide(stock, pace, out=np.full(len(stock), np.nan), where=pace > 1e-6)
    return np.minimum(
        np.where(stock == 0, np.where(pace > 1e-6, 0.0, np.nan), np.where(gone < days, within, beyond)), most
    )


def _at(totals: Floats, days: Floats, power: float) -> Floats:
    """Running totals at a fractional number of days; beyond the last they grow with this power of time."""
    last = totals.shape[1]
    padded = np.concatenate([np.zeros((len(totals), 1)), totals], axis=1)
    low = np.clip(np.floor(days).astype(int), 0, last)
    high = np.minimum(low + 1, last)
    row = np.arange(len(totals))
    within = padded[row, low] + (days - low) * (padded[row, high] - padded[row, low])
    return np.where(days <= last, within, padded[:, -1] * (np.maximum(days, 1e-9) / last) ** power)


def _gamma(mean: Floats, deviation: Floats) -> tuple[Floats, Floats]:
    mean, deviation = np.maximum(mean, LEAST_DEVIATION), np.maximum(deviation, LEAST_DEVIATION)
    return (mean / deviation) ** 2, deviation**2 / mean


@cache
def _widest() -> tuple[Floats, Floats]:
    """For each level the deviation, in means, at which a gamma distribution asks for most stock."""
    levels, widths = np.linspace(0.5, 0.9995, 400), np.logspace(-2, 2, 800)
    shape = (1 / widths**2)[:, None]
    stock = special.gammaincinv(shape, levels[None, :]) / shape
    return levels, widths[stock.argmax(axis=0)]


def _certain(mean: Floats, deviation: Floats) -> npt.NDArray[np.bool_]:
    return (deviation <= 1e-6 * np.maximum(mean, LEAST_DEVIATION)) | (mean <= LEAST_DEVIATION)
