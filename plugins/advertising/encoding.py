"""Any table as a matrix for trees: numbers as they are, texts by a vocabulary that goes with the artifact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from commerce_ai.learning.schema import FrameError

Matrix = npt.NDArray[np.float32]
MOST_INDICATORS = 12  # a text of at most so many values has a column for each, any other is numbered by how often
MOST_WORDS = 500  # values beyond these are as good as unseen


class Feature(msgspec.Struct, frozen=True):
    """One column of the frame. `words` is None for a number, else the values that were seen, most frequent first."""

    name: str
    words: list[str] | None = None

    @property
    def columns(self) -> list[str]:
        if self.words is None or len(self.words) > MOST_INDICATORS:
            return [self.name]
        return [f"{self.name}={word}" for word in self.words]


class Encoder(msgspec.Struct, frozen=True):
    """How a frame becomes a matrix. Empty values stay empty (nan); a value never seen is like an empty one."""

    features: list[Feature]

    @property
    def columns(self) -> list[str]:
        return [column for feature in self.features for column in feature.columns]

    def encode(self, frame: pl.DataFrame, source: str = "customers") -> Matrix:
        """rows × columns, float32. Raises FrameError that names a column that is missing or no number."""
        parts = [_encode(feature, frame, source) for feature in self.features]
        return np.hstack(parts) if parts else np.empty((frame.height, 0), np.float32)


def learn(frame: pl.DataFrame, without: Sequence[str], source: str = "customers") -> Encoder:
    """An encoder of all columns but those in `without`. Raises FrameError for a list or another nested column."""
    names = sorted(name for name in frame.columns if name not in without)
    return Encoder([_feature(frame[name], source) for name in names])


def as_json(encoder: Encoder) -> Any:
    return msgspec.to_builtins(encoder)


def from_json(said: Mapping[str, Any]) -> Encoder:
    return msgspec.convert(said, Encoder)


def _feature(column: pl.Series, source: str) -> Feature:
    if _is_number(column.dtype):
        return Feature(column.name)
    if column.dtype not in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        words = f"a feature is a number, a date, text, or true and false, not {column.dtype}"
        raise FrameError(words, source=source, column=column.name)
    counts = Counter(column.drop_nulls().cast(pl.String).to_list())
    return Feature(column.name, [word for word, _n in sorted(counts.items(), key=_by_count)[:MOST_WORDS]])


def _encode(feature: Feature, frame: pl.DataFrame, source: str) -> Matrix:
    if feature.name not in frame.columns:
        have = ", ".join(frame.columns)
        raise FrameError(f"it was learned from; the columns are: {have}", source=source, column=feature.name)
    column = frame[feature.name]
    if feature.words is None:
        return _numbers(column, source)[:, None]
    if column.dtype.is_nested():
        raise FrameError(f"text was learned, this is {column.dtype}", source=source, column=feature.name)
    text = column.cast(pl.String)
    if len(feature.words) > MOST_INDICATORS:
        places = {word: float(place) for place, word in enumerate(feature.words)}
        return text.replace_strict(places, default=None, return_dtype=pl.Float32).to_numpy()[:, None]
    seen = [(text == word).cast(pl.Float32).fill_null(float("nan")).to_numpy() for word in feature.words]
    return np.column_stack(seen) if seen else np.empty((frame.height, 0), np.float32)


def _numbers(column: pl.Series, source: str) -> Matrix:
    if isinstance(column.dtype, pl.Datetime | pl.Date):
        column = column.cast(pl.Datetime("us")).dt.epoch("s")
    elif column.dtype in (pl.String, pl.Categorical, pl.Enum):
        read = column.cast(pl.String).cast(pl.Float64, strict=False)
        bad = column.is_not_null() & read.is_null()
        if bad.any():
            row = int(bad.arg_true()[0])
            raise FrameError(f"{column[row]!r} is not a number", source=source, column=column.name, row=row + 1)
        column = read
    elif not (_is_number(column.dtype) or column.dtype == pl.Null):
        raise FrameError(f"a number was learned, this is {column.dtype}", source=source, column=column.name)
    values = column.cast(pl.Float32).to_numpy()
    return np.where(np.isfinite(values), values, np.float32("nan")).astype(np.float32)


def _is_number(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or dtype == pl.Boolean or isinstance(dtype, pl.Datetime | pl.Date)


def _by_count(counted: tuple[str, int]) -> tuple[int, str]:
    return -counted[1], counted[0]
