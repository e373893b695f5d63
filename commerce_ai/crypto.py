"""Encrypted fields and keyed hashes: what lies in the database is of no use without the install's keys.

AES-256-GCM. A value is one byte with the length of the key's id, the id, 12 bytes of nonce, and the ciphertext
with its tag. The id and the *context* (which column the value belongs to) are authenticated: a value moved into
another column, or changed by a bit, does not decrypt. `settings.FIELD_KEYS` maps key id to 32 bytes; the first
encrypts, all of them decrypt, so that a new key is put in front, `rotate` is run, and the old one taken out.

Keys kept in a file (`settings.FIELD_KEY_FILE`) are read again when it changed: a running process encrypts with a new
key after a second at most, and at once where it meets a value of a key that it does not know.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, models, router, transaction

logger = logging.getLogger(__name__)

_NONCE_BYTES = 12
_TAG_BYTES = 16
_MOST_BYTES = 32 << 20  # of a batch to be re-encrypted
LOOKS_EVERY_S = 1.0  # at the file of keys: whether it changed


class DecryptionError(ValueError):
    """The value was altered, belongs to another context, or its key is not in FIELD_KEYS. Never holds the value."""


def encrypt(text: str, *, context: str, row: str | None = None) -> bytes:
    """`text` under the current key. The empty text is stored as no bytes.

    With `row` (what names the row, for instance shop and external id) the nonce is derived from key, context, row
    and text: the same text in the same row gives the same bytes, so that loading a file twice changes nothing,
    while equal texts of two rows still look unlike.
    """
    if not text:
        return b""
    key_id, key = next(iter(field_keys().items()))
    plain = text.encode("utf-8", "replace")
    if row is None:
        nonce = os.urandom(_NONCE_BYTES)
    else:
        named = b"\0".join((b"nonce", context.encode(), row.encode("utf-8", "replace"), plain))
        nonce = hmac.digest(_nonce_key(key), named, "sha256")[:_NONCE_BYTES]
    head = _head(key_id)
    return head + nonce + _cipher(key).encrypt(nonce, plain, head + context.encode())


def decrypt(value: bytes, *, context: str) -> str:
    """The text of what `encrypt` made. Raises DecryptionError."""
    value = bytes(value)
    if not value:
        return ""
    key_id, start = key_id_of(value), 1 + value[0]
    key = field_keys().get(key_id) or _look().get(key_id)
    if key is None:
        raise DecryptionError(f"no key '{key_id}' in FIELD_KEYS to decrypt {context}")
    nonce, sealed = value[start : start + _NONCE_BYTES], value[start + _NONCE_BYTES :]
    try:
        return _cipher(key).decrypt(nonce, sealed, value[:start] + context.encode()).decode()
    except InvalidTag as error:
        raise DecryptionError(f"a value of {context} was altered or belongs elsewhere") from error


def reencrypt(value: bytes, *, context: str) -> bytes:
    """`value` under the current key; untouched if it already is."""
    if not value or key_id_of(value) == current_key_id():
        return bytes(value)
    return encrypt(decrypt(value, context=context), context=context)


def key_id_of(value: bytes) -> str:
    """The id of the key that `value` is encrypted with. Raises DecryptionError where it can't be one of ours."""
    length = value[0] if value else 0
    if not 0 < length <= len(value) - 1 - _NONCE_BYTES - _TAG_BYTES:
        raise DecryptionError("not an encrypted value")
    try:
        return bytes(value[1 : 1 + length]).decode()
    except UnicodeDecodeError as error:
        raise DecryptionError("not an encrypted value") from error


def keyed_hash(value: str, *, purpose: str) -> bytes:
    """HMAC-SHA256 under HASH_KEY, 32 bytes: joins on what is stored encrypted. Different purposes never match."""
    return hmac.digest(settings.HASH_KEY, purpose.encode() + b"\0" + value.encode("utf-8", "replace"), "sha256")


def field_keys() -> dict[str, bytes]:
    """Key id → 32 bytes; the first encrypts. At most a second behind the file that they are kept in."""
    return settings.FIELD_KEYS if time.monotonic() < _next_look else _look()


def current_key_id() -> str:
    return next(iter(field_keys()))


def encrypted_fields(model: type[models.Model]) -> list[EncryptedTextField]:
    return [field for field in model._meta.concrete_fields if isinstance(field, EncryptedTextField)]


def rotate(
    model: type[models.Model], *, batch: int = 1000, after_batch: Callable[[int], None] = lambda rows: None
) -> int:
    """Bring every encrypted column of `model` under the current key, `batch` rows a transaction; rows changed.

    A row that somebody else holds is left for the next call: nobody waits for us in a ring. So is a value that does
    not decrypt, which is logged. `after_batch` is told the rows of each batch, after its commit: it may raise to stop.
    """
    fields, changed, last = encrypted_fields(model), 0, None
    key = model._meta.pk
    if not fields or key is None or not key.concrete:
        return 0
    database = router.db_for_write(model)
    connection = connections[database]
    quote = connection.ops.quote_name
    pk_column = str(key.column)
    table, pk, names = quote(model._meta.db_table), quote(pk_column), [quote(str(field.column)) for field in fields]
    stale = " OR ".join(f"(length({name}) > 0 AND substring({name} FROM 1 FOR %s) <> %s)" for name in names)
    read = (
        f"SELECT {pk}, {', '.join(names)} FROM {table} WHERE ({stale}) AND (%s OR {pk} > %s)"  # noqa: S608
        f" ORDER BY {pk} LIMIT %s FOR NO KEY UPDATE SKIP LOCKED"
    )
    new = ", ".join(f"c{place}" for place in range(len(names)))
    taken = ", ".join(f"{name} = coalesce(c{place}, t.{name})" for place, name in enumerate(names))
    write = (
        f"UPDATE {table} t SET {taken}"  # noqa: S608
        f" FROM unnest(%s::{key.db_type(connection)}[]{', %s::bytea[]' * len(names)}) AS new(pk, {new})"
        f" WHERE t.{pk} = new.pk"
    )
    sizes = " + ".join(f"coalesce(octet_length({name}), 0)" for name in names)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT coalesce(max({sizes}), 0) FROM {table}")  # noqa: S608
        batch = max(1, min(batch, _MOST_BYTES // max(1, cursor.fetchone()[0])))
    while True:
        current = current_key_id()
        head = _head(current)
        with transaction.atomic(using=database), connection.cursor() as cursor:
            values: list[Any] = [*[len(head), head] * len(names), last is None, last, batch]
            cursor.execute(read, values)
            page = cursor.fetchall()
            fresh = [
                (row[0], *(_fresh(value, field, current) for field, value in zip(fields, row[1:], strict=True)))
                for row in page
            ]
            fresh = [row for row in fresh if any(value is not None for value in row[1:])]
            if fresh:
                cursor.execute(write, [list(column) for column in zip(*fresh, strict=True)])
        changed += len(fresh)
        if not page:
            return changed
        last = page[-1][0]
        after_batch(len(fresh))


def _fresh(value: Any, field: EncryptedTextField, current: str) -> bytes | None:
    """`value` under the current key; None where it is so already, or can't be."""
    if not value:
        return None
    try:
        value = bytes(value)
        return reencrypt(value, context=field.context) if key_id_of(value) != current else None
    except DecryptionError as error:
        logger.error("left as it is: %s", error)
        return None


_next_look = 0.0
_looking = threading.Lock()


def _look() -> dict[str, bytes]:
    """The keys as they are in their file now."""
    global _next_look
    with _looking:
        file = getattr(settings, "FIELD_KEY_FILE", None)
        if file is not None and (moved := file.moved()) is not None:
            settings.FIELD_KEYS = moved
            logger.info("the keys of encrypted fields are read again; %s encrypts", next(iter(moved)))
        _next_look = time.monotonic() + LOOKS_EVERY_S
    return settings.FIELD_KEYS


class EncryptedTextField(models.Field):  # type: ignore[type-arg]
    """Text in Python, ciphertext in the database. It can't be searched: keep a `keyed_hash` beside it for that."""

    description = "Encrypted text"
    empty_strings_allowed = True

    def get_internal_type(self) -> str:
        return "BinaryField"

    @property
    def context(self) -> str:
        """What the column's values are bound to: table and column."""
        return f"{self.model._meta.db_table}.{self.column}"

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return None if value is None else encrypt(str(value), context=self.context)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        value = super().get_db_prep_value(value, connection, prepared)
        return None if value is None else connection.Database.Binary(value)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> str | None:
        return None if value is None else decrypt(value, context=self.context)

    def get_lookup(self, lookup_name: str) -> Any:
        # Ciphertexts of one text differ, so that any comparison but with NULL would silently find nothing.
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else None

    def formfield(self, **kwargs: Any) -> Any:
        from django import forms

        return super().formfield(**{"form_class": forms.CharField, **kwargs})


def _head(key_id: str) -> bytes:
    encoded = key_id.encode()
    if not 0 < len(encoded) < 256:
        raise ImproperlyConfigured("the id of a field key has 1 to 255 bytes")
    return bytes([len(encoded)]) + encoded


@lru_cache(maxsize=32)
def _cipher(key: bytes) -> AESGCM:
    if len(key) != 32:
        raise ImproperlyConfigured(f"a field key has 32 bytes, not {len(key)}")
    return AESGCM(key)


@lru_cache(maxsize=32)
def _nonce_key(key: bytes) -> bytes:
    return hashlib.sha256(b"nonce key\0" + key).digest()
