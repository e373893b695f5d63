"""Whether figures are fit to be read: an answer's numbers end where their meaning does."""

from __future__ import annotations

from typing import Any

MOST_DIGITS = 6


def too_long(answer: Any, path: str = "") -> list[str]:
    """Paths of the numbers in a JSON answer that have more than six digits after the point, with the numbers."""
    if isinstance(answer, dict):
        return [each for name, part in answer.items() for each in too_long(part, f"{path}.{name}")]
    if isinstance(answer, list):
        return [each for place, part in enumerate(answer) for each in too_long(part, f"{path}.{place}")]
    if isinstance(answer, float) and round(answer, MOST_DIGITS) != answer:
        return [f"{path.lstrip('.')} = {answer!r}"]
    return []
