"""The contract of everything that can be trained.

A learner reads frames, fits, is judged on later data and yields an artifact; a scorer answers from the
artifact without torch or transformers. The same class runs in the trainer (on Postgres) and in the lab (on
files): only `frames` knows where rows come from.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import polars as pl

from commerce_ai.learning.schema import FrameSchema

if TYPE_CHECKING:
    from commerce_ai.learning.models import Version
    from commerce_ai.shop.models import Shop

Frames = dict[str, pl.DataFrame]
Scorer = Any  # whatever `load` returns; opaque to all but its own learner and its plugin's service


def mean_of_values(sample: pl.DataFrame) -> float:
    """The default statistic: the mean of the column ``value``, one row a unit."""
    return float(sample["value"].mean() or 0.0)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Metric:
    """What a learner is judged by. `statistic` turns the units of an `Evaluation.sample` into the figure."""

    name: str
    direction: Literal["max", "min"]
    baseline: str
    statistic: Callable[[pl.DataFrame], float] = mean_of_values

    def better(self, a: float, b: float) -> bool:
        return a > b if self.direction == "max" else a < b


@dataclass(frozen=True)
class Evaluation:
    """A scorer on held-out data, beside its baseline on the same units.

    `metrics` and `baseline` hold figures by name (the learner's own metric among them); `sample` and
    `baseline_sample` have one row a unit (column ``unit``, plus what `Metric.statistic` reads), so that two
    scorers can be compared unit by unit.
    """

    metrics: Mapping[str, float]
    baseline: Mapping[str, float]
    sample: pl.DataFrame
    baseline_sample: pl.DataFrame
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Split:
    """Train, validation and test frames. Choices are made on validation; test is read once."""

    train: Frames
    validation: Frames
    test: Frames
    cuts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Window:
    """The span of facts that a run learns from, half open: `start` <= t < `end` (UTC)."""

    start: datetime | None
    end: datetime


@dataclass(frozen=True)
class Table:
    """What a scorer looks at on test rows: `rows` [n, features], and `answer` [n, features] -> [n].

    `sample`, as in an `Evaluation`, has one row for each of `rows`, and its column ``score`` is the answer: so that
    the metric of other answers can be taken.
    """

    names: Sequence[str]
    rows: Any
    answer: Callable[[Any], Any]
    sample: pl.DataFrame | None = None


class Report(Protocol):
    """How a fit tells where it is. Called often and cheap; raises `Cancelled` when the run is to stop."""

    def __call__(
        self, *, stage: str | None = None, progress: float | None = None, step: int | None = None, **scalars: float
    ) -> None: ...

    def checkpoint_folder(self) -> Path | None:
        """Where an epoch may be kept, so that a killed fit resumes; None where nothing is kept."""
        ...


class Cancelled(Exception):
    """The run was cancelled, or its lease was lost, while fitting."""


class NotEnoughData(Exception):
    """Too few facts to learn from. The message says what is missing; the run ends as *skipped*, not failed."""


class Silent:
    """A `Report` that says nothing."""

    def __call__(self, **_: Any) -> None:
        return None

    def checkpoint_folder(self) -> Path | None:
        return None


class Learner(ABC):
    """One way to learn one task. Subclasses are stateless: everything learned is in what `fit` returns."""

    name: ClassVar[str]  # "recommendation.popularity"
    slot: ClassVar[str]  # "recommendation.candidates"
    params: ClassVar[type]  # a frozen dataclass of hyper-parameters, each documented
    metric: ClassVar[Metric]
    inputs: ClassVar[Mapping[str, FrameSchema]]
    requests: ClassVar[Mapping[str, FrameSchema]] = {}
    output: ClassVar[FrameSchema]

    @abstractmethod
    def frames(self, shop: Shop, window: Window) -> Frames:
        """The shop's facts as `inputs`: the only step that queries Postgres. Raises `NotEnoughData`."""

    @abstractmethod
    def split(self, frames: Frames) -> Split:
        """By time where the frame has one, else by a seeded hash of the row's id (`commerce_ai.learning.splits`)."""

    @abstractmethod
    def fit(self, frames: Frames, params: Any, report: Report, validation: Frames | None = None) -> Any:
        """Learn. With `validation`, open choices (method, steps) are made on it.

        Afterwards it may be learned from as well, so that the test rows follow on what was learned without a gap.

        What is returned has an attribute `params`: the hyper-parameters with every choice made, so that the
        refit on all data repeats them without a validation frame.
        """

    @abstractmethod
    def save(self, fitted: Any, folder: Path) -> None:
        """Write the artifact: .safetensors .ubj .onnx .npy .json only, never pickle."""

    @abstractmethod
    def load(self, folder: Path) -> Scorer:
        """A scorer from an artifact; never needs torch or transformers. Arrays are memory-mapped."""

    @abstractmethod
    def predict(self, scorer: Scorer, **requests: pl.DataFrame) -> pl.DataFrame:
        """Frames in, one frame out; ids leave with the dtype they came in."""

    @abstractmethod
    def evaluate(self, scorer: Scorer, test: Frames) -> Evaluation:
        """The scorer on held-out frames, beside the baseline, always."""

    def publish(self, scorer: Scorer, version: Version) -> None:
        """Batch: write the rows that the API, the console and other plugins read. Nothing by default."""
        return

    def explain(self, scorer: Scorer) -> pl.DataFrame | None:
        """What the scorer goes by (feature, weight), if it can be said; None where it cannot."""
        return None

    def table(self, scorer: Scorer, test: Frames) -> Table | None:
        """The numbers that the scorer looks at on test rows, for curves and a readable twin (`explaining`); None where
        it does not look at named numbers."""
        return None

    def no_table(self) -> str:
        """Why `table` gives none, in a sentence for people; empty where it does."""
        return ""
