"""Curves of a run: rows that the console draws, and TensorBoard's files beside them where it is installed."""

from __future__ import annotations

import importlib.util
import math
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from django.conf import settings

from commerce_ai.learning.models import Run, RunPoint

DRAWN = 500  # points of one curve that a page gets
_BEFORE_THINNING = 1000


def curves_of(run: Run, most: int = DRAWN) -> dict[str, list[tuple[int, float]]]:
    """Each curve's points by step, evenly thinned to `most`; the last point always stays."""
    found: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for name, step, value in run.points.order_by("name", "step", "id").values_list("name", "step", "value"):
        if math.isfinite(value):
            found[name].append((step, value))
    return {name: _thin(points, most) for name, points in found.items()}


class Curves:
    """Takes every point of a run and keeps those worth a row: all at first, then ever fewer, and always the last."""

    def __init__(self, run: Run) -> None:
        self._run_id = run.pk
        self._board = _board(Path(settings.VAR_DIR) / "tensorboard" / str(run.pk))
        self._seen: dict[str, int] = defaultdict(int)
        self._kept: dict[str, int] = defaultdict(int)
        self._waiting: list[RunPoint] = []
        self._last: dict[str, tuple[int, float]] = {}

    def add(self, name: str, step: int | None, value: float) -> None:
        """A point; without a step it is the next one of its curve."""
        seen = self._seen[name]
        step = seen if step is None else step
        # One in 2^k, where k grows by one with every thousand rows: ten thousand rows hold a million steps.
        if seen % 2 ** (self._kept[name] // _BEFORE_THINNING) == 0:
            self._keep(name, step, value)
            self._kept[name] += 1
            self._last.pop(name, None)
        else:
            self._last[name] = (step, value)
        self._seen[name] = seen + 1

    def take(self, last: bool = False) -> list[RunPoint]:
        """What waits for the database; with `last`, the end of every curve too."""
        if last:
            for name, (step, value) in self._last.items():
                self._keep(name, step, value)
            self._last = {}
        points, self._waiting = self._waiting, []
        return points

    def close(self) -> None:
        if self._board is not None:
            self._board.close()
            self._board = None

    def _keep(self, name: str, step: int, value: float) -> None:
        self._waiting.append(RunPoint(run_id=self._run_id, name=name, step=step, value=value))
        if self._board is not None:
            self._board.add_event(_event(name, step, value))


def _board(folder: Path) -> Any:
    if importlib.util.find_spec("tensorboard") is None:
        return None
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    folder.mkdir(parents=True, exist_ok=True)
    return EventFileWriter(str(folder))


def _event(name: str, step: int, value: float) -> Any:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Event(wall_time=time.time(), step=step, summary=Summary(value=[Summary.Value(tag=name, simple_value=value)]))


def _thin(points: list[tuple[int, float]], most: int) -> list[tuple[int, float]]:
    if len(points) <= most:
        return points
    stride = -(-len(points) // most)
    kept = points[::stride]
    return kept if kept[-1] == points[-1] else [*kept, points[-1]]
