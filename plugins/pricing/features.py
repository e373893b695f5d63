"""From rows of sales to a panel: logs within each product and store, with their controls.

A product in a store is a *group*; everything is taken as the distance from the group's mean, so that what is lasting
about a product or a store (quality, size, fame) can't be taken for an effect of its price.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from commerce_ai.learning.schema import FrameError

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

OWN = ("product_id", "store_id", "period", "units", "price", "brand", "category")
NOTHING_SOLD = 0.5  # what stands for a period without a sale under the logarithm
YEAR_DAYS = 365.25


@dataclass(frozen=True)
class Panel:
    """Rows by number. `units` and `price` in logs; `controls` a column each, with their `names`.

    `product` and `group` are codes into `product_ids` and the groups; `group_key` names a group (product, store);
    `when` is the time in years, `period` a code that rises with time. Products are sorted by id.
    """

    product_ids: pl.Series
    brands: list[str]
    categories: list[str]
    group_key: list[str]
    product: Codes
    group: Codes
    period: Codes
    when: Floats
    units: Floats
    raw_units: Floats
    price: Floats
    controls: Floats
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.units)

    def means(self, values: Floats) -> Floats:
        """The mean of each group; NaN where it has no value."""
        there = ~np.isnan(values)
        sums = np.bincount(self.group[there], values[there], len(self.group_key))
        with np.errstate(invalid="ignore"):
            return sums / np.bincount(self.group[there], minlength=len(self.group_key))

    def within(self, values: Floats) -> Floats:
        """The distance from the group's mean; a missing value is no distance."""
        return np.nan_to_num(values - self.means(values)[self.group])


def years(period: pl.Series, periods_per_year: float) -> Floats:
    """Periods as years: dates and instants by the calendar, whole numbers by how many make a year."""
    if period.dtype == pl.String:
        read = period.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
        if read.null_count():
            row = int(read.is_null().arg_true()[0])
            raise FrameError(
                f"{period[row]!r} is not a date (YYYY-MM-DD)", source="sales", column="period", row=row + 1
            )
        period = read
    if isinstance(period.dtype, pl.Datetime):
        period = period.dt.date()
    if period.dtype == pl.Date:
        return (period - date(1970, 1, 1)).dt.total_days().to_numpy() / YEAR_DAYS
    if period.dtype.is_numeric():
        return period.cast(pl.Float64).to_numpy() / periods_per_year
    raise FrameError(f"a period is a date or a whole number, not {period.dtype}", source="sales", column="period")


def controls_of(frame: pl.DataFrame) -> list[str]:
    """Every numeric column that is none of ours, by name: promotion, feature, other products' prices."""
    kinds = frame.schema
    return sorted(
        name for name in frame.columns if name not in OWN and (kinds[name].is_numeric() or kinds[name] == pl.Boolean)
    )


def panel(frame: pl.DataFrame, periods_per_year: float, names: Sequence[str] | None = None) -> Panel:
    """The frame `sales` (checked by its schema) as a panel. `names`: its controls, as a fit found them."""
    ids = frame["product_id"].unique().sort()
    store = frame["store_id"].cast(pl.String) if "store_id" in frame.columns else pl.Series([""] * frame.height)
    key = pl.select(pl.concat_str(frame["product_id"].cast(pl.String), store, separator="\x1f")).to_series()
    keys = key.unique().sort()
    when = years(frame["period"], periods_per_year)
    first = frame.unique("product_id", keep="first").sort("product_id")
    names = tuple(controls_of(frame) if names is None else names)
    columns = [
        frame[name].cast(pl.Float64).to_numpy() if name in frame.columns else np.full(frame.height, np.nan)
        for name in names
    ]
    units = frame["units"].to_numpy()
    return Panel(
        product_ids=ids,
        brands=_texts(first, "brand"),
        categories=_texts(first, "category"),
        group_key=keys.to_list(),
        product=ids.search_sorted(frame["product_id"]).to_numpy().astype(np.int64),
        group=keys.search_sorted(key).to_numpy().astype(np.int64),
        period=np.unique(when, return_inverse=True)[1].astype(np.int64),
        when=when,
        units=np.log(np.maximum(units, NOTHING_SOLD)),
        raw_units=units,
        price=np.log(frame["price"].to_numpy()),
        controls=np.column_stack(columns) if columns else np.empty((frame.height, 0)),
        names=names,
    )


def season(when: Floats, harmonics: int, trend: bool) -> Floats:
    """Waves of one year, half a year … and the passing of time."""
    columns = [wave(2 * np.pi * k * when) for k in range(1, harmonics + 1) for wave in (np.sin, np.cos)]
    columns += [when] if trend else []
    return np.column_stack(columns) if columns else np.empty((len(when), 0))


def season_names(harmonics: int, trend: bool) -> tuple[str, ...]:
    waves = [f"{wave} {k}" for k in range(1, harmonics + 1) for wave in ("sine", "cosine")]
    return (*waves, *(["trend"] if trend else []))


def _texts(first: pl.DataFrame, name: str) -> list[str]:
    if name not in first.columns:
        return [""] * first.height
    return first[name].cast(pl.String).fill_null("").to_list()
