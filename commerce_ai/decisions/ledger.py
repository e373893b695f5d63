"""What a process notes on disk before it answers without having kept a decision: a line for each, appended.

One process writes one file and holds its lock as long as it lives, so that whoever finds the lock free knows that
nothing more will come. A line is one `write`: it outlives the process however that ends, though not a power cut.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid4

LOST, LATE, KEPT = "-", "?", "+"  # what a line says of a decision; of a late one another line follows
MOST_BYTES = 1_000_000  # then a new file is begun, and this one can be worked off
SUFFIX = ".ledger"


class Line(NamedTuple):
    said: str
    shop_id: int
    plugin: str
    decision_id: UUID


@dataclass(frozen=True)
class Ledger:
    """A file as it was when it was read. `is_over`: its process writes no more into it."""

    path: Path
    lines: list[Line]
    size: int
    age_s: float
    is_over: bool


class Writer:
    """This process' file in `folder`, begun with the first line and anew after a fork."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._file = self._owner = -1
        self._size = 0

    def write(self, line: Line) -> None:
        """Raises OSError where the disk does not take it."""
        text = " ".join(map(str, line)).encode() + b"\n"
        with self._lock:
            if self._owner != os.getpid() or self._size > MOST_BYTES:
                self._begin()
            self._size += len(text)
            if os.write(self._file, text) != len(text):
                self._size = MOST_BYTES + 1  # half a line stands there: no other may follow it
                raise OSError(f"{self.folder} is full")

    def close(self) -> None:
        with self._lock:
            if self._owner == os.getpid():
                os.close(self._file)
            self._owner = -1

    def _begin(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{uuid4().hex}{SUFFIX}"
        scratch = path.with_suffix(".new")  # named when it is locked: a free lock says that its process is gone
        file = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        scratch.rename(path)
        if self._owner == os.getpid():
            os.close(self._file)
        self._file, self._owner, self._size = file, os.getpid(), 0


def ledgers(folder: Path) -> Iterator[Ledger]:
    """Every file of the folder, whoever writes it."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # another process has just worked it off
        with os.fdopen(file, "rb") as opened:
            is_over = _is_free(file)  # before it is read: nothing comes after that
            data, changed = opened.read(), os.fstat(file).st_mtime
        yield Ledger(path, list(_lines(data)), len(data), max(time.time() - changed, 0.0), is_over)


def _is_free(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lines(data: bytes) -> Iterator[Line]:
    """What is a line. A power cut may leave blocks of nothing in between: they must not hide what else stands there."""
    for line in data.split(b"\n")[:-1]:
        try:
            said, shop_id, plugin, decision_id = line.decode().split(" ")
            read = Line(said, int(shop_id), plugin, UUID(decision_id))
        except ValueError:
            continue
        if said in (LOST, LATE, KEPT):
            yield read
