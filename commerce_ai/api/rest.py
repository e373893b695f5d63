"""What all DRF views of ours share: key, limits, strict JSON, writes in one transaction and once."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar, cast

import msgspec
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ParseError
from rest_framework.generics import GenericAPIView
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response

from commerce_ai.api import idempotency, limits
from commerce_ai.api.callers import Caller
from commerce_ai.api.errors import ApiError, FieldError
from commerce_ai.api.pages import Pages
from commerce_ai.shop.models import Shop

MOST_BYTES = 10_000_000
# JSON may write the character NUL, which no text in Postgres can hold.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class StrictJSON(JSONParser):
    """JSON as the standard has it: no NaN, no halves of characters, no NUL."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        raw = stream.read()
        if b"\\u0000" in raw and _NUL.search(raw):
            raise ParseError
        try:
            return msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ParseError from error


class ShopView(GenericAPIView):
    """A view of one key's shop. `scopes` says which scope each method needs; `plugin` is set where one brought it."""

    scopes: ClassVar[dict[str, str]] = {}
    plugin: str | None = None
    parser_classes = (StrictJSON,)
    pagination_class = Pages
    metadata_class = None
    http_method_names: Any = ("get", "head", "post", "put", "patch", "delete")

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.perform_authentication(request)
        limits.check(cast(Caller, request.auth), request._request)
        super().initial(request, *args, **kwargs)
        cast(Caller, request.auth).need_plugin(self.plugin)
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdigit() or int(length) > MOST_BYTES:
            raise ApiError(
                "too_large",
                _("The body is too large."),
                413,
                detail=_("At most %(bytes)s bytes.") % {"bytes": MOST_BYTES},
            )
        for name, value in request.query_params.items():
            if "\0" in value or "\ufffd" in value:
                raise ApiError(
                    "invalid", _("Some values are not valid."), 400, [FieldError(name, str(_("Not a text.")))]
                )

    @cached_property
    def shop(self) -> Shop:
        return Shop.objects.get(pk=self.shop_id)

    @property
    def shop_id(self) -> int:
        return cast(Caller, self.request.auth).shop_id


def writes(handler: Callable[..., Response]) -> Callable[..., Response]:
    """Run a view's method in one transaction, once for each Idempotency-Key."""

    @wraps(handler)
    def method(self: ShopView, request: Request, *args: Any, **kwargs: Any) -> Response:
        assert isinstance(request._request, HttpRequest)
        _ = request._request.body  # read before the parser takes the stream: the key's hash needs it whole
        return idempotency.once(request, lambda: handler(self, request, *args, **kwargs))

    return method
