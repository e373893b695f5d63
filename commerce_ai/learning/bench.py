"""What a benchmark suite is given: where the data lies, how often to run, and where its figures go.

A suite is a function ``suite(bench: Bench)`` in the `SUITES` of a plugin's or a room's ``benchmarks`` module. It runs
a public protocol exactly and calls `row` as soon as it has a figure, so that a stopped run loses none.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

from commerce_ai import __version__
from commerce_ai.learning.lines import LineReport


class BenchError(ValueError):
    """The suite can't run; the message says what is missing."""


class Bench:
    """`data` is the folder of public data, `learner` the only learner to run (None: all), `seeds` how many seeds."""

    def __init__(
        self,
        name: str,
        *,
        data: Path,
        learner: str | None = None,
        seeds: int = 1,
        json_file: Path | None = None,
        write: Callable[[str], None] = print,
    ) -> None:
        self.name, self.data, self.learner, self.seeds = name, data, learner, seeds
        self._json_file, self._write = json_file, write
        self._started = monotonic()
        self._kept: dict[str, Any] = {
            "benchmark": name, "product_version": __version__, "device": device(), "finished": False,
            "rows": [], "published": [], "notes": [],
        }  # fmt: skip
        if json_file is not None and not json_file.parent.is_dir():
            raise BenchError(f"{json_file.parent}: there is no such folder")
        self.say(f"{name} on {self._kept['device']}, product {__version__}")

    def say(self, line: str) -> None:
        self._write(line)

    def note(self, line: str) -> None:
        """A line that also stands in the JSON: the protocol, a cleaning, a share left out."""
        self._kept["notes"].append(line)
        self.say(line)
        self._keep()

    def wants(self, learner: str) -> bool:
        return self.learner in (None, learner)

    def report(self) -> LineReport:
        """A `Report` for a fit, which says a line a stage and a line a second."""
        return LineReport(lambda line: self.say(f"  {line}"))

    def row(self, name: str, figures: Mapping[str, float], *, seconds: float | None = None, **about: Any) -> None:
        """One result of ours; `about` tells it apart from others of its name (seed=0, targets="all items")."""
        row = {
            "name": name,
            "figures": {key: float(value) for key, value in figures.items()},
            "seconds": seconds,
            **about,
        }
        self._kept["rows"].append(row)
        self.say(_line(name, row["figures"], seconds, about))
        self._keep()

    def published(self, name: str, figures: Mapping[str, float], source: str) -> None:
        """A figure that others published for this protocol, with where."""
        self._kept["published"].append({"name": name, "figures": dict(figures), "source": source})
        self.say(_line(name, figures, None, {"published in": source}))
        self._keep()

    def file(self, path: str) -> Path:
        """A file below `data`; `BenchError` if it is not there."""
        if not (self.data / path).exists():
            raise BenchError(f"{self.data / path}: there is no such file (the folder of public data is --data)")
        return self.data / path

    def finish(self) -> None:
        self._kept["finished"], self._kept["seconds"] = True, round(monotonic() - self._started, 1)
        self.say(f"{self._kept['seconds']} s in all")
        self._keep()

    def _keep(self) -> None:
        if self._json_file is not None:
            scratch = self._json_file.with_name(f".{self._json_file.name}.new")
            scratch.write_text(json.dumps(self._kept, indent=1))
            scratch.replace(self._json_file)


def device() -> str:
    """What the figures were made on: processor cores and, if torch sees one, the GPU."""
    torch = sys.modules.get("torch")
    gpu = f", {torch.cuda.get_device_name(0)}" if torch is not None and torch.cuda.is_available() else ""
    return f"{os.cpu_count()} {platform.machine()} cores{gpu}, Python {platform.python_version()}"


def _line(name: str, figures: Mapping[str, float], seconds: float | None, about: Mapping[str, Any]) -> str:
    words = [f"{name:<24}", *(f"{key} {value:.4f}" for key, value in figures.items())]
    words += [f"{seconds:.1f} s"] if seconds is not None else []
    words += [f"{key}: {value}" if not isinstance(value, str) else value for key, value in about.items()]
    return "  ".join(words)
