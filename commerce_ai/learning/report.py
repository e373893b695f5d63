"""How a run tells where it is: a few rows a second at most, and the place where it hears that it is to stop."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils.translation import gettext as _

from commerce_ai.learning import leases
from commerce_ai.learning.curves import Curves
from commerce_ai.learning.learner import Cancelled
from commerce_ai.learning.models import Run, RunLog, RunPoint

EVERY_S = 0.5
Watcher = Callable[[str, float], None]  # stage, share of the whole


class RunReport:
    """The `Report` of a whole run. A fit gets a `part` of it, whose progress is a span of the whole."""

    def __init__(self, run: Run, watcher: Watcher | None = None) -> None:
        self.run = run
        self.stage, self.share = "", 0.0
        self._watcher = watcher
        self._curves = Curves(run)
        self._points: list[RunPoint] = []
        self._lines: list[RunLog] = []
        self._written_at = 0.0
        self._heard_at = time.monotonic()

    def __call__(
        self, *, stage: str | None = None, progress: float | None = None, step: int | None = None, **scalars: float
    ) -> None:
        self.at(self.stage if stage is None else stage, self.share if progress is None else progress)
        self.points(step, scalars)

    def at(self, stage: str, share: float, write: bool = False) -> None:
        """Say the stage and the share of the whole. Raises `Cancelled` when the run is to stop."""
        self.stage, self.share = stage, min(max(share, 0.0), 1.0)
        if self._watcher is not None:
            self._watcher(self.stage, self.share)
        if write or time.monotonic() - self._written_at >= EVERY_S:
            self.write()

    def points(self, step: int | None, scalars: dict[str, float]) -> None:
        for name, value in scalars.items():
            self._curves.add(name, step, float(value))

    def say(self, text: str, level: str = "info") -> None:
        """A line of the run's log; written with the next rows."""
        self._lines.append(RunLog(run_id=self.run.pk, level=level, text=text[-leases.LOG_CHARS :]))

    def part(self, name: str, start: float, end: float) -> Part:
        return Part(self, name, start, end)

    def checkpoint_folder(self) -> Path | None:
        return None

    def write(self, last: bool = False) -> None:
        """Write what waits, and hear whether to go on. A database that is away for less than a lease is waited for."""
        self._written_at = time.monotonic()
        self._points += self._curves.take(last=last)
        try:
            orders = self._write()
        except (OperationalError, InterfaceError):
            if last or connection.in_atomic_block or time.monotonic() - self._heard_at > leases.LEASE.total_seconds():
                raise
            connection.close()
            return
        self._heard_at = time.monotonic()
        self._points, self._lines = [], []
        if not orders.held:
            raise Cancelled(_("The lease was lost: another trainer may have taken the run over."))
        if orders.cancel and not last:
            raise Cancelled(_("Cancelled."))

    def _write(self) -> leases.Orders:
        with transaction.atomic():
            orders = leases.progress(self.run, self.stage, self.share)
            if orders.held:
                RunPoint.objects.bulk_create(self._points, batch_size=1000)
                RunLog.objects.bulk_create(self._lines)
        return orders

    def close(self) -> None:
        """Write the rest, whatever became of the run; never raises `Cancelled`."""
        try:
            self.write(last=True)
        except Cancelled:
            pass
        finally:
            self._curves.close()


class Part:
    """What one fit reports to: a span of the run's progress, curves that bear its name, checkpoints of its own."""

    def __init__(self, whole: RunReport, name: str, start: float, end: float) -> None:
        self._whole, self._name, self._start, self._end = whole, name, start, end
        self._inner = ""
        self._share = 0.0
        whole.at(name, start, write=True)  # a fit may say nothing for long: until then this is what stands there

    def __call__(
        self, *, stage: str | None = None, progress: float | None = None, step: int | None = None, **scalars: float
    ) -> None:
        if stage is not None and stage != self._inner:
            self._inner = stage
            self._whole.say(f"{self._name}: {stage}")
        if progress is not None and math.isfinite(progress):
            self._share = progress
        stage_in_words = f"{self._name}: {self._inner}" if self._inner else self._name
        self._whole.points(step, {f"{self._name}/{name}": value for name, value in scalars.items()})
        self._whole.at(stage_in_words, self._start + (self._end - self._start) * min(max(self._share, 0.0), 1.0))

    def checkpoint_folder(self) -> Path:
        folder = leases.checkpoints_of(self._whole.run) / self._name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


class LogLines(logging.Handler):
    """Copies what the code says by `logging` into the run's log."""

    def __init__(self, report: RunReport) -> None:
        super().__init__(logging.INFO)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        level = (
            "error" if record.levelno >= logging.ERROR else "warning" if record.levelno >= logging.WARNING else "info"
        )
        self._report.say(self.format(record), level)

    def __enter__(self) -> LogLines:
        for name in ("commerce_ai", "plugins"):
            logging.getLogger(name).addHandler(self)
        return self

    def __exit__(self, *_details: Any) -> None:
        for name in ("commerce_ai", "plugins"):
            logging.getLogger(name).removeHandler(self)
