"""Where a training computes: in this process (`local`), or wherever another engine takes it.

``TRAINING_ENGINE`` names one of `ENGINES`, or the dotted path of a class of your own. A run keeps the name it
was asked for with.
"""

from __future__ import annotations

from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from commerce_ai.learning.models import Run, Version
from commerce_ai.learning.report import RunReport

ENGINES = {"local": "commerce_ai.learning.engine.Local"}


class Engine(Protocol):
    """Takes a claimed run to its version; called in the run's own process, which holds the lease."""

    name: str

    def train(self, run: Run, report: RunReport) -> Version:
        """The version that the run yielded; raises what `training.train` raises."""
        ...


class Local:
    """Trains in the process that asks."""

    name = "local"

    def train(self, run: Run, report: RunReport) -> Version:
        from commerce_ai.learning import training

        return training.train(run, report)


def default_name() -> str:
    return str(getattr(settings, "TRAINING_ENGINE", "local"))


def engine(name: str) -> Engine:
    """The engine of this name. Raises ImportError, in words, where there is none."""
    if name not in ENGINES and "." not in name:
        raise ImportError(f"there is no training engine {name!r}; there are: {', '.join(ENGINES)}")
    return import_string(ENGINES.get(name, name))()
