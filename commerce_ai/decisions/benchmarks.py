"""The suites of this room: `benchmark decisions <suite>`."""

from __future__ import annotations

from commerce_ai.decisions.experiments.benchmarks import experiments

SUITES = {"experiments": experiments}
