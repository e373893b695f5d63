"""A fit's report as lines of text: for the lab and for benchmarks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import monotonic


class LineReport:
    """A `Report` that says each new stage, and at most once a second how far it is."""

    def __init__(self, say: Callable[[str], None], checkpoints: Path | None = None) -> None:
        self._say, self._checkpoints = say, checkpoints
        self._started = self._said = monotonic()
        self._stage = ""

    def __call__(
        self, *, stage: str | None = None, progress: float | None = None, step: int | None = None, **scalars: float
    ) -> None:
        new = stage is not None and stage != self._stage
        self._stage = stage or self._stage
        told = bool(scalars) or progress is not None or step is not None
        if not new and (not told or monotonic() - self._said < 1):
            return
        self._said = monotonic()
        words = [f"{self._said - self._started:7.1f} s", self._stage]
        words += [f"{progress:.0%}"] if progress is not None else []
        words += [f"step {step}"] if step is not None else []
        self._say("  ".join(words + [f"{name} {value:.4g}" for name, value in scalars.items()]))

    def checkpoint_folder(self) -> Path | None:
        if self._checkpoints is not None:
            self._checkpoints.mkdir(parents=True, exist_ok=True)
        return self._checkpoints
