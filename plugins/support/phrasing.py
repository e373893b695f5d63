"""Answers from templates: slots in braces are filled with facts, and nothing else in them means anything."""

from __future__ import annotations

import re
from collections.abc import Mapping

SLOTS = ("shop", "order", "order_status", "order_date", "order_total", "tracking", "carrier", "refund")
_SLOT = re.compile(r"\{([a-z_]*)\}")


def slots_of(template: str) -> list[str]:
    """The slots that a template names, in order."""
    return _SLOT.findall(template)


def unknown_slots(template: str) -> list[str]:
    return [each for each in slots_of(template) if each not in SLOTS]


def fill(template: str, facts: Mapping[str, str]) -> str | None:
    """The template with its slots filled; None if a fact is missing."""
    if any(not facts.get(each) for each in slots_of(template)):
        return None
    return _SLOT.sub(lambda found: facts[found[1]], template)


def needs_order(template: str) -> bool:
    """Whether it speaks of a customer's own orders."""
    return any(each != "shop" for each in slots_of(template))
