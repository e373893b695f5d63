"""The OpenAPI document: DRF's views by drf-spectacular, hot views from what they say of themselves."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from drf_spectacular.generators import SchemaGenerator

from commerce_ai.api.hot_schema import REF, operations_and_schemas

_KEYS = {
    "key": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic", "description": _("The key as user, no password.")},
    "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
    "address": {"type": "apiKey", "in": "query", "name": "key", "description": _("Publishable keys only.")},
}
_REFUSALS = {
    "400": _("What was sent can't be read, or a field is not valid."),
    "401": _("No key, or one that is not valid."),
    "403": _("The key lacks the scope, or the page is not one that may use it."),
    "404": _("There is no such thing in this shop, or the plugin is off."),
    "405": _("The route has no such method."),
    "406": _("Only JSON is answered."),
    "409": _("It contradicts what is there."),
    "413": _("Too much at once."),
    "415": _("Only JSON is read."),
    "429": _("Too many requests; Retry-After says when to try again."),
    "500": _("Something went wrong on our side; quote the reference."),
}


def openapi(request: HttpRequest) -> HttpResponse:
    """``/api/v1/openapi.json``: the same for everybody, made once in each process and language."""
    encoded, tag = encoded_document()
    if request.headers.get("If-None-Match") == tag:
        return HttpResponseNotModified(headers={"ETag": tag})
    return HttpResponse(
        encoded, content_type="application/json", headers={"ETag": tag, "Access-Control-Allow-Origin": "*"}
    )


def document() -> dict[str, Any]:
    """The whole document, in the language that is active."""
    return SchemaGenerator().get_schema(request=None, public=True)


def encoded_document() -> tuple[bytes, str]:
    """The document as JSON, and its ETag."""
    return _encoded(get_language())


@cache
def _encoded(language: str | None) -> tuple[bytes, str]:
    encoded = msgspec.json.encode(document(), enc_hook=str)
    return encoded, f'"{hashlib.sha256(encoded).hexdigest()[:16]}"'


def add_hot_views(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """drf-spectacular's hook: every hot route, how keys are sent, and the refusals that each operation may give."""
    components = result.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    operations, found = operations_and_schemas(taken=set(schemas))
    schemas.update(found)
    components["securitySchemes"] = _KEYS
    for path, method, operation in operations:
        result["paths"].setdefault(path, {})[method] = operation
    result["paths"] = dict(sorted(result["paths"].items()))
    error = {"application/json": {"schema": {"$ref": REF.format(name="ErrorBody")}}}
    for methods in result["paths"].values():
        for operation in methods.values():
            operation["security"] = [{name: []} for name in _KEYS]
            for status, description in _REFUSALS.items():
                operation["responses"].setdefault(status, {"description": description, "content": error})
    return result
