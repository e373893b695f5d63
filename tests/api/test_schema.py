"""The OpenAPI document: valid, whole, and true of what the routes answer to made-up requests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from drf_spectacular.validation import validate_schema
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from commerce_ai import registry
from commerce_ai.api import keys
from commerce_ai.api.hot_schema import views
from commerce_ai.api.schema import document
from commerce_ai.api.scopes import SCOPES
from commerce_ai.shop.models import Product, Shop
from commerce_ai.shop.revision import refresher
from tests.api.conftest import Call

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "5"))  # of each operation


def test_the_document_is_valid_openapi(db: None) -> None:
    validate_schema(document())


def test_every_route_stands_in_the_document(db: None) -> None:
    """But one-letter aliases, the document itself and what answers that there is no such route."""
    written = document()["paths"]
    for path, _view in views():
        aside = path.endswith(("/openapi.json", "/docs")) or "(?:" in path or path.count("/") == 2 and len(path) == 5
        assert aside or path in written, path


def test_operations_are_told_apart_and_say_their_scope(db: None) -> None:
    operations = [each for methods in document()["paths"].values() for each in methods.values()]
    ids = [each["operationId"] for each in operations]
    assert len(set(ids)) == len(ids)
    for each in operations:
        scope = each["description"].rpartition("Scope: `")[2].rstrip("`")
        assert scope in SCOPES or each["operationId"] == "me_get", each["operationId"]


def test_the_document_is_served_and_kept_by_browsers(call: Call, db: None) -> None:
    first = call("GET", "/api/v1/openapi.json")
    assert first.status_code == 200 and first.json()["openapi"].startswith("3.1")
    assert call("GET", "/api/v1/openapi.json", If_None_Match=first["ETag"]).status_code == 304


def test_the_page_shows_every_operation_and_loads_nothing_from_elsewhere(call: Call, db: None) -> None:
    page = call("GET", "/api/v1/docs").content.decode()
    for methods in document()["paths"].values():
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in page
    assert "http://" not in page and "https://" not in page.replace("https://*.", "").replace("https://shop", "")


@pytest.fixture
def key(shop: Shop) -> Iterator[str]:
    """A key that may do everything in a shop where every plugin is on."""
    for plugin in registry.plugins():
        registry.switch(shop, plugin.slug, True)
    for name in ("A", "B"):
        Product.objects.create(shop=shop, external_id=name, title=name, price=1)
    _key, text = keys.create_key(shop, "everything", "secret")
    refresher.poll()
    # As Django's own test client does: what ends a request must not end the test's transaction.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield text
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.slow
def test_no_request_breaks_a_route_or_gets_what_the_document_does_not_say(key: str) -> None:
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", get_wsgi_application())
    tried = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        tried += 1

        @settings(
            max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy())
        def try_it(case: Any) -> None:
            response = case.call(headers={"Authorization": f"Bearer {key}"})
            case.validate_response(response, checks=CHECKS)

        try_it()
    assert tried == sum(len(methods) for methods in document()["paths"].values())
