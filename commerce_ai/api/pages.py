"""Lists page by cursor: rows in the order of their number, so that what is added meanwhile moves no page."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from commerce_ai.api.errors import invalid_field

USUAL, MOST = 100, 1000
_HIGHEST = 2**63 - 1


class Pages(BasePagination):
    """``?limit=`` rows (at most 1,000) after ``?cursor=``; `next` is the cursor of the next page, or null."""

    next: str | None = None

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        limit, after = _limit(request.query_params), read_cursor(request.query_params.get("cursor", ""))
        rows = list(queryset.filter(pk__gt=after).order_by("pk")[: limit + 1])
        self.next = cursor_of(rows[limit - 1].pk) if len(rows) > limit else None
        return rows[:limit]

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"results": data, "next": self.next})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["results", "next"],
            "properties": {"results": schema, "next": {"type": "string", "nullable": True}},
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [
            {
                "name": "limit", "in": "query", "required": False, "description": str(_("Rows a page.")),
                "schema": {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL},
            },
            {
                "name": "cursor", "in": "query", "required": False,
                "description": str(_("`next` of the page before.")), "schema": {"type": "string"},
            },
        ]  # fmt: skip


def cursor_of(pk: int) -> str:
    """An opaque name for the place after row `pk`."""
    return base64.urlsafe_b64encode(f"v1:{pk}".encode()).rstrip(b"=").decode()


def read_cursor(text: str) -> int:
    """The row that a cursor names; 0 without one. Raises ApiError 400 for what is no cursor of ours."""
    if not text:
        return 0
    try:
        version, _colon, number = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition(":")
        pk = int(number)
    except (binascii.Error, ValueError):
        version, pk = "", 0
    if version != "v1" or not 0 < pk <= _HIGHEST:
        raise invalid_field("cursor", _("Not a cursor."))
    return pk


def _limit(parameters: Any) -> int:
    text = parameters.get("limit") or str(USUAL)
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MOST):
        message = _("A number from 1 to %(most)s.") % {"most": MOST}
        raise invalid_field("limit", message)
    return int(text)
