"""No personal prices by default: whoever asks for a price can't say who it is for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from commerce_ai.api.schema import document

PERSONAL = {
    "customer", "customer_id", "customer_token", "anonymous_id", "session_id", "user_id", "email", "phone", "segment",
    "device_id", "ip",
}  # fmt: skip


def names_in(schema: Any, schemas: dict[str, Any], seen: set[str]) -> Iterator[str]:
    """Every property's name in a JSON schema, through its references."""
    if isinstance(schema, list):
        for each in schema:
            yield from names_in(each, schemas, seen)
    if not isinstance(schema, dict):
        return
    if (name := str(schema.get("$ref", "")).rpartition("/")[2]) and name not in seen:
        yield from names_in(schemas.get(name), schemas, seen | {name})
    for key, each in schema.items():
        if key == "properties":
            yield from each
            yield from names_in(list(each.values()), schemas, seen)
        elif key != "$ref":
            yield from names_in(each, schemas, seen)


def asked(operation: dict[str, Any], schemas: dict[str, Any]) -> set[str]:
    found = {each["name"] for each in operation.get("parameters", ()) if each["in"] in ("query", "path")}
    return found | set(names_in(operation.get("requestBody", {}), schemas, set()))


def test_the_search_sees_a_person_in_a_route_that_takes_one(db: None) -> None:
    whole = document()
    schemas = whole["components"]["schemas"]
    assert PERSONAL & asked(whole["paths"]["/api/v1/recommendations"]["get"], schemas)
    assert PERSONAL & asked(whole["paths"]["/api/v1/orders"]["post"], schemas)


def test_no_route_of_prices_takes_a_person(db: None) -> None:
    whole, tried = document(), 0
    for path, methods in whole["paths"].items():
        if "price" in path.split("/api/v1/")[-1]:
            for method, operation in methods.items():
                tried += 1
                named = PERSONAL & asked(operation, whole["components"]["schemas"])
                assert not named, (method, path, named)
    assert tried >= 3
