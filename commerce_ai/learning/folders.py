"""A folder that is either whole or not there: made in a working folder inside it, then moved in."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WORK = ".work"


class FolderError(ValueError):
    """The folder can't be written; the message says why."""


@contextmanager
def working(folder: Path, key: str, *, whole: str) -> Iterator[Path]:
    """A working folder below `folder` for one piece of work, which `key` names.

    It outlives a kill and is found again under the same key; another key, an error or the end empties it. A `folder`
    with other things in it, that is one without the file `whole`, is left alone: `FolderError`.
    """
    made = not folder.exists()
    if not made and not folder.is_dir():
        raise FolderError(f"{folder}: this is a file, not a folder")
    if not made and any(folder.iterdir()) and not (folder / whole).exists() and not (folder / WORK).exists():
        raise FolderError(f"{folder}: the folder is not empty and holds no {whole}; nothing is overwritten")
    work = folder / WORK
    work.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise FolderError(f"{folder}: another process is writing here") from None
        if not (work / "key").exists() or (work / "key").read_text() != key:
            _empty(work, but="lock")
            (work / "key").write_text(key)
        try:
            yield work
        except Exception:
            shutil.rmtree(work, ignore_errors=True)
            if made:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(work, ignore_errors=True)


def move_in(new: Path, folder: Path, *, last: str) -> None:
    """Replace what `folder` holds by what `new` holds. `last` goes first and comes last: with it, all is there."""
    (folder / last).unlink(missing_ok=True)
    _empty(folder, but=WORK)
    for each in sorted(new.iterdir(), key=lambda path: path.name == last):
        each.rename(folder / each.name)


def fresh(folder: Path) -> Path:
    """The folder, empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _empty(folder: Path, *, but: str) -> None:
    for each in folder.iterdir():
        if each.name != but:
            shutil.rmtree(each) if each.is_dir() else each.unlink()
