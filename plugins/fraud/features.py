"""Windows over a customer's and a terminal's past payments, as the Fraud Detection Handbook defines them (chapter 3).

A *terminal* is what the payment was made with: a till, a device, at worst a card. Windows are (t - d, t]. What a
terminal's payments turned out to be is known only after the label delay: its risk is looked up in
(t - delay - d, t - delay], and a fraud counts from when it was known. Instants are microseconds, money whole
ten-thousandths: sums are exact.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

Array = npt.NDArray[Any]

DAYS = (1, 7, 30)
DAY_US = 86_400_000_000
UNITS = 10_000  # money in ten-thousandths
UNKNOWN = -1  # the label of a payment of which nobody has said anything

HANDBOOK = (
    "amount",
    "during_weekend",
    "during_night",
    *(f"customer_{what}_{days}d" for days in DAYS for what in ("tx_count", "avg_amount")),
    *(f"terminal_{what}_{days}d" for days in DAYS for what in ("tx_count", "risk")),
)
PACE = tuple(f"terminal_pace_{days}d" for days in DAYS)  # how many payments it made up to now, whatever they were
NAMES = HANDBOOK + PACE


@dataclass(frozen=True)
class Rows:
    """Payments in the order of time, one array element each. An id of `nobody` stands alone, without a past."""

    time: Array
    customer: Array
    terminal: Array
    units: Array
    fraud: Array  # 1, 0, UNKNOWN
    known: Array  # since when the label is known
    weekend: Array
    night: Array

    def __len__(self) -> int:
        return len(self.time)

    def take(self, which: Any) -> Rows:
        return Rows(*(getattr(self, each.name)[which] for each in fields(self)))

    def then(self, later: Rows) -> Rows:
        return Rows(*(np.concatenate([getattr(self, each.name), getattr(later, each.name)]) for each in fields(self)))


def rows_of(frame: pl.DataFrame, delay_days: int) -> tuple[Rows, Array]:
    """A frame of `transactions` as `Rows`, and each row's place in the frame; rows of one instant keep their order.

    Without `known_at` a label is known `delay_days` after its payment; without `during_weekend` and `during_night`
    the timestamp's own clock says them (night: until seven).
    """
    at = frame["timestamp"]
    order = at.arg_sort(nulls_last=True).to_numpy() if at.is_sorted() else np.argsort(_micros(at), kind="stable")
    time = _micros(at)
    fraud = _or(frame, "is_fraud", UNKNOWN).astype(np.int8)
    known = time + delay_days * DAY_US
    if "known_at" in frame.columns:
        said = frame["known_at"]
        known = np.where(said.is_null().to_numpy(), known, _micros(said.fill_null(at)))
    weekend = np.where(at.dt.weekday().to_numpy() >= 6, 1, 0)
    night = np.where(at.dt.hour().to_numpy() <= 6, 1, 0)
    found = Rows(
        time=time,
        customer=ids_of(frame["customer_id"]),
        terminal=ids_of(frame["terminal_id"]),
        units=np.rint(frame["amount"].to_numpy() * UNITS).astype(np.int64),
        fraud=fraud,
        known=known,
        weekend=_or(frame, "during_weekend", weekend).astype(np.int8),
        night=_or(frame, "during_night", night).astype(np.int8),
    )
    return found.take(order), order


def ids_of(ids: pl.Series) -> Array:
    """Ids as numpy has them: int64, or text; an empty one is `nobody`'s."""
    if ids.dtype == pl.String:
        return ids.fill_null("").to_numpy().astype(np.str_)
    return ids.cast(pl.Int64).fill_null(np.iinfo(np.int64).min).to_numpy()


def nobody(ids: Array) -> Any:
    return "" if ids.dtype.kind == "U" else np.iinfo(np.int64).min


def matrix(rows: Rows, delay_days: int, start: int = 0) -> Array:
    """`NAMES` as columns (float64) of the rows from place `start` on; those before only serve as the past."""
    ticks = np.unique(rows.time)
    out = np.empty((len(rows), len(NAMES)))
    out[:, 0] = rows.units / UNITS
    out[:, 1], out[:, 2] = rows.weekend, rows.night
    delay = delay_days * DAY_US

    past = _Line(_codes(rows.customer), rows.time, ticks)
    spent = np.concatenate([[0], np.cumsum(rows.units[past.order])])
    for at, days in enumerate(DAYS):
        first = past.after(rows.time - days * DAY_US)
        count = past.place + 1 - first
        out[:, 3 + 2 * at] = count
        out[:, 4 + 2 * at] = (spent[past.place + 1] - spent[first]) / UNITS / count

    past = _Line(_codes(rows.terminal), rows.time, ticks)
    until = past.after(rows.time - delay)
    bad = np.flatnonzero(rows.fraud == 1)
    begins = past.since(bad, np.maximum(rows.time[bad] + delay, rows.known[bad]))
    for at, days in enumerate(DAYS):
        span = days * DAY_US
        count = until - past.after(rows.time - delay - span)
        # Each fraud counts for its terminal's payments from when it is known until it leaves the window.
        ends = past.since(bad, rows.time[bad] + delay + span)
        change = np.zeros(len(rows) + 1, dtype=np.int64)
        some = begins < ends
        np.add.at(change, begins[some], 1)
        np.add.at(change, ends[some], -1)
        frauds = np.cumsum(change)[past.place]
        out[:, 9 + 2 * at] = count
        out[:, 10 + 2 * at] = np.divide(frauds, count, out=np.zeros(len(rows)), where=count > 0)
        out[:, 15 + at] = past.place + 1 - past.after(rows.time - span)
    return out[start:]


@dataclass(frozen=True)
class Past:
    """What came before one payment: of its customer times and units; of its terminal times, and the known frauds'."""

    customer_times: Array
    customer_units: Array
    terminal_times: Array
    fraud_times: Array
    fraud_known: Array


def one(time: int, units: int, weekend: bool, night: bool, past: Past, delay_days: int) -> Array:
    """`NAMES` of a single payment, 1 × features: what `matrix` gives for it as the last row."""
    out = np.empty((1, len(NAMES)))
    out[0, :3] = units / UNITS, weekend, night
    delay = delay_days * DAY_US
    before = past.terminal_times <= time - delay
    told = (past.fraud_known <= time) & (past.fraud_times <= time - delay)
    for at, days in enumerate(DAYS):
        span = days * DAY_US
        recent = past.customer_times > time - span
        count = 1 + int(recent.sum())
        out[0, 3 + 2 * at] = count
        out[0, 4 + 2 * at] = (units + int(past.customer_units[recent].sum())) / UNITS / count
        seen = int((before & (past.terminal_times > time - delay - span)).sum())
        frauds = int((told & (past.fraud_times > time - delay - span)).sum())
        out[0, 9 + 2 * at] = seen
        out[0, 10 + 2 * at] = frauds / seen if seen else 0.0
        out[0, 15 + at] = 1 + int((past.terminal_times > time - span).sum())
    return out


class _Line:
    """Rows lined up by whose they are, then by time: counting back is a search for a place in the line."""

    def __init__(self, codes: Array, time: Array, ticks: Array) -> None:
        self._codes, self._ticks, self._width = codes, ticks, len(ticks) + 1
        key = codes * self._width + np.searchsorted(ticks, time)
        self.order = np.argsort(key, kind="stable")
        self._keys = key[self.order]
        self.place = np.empty(len(key), dtype=np.int64)
        self.place[self.order] = np.arange(len(key))

    def after(self, instants: Array) -> Array:
        """For each row: the first place of its own whose time is later than the instant."""
        return self._find(self._codes, np.searchsorted(self._ticks, instants, side="right"))

    def since(self, rows: Array, instants: Array) -> Array:
        """For each of `rows`: the first place of its own at or after the instant."""
        return self._find(self._codes[rows], np.searchsorted(self._ticks, instants, side="left"))

    def _find(self, codes: Array, ticks: Array) -> Array:
        return np.searchsorted(self._keys, codes * self._width + ticks, side="left")


def _codes(ids: Array) -> Array:
    """0, 1, 2 … for the ids; whoever is nobody gets a number that nobody else has."""
    known, codes = np.unique(ids, return_inverse=True)
    codes = codes.astype(np.int64)
    alone = np.flatnonzero(ids == nobody(ids))
    codes[alone] = len(known) + np.arange(len(alone))
    return codes


def _or(frame: pl.DataFrame, column: str, default: Any) -> Array:
    if column not in frame.columns:
        return np.broadcast_to(np.asarray(default), (frame.height,))
    values = frame[column]
    return np.where(values.is_null().to_numpy(), default, values.fill_null(0).cast(pl.Int64).to_numpy())


def _micros(at: pl.Series) -> Array:
    return at.dt.epoch("us").to_numpy().astype(np.int64)
