"""Sales as a matrix: one row a product, one column a day, from each product's first sale to the end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

AROUND = 28  # days whose mean stands in for a day on which the product was sold out


@dataclass(frozen=True)
class Panel:
    """`units` [products × days] are nan before the first sale; where not `known`, demand was hidden by a stock-out.

    `price` (nan where never told), `promotion` (0 or 1) have the same shape, `event` (0 or 1) one entry a day; they
    may reach further than `units`, into days whose price is planned.
    """

    ids: pl.Series
    first_day: date
    units: Floats
    known: Bools
    price: Floats
    promotion: Floats
    event: Floats

    @property
    def days(self) -> int:
        return self.units.shape[1]

    @property
    def last_day(self) -> date:
        return self.first_day + timedelta(days=self.days - 1)

    @property
    def started(self) -> Bools:
        return ~np.isnan(self.units)

    def until(self, days: int) -> Panel:
        """The panel as it was after its first `days` days; plans for later days stay."""
        return replace(self, units=self.units[:, :days], known=self.known[:, :days])

    def rows(self, which: Any) -> Panel:
        """The panel of some products (places or a mask)."""
        ids = self.ids.filter(pl.Series(which)) if np.asarray(which).dtype == bool else self.ids.gather(which)
        return replace(
            self, ids=ids, units=self.units[which], known=self.known[which], price=self.price[which],
            promotion=self.promotion[which],
        )  # fmt: skip


def panel(sales: pl.DataFrame, future: pl.DataFrame | None = None) -> Panel:
    """`sales` (product_id, date, units, [price, promotion, events, stock_out]) as a matrix; missing days are zeros.

    Rows of one product and day add up. Prices are carried forward, then back; `future` (product_id, date, [price,
    promotion, events]) tells those of days to come. Products without any sale are left out.
    """
    told = sales.filter(pl.col("units").sum().over("product_id") > 0)
    ids = told["product_id"].unique().sort()
    first, last = _days(sales["date"])
    ahead = [] if future is None or not future.height else [future["date"].max()]
    reach: Any = max([last, *ahead])  # type: ignore[type-var]
    place = _places(ids, told["product_id"])
    day = (told["date"] - first).dt.total_days().to_numpy()
    shape, wide = (len(ids), (last - first).days + 1), (len(ids), (reach - first).days + 1)
    units = np.zeros(shape)
    np.add.at(units, (place, day), told["units"].to_numpy())
    known = np.ones(shape, bool)
    if "stock_out" in told.columns:
        hidden = told["stock_out"].fill_null(False).to_numpy()
        known[place[hidden], day[hidden]] = False
    first_sale = (units > 0).argmax(axis=1)
    units[np.arange(shape[1])[None, :] < first_sale[:, None]] = np.nan
    price, promotion, event = np.full(wide, np.nan), np.zeros(wide), np.zeros(wide[1])
    for frame in (told, future):
        if frame is not None and frame.height:
            _put(frame, ids, first, price, promotion, event)
    return Panel(ids, first, _filled(units, known), known, _carried(price), promotion, event)


def _days(days: pl.Series) -> tuple[date, date]:
    first, last = days.min(), days.max()
    assert isinstance(first, date) and isinstance(last, date)
    return first, last


def _places(ids: pl.Series, wanted: pl.Series) -> npt.NDArray[np.int64]:
    """The row of each id, -1 where there is none; `ids` are sorted."""
    known = pl.DataFrame({"id": ids, "place": np.arange(len(ids))})
    found = pl.DataFrame({"id": wanted}).join(known, on="id", how="left", maintain_order="left")
    return found["place"].fill_null(-1).to_numpy()


def _put(frame: pl.DataFrame, ids: pl.Series, first: date, price: Floats, promotion: Floats, event: Floats) -> None:
    place = _places(ids, frame["product_id"].cast(ids.dtype))
    day = (frame["date"] - first).dt.total_days().to_numpy()
    there = (place >= 0) & (day >= 0)
    if "events" in frame.columns:
        eventful = (frame["events"].fill_null("") != "").to_numpy()
        event[day[eventful & (day >= 0)]] = 1.0
    place, day = place[there], day[there]
    if "price" in frame.columns:
        told = frame["price"].cast(pl.Float64).to_numpy()[there]
        given = ~np.isnan(told)
        price[place[given], day[given]] = told[given]
    if "promotion" in frame.columns:
        promotion[place, day] = frame["promotion"].cast(pl.Float64).fill_null(0.0).to_numpy()[there] > 0


def _carried(price: Floats) -> Floats:
    """The last price told, the first one before that; nan for a product whose price was never told."""
    day = np.arange(price.shape[1])[None, :]
    told = ~np.isnan(price)
    last = np.maximum.accumulate(np.where(told, day, -1), axis=1)
    source = np.where(last < 0, told.argmax(axis=1)[:, None], last)
    return np.take_along_axis(price, source, axis=1)


def _filled(units: Floats, known: Bools) -> Floats:
    """Days sold out: at least what was sold, else the mean of the days around on which demand was known."""
    hidden = ~known & ~np.isnan(units)
    if not hidden.any():
        return units
    seen = np.where(known & ~np.isnan(units), units, 0.0)
    total, count = seen.cumsum(axis=1), (known & ~np.isnan(units)).cumsum(axis=1)
    for product, day in zip(*np.nonzero(hidden), strict=True):
        low, high = max(day - AROUND, 0), min(day + AROUND, units.shape[1] - 1)
        days = count[product, high] - count[product, low]
        mean = (total[product, high] - total[product, low]) / days if days else 0.0
        units[product, day] = max(units[product, day], mean)
    return units
