"""The files of a version: kept in Postgres in pieces, cached read-only on each machine that uses them.

The cache ``var/artifacts/<manifest>/`` may be deleted at any time (`find var/artifacts -atime +30` is a good habit):
what is needed is fetched again. A database backup is the whole backup.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from commerce_ai.learning.models import ArtifactChunk, ArtifactFile, Version

CHUNK_BYTES = 8 * 1024 * 1024
# Formats that hold data and nothing that runs when read.
SUFFIXES = (".safetensors", ".ubj", ".onnx", ".npy", ".json")


class ArtifactError(Exception):
    """The files can't be stored, or what the database holds is not what was stored."""


@dataclass(frozen=True)
class StoredFile:
    path: str
    sha256: str
    size: int


def store(version: Version, folder: Path) -> str:
    """Write the folder's files as rows of `version`, in the caller's transaction, and return their fingerprint.

    Sets `manifest` and `size` of the version (saved). Raises `ArtifactError` for an empty folder, for a link and
    for a format that is not one of `SUFFIXES`.
    """
    found = sorted(path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
    if not found:
        raise ArtifactError(_("The learner saved no file."))
    stored = []
    with transaction.atomic():
        for path in found:
            _refuse_odd(path, folder)
            stored.append(_store_file(version, path, path.relative_to(folder).as_posix()))
        version.manifest, version.size = fingerprint(stored), sum(each.size for each in stored)
        version.save(update_fields=["manifest", "size"])
    return version.manifest


def fetch(version: Version) -> Path:
    """The folder with the version's files on this machine, every sum checked; fetched if it is missing or damaged.

    Safe to call from many processes at once. Raises `ArtifactError` if the rows in Postgres are damaged or gone.
    """
    if not version.manifest:
        raise ArtifactError(_("The files of version %(id)s were let go.") % {"id": version.pk})
    cache = Path(settings.VAR_DIR) / "artifacts"
    folder = cache / version.manifest
    if _is_whole(folder, version.manifest):
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with _exclusive(cache / f".{version.manifest}.lock"):
        if _is_whole(folder, version.manifest):  # another process was quicker
            return folder
        scratch = Path(tempfile.mkdtemp(prefix=f".{version.manifest[:12]}.", dir=cache))
        try:
            _read_files(version, scratch / "new")
            if folder.exists():
                folder.rename(scratch / "damaged")  # whoever has its files mapped keeps them
            (scratch / "new").rename(folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return folder


def let_go(version: Version) -> None:
    """Drop the files of a version that is not live; the row and its figures stay."""
    with transaction.atomic():
        version.files.all().delete()
        version.manifest = ""
        version.save(update_fields=["manifest"])


def fingerprint(files: list[StoredFile]) -> str:
    """SHA-256 over paths, sums and sizes in the order of the paths: the artifact's name in every cache."""
    lines = [f"{each.sha256} {each.size} {each.path}\n" for each in sorted(files, key=lambda each: each.path)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def measure(folder: Path) -> list[StoredFile]:
    """Paths, sums and sizes of what lies in a folder."""
    return [
        StoredFile(path.relative_to(folder).as_posix(), _sum(path), path.stat().st_size)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]


def _store_file(version: Version, path: Path, name: str) -> StoredFile:
    row = ArtifactFile.objects.create(version=version, path=name, sha256="", size=0)
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        for number, data in enumerate(iter(lambda: file.read(CHUNK_BYTES), b"")):
            digest.update(data)
            size += len(data)
            ArtifactChunk.objects.create(file=row, number=number, data=data)
    row.sha256, row.size = digest.hexdigest(), size
    row.save(update_fields=["sha256", "size"])
    return StoredFile(name, row.sha256, size)


def _refuse_odd(path: Path, folder: Path) -> None:
    name = path.relative_to(folder).as_posix()
    if path.is_symlink() or not path.is_file():
        raise ArtifactError(_("%(file)s is not a plain file.") % {"file": name})
    if path.suffix not in SUFFIXES:
        said = {"file": name, "formats": " ".join(SUFFIXES)}
        raise ArtifactError(_("%(file)s: an artifact holds only %(formats)s.") % said)


def _read_files(version: Version, folder: Path) -> None:
    folder.mkdir()
    rows = list(version.files.order_by("path"))
    if fingerprint([StoredFile(row.path, row.sha256, row.size) for row in rows]) != version.manifest:
        raise ArtifactError(_("The list of files of version %(id)s in the database is damaged.") % {"id": version.pk})
    for row in rows:
        path = folder / _inside(row.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with path.open("wb") as file:
            for number in range(row.chunks.count()):
                data = row.chunks.filter(number=number).values_list("data", flat=True).first() or b""
                digest.update(data)
                file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if digest.hexdigest() != row.sha256:
            said = {"file": row.path, "id": version.pk}
            raise ArtifactError(
                _("%(file)s of version %(id)s is damaged in the database: its sum is not what was stored. "
                  "Restore it from a backup, or roll back and train again.") % said
            )  # fmt: skip
        path.chmod(0o444)


def _inside(path: str) -> PurePosixPath:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts:
        raise ArtifactError(_("%(file)s lies outside of the artifact.") % {"file": path})
    return pure


def _is_whole(folder: Path, manifest: str) -> bool:
    try:
        return folder.is_dir() and fingerprint(measure(folder)) == manifest
    except OSError:
        return False


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
