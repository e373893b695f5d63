"""What every hot route owes its caller, on routes of the tests' own."""

from __future__ import annotations

import json
import logging
import time

import pytest
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from commerce_ai import registry
from commerce_ai.api import keys
from commerce_ai.api.customer_token import sign
from commerce_ai.shop.models import Customer, Shop
from commerce_ai.shop.revision import refresher
from tests.api.conftest import Call

pytestmark = [pytest.mark.usefixtures("db"), pytest.mark.urls("tests.api.hot_urls")]


def refused(response: object, status: int, code: str) -> dict:
    body = json.loads(response.content)  # type: ignore[attr-defined]
    assert response.status_code == status, body  # type: ignore[attr-defined]
    assert response["Content-Type"] == "application/json"  # type: ignore[index]
    assert list(body) == ["code", "message", "detail", "errors"]
    assert body["code"] == code and body["message"]
    return body


def test_an_answer_is_the_struct(call: Call, shop: Shop, secret_key: str) -> None:
    response = call("GET", "/api/v1/ask?customer_id=C-1&limit=3&exclude=A&exclude=B,C", secret_key)
    assert response.status_code == 200 and response["Cache-Control"] == "no-store"
    assert response.json() == {
        "shop_id": shop.pk, "customer_id": "C-1", "proven": True, "limit": 3, "exclude": ["A", "B,C"], "money": "1.10",
    }  # fmt: skip


def test_an_empty_parameter_is_none_at_all(call: Call, secret_key: str) -> None:
    assert call("GET", "/api/v1/ask?limit=&customer_id=&unknown=1", secret_key).json()["limit"] == 10


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [("limit=x", "invalid", "limit"), ("limit=0", "invalid", "limit"), ("limit=1e3", "invalid", "limit"),
     ("customer_id=%00", "malformed", None), ("customer_id=%ff", "malformed", None), ("a=1&" * 500, "malformed", None)],
)  # fmt: skip
def test_a_wrong_parameter_is_named(call: Call, secret_key: str, query: str, code: str, field: str | None) -> None:
    body = refused(call("GET", f"/api/v1/ask?{query}", secret_key), 400, code)
    assert [each["field"] for each in body["errors"]] == ([field] if field else [])


@pytest.mark.parametrize(
    ("sent", "status", "code", "field"),
    [({"lines": [{"sku": "A", "quantity": 1}, {"sku": "B"}]}, 400, "invalid", "lines.1.quantity"),
     ({"lines": [{"sku": "A", "quantity": "1"}]}, 400, "invalid", "lines.0.quantity"),
     ({}, 400, "invalid", "lines"), ([], 400, "invalid", ""),
     ({"lines": [], "more": 1}, 400, "invalid", "more"),
     (b"{", 400, "malformed", None), (b"", 400, "malformed", None), (b"\xff", 400, "malformed", None),
     (b'{"lines": [{"sku": "\\u0000", "quantity": 1}]}', 400, "malformed", None),
     (b'{"lines": [{"sku": "\\ud800", "quantity": 1}]}', 400, "malformed", None),
     (b"x" * 1001, 413, "too_large", None)],
)  # fmt: skip
def test_a_wrong_body_is_named(
    call: Call, secret_key: str, sent: object, status: int, code: str, field: str | None
) -> None:
    body = refused(call("POST", "/api/v1/tell/1", secret_key, sent), status, code)
    assert [each["field"] for each in body["errors"]] == ([] if field is None else [field])


def test_nothing_is_found_under_a_name_with_a_nul(call: Call, secret_key: str) -> None:
    refused(call("GET", "/api/v1/named/a%00b", secret_key), 404, "not_found")


def test_a_body_is_read_and_the_path_given(call: Call, secret_key: str) -> None:
    response = call("POST", "/api/v1/tell/5", secret_key, {"lines": [{"sku": "\\u0000", "quantity": 2}]})
    assert (response.status_code, response.json()["limit"]) == (201, 7)


def test_doors_are_shut_in_one_shape(call: Call, shop: Shop, secret_key: str, publishable_key: str) -> None:
    refused(call("GET", "/api/v1/ask"), 401, "unauthorized")
    refused(call("GET", "/api/v1/ask", "sk_none"), 401, "unauthorized")
    refused(call("POST", "/api/v1/tell/1", publishable_key, {"lines": []}), 403, "missing_scope")
    assert call("POST", "/api/v1/ask", secret_key)["Allow"] == "GET, HEAD"
    refused(call("POST", "/api/v1/ask", secret_key), 405, "method_not_allowed")
    refused(call("GET", "/api/v1/nowhere", secret_key), 404, "not_found")
    refused(call("DELETE", "/v1/nowhere"), 404, "not_found")


def test_a_plugin_that_is_off_is_not_there(call: Call, shop: Shop, secret_key: str) -> None:
    refused(call("GET", "/api/v1/switched", secret_key), 404, "plugin_off")
    registry.switch(shop, "recommendation", True)
    refresher.poll()
    assert call("GET", "/api/v1/switched", secret_key).status_code == 200


def test_an_unforeseen_error_tells_nothing_but_a_reference(
    call: Call, secret_key: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        response = call("GET", "/api/v1/broken", secret_key)
    body = refused(response, 500, "server_error")
    assert "swordfish" not in response.content.decode()
    reference = body["detail"].split()[-1].rstrip(".")
    assert reference in caplog.text and "swordfish" in caplog.text


def test_a_view_may_answer_by_itself(call: Call, secret_key: str) -> None:
    assert call("GET", "/api/v1/own", secret_key).content == b"mine"


def test_a_limit_is_a_429(call: Call, shop: Shop) -> None:
    _key, text = keys.create_key(shop, "slow", "secret", rate_per_s=0.01, burst=1)
    assert call("GET", "/api/v1/ask", text).status_code == 200
    response = call("GET", "/api/v1/ask", text)
    refused(response, 429, "rate_limited")
    assert int(response["Retry-After"]) > 1


def test_warm_it_reads_nothing_from_postgres(call: Call, secret_key: str) -> None:
    call("GET", "/api/v1/ask", secret_key)
    with CaptureQueriesContext(connection) as queries:
        assert call("GET", "/api/v1/ask", secret_key).status_code == 200
    assert not queries.captured_queries


# --- pages of other sites ---------------------------------------------------------------------------------


def test_a_page_on_an_allowed_origin_may_read(call: Call, publishable_key: str) -> None:
    response = call("GET", "/api/v1/ask", publishable_key, Origin="https://shop.example")
    assert response["Access-Control-Allow-Origin"] == "https://shop.example" and "Origin" in response["Vary"]
    assert "Access-Control-Allow-Credentials" not in response
    assert call("GET", f"/api/v1/ask?key={publishable_key}").status_code == 200


def test_a_page_on_another_origin_is_refused(call: Call, publishable_key: str) -> None:
    for origin in ("https://evil.example", "http://shop.example", "https://shop.example.evil", "null"):
        response = call("GET", "/api/v1/ask", publishable_key, Origin=origin)
        refused(response, 403, "origin_not_allowed")
        assert "Access-Control-Allow-Origin" not in response


def test_a_page_learns_why_its_key_is_refused(call: Call, shop: Shop, publishable_key: str) -> None:
    response = call("GET", "/api/v1/ask", "pk_wrong", Origin="https://shop.example")
    refused(response, 401, "unauthorized")
    assert response["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "Access-Control-Allow-Origin" not in call("GET", "/api/v1/ask", "pk_wrong", Origin="https://evil.example")


def test_errors_can_be_read_by_the_page_too(call: Call, publishable_key: str) -> None:
    for path, status in (("ask?limit=x", 400), ("switched", 404), ("broken", 500)):
        response = call("GET", f"/api/v1/{path}", publishable_key, Origin="https://shop.example")
        assert (response.status_code, response["Access-Control-Allow-Origin"]) == (status, "https://shop.example")


def test_a_secret_key_gets_no_cors_headers(call: Call, secret_key: str, publishable_key: str) -> None:
    response = call("GET", "/api/v1/ask", secret_key, Origin="https://shop.example")
    assert response.status_code == 200 and "Access-Control-Allow-Origin" not in response


def test_preflight(call: Call, shop: Shop, publishable_key: str) -> None:
    asked = {"Access_Control_Request_Method": "GET", "Access_Control_Request_Headers": "authorization"}
    response = call("OPTIONS", "/api/v1/ask", Origin="https://shop.example", **asked)
    assert response.status_code == 204 and response["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "GET" in response["Access-Control-Allow-Methods"]
    assert "authorization" in response["Access-Control-Allow-Headers"]
    refused(call("OPTIONS", "/api/v1/ask", Origin="https://evil.example", **asked), 403, "origin_not_allowed")
    _key, elsewhere = keys.create_key(shop, "other", "publishable", origins=["https://other.example"])
    refresher.poll()
    path = f"/api/v1/ask?key={elsewhere}"
    assert call("OPTIONS", path, Origin="https://other.example", **asked).status_code == 204
    assert call("OPTIONS", path, Origin="https://shop.example", **asked).status_code == 403


@override_settings(ALLOWED_HOSTS=["*"])
def test_our_own_pages_may_use_every_key(call: Call, publishable_key: str) -> None:
    assert call("GET", "/api/v1/ask", publishable_key, Origin="http://testserver").status_code == 200


# --- who is meant -------------------------------------------------------------------------------------------


def test_a_publishable_key_names_nobody_on_its_word(call: Call, shop: Shop, publishable_key: str) -> None:
    """A thousand ids, half of them real customers: every answer is the same, and none names one."""
    Customer.objects.bulk_create(Customer(shop=shop, external_id=f"C-{n}", name=f"Person {n}") for n in range(500))
    answers = {call("GET", f"/api/v1/ask?customer_id=C-{n}", publishable_key).content for n in range(1000)}
    assert len(answers) == 1
    assert json.loads(answers.pop())["customer_id"] is None


def test_a_customer_token_names_one(call: Call, shop: Shop, other_shop: Shop, publishable_key: str) -> None:
    def ask(token: str, customer_id: str = "") -> tuple[str | None, bool]:
        path = f"/api/v1/ask?customer_token={token}&customer_id={customer_id}"
        found = call("GET", path, publishable_key).json()
        return found["customer_id"], found["proven"]

    now = int(time.time())
    secret = keys.signing_secret(shop)
    good = sign(secret, "C-1", now + 60)
    assert ask(good) == ("C-1", True)
    assert ask(good, "C-1") == ("C-1", True)
    assert ask(good, "C-2") == (None, False)
    assert ask(good + "x") == (None, False)
    assert ask(sign(secret, "C-1", now - 1)) == (None, False)
    assert ask(sign(keys.signing_secret(other_shop), "C-1", now + 60)) == (None, False)
