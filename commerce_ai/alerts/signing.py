"""Webhooks signed as Standard Webhooks 1.0 has it (standardwebhooks.com): any of its libraries verifies ours.

webhook-id: msg_…                 the same for each attempt: a receiver drops what it has seen
webhook-timestamp: 1760000000     seconds; a receiver refuses what is older than five minutes
webhook-signature: v1,<base64>    HMAC-SHA256 of "id.timestamp.body"; one a secret, with a space between them
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Sequence

PREFIX = "whsec_"
_BYTES = 32  # of 24 to 64 that the specification allows


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()


def headers(message_id: str, timestamp: int, body: bytes, keys: Sequence[str]) -> dict[str, str]:
    """The three headers; each of the secrets signs, the newest first. Raises ValueError for what is no secret."""
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{_sign(signed, key)}" for key in keys),
    }


def _sign(signed: bytes, secret: str) -> str:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("a webhook's secret is base64 behind whsec_") from error
    return base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
