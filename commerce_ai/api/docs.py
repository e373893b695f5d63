"""``/api/v1/docs``: the OpenAPI document as a page to read and search, made here, with nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from commerce_ai.api.schema import encoded_document
from commerce_ai.api.scopes import SCOPES


def docs(request: HttpRequest) -> HttpResponse:
    found = msgspec.json.decode(encoded_document()[0])
    return render(request, "api/docs.html", {"info": found["info"], "groups": _groups(found), "scopes": SCOPES})


def _groups(found: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Operations by tag, each with its path and method, for the template."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            shown = {**operation, "path": path, "method": method.upper(), "fields": _fields(found, operation)}
            groups.setdefault(operation.get("tags", ["other"])[0], []).append(shown)
    return dict(sorted(groups.items()))


def _fields(found: dict[str, Any], operation: dict[str, Any]) -> dict[str, list[tuple[str, str, str]]]:
    """The fields of the body and of the answer: name, type, what it is."""
    answer = next((each for status, each in operation["responses"].items() if status.startswith("2")), {})
    bodies = {"body": operation.get("requestBody", {}), "answer": answer}
    return {name: list(_describe(found, _schema_of(body))) for name, body in bodies.items()}


def _schema_of(body: dict[str, Any]) -> dict[str, Any]:
    return body.get("content", {}).get("application/json", {}).get("schema", {})


def _describe(found: dict[str, Any], schema: dict[str, Any], before: str = "", depth: int = 0) -> Iterator[Any]:
    schema = _resolve(found, schema)
    if "array" in _types(schema):
        yield from _describe(found, schema.get("items", {}), f"{before}[].", depth)
        return
    for name, each in schema.get("properties", {}).items():
        inner = _resolve(found, each)
        types = [kind for kind in _types(inner) if kind != "null"] or ["any"]
        kind = inner.get("format") or {"array": "list"}.get(types[0], types[0])
        words = each.get("description", inner.get("description", ""))
        if "enum" in inner:  # whose description says the same again
            kind, words = " | ".join(str(value) for value in inner["enum"] if value not in ("", None)), ""
        yield f"{before}{name}", kind, words
        if depth < 2 and types[0] in ("array", "object"):
            dot = "[]." if types[0] == "array" else "."
            nested = inner.get("items", {}) if types[0] == "array" else inner
            yield from _describe(found, nested, f"{before}{name}{dot}", depth + 1)


def _types(schema: dict[str, Any]) -> list[str]:
    found = schema.get("type", [])
    return found if isinstance(found, list) else [found]


def _resolve(found: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    for each in (schema, *schema.get("allOf", ()), *schema.get("anyOf", ()), *schema.get("oneOf", ())):
        if "$ref" in each:
            return found["components"]["schemas"].get(each["$ref"].rpartition("/")[2], {})
    return schema
