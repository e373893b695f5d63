"""The shop's server vouches for its customer: ``v1.<id>.<expiry>.<signature>``.

`id` is the customer's external id (UTF-8, base64url without padding), `expiry` a Unix time in seconds, `signature`
the base64url of HMAC-SHA256 under the shop's signing secret over everything before the last dot. The version in
front lets the form change later without a token of one form passing for another's.
"""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

import msgspec

VERSION = "v1"
LONGEST = 1024


class Verdict(msgspec.Struct, frozen=True):
    """What a token proves: `customer_id` if `state` is ``valid``, else nothing."""

    state: Literal["valid", "expired", "invalid"]
    customer_id: str | None = None


def sign(secret: str, customer_id: str, expires: datetime | int) -> str:
    """A token for `customer_id` until `expires` (aware, or Unix seconds). A shop's own server does the same."""
    instant = int(expires.timestamp()) if isinstance(expires, datetime) else expires
    head = f"{VERSION}.{_encode(customer_id.encode())}.{instant}"
    return f"{head}.{_signature(secret, head)}"


def verify(secrets: Iterable[str], token: str, now: float | None = None) -> Verdict:
    """Judge `token` under any of the shop's `secrets`. Takes the same time whichever byte is wrong."""
    head, _dot, signature = token.rpartition(".")
    if len(token) > LONGEST or not token.isascii() or not head.startswith(f"{VERSION}."):
        return Verdict("invalid")
    # Compared as text, not as decoded bytes: base64 would let several texts through for one signature.
    if not any([hmac.compare_digest(_signature(secret, head), signature) for secret in secrets]):
        return Verdict("invalid")
    try:
        _version, encoded, expiry = head.split(".")
        customer_id, instant = _decode(encoded).decode(), int(expiry)
    except ValueError:
        return Verdict("invalid")
    if instant <= (time.time() if now is None else now):
        return Verdict("expired")
    return Verdict("valid", customer_id)


def _signature(secret: str, head: str) -> str:
    return _encode(hmac.digest(secret.encode(), head.encode(), "sha256"))


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
