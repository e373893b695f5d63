"""Ways to hold rows back: by time, each customer's last one, or by a hash of the row's id.

The first three functions split all frames of a learner: those that have the column are divided, the others (a
catalogue, say) stand whole in every part. The `…_rows` functions divide one frame into ``(train, validation,
test)``, in its own row order; together they are the frame.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

import polars as pl

from commerce_ai.learning.learner import Frames, Split

Parts = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]


def by_time(
    frames: Frames,
    column: str,
    *,
    validation: float = 0.1,
    test: float = 0.1,
    instants: tuple[Any, Any] | None = None,
) -> Split:
    """The latest `test` share of the rows is test, the share before it validation; or cut at two given `instants`.

    Shares are taken of the first frame that has the column; every other one is cut at the same instants.
    """
    timed = next((frame for frame in frames.values() if column in frame.columns), None)
    if timed is None:
        raise ValueError(f"no frame has a column {column!r}")
    first, second = instants or cuts(timed, column, validation=validation, test=test)
    return _split(
        frames,
        lambda frame: column in frame.columns,
        lambda frame: cut_rows(frame, column, first, second),
        validation_from=first,
        test_from=second,
    )


def leave_last_out(frames: Frames, by: str, order: str) -> Split:
    """Each `by`'s last row (by `order`) is test, the one before it validation; see `last_rows_out`."""
    return _split(
        frames,
        lambda frame: {by, order} <= set(frame.columns),
        lambda frame: last_rows_out(frame, by, order),
        by=by,
        order=order,
    )


def by_hash(frames: Frames, column: str, *, validation: float = 0.1, test: float = 0.1, seed: int = 0) -> Split:
    """Rows fall by `hash_share` of their id: the same id always on the same side, whatever stands around it."""
    return _split(
        frames,
        lambda frame: column in frame.columns,
        lambda frame: hash_rows(frame, column, validation=validation, test=test, seed=seed),
        column=column,
        validation=validation,
        test=test,
        seed=seed,
    )


def cuts(frame: pl.DataFrame, column: str, *, validation: float = 0.1, test: float = 0.1) -> tuple[Any, Any]:
    """The two values of `column` at which the last `test` share of the rows, and the `validation` share before, begin.

    Rows of one value stay together, so the shares are met only nearly where many rows share a value.
    """
    if not frame.height:
        raise ValueError("an empty frame can't be cut")
    _check_shares(validation, test)
    ordered = frame[column].sort()
    test_at = round(frame.height * (1 - test))
    validation_at = round(frame.height * (1 - test - validation))
    return ordered[min(validation_at, frame.height - 1)], ordered[min(test_at, frame.height - 1)]


def cut_rows(frame: pl.DataFrame, column: str, validation_from: Any, test_from: Any) -> Parts:
    """Cut at two values of `column`: train < `validation_from` <= validation < `test_from` <= test."""
    if validation_from > test_from:
        raise ValueError("the validation rows must come before the test rows")
    value = pl.col(column)
    return (
        frame.filter(value < validation_from),
        frame.filter((value >= validation_from) & (value < test_from)),
        frame.filter(value >= test_from),
    )


def last_rows_out(frame: pl.DataFrame, by: str, order: str) -> Parts:
    """Each `by`'s last row is test, the one before it validation; whoever has fewer than three rows only trains.

    Rows of equal `order` keep the frame's order among themselves.
    """
    place = pl.int_range(pl.len()).sort_by(order, maintain_order=True)
    from_end = (pl.len() - 1 - pl.int_range(pl.len()).gather(place.arg_sort())).over(by)
    marked = frame.select(from_end.alias("from_end"), pl.len().over(by).alias("rows"))
    out, last = marked["rows"] >= 3, marked["from_end"]
    return frame.filter(~(out & (last < 2))), frame.filter(out & (last == 1)), frame.filter(out & (last == 0))


def hash_rows(frame: pl.DataFrame, column: str, *, validation: float = 0.1, test: float = 0.1, seed: int = 0) -> Parts:
    """Test below `test` of `hash_share`, validation in the `validation` share above it, train the rest."""
    _check_shares(validation, test)
    share = hash_share(frame[column], seed)
    return (
        frame.filter(share >= validation + test),
        frame.filter((share >= test) & (share < validation + test)),
        frame.filter(share < test),
    )


def hash_share(ids: pl.Series, seed: int = 0) -> pl.Series:
    """A number in [0, 1) for each id, even and stable: across runs, machines, row orders and dtypes.

    It is the first 53 bits of BLAKE2b-64 of the text ``"<seed>:<id>"`` in UTF-8, over 2**53; the integer 7 and the
    text "7" are the same id. A missing id counts as the empty text.
    """
    text = ids.cast(pl.String).fill_null("")
    distinct = text.unique()
    shares = pl.Series([_share(f"{seed}:{each}") for each in distinct], dtype=pl.Float64)
    return text.replace_strict(distinct, shares, return_dtype=pl.Float64)


def _share(text: str) -> float:
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def _check_shares(validation: float, test: float) -> None:
    if not (0 < validation < 1 and 0 < test < 1 and validation + test < 1):
        raise ValueError("the shares must lie between 0 and 1 and leave something to train on")


def _split(
    frames: Frames, divided: Callable[[pl.DataFrame], bool], divide: Callable[[pl.DataFrame], Parts], **how: Any
) -> Split:
    if not any(divided(frame) for frame in frames.values()):
        raise ValueError("no frame has the columns to split by")
    parts = {name: divide(frame) if divided(frame) else (frame,) * 3 for name, frame in frames.items()}
    train, validation, test = ({name: each[side] for name, each in parts.items()} for side in range(3))
    plain = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in how.items()}
    return Split(train, validation, test, plain)
