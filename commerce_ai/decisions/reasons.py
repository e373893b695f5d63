"""Why it was decided so, in the one shape that every plugin's answers have."""

from __future__ import annotations

from typing import Any

import msgspec


class Reason(msgspec.Struct, frozen=True):
    """Why: `code` for programs, `text` for people, `params` what the text names. Nothing of a person is in it."""

    code: str
    text: str
    params: dict[str, Any] = {}
