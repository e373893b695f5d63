"""The measuring side of `benchmark privacy consent`: runs in a process of its own, prints a line a figure."""

from __future__ import annotations


def measure() -> None:
    """Make the shop, then time frames and answers with and without consent."""
