"""The one shape of every error: ``{"code", "message", "detail", "errors": [{"field", "message"}]}``.

`code` is for programs and stays; `message` is for people, in one sentence; `detail` says what to do, or is empty;
`errors` names the fields at fault. `docs/integrating.md` lists the codes.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import resolve
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response

logger = logging.getLogger(__name__)
_ROUTES = ("/api/", "/v1/", "/webhooks/")


class FieldError(msgspec.Struct, frozen=True):
    """One field at fault; `field` is a path as in ``lines.0.quantity``, or empty for the whole body."""

    field: str
    message: str


class ErrorBody(msgspec.Struct, frozen=True):
    """The body of every answer that is not 2xx."""

    code: str
    message: str
    detail: str = ""
    errors: list[FieldError] = []


class ApiError(Exception):
    """Raise it anywhere below a route; it becomes the answer."""

    def __init__(
        self,
        code: str,
        message: Any,
        status: int,
        errors: Sequence[FieldError] = (),
        *,
        detail: Any = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.code, self.message, self.status = code, message, status
        self.errors, self.detail, self.headers = list(errors), detail, dict(headers or {})

    @property
    def body(self) -> ErrorBody:
        return ErrorBody(self.code, str(self.message), str(self.detail), self.errors)


def not_found(field: str = "", message: Any = None) -> ApiError:
    """There is no such thing in this shop, or none at all: the two look alike on purpose. `field` asked for it."""
    said = message or _("There is nothing here.")
    return ApiError("not_found", said, 404, [FieldError(field, str(said))] if field else ())


def invalid_field(field: str, message: Any) -> ApiError:
    """One value that can't be; the message says why."""
    return ApiError("invalid", _("Some values are not valid."), 400, [FieldError(field, str(message))])


def error_response(error: ApiError) -> HttpResponse:
    """The answer of a plain Django view."""
    return HttpResponse(
        msgspec.json.encode(error.body), status=error.status, content_type="application/json", headers=error.headers
    )


def unexpected(error: BaseException, path: str) -> ApiError:
    """The 500 of an unforeseen exception: logged under a reference that the caller can quote, no word of it told."""
    reference = uuid.uuid4().hex[:12]
    logger.error("unexpected error %s at %s", reference, _route_of(path), exc_info=error)
    return ApiError(
        "server_error",
        _("Something went wrong on our side."),
        500,
        detail=say("Quote the reference %(reference)s.") % {"reference": reference},
    )


def _route_of(path: str) -> str:
    """The route, as a path may hold a customer's id."""
    try:
        return f"/{resolve(path).route}"
    except Http404:
        return "(no route)"


# --- DRF --------------------------------------------------------------------------------------------------

_CODES = {
    400: "invalid", 401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "method_not_allowed",
    406: "not_acceptable", 409: "conflict", 415: "unsupported_media_type", 429: "rate_limited",
}  # fmt: skip


def handle_exception(exc: Exception, context: Any) -> Response | None:
    """DRF's exception handler: known errors in the one shape; None lets Django's 500 have the rest."""
    error = as_api_error(exc)
    if error is None:
        return None
    response = Response(msgspec.to_builtins(error.body), status=error.status, headers=error.headers or None)
    if error.status == 405 and (view := context.get("view")) is not None:
        response["Allow"] = ", ".join(view.allowed_methods)
    return response


def as_api_error(exc: Exception) -> ApiError | None:
    """What an exception of ours, DRF's or Django's means to the caller; None for one that nobody foresaw."""
    match exc:
        case ApiError():
            return exc
        case Http404():
            return not_found()
        case PermissionDenied():
            return ApiError("forbidden", _("This is not allowed."), 403)
        case RequestDataTooBig():
            return ApiError("too_large", _("The body is too large."), 413)
        case SuspiciousOperation():
            return ApiError("malformed", _("The request can't be read."), 400)
        case exceptions.ValidationError():
            return ApiError("invalid", _("Some values are not valid."), 400, list(flatten(exc.detail)))
        case exceptions.ParseError():
            return ApiError("malformed", _("The body is not valid JSON."), 400)
        case exceptions.NotFound():
            return not_found()
        case exceptions.APIException():
            code = _CODES.get(exc.status_code, "server_error")
            headers = {"WWW-Authenticate": 'Bearer realm="api"'} if exc.status_code == 401 else {}
            return ApiError(code, str(exc.detail), exc.status_code, headers=headers)
    return None


def flatten(detail: Any, path: str = "") -> Iterator[FieldError]:
    """DRF's nested error detail as field paths: ``{"lines": [{}, {"sku": ["…"]}]}`` → ``lines.1.sku``."""
    if isinstance(detail, Mapping):
        for name, each in detail.items():
            step = "" if name == "non_field_errors" else str(name)
            yield from flatten(each, ".".join(part for part in (path, step) if part))
    elif isinstance(detail, (list, tuple)):
        nested = any(isinstance(each, (Mapping, list)) for each in detail)
        for index, each in enumerate(detail):
            yield from flatten(each, f"{path}.{index}".lstrip(".") if nested else path)
    else:
        yield FieldError(path, str(detail))


# --- Django's own pages: JSON below our routes, its pages elsewhere -----------------------------------------


def unknown_route(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """The last route below /api and /v1."""
    return error_response(ApiError("not_found", _("There is no such route."), 404, detail=request.path))


unknown_route.csrf_exempt = True  # type: ignore[attr-defined]


def handle_400(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not _is_api(request):
        return defaults.bad_request(request, exception)
    return error_response(as_api_error(exception) or ApiError("malformed", _("The request can't be read."), 400))


def handle_403(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not _is_api(request):
        return defaults.permission_denied(request, exception)
    return error_response(ApiError("forbidden", _("This is not allowed."), 403))


def handle_404(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not _is_api(request):
        return defaults.page_not_found(request, exception)
    return error_response(not_found())


def handle_500(request: HttpRequest) -> HttpResponse:
    if not _is_api(request):
        return defaults.server_error(request)
    import sys

    return error_response(unexpected(sys.exc_info()[1] or RuntimeError("unknown"), request.path))


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith(_ROUTES)
