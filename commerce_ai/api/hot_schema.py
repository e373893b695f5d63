"""Hot routes as OpenAPI 3.1, which writes JSON Schema just as msgspec does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from django.urls import URLPattern, URLResolver, get_resolver

from commerce_ai.api.errors import ErrorBody
from commerce_ai.api.hot import HotRoute

REF = "#/components/schemas/{name}"
_DULL = {"commerce_ai", "plugins", "api", "service", "hot"}  # parts of a module's name that tell nothing


def operations_and_schemas(taken: set[str]) -> tuple[list[tuple[str, str, dict[str, Any]]], dict[str, Any]]:
    """(path, method, operation) of every hot route, and the schemas they name; none is called as one of `taken`."""
    routes = list(hot_routes())
    structs = list(dict.fromkeys(each for _path, route in routes for each in _structs(route)))
    shapes, components = msgspec.json.schema_components([*structs, ErrorBody], ref_template=REF)
    names = _names(components, taken)
    shape_of = dict(zip(structs, _renamed(shapes, names), strict=False))
    schemas = {names[name]: each for name, each in _renamed(components, names).items()}
    operations = [
        (path, method.lower(), _operation(path, method, route, shape_of, schemas))
        for path, route in routes
        for method in route.methods
    ]
    return operations, schemas


def hot_routes() -> Iterator[tuple[str, HotRoute]]:
    """Every hot view's path, as OpenAPI writes it, and what it says of itself; one-letter aliases left out."""
    for path, view in views():
        if isinstance(route := getattr(view, "hot", None), HotRoute) and not re.search(r"/\w$", path):
            yield path, route


def views(patterns: Any = None, before: str = "") -> Iterator[tuple[str, Any]]:
    """Every path below /api and /v1, as OpenAPI writes it, and its view."""
    for each in get_resolver().url_patterns if patterns is None else patterns:
        path = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from views(each.url_patterns, path)
        elif isinstance(each, URLPattern) and path.startswith(("api/", "v1/")):
            yield "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path), each.callback


def _structs(route: HotRoute) -> list[Any]:
    return [each for each in (route.query, route.body, route.answer) if each is not None]


def _operation(
    path: str, method: str, route: HotRoute, shape_of: dict[Any, Any], schemas: dict[str, Any]
) -> dict[str, Any]:
    words = re.findall(r"\w+", re.sub(r"^/(api/v1/)?", "", path).replace("-", "_"))
    scope = f"Scope: `{route.scope}`" if route.scope else ""
    operation: dict[str, Any] = {
        "operationId": "_".join([*words, method.lower()]),
        "summary": str(route.summary),
        "description": "\n\n".join(filter(None, (route.description, scope))),
        "tags": [route.tag or "other"],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"{(\w+)}", path)
        ],
        "responses": {str(route.status): {"description": str(route.summary), "content": _json(shape_of[route.answer])}},
    }
    if route.query is not None:
        fields = schemas[shape_of[route.query]["$ref"].rpartition("/")[2]]
        operation["parameters"] += [_parameter(name, each, fields) for name, each in fields["properties"].items()]
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": _json(shape_of[route.body])}
    return operation


def _parameter(name: str, schema: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    required = name in fields.get("required", ())
    # Left out is how an address says null.
    kinds = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if kinds:
        rest = {key: each for key, each in schema.items() if key not in ("anyOf", "default")}
        schema = {**rest, **kinds[0]} if len(kinds) == 1 else {**rest, "anyOf": kinds}
    described = {"description": schema["description"]} if "description" in schema else {}
    return {"name": name, "in": "query", "required": required, "schema": schema, **described}


def _json(shape: Any) -> dict[str, Any]:
    return {"application/json": {"schema": shape}}


def _names(components: dict[str, Any], taken: set[str]) -> dict[str, str]:
    """Short names: msgspec puts the module before a name that several structs have."""
    names: dict[str, str] = {}
    for name in components:
        *module, last = name.split(".")
        short = "".join(part.title().replace("_", "") for part in module if part not in _DULL) + last
        while short in taken or short in names.values():
            short += "Struct"
        names[name] = short
    return names


def _renamed(schema: Any, names: dict[str, str]) -> Any:
    if isinstance(schema, (list, tuple)):
        return [_renamed(each, names) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _renamed(each, names) for key, each in schema.items() if not (key == "required" and each == [])}
    if isinstance(reference := found.get("$ref"), str):
        found["$ref"] = REF.format(name=names[reference.removeprefix(REF.format(name=""))])
    return found
