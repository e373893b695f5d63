"""Cleaned rows wait on disk until the whole file is known to be good; then one transaction takes them over.

Personal columns are encrypted before they come here, so that a killed load leaves no clear text behind. Its folder
is swept away by the next load: a folder in use is locked, and the kernel drops the lock of whoever dies.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl
from django.conf import settings


class Staging:
    """Named sets of frames, each a sequence of Parquet parts in the order they were added."""

    def __init__(self) -> None:
        home = Path(settings.VAR_DIR) / "loading"
        home.mkdir(parents=True, exist_ok=True)
        _sweep(home)
        self._folder = Path(tempfile.mkdtemp(prefix="load-", dir=home))
        self._lock = _lock(self._folder)
        self._parts: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)

    def add(self, name: str, frame: pl.DataFrame) -> None:
        if frame.is_empty():
            return
        number = self._parts.get(name, 0)
        self._parts[name] = number + 1
        frame.write_parquet(self._folder / f"{name}-{number:06}.parquet", compression="lz4", statistics=False)

    def parts(self, name: str) -> Iterator[pl.DataFrame]:
        for number in range(self._parts.get(name, 0)):
            yield pl.read_parquet(self._folder / f"{name}-{number:06}.parquet")

    def scan(self, name: str) -> pl.LazyFrame:
        """All parts as one; raises KeyError where there are none."""
        if name not in self._parts:
            raise KeyError(name)
        return pl.scan_parquet(self._folder / f"{name}-*.parquet")

    def has(self, name: str) -> bool:
        return name in self._parts


def _lock(folder: Path) -> int | None:
    """The open lock of a folder, or None where somebody else holds it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _sweep(home: Path) -> None:
    for folder in home.glob("load-*"):
        try:
            lock = _lock(folder)
        except OSError:
            continue  # gone already, or not ours to look into
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
