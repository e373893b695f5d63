"""A write under an Idempotency-Key happens once: sent again, sent at once by many, or cut off by a crash."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from commerce_ai.api import idempotency, keys
from commerce_ai.api.models import IdempotentWrite
from commerce_ai.api.products import Products
from commerce_ai.api.tasks import forget_answers
from commerce_ai.shop.models import Customer, Product, Shop
from tests.api.conftest import Call

MUG = {"external_id": "MUG", "title": "Mug"}


def test_the_same_request_gets_the_same_answer(call: Call, shop: Shop, secret_key: str) -> None:
    first = call("POST", "/api/v1/products", secret_key, MUG, Idempotency_Key="k1")
    Product.objects.of(shop).update(title="Changed since")
    again = call("POST", "/api/v1/products", secret_key, MUG, Idempotency_Key="k1")
    assert (again.status_code, again.json()) == (201, first.json())
    assert again["Idempotent-Replayed"] == "true" and "Idempotent-Replayed" not in first
    assert Product.objects.of(shop).get().title == "Changed since"


def test_an_empty_answer_is_repeated_too(call: Call, shop: Shop, secret_key: str) -> None:
    Product.objects.create(shop=shop, external_id="MUG", title="x")
    for _ in range(2):
        response = call("DELETE", "/api/v1/products/MUG", secret_key, Idempotency_Key="k1")
        assert (response.status_code, response.content) == (204, b"")


def test_another_request_under_the_key_is_refused(call: Call, secret_key: str) -> None:
    call("POST", "/api/v1/products", secret_key, MUG, Idempotency_Key="k1")
    for method, path, body in (("POST", "products", {**MUG, "title": "y"}), ("PUT", "products/MUG", MUG),
                               ("POST", "products?x=1", MUG)):  # fmt: skip
        response = call(method, f"/api/v1/{path}", secret_key, body, Idempotency_Key="k1")
        assert (response.status_code, response.json()["code"]) == (409, "idempotency_mismatch")


def test_keys_of_two_callers_are_two(call: Call, shop: Shop, other_shop: Shop, secret_key: str) -> None:
    _key, theirs = keys.create_key(other_shop, "theirs", "secret")
    for key in (secret_key, theirs):
        assert call("POST", "/api/v1/products", key, MUG, Idempotency_Key="k1").status_code == 201


def test_what_was_refused_may_be_mended(call: Call, shop: Shop, secret_key: str) -> None:
    assert call("POST", "/api/v1/products", secret_key, {}, Idempotency_Key="k1").status_code == 400
    assert call("POST", "/api/v1/products", secret_key, MUG, Idempotency_Key="k1").status_code == 201


@pytest.mark.parametrize("name", ["", "x" * 256, "é"])
def test_what_is_no_key_is_refused(call: Call, secret_key: str, name: str) -> None:
    response = call("POST", "/api/v1/products", secret_key, MUG, Idempotency_Key=name)
    assert (response.status_code, response.json()["code"]) == (400, "invalid")


def test_a_crash_leaves_neither_row_nor_answer(
    call: Call, shop: Shop, secret_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crash(BaseException):
        pass

    def crash(*_: object, **__: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(IdempotentWrite, "save", crash)  # the row is written, the answer is not yet
        with pytest.raises(Crash):
            call("POST", "/api/v1/products", secret_key, MUG, Idempotency_Key="k1")
    assert not Product.objects.of(shop).exists() and not IdempotentWrite.objects.of(shop).exists()
    assert call("POST", "/api/v1/products", secret_key, MUG, Idempotency_Key="k1").status_code == 201


def test_answers_are_kept_encrypted_and_for_a_day(call: Call, shop: Shop, secret_key: str) -> None:
    ann = {"external_id": "C", "email": "ann@example.org"}
    assert call("POST", "/api/v1/customers", secret_key, ann, Idempotency_Key="k1").status_code == 201
    with connection.cursor() as cursor:
        cursor.execute("SELECT body FROM api_idempotentwrite")
        assert b"ann" not in bytes(cursor.fetchone()[0])
        assert forget_answers() == 0
        cursor.execute("UPDATE api_idempotentwrite SET created_at = created_at - interval '25 hours'")
    assert forget_answers() == 1 and Customer.objects.of(shop).count() == 1


class Slow:
    """Waits in the middle of a write."""

    def __init__(self) -> None:
        self.entered, self.leave = threading.Event(), threading.Event()


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    plain, gate = Products.write, Slow()

    def write(self: Products, *arguments: Any) -> Any:
        outcomes = plain(self, *arguments)
        gate.entered.set()
        gate.leave.wait(10)
        return outcomes

    monkeypatch.setattr(Products, "write", write)
    yield gate
    gate.leave.set()


@pytest.mark.django_db(transaction=True)
def test_at_once_one_writes_and_the_other_is_told_to_wait(slow: Slow, transactional_db: None) -> None:
    shop = Shop.objects.create(slug="north", name="North")
    _key, text = keys.create_key(shop, "server", "secret")
    answers: list[int] = []

    def send() -> Any:
        headers = {"Authorization": f"Bearer {text}", "Idempotency-Key": "k1"}
        return Client().post("/api/v1/products", json.dumps(MUG), content_type="application/json", headers=headers)

    def work() -> None:
        answers.append(send().status_code)
        connection.close()

    first = threading.Thread(target=work)
    first.start()
    assert slow.entered.wait(10)
    second = send()
    assert (second.status_code, second.json()["code"], second["Retry-After"]) == (409, "in_progress", "1")
    slow.leave.set()
    first.join()
    assert answers == [201] and send().status_code == 201
    assert Product.objects.of(shop).count() == 1


def test_the_longest_key_is_what_the_column_holds() -> None:
    assert IdempotentWrite._meta.get_field("name").max_length == idempotency.LONGEST
