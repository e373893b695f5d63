"""Every place where something of a person may lie, as bytes: the dump of Postgres, Redis, files, the log."""

from __future__ import annotations

import base64
import json
import logging
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import redis
from django.apps import apps
from django.conf import settings
from django.db import connection

from commerce_ai.crypto import EncryptedTextField
from commerce_ai.embedded.account import POSTGRES_PORT, POSTGRES_USER
from commerce_ai.logs import Line

MOST_BYTES = 50_000_000


def everywhere(log: Log) -> Iterator[tuple[str, bytes]]:
    """Name and content of each place, encrypted columns as they lie there."""
    yield from dump()
    yield from in_redis()
    yield from in_files()
    yield "log", log.said()


def dump() -> Iterator[tuple[str, bytes]]:
    """A real pg_dump of the whole database, column by column: ``shop_event.properties``, and the schema as ``sql``."""
    from commerce_ai.embedded.postgres import _postgres_binary

    command = [
        _postgres_binary("pg_dump"), "-h", str(settings.EMBEDDED.sockets), "-p", str(POSTGRES_PORT), "-U",
        POSTGRES_USER, connection.settings_dict["NAME"],
    ]  # fmt: skip
    text = subprocess.run(command, capture_output=True, check=True).stdout
    columns: dict[str, list[bytes]] = {}
    table, names = "", []
    for line in text.split(b"\n"):
        if table and line == rb"\.":
            table = ""
        elif table:
            for name, value in zip(names, line.split(b"\t"), strict=True):
                columns.setdefault(f"{table}.{name}", []).append(value)
        elif line.startswith(b"COPY "):
            head = line.decode().removeprefix("COPY ").partition(" (")
            table, names = head[0].removeprefix("public."), head[2].partition(")")[0].replace('"', "").split(", ")
        else:
            columns.setdefault("sql", []).append(line)
    assert columns["shop_shop.slug"]
    for name, values in columns.items():
        yield name, b"\n".join(values)


def in_clear() -> Iterator[tuple[str, bytes]]:
    """Every encrypted column, decrypted."""
    for model in apps.get_models(include_auto_created=True):
        for field in model._meta.concrete_fields:
            if isinstance(field, EncryptedTextField) and model._meta.managed:
                said = model._base_manager.values_list(field.name, flat=True)
                yield f"{model._meta.db_table}.{field.name}", "\n".join(filter(None, said)).encode()


def in_redis() -> Iterator[tuple[str, bytes]]:
    """Every key of every database of ours, its name and its value as it is kept, packed and unpacked."""
    for number in (settings.REDIS_DB, settings.REDIS_DB + 1):
        client = redis.Redis(unix_socket_path=str(settings.EMBEDDED.redis_socket), db=number)
        for key in client.scan_iter():
            yield f"redis {key.decode(errors='replace')}", key + b"\n" + (client.dump(key) or b"") + _value(client, key)


def in_files() -> Iterator[tuple[str, bytes]]:
    """Every file under var but the cluster of Postgres, whose content pg_dump shows; the log of Redis' writes too."""
    folders = {Path(settings.VAR_DIR), Path(settings.EMBEDDED.var)}
    for file in sorted({each for folder in folders for each in folder.rglob("*")}):
        aside = Path(settings.EMBEDDED.postgres_data) in file.parents
        if not aside and file.is_file() and not file.is_symlink() and file.stat().st_size < MOST_BYTES:
            yield f"file {file}", file.read_bytes()


class Log(logging.Handler):
    """All that is logged from INFO on, by our formatter."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(Line("{asctime} {levelname} {name} {message}", style="{"))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    def said(self) -> bytes:
        return "\n".join(self.lines).encode()


def disguises(text: str) -> set[bytes]:
    """The text as it may lie somewhere: in other cases, encodings and spellings."""
    found = {text.encode(), text.lower().encode(), text.upper().encode(), text[::-1].encode()}
    found |= {text.encode(each) for each in ("utf-16-le", "utf-16-be")}
    found |= {quote(text, safe="").encode(), quote_plus(text).encode(), json.dumps(text)[1:-1].encode()}
    found |= {"".join(text.split()).encode()} | {text.replace(" ", each).encode() for each in ("-", "_", "\\n")}
    found |= {text.encode().hex().encode(), text.encode().hex().upper().encode()}
    for shift in range(3):  # base64 says the same in three ways, by where a text begins
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            inner = encode(b"x" * shift + text.encode())[4 if shift else 0 :]
            found.add(inner.rstrip(b"=")[:-2] if len(inner) > 8 else inner)
    return {each for each in found if len(each) >= 7}


def _value(client: redis.Redis, key: bytes) -> bytes:
    kind = client.type(key)
    read: Any = {
        b"string": lambda: client.get(key), b"list": lambda: client.lrange(key, 0, -1),
        b"hash": lambda: client.hgetall(key), b"set": lambda: client.smembers(key),
        b"zset": lambda: client.zrange(key, 0, -1, withscores=True), b"stream": lambda: client.xrange(key),
    }[kind]  # type: ignore[index]  # fmt: skip
    return repr(read()).encode()
