"""Hot routes: plain Django views with msgspec in and out, and everything that a route owes its caller.

    @hot(scope="recommend", plugin="recommendation", query=Query, answer=Answer, summary=_("Recommendations"))
    def recommendations(request, caller, query, body): ...

The wrapper answers preflights, finds the key, binds it to its origins, takes from its rate limit (the one round
trip to Redis), checks scope and the plugin's switch, decodes, encodes, and turns every failure into the one error
shape. Warm, it reads nothing from Postgres.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, get_args, get_origin
from urllib.parse import parse_qsl

import msgspec
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from commerce_ai.api import limits, origins
from commerce_ai.api.callers import Caller, Subject
from commerce_ai.api.errors import ApiError, FieldError, as_api_error, error_response, not_found, unexpected
from commerce_ai.api.keys import authenticate

__all__ = ["Caller", "HotRoute", "Subject", "hot"]

MOST_BYTES = 1_000_000
_MOST_PARAMETERS = 400
# JSON may write the character NUL, which no text in Postgres can hold.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class HotRoute(msgspec.Struct, frozen=True):
    """What a hot view says of itself; the OpenAPI document is made from it."""

    scope: str
    methods: tuple[str, ...]
    plugin: str | None
    query: type[msgspec.Struct] | None
    body: type[msgspec.Struct] | None
    answer: Any
    summary: Any
    description: str = ""
    tag: str = ""
    status: int = 200


def hot(
    *,
    scope: str,
    answer: Any,
    summary: Any,
    methods: tuple[str, ...] = ("GET",),
    plugin: str | None = None,
    query: type[msgspec.Struct] | None = None,
    body: type[msgspec.Struct] | None = None,
    most_bytes: int = MOST_BYTES,
    tag: str = "",
    status: int = 200,
) -> Callable[[Callable[..., Any]], Callable[..., HttpResponse]]:
    """Make a route of ``view(request, caller, query, body, **path)`` that returns an `answer` struct.

    `query` is filled from the address (a repeated parameter fills a list field), `body` from JSON of at most
    `most_bytes`. A view may raise `ApiError`, and may return an HttpResponse of its own.
    """
    lists = _list_fields(query)
    decode = msgspec.json.Decoder(body).decode if body is not None else None
    encode = msgspec.json.Encoder().encode
    answered = (*methods, "HEAD") if "GET" in methods else methods

    def decorate(view: Callable[..., Any]) -> Callable[..., HttpResponse]:
        def work(request: HttpRequest, caller: Caller, path: dict[str, Any]) -> HttpResponse:
            origins.check(caller, request)
            limits.check(caller, request)
            caller.need(scope)
            caller.need_plugin(plugin)
            if request.method not in answered:
                raise ApiError(
                    "method_not_allowed",
                    _("This route has no such method."),
                    405,
                    headers={"Allow": ", ".join(answered)},
                )
            if any(isinstance(each, str) and "\0" in each for each in path.values()):
                raise not_found()
            asked = read_query(request, query, lists) if query is not None else None
            sent = read_body(request, decode, most_bytes) if decode is not None else None
            found = view(request, caller, asked, sent, **path)
            if isinstance(found, HttpResponse):
                return found
            response = HttpResponse(encode(found), status=status, content_type="application/json")
            response.headers["Cache-Control"] = "no-store"
            return response

        @wraps(view)
        def route(request: HttpRequest, **path: Any) -> HttpResponse:
            caller = None
            try:
                if request.method == "OPTIONS":
                    return origins.preflight(request, answered)
                caller = authenticate(request)
                response = work(request, caller, path)
            except ApiError as error:
                response = error_response(error)
            except Exception as error:
                response = error_response(as_api_error(error) or unexpected(error, request.path))
            return origins.allow(response, request, caller)

        route.csrf_exempt = True  # type: ignore[attr-defined]
        route.hot = HotRoute(  # type: ignore[attr-defined]
            scope,
            methods,
            plugin,
            query,
            body,
            answer,
            summary,
            (view.__doc__ or "").strip(),
            tag or plugin or "",
            status,
        )
        return route

    return decorate


def read_query(request: HttpRequest, struct: type[msgspec.Struct], lists: frozenset[str]) -> Any:
    """The address's parameters as `struct`. Raises ApiError 400 naming the parameter."""
    text = request.META.get("QUERY_STRING", "")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS, errors="strict")
    except ValueError as error:
        raise ApiError("malformed", _("The address can't be read."), 400) from error
    if "%00" in text or "\0" in text:
        raise ApiError("malformed", _("The address holds the character NUL."), 400)
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in lists:
            values.setdefault(name, []).append(value)
        elif value != "":
            values[name] = value
    values.pop("key", None)
    try:
        return msgspec.convert(values, struct, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(error) from error


def read_body(request: HttpRequest, decode: Callable[[bytes], Any], most_bytes: int = MOST_BYTES) -> Any:
    """The body as `decode` reads it. Raises ApiError 400 naming the field, or 413."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > most_bytes:
        raise ApiError(
            "too_large", _("The body is too large."), 413, detail=_("At most %(bytes)s bytes.") % {"bytes": most_bytes}
        )
    raw = request.body
    if b"\\u0000" in raw and _NUL.search(raw):
        raise ApiError("malformed", _("The body holds the character NUL."), 400)
    try:
        return decode(raw)
    except msgspec.ValidationError as error:
        raise invalid(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError("malformed", _("The body is not valid JSON."), 400, detail=str(error)) from error


_AT = re.compile(r" - at `\$?(.*?)`$")
_MISSING = re.compile(r"missing required field `(.*?)`")
_UNKNOWN = re.compile(r"contains unknown field `(.*)`")


def invalid(error: msgspec.ValidationError) -> ApiError:
    """msgspec names the place as in ``at `$.lines[0].n```; we answer with the field ``lines.0.n`` and the message."""
    said = str(error)
    at = _AT.search(said)
    path = re.sub(r"\[(\w+|\.{3})\]", r".\1", at.group(1)).lstrip(".") if at else ""
    message = _AT.sub("", said)
    if missing := _MISSING.search(message):
        path = f"{path}.{missing.group(1)}".lstrip(".")
        message = str(_("This field is required."))
    elif unknown := _UNKNOWN.search(message):
        path = f"{path}.{unknown.group(1)}".lstrip(".")
        message = str(_("There is no such field."))
    return ApiError("invalid", _("Some values are not valid."), 400, [FieldError(path, message)])


def _list_fields(struct: type[msgspec.Struct] | None) -> frozenset[str]:
    if struct is None:
        return frozenset()
    found = set()
    for field in msgspec.structs.fields(struct):
        kinds = (field.type, *get_args(field.type))
        if any(get_origin(kind) in (list, tuple, set, frozenset) or kind in (list, set) for kind in kinds):
            found.add(field.encode_name)
    return frozenset(found)
