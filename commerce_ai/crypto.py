"""Encrypted fields and keyed hashes: what lies in the database is of no use without the install's keys.

AES-256-GCM. A value is one byte with the length of the key's id, the id, 12 bytes of nonce, and the ciphertext
with its tag. The id and the *context* (which column the value belongs to) are authenticated: a value moved into
another column, or changed by a bit, does not decrypt. `settings.FIELD_KEYS` maps key id to 32 bytes; the first
encrypts, all of them decrypt, so that a new key is put in front, `rotate` is run, and the old one taken out.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models, transaction

_NONCE_BYTES = 12
_TAG_BYTES = 16


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
    key_id, key = next(iter(settings.FIELD_KEYS.items()))
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
    key = settings.FIELD_KEYS.get(key_id)
    if key is None:
        raise DecryptionError(f"no key '{key_id}' in FIELD_KEYS to decrypt {context}")
    nonce, sealed = value[start : start + _NONCE_BYTES], value[start + _NONCE_BYTES :]
    try:
        return _cipher(key).decrypt(nonce, sealed, value[:start] + context.encode()).decode()
    except InvalidTag as error:
        raise DecryptionError(f"a value of {context} was altered or belongs elsewhere") from error


def reencrypt(value: bytes, *, context: str) -> bytes:
    """`value` under the current key; untouched if it already is."""
    if not value or key_id_of(value) == next(iter(settings.FIELD_KEYS)):
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


def rotate(model: type[models.Model], *, batch: int = 1000) -> int:
    """Bring every encrypted column of `model` under the current key, `batch` rows a transaction; rows changed."""
    fields = [field for field in model._meta.concrete_fields if isinstance(field, EncryptedTextField)]
    sealed = {field.name: models.ExpressionWrapper(models.F(field.name), models.BinaryField()) for field in fields}
    rows = model._base_manager.order_by("pk")
    changed, last = 0, None
    while fields:
        with transaction.atomic():
            page = list(
                (rows if last is None else rows.filter(pk__gt=last))
                .select_for_update()
                .values_list("pk", *sealed.values())[:batch]
            )
            for pk, *values in page:
                fresh = {
                    field.name: models.Value(reencrypt(value, context=field.context), models.BinaryField())
                    for field, value in zip(fields, values, strict=True)
                    if value and key_id_of(value) != next(iter(settings.FIELD_KEYS))
                }
                changed += rows.filter(pk=pk).update(**fresh) if fresh else 0
        if len(page) < batch:
            break
        last = page[-1][0]
    return changed


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
