"""How e-mail addresses and phone numbers are compared: one normal form, and a keyed hash of it."""

from __future__ import annotations

import re
import unicodedata

from commerce_ai.crypto import keyed_hash


def normal_email(text: str) -> str:
    """Lower case, no surrounding blanks; empty if there is no address in it."""
    email = unicodedata.normalize("NFKC", text).strip().lower()
    return email if "@" in email else ""


def normal_phone(text: str) -> str:
    """Digits with a leading `+` where one was given (or `00`); empty if there are fewer than five digits.

    A national number stays as it is: which country it belongs to is not guessed.
    """
    phone = re.sub(r"[^\d+]", "", unicodedata.normalize("NFKC", text).replace("(0)", ""))
    international = phone.startswith(("+", "00"))
    digits = phone.replace("+", "").removeprefix("00" if international and not phone.startswith("+") else "")
    if len(digits) < 5:
        return ""
    return f"+{digits}" if international else digits


def email_hash(text: str) -> bytes | None:
    """What finds a customer by e-mail: 32 bytes, or None where there is no address."""
    email = normal_email(text)
    return keyed_hash(email, purpose="email") if email else None


def phone_hash(text: str) -> bytes | None:
    """What finds a customer by phone: 32 bytes, or None where there is no number."""
    phone = normal_phone(text)
    return keyed_hash(phone, purpose="phone") if phone else None
