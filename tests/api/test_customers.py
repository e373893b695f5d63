"""Customers: encrypted at rest, found by hash, seen only with the right scope."""

from __future__ import annotations

import pytest
from django.db import connection

from commerce_ai.api import keys
from commerce_ai.privacy import requests
from commerce_ai.shop import contact
from commerce_ai.shop.models import Customer, Shop
from tests.api.conftest import Call

ANN = {"external_id": "C-1", "email": "Ann@Example.org", "phone": "+49 170 1234567", "name": "Ann Smith",
       "address": "1 Main Street", "country": "DE", "birth_year": 1980, "gender": "female"}  # fmt: skip


def test_a_customer_is_kept_encrypted_and_read_back(call: Call, shop: Shop, secret_key: str) -> None:
    made = call("POST", "/api/v1/customers", secret_key, ANN)
    assert made.status_code == 201, made.content
    assert {name: made.json()[name] for name in ANN} == ANN
    with connection.cursor() as cursor:
        cursor.execute("SELECT shop_customer::text FROM shop_customer")
        [(row,)] = cursor.fetchall()
    assert not any(text in row for text in ("Ann", "Main", "1234567"))
    found = Customer.objects.of(shop).get(email_hash=contact.email_hash("ann@example.org"))
    assert found.external_id == "C-1"
    changed = call("PATCH", "/api/v1/customers/C-1", secret_key, {"email": ""})
    assert changed.json()["email"] == "" and changed.json()["name"] == "Ann Smith"
    assert Customer.objects.of(shop).get().email_hash is None


def test_bulk_changes_only_what_differs(call: Call, secret_key: str) -> None:
    rows = [ANN, {"external_id": "C-2"}, {"external_id": "C-3", "country": "FR"}]
    assert call("POST", "/api/v1/customers/bulk", secret_key, {"rows": rows}).json()["created"] == 3
    again = call(
        "POST", "/api/v1/customers/bulk", secret_key, {"rows": [*rows[:2], {"external_id": "C-3", "country": "IT"}]}
    )
    assert [each["status"] for each in again.json()["results"]] == ["unchanged", "unchanged", "updated"]


@pytest.mark.parametrize(
    ("change", "field"),
    [({"country": "Germany"}, "country"), ({"birth_year": 1700}, "birth_year"), ({"gender": "x"}, "gender"),
     ({"birth_year": 1e400}, None), ({"email": ["x"]}, "email")],
)  # fmt: skip
def test_a_wrong_field_is_named(call: Call, secret_key: str, change: dict, field: str | None) -> None:
    response = call("POST", "/api/v1/customers", secret_key, {**ANN, **change})
    assert response.status_code == 400
    assert [each["field"] for each in response.json()["errors"]] == ([field] if field else [])


def test_a_key_without_the_scope_sees_nobody(call: Call, shop: Shop, secret_key: str, publishable_key: str) -> None:
    call("POST", "/api/v1/customers", secret_key, ANN)
    _key, products_only = keys.create_key(shop, "feed", "secret", ["catalogue:read", "customers:write"])
    from commerce_ai.shop.revision import refresher

    refresher.poll()
    for key in (products_only, publishable_key):
        for path in ("customers", "customers/C-1"):
            refused = call("GET", f"/api/v1/{path}", key)
            assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
            assert "Ann" not in refused.content.decode()


def test_a_deleted_customer_is_erased_and_does_not_come_back(call: Call, shop: Shop, secret_key: str) -> None:
    call("POST", "/api/v1/customers", secret_key, ANN)
    answer = call("DELETE", "/api/v1/customers/C-1", secret_key)
    assert (answer.status_code, answer.json()["kind"], answer.json()["state"]) == (202, "erasure", "queued")
    requests.work()
    assert call("POST", "/api/v1/customers", secret_key, ANN).status_code == 400
    assert call("DELETE", "/api/v1/customers/C-1", secret_key).status_code == 404
    assert not Customer.objects.of(shop).exists()
