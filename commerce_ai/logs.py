"""Lines of the log, without what identifies people: a log is copied, kept and read by many.

Requests are named by their route, since a path may hold a customer's id. What has the shape of an e-mail address, a
phone number or an IP address is blacked out, and so is what Postgres quotes of a row (DETAIL, CONTEXT, LINE).
"""

from __future__ import annotations

import copy
import logging
import re
from typing import Any

from commerce_ai.ingest.personal import clean_text

_QUOTES = re.compile(r"^\s*(DETAIL|CONTEXT|STATEMENT|QUERY|LINE \d+):.*(?:\n\s*\^$)?", re.MULTILINE)
_LONGEST = 4000  # of one line


class Line(logging.Formatter):
    """The formatter of every handler of ours."""

    def format(self, record: logging.LogRecord) -> str:
        request: Any = getattr(record, "request", None)
        if hasattr(request, "path") and isinstance(record.args, tuple):
            record = copy.copy(record)
            record.args = tuple(_route(request) if each == request.path else each for each in record.args or ())
        text = _QUOTES.sub(r"\1: [removed]", super().format(record))
        return "\n".join(clean_text(line[:_LONGEST]) for line in text.split("\n"))


def _route(request: Any) -> str:
    match = getattr(request, "resolver_match", None)
    return f"/{match.route}" if match else "(no route)"
