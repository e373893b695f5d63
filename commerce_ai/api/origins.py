"""Which pages may use a publishable key from a browser, and the CORS headers that say so.

An origin is allowed by its exact text (``https://shop.example``), by a wildcard for one or more labels
(``https://*.shop.example``) or a port (``http://localhost:*``), or by ``*``. A request without an Origin header does
not come from another site's page and is let in; a secret key gets no CORS headers at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext_lazy as _

from commerce_ai.api.callers import Caller
from commerce_ai.api.errors import ApiError, error_response
from commerce_ai.api.keys import caller_of, publishable_origins

_HEADERS = "authorization, content-type, content-encoding, x-api-key, idempotency-key, anonymousid"
_EXPOSED = "retry-after"
_PREFLIGHT_LIVES_S = "600"


def check(caller: Caller, request: HttpRequest) -> None:
    """Raise 403 for a publishable key on a page that it is not bound to."""
    origin = request.META.get("HTTP_ORIGIN")
    if origin and not caller.is_secret and not (is_allowed(origin, caller.origins) or _is_own(request, origin)):
        raise ApiError(
            "origin_not_allowed", _("This key may not be used on this page."), 403,
            detail=_("Add %(origin)s to the key's allowed origins.") % {"origin": origin[:200]},
        )  # fmt: skip


def allow(response: HttpResponse, request: HttpRequest, caller: Caller | None) -> HttpResponse:
    """Let the page read the answer, if it is one that may. Without a caller (401) any key's page may read why."""
    origin = request.META.get("HTTP_ORIGIN")
    if not origin or (caller is not None and caller.is_secret):
        return response
    known = [caller.origins] if caller is not None else publishable_origins()
    if any(is_allowed(origin, each) for each in known):
        response["Access-Control-Allow-Origin"] = origin
        response["Access-Control-Expose-Headers"] = _EXPOSED
    patch_vary_headers(response, ["Origin"])
    return response


def preflight(request: HttpRequest, methods: Iterable[str]) -> HttpResponse:
    """The answer to OPTIONS. A browser asks before it shows the key, so any publishable key's page is told yes."""
    allowed = ", ".join([*methods, "OPTIONS"])
    origin = request.META.get("HTTP_ORIGIN")
    if not origin:
        return HttpResponse(status=204, headers={"Allow": allowed})
    caller = caller_of(request.GET.get("key", "")) if "key" in request.GET else None
    known = [caller.origins] if caller is not None else publishable_origins()
    if not any(is_allowed(origin, each) for each in known):
        response = error_response(ApiError("origin_not_allowed", _("No key may be used on this page."), 403))
    else:
        response = HttpResponse(status=204)
        response["Access-Control-Allow-Origin"] = origin
        response["Access-Control-Allow-Methods"] = allowed
        response["Access-Control-Allow-Headers"] = _HEADERS
        response["Access-Control-Max-Age"] = _PREFLIGHT_LIVES_S
    patch_vary_headers(response, ["Origin"])
    return response


@lru_cache(maxsize=4096)
def is_allowed(origin: str, allowed: tuple[str, ...]) -> bool:
    """Whether `origin` is one of, or matches one of, `allowed`. Origins compare without case."""
    return any(each == "*" or _pattern(each).fullmatch(origin.lower()) for each in allowed)


@lru_cache(maxsize=1024)
def _pattern(allowed: str) -> re.Pattern[str]:
    text = re.escape(allowed.lower().rstrip("/"))
    text = re.sub(r":\\\*$", r"(:[0-9]+)?", text)
    return re.compile(text.replace(r"://\*\.", r"://([a-z0-9-]+\.)+"))


def _is_own(request: HttpRequest, origin: str) -> bool:
    return origin == f"{request.scheme}://{request.get_host()}"
