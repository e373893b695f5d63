"""The three secrets of an install: from the environment, or made once for an install on one machine.

They never enter the database. On several machines all of them must be given the same ones, so there they are
asked for instead of made.

The keys of encrypted fields change while processes run (`manage.py privacy rotate`): a `KeyFile` tells when. What other
processes read is replaced whole, never half-written.
"""

from __future__ import annotations

import base64
import fcntl
import json
import logging
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

logger = logging.getLogger(__name__)


class KeyFile:
    """The file that FIELD_KEYS are kept in, as it was when they were read last."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen = _signature(path)

    def moved(self) -> dict[str, bytes] | None:
        """The keys, if the file changed since they were read; None if not, or if it can't be read (which is logged)."""
        if (signature := _signature(self.path)) == self._seen or signature is None:
            return None
        self._seen = signature
        try:
            return _parse_field_keys(json.loads(self.path.read_text())["FIELD_KEYS"])
        except (OSError, ValueError, KeyError, ImproperlyConfigured) as error:
            logger.error("%s can't be read (%s); the keys of before are used", self.path, type(error).__name__)
            return None

    def add(self) -> str:
        """Put a new key in front; its id. The old ones stay and decrypt."""
        with self._change() as stored:
            known = stored["FIELD_KEYS"].split(",")
            taken = [int(key[1:]) for key in _parse_field_keys(stored["FIELD_KEYS"]) if key[1:].isdecimal()]
            name = f"k{max(taken, default=0) + 1}"
            stored["FIELD_KEYS"] = ",".join([f"{name}:{_new_key()}", *known])
            stored["FIELD_KEYS_CHANGED"] = datetime.now(UTC).isoformat()
        return name

    def remove(self, name: str) -> None:
        """Take an old key out. Nobody can read what it encrypted any more. Raises ValueError for the one in front."""
        with self._change() as stored:
            parts = stored["FIELD_KEYS"].split(",")
            if parts[0].strip().partition(":")[0] == name:
                raise ValueError(f"{name} encrypts")
            stored["FIELD_KEYS"] = ",".join(part for part in parts if part.strip().partition(":")[0] != name)

    def changed_at(self) -> datetime | None:
        """When the key in front was put there; None if it is the first one."""
        said = json.loads(self.path.read_text()).get("FIELD_KEYS_CHANGED")
        return datetime.fromisoformat(said) if said else None

    @contextmanager
    def _change(self) -> Iterator[dict[str, Any]]:
        """What is stored, to be changed by one process at a time; on disk when this ends, whole or not at all."""
        with (self.path.parent / f".{self.path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            stored = json.loads(self.path.read_text())
            yield stored
            owner = self.path.stat()
            scratch = _write_apart(self.path, stored)
            try:
                if owner.st_uid != os.geteuid():
                    os.chown(scratch, owner.st_uid, owner.st_gid)
                os.replace(scratch, self.path)
            except OSError:
                os.unlink(scratch)
                raise
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)  # no row may be under a key that a power cut takes back
            finally:
                os.close(folder)


@dataclass(frozen=True, repr=False)
class Secrets:
    secret_key: str
    field_keys: dict[str, bytes]
    hash_key: bytes
    key_file: KeyFile | None = field(default=None, compare=False)  # None: FIELD_KEYS came by the environment


def load(path: Path, *, one_machine: bool, keep: bool = True) -> Secrets:
    """`SECRET_KEY`, `FIELD_KEYS` (``id:base64,id:base64``, the first one encrypts) and `HASH_KEY` (base64).

    What the environment lacks is read from `path`, which is made on first use with mode 0600 when everything
    runs on `one_machine`; otherwise `ImproperlyConfigured` names what is missing. Without `keep` nothing is written:
    a process that stores nothing can do with secrets of its own.
    """
    given = {name: os.environ.get(name, "") for name in ("SECRET_KEY", "FIELD_KEYS", "HASH_KEY")}
    missing = [name for name, value in given.items() if not value]
    if missing and not one_machine and not path.exists():
        raise ImproperlyConfigured(
            f"{', '.join(missing)} must be set when DATABASE_URL is: every machine needs the same secrets. "
            "Make them with: python -m commerce_ai.keyring"
        )
    key_file = None
    if missing:
        if is_kept := keep or path.exists():
            _make_if_absent(path)
        if is_kept and "FIELD_KEYS" in missing:
            key_file = KeyFile(path)  # before it is read: what changes in between is noticed
        stored = json.loads(path.read_text()) if is_kept else make()
        given = {name: value or stored[name] for name, value in given.items()}
    keys = _parse_field_keys(given["FIELD_KEYS"])
    return Secrets(given["SECRET_KEY"], keys, _decode("HASH_KEY", given["HASH_KEY"]), key_file)


def make() -> dict[str, str]:
    return {"SECRET_KEY": secrets.token_urlsafe(50), "FIELD_KEYS": f"k1:{_new_key()}", "HASH_KEY": _new_key()}


def _new_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _make_if_absent(path: Path) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = _write_apart(path, make())
    try:
        os.link(scratch, path)  # whoever links first has made the secrets; the others read them
    except FileExistsError:
        pass
    finally:
        os.unlink(scratch)


def _write_apart(path: Path, stored: dict[str, Any]) -> str:
    descriptor, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    with os.fdopen(descriptor, "w") as file:
        json.dump(stored, file)
        file.flush()
        os.fsync(file.fileno())
    return scratch


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _parse_field_keys(text: str) -> dict[str, bytes]:
    keys = {}
    for part in text.split(","):
        name, _, value = part.strip().partition(":")
        if not name or not value or len(name) > 16:
            raise ImproperlyConfigured("FIELD_KEYS must read id:base64[,id:base64…] with ids of at most 16 characters")
        keys[name] = _decode("FIELD_KEYS", value)
    return keys


def _decode(variable: str, value: str) -> bytes:
    try:
        key = base64.b64decode(value, validate=True)
    except ValueError as error:
        raise ImproperlyConfigured(f"{variable} holds a key that is not base64") from error
    if len(key) != 32:
        raise ImproperlyConfigured(f"{variable} holds a key of {len(key)} bytes; 32 are needed")
    return key


if __name__ == "__main__":
    import sys

    sys.stdout.write("".join(f"{name}={value}\n" for name, value in make().items()))
