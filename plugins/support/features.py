"""A customer's words made ready: what tells one customer from another is taken out before anything is learned."""

from __future__ import annotations

import re
from collections.abc import Iterable

MOST_CHARACTERS = 4000

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
_LINK = re.compile(r"https?://\S+")
_NUMBER = re.compile(r"(?:[A-Za-z]{1,4}[-_#]?)?\d[\d\s./-]{3,}\d|\d{4,}")
_SPACE = re.compile(r"\s+")


def clean(text: str) -> str:
    """The text with e-mails, links and long numbers masked, spaces folded, at most 4,000 characters."""
    text = _EMAIL.sub("e-mail", text[:MOST_CHARACTERS])
    text = _LINK.sub("link", text)
    text = _NUMBER.sub("0000", text)
    return _SPACE.sub(" ", text).strip()


def clean_all(texts: Iterable[str]) -> list[str]:
    return [clean(each) for each in texts]


def numbers_in(text: str) -> list[str]:
    """What may be the number of an order: words with a digit in them, as they were written, at most ten."""
    found = re.findall(r"[#A-Za-z0-9][A-Za-z0-9_-]*\d[A-Za-z0-9_-]*|\d", text[:MOST_CHARACTERS])
    return [each.lstrip("#") for each in found][:10]
