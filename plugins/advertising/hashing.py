"""E-mail addresses and phone numbers as ad platforms match them: SHA-256 of one normal form, in lower-case hex.

- Google Ads, *Customer Match*: e-mail in lower case without blanks; phone in E.164, with its leading ``+``.
- Meta, *Customer list custom audiences*: the same e-mail; phone with country code, digits only.

A number without its country code can't be matched and is left out: which country it belongs to is not guessed.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable

from commerce_ai.shop import contact

HEADERS = {"google": ("Email", "Phone"), "meta": ("email", "phone")}


def hashed_email(text: str) -> str:
    """64 hexadecimal digits; empty where there is no address."""
    return _sum(contact.normal_email(text))


def hashed_phone(text: str, platform: str) -> str:
    """64 hexadecimal digits; empty where there is no number with a country code."""
    phone = contact.normal_phone(text)
    if not phone.startswith("+"):
        return ""
    return _sum(phone if platform == "google" else phone.removeprefix("+"))


def as_csv(rows: Iterable[tuple[str, str]], platform: str) -> bytes:
    """The file that `platform` takes, sorted, so that it does not tell in which order customers came."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADERS[platform])
    writer.writerows(sorted(rows))
    return text.getvalue().encode("ascii")


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest() if text else ""
