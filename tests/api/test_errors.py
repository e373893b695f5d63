"""Every refusal below /api and /v1 has the one shape, whoever says it: us, DRF or Django. Pages stay pages."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404
from django.test import Client, override_settings
from rest_framework import exceptions

from commerce_ai.api import errors
from commerce_ai.api.products import Products
from tests.api.conftest import Call


def shape(response: Any) -> dict[str, Any]:
    assert response["Content-Type"] == "application/json", response.content
    body = json.loads(response.content)
    assert list(body) == ["code", "message", "detail", "errors"] and body["code"] and body["message"]
    return body


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "products/none", None, 404, "not_found"), ("GET", "nowhere", None, 404, "not_found"),
        ("DELETE", "products", None, 405, "method_not_allowed"),
        ("OPTIONS", "products", None, 405, "method_not_allowed"),
        ("POST", "products", b"{", 400, "malformed"), ("POST", "products", {}, 400, "invalid"),
        ("PATCH", "products/bulk", {}, 405, "method_not_allowed"), ("POST", "me", {}, 405, "method_not_allowed"),
        ("GET", "decisions/00000000-0000-7000-8000-000000000000", None, 404, "not_found"),
        ("GET", "decisions/7", None, 404, "not_found"),
    ],
)  # fmt: skip
def test_refusals_of_routes(
    call: Call, secret_key: str, method: str, path: str, body: Any, status: int, code: str
) -> None:
    response = call(method, f"/api/v1/{path}", secret_key, body)
    assert (response.status_code, shape(response)["code"]) == (status, code)
    if status == 405:
        assert response["Allow"]


@pytest.mark.parametrize("path", ["products", "me", "products/bulk"])
def test_a_missing_key_is_a_401_that_says_how(call: Call, db: None, path: str) -> None:
    response = call("GET", f"/api/v1/{path}")
    assert (response.status_code, shape(response)["code"]) == (401, "unauthorized")
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'


def test_too_large_a_body_is_refused_unread(call: Call, secret_key: str) -> None:
    response = call("POST", "/api/v1/products", secret_key, b" " * 10_000_001)
    assert (response.status_code, shape(response)["code"]) == (413, "too_large")


def test_an_unforeseen_error_of_drf_is_told_by_reference(secret_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def swordfish(*_: Any) -> None:
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr(Products, "rows", swordfish)
    client = Client(raise_request_exception=False)
    response = client.get("/api/v1/products", headers={"Authorization": f"Bearer {secret_key}"})
    body = shape(response)
    assert (response.status_code, body["code"]) == (500, "server_error")
    assert "swordfish" not in response.content.decode() and "reference" in body["detail"]


@override_settings(DEBUG=False)
def test_pages_for_people_stay_pages(client: Client, db: None) -> None:
    response = client.get("/nowhere")
    assert response.status_code == 404 and response["Content-Type"].startswith("text/html")


@override_settings(ALLOWED_HOSTS=["ours.example"])
def test_djangos_own_refusals_have_the_shape(client: Client, db: None) -> None:
    response = client.get("/api/v1/me", headers={"Host": "evil.example"})
    assert (response.status_code, shape(response)["code"]) == (400, "malformed")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.not_found(), 404, "not_found"), (Http404(), 404, "not_found"), (PermissionDenied(), 403, "forbidden"),
        (exceptions.NotFound(), 404, "not_found"), (exceptions.Throttled(), 429, "rate_limited"),
        (exceptions.NotAcceptable(), 406, "not_acceptable"), (RequestDataTooBig(), 413, "too_large"),
        (SuspiciousOperation(), 400, "malformed"), (exceptions.PermissionDenied(), 403, "forbidden"),
        (exceptions.APIException(), 500, "server_error"),
    ],
)  # fmt: skip
def test_what_exceptions_mean(error: Exception, status: int, code: str) -> None:
    found = errors.as_api_error(error)
    assert found is not None and (found.status, found.code) == (status, code)


def test_an_exception_that_nobody_foresaw_means_nothing() -> None:
    assert errors.as_api_error(ValueError("x")) is None


def test_nested_errors_become_paths() -> None:
    detail = {"lines": [{}, {"sku": ["a", "b"]}], "non_field_errors": ["c"], "tags": {0: ["d"]}, "title": ["e"]}
    assert [(each.field, each.message) for each in errors.flatten(detail)] == [
        ("lines.1.sku", "a"), ("lines.1.sku", "b"), ("", "c"), ("tags.0", "d"), ("title", "e"),
    ]  # fmt: skip
