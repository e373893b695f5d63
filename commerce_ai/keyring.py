"""The three secrets of an install: from the environment, or made once for an install on one machine.

They never enter the database. On several machines all of them must be given the same ones, so there they are
asked for instead of made.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True, repr=False)
class Secrets:
    secret_key: str
    field_keys: dict[str, bytes]
    hash_key: bytes


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
    if missing:
        stored = _read_or_make(path) if keep or path.exists() else make()
        given = {name: value or stored[name] for name, value in given.items()}
    return Secrets(given["SECRET_KEY"], _parse_field_keys(given["FIELD_KEYS"]), _decode("HASH_KEY", given["HASH_KEY"]))


def make() -> dict[str, str]:
    def key() -> str:
        return base64.b64encode(secrets.token_bytes(32)).decode()

    return {"SECRET_KEY": secrets.token_urlsafe(50), "FIELD_KEYS": f"k1:{key()}", "HASH_KEY": key()}


def _read_or_make(path: Path) -> dict[str, str]:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
        with os.fdopen(descriptor, "w") as file:
            json.dump(make(), file)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(scratch, path)  # whoever links first has made the secrets; the others read them
        except FileExistsError:
            pass
        finally:
            os.unlink(scratch)
    return json.loads(path.read_text())


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
