"""Export and erasure over REST: asked for, carried out by a worker, taken away by the key that asked, gone after a day."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from commerce_ai.api import keys
from commerce_ai.api.models import IdempotentWrite
from commerce_ai.privacy import erase, requests
from commerce_ai.privacy.models import ErasureLog, ExportPart, PrivacyRequest
from commerce_ai.shop.models import Customer, Shop
from commerce_ai.shop.revision import refresher
from tests.api import conftest as doors
from tests.factories import CustomerFactory

call, shop, other_shop, secret_key, _fresh_limits = (
    doors.call, doors.shop, doors.other_shop, doors.secret_key, doors._fresh_limits,
)  # fmt: skip
Call = doors.Call
EXPORTS, ERASURES = "/api/v1/privacy/exports", "/api/v1/privacy/erasures"
ANN = {"customer_id": "C-1"}


@pytest.fixture(autouse=True)
def ann(shop: Shop) -> Customer:
    return CustomerFactory(shop=shop, external_id="C-1", email="ann@shop.example")


def file_of(call: Call, key: str, asked: dict[str, Any]) -> Any:
    return call("GET", f"{EXPORTS}/{asked['id']}/file", key)


def test_an_export_is_made_taken_away_by_its_key_alone_and_deleted_after_a_day(
    call: Call, shop: Shop, secret_key: str
) -> None:
    answer = call("POST", EXPORTS, secret_key, ANN)
    asked = answer.json()
    assert (answer.status_code, asked["kind"], asked["state"], asked["file"]) == (202, "export", "queued", None)
    assert file_of(call, secret_key, asked).status_code == 409
    assert requests.work() == 1
    done = call("GET", f"{EXPORTS}/{asked['id']}", secret_key).json()
    assert (done["state"], done["progress"], done["erased"]) == ("done", 1.0, None)
    file = call("GET", done["file"], secret_key)
    body = b"".join(file.streaming_content)
    assert json.loads(body)["tables"]["shop_customer"][0]["email"] == "ann@shop.example"
    assert len(body) == done["bytes"] == int(file["Content-Length"]) and file["Cache-Control"] == "no-store"

    _key, other = keys.create_key(shop, "other", "secret")
    refresher.poll()
    assert file_of(call, other, asked).status_code == 404
    PrivacyRequest.objects.of(shop).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert requests.expire() == 1
    assert not ExportPart.objects.of(shop).exists()
    assert file_of(call, secret_key, asked).status_code == 404
    assert call("GET", f"{EXPORTS}/{asked['id']}", secret_key).json()["state"] == "expired"


def test_large_exports_lie_in_parts_and_come_out_whole(
    call: Call, secret_key: str, ann: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "PART_CHARACTERS", 7)
    Customer.objects.of(ann.shop).filter(pk=ann.pk).update(attributes={"note": "größer 🦉 als sieben"})
    asked = call("POST", EXPORTS, secret_key, ANN).json()
    requests.work()
    said = json.loads(b"".join(file_of(call, secret_key, asked).streaming_content))
    assert said["tables"]["shop_customer"][0]["attributes"] == {"note": "größer 🦉 als sieben"}
    assert ExportPart.objects.of(ann.shop).count() > 10


@pytest.mark.parametrize("route", [ERASURES, "/api/v1/customers/C-1"])
def test_an_erasure_is_carried_out_once_and_says_what_it_did(
    call: Call, shop: Shop, secret_key: str, route: str
) -> None:
    sent = ("DELETE", route, secret_key) if "customers" in route else ("POST", route, secret_key, ANN)
    first, again = call(*sent), call(*sent)
    assert first.status_code == again.status_code == 202
    assert first.json()["id"] == again.json()["id"]  # it waits already
    assert "C-1" not in first.content.decode()
    assert requests.work() == 1
    assert not Customer.objects.of(shop).exists()
    done = call("GET", f"{ERASURES}/{first.json()['id']}", secret_key).json()
    assert done["state"] == "done" and done["erased"] == {"rows": {"shop_customer": 1}, "versions": []}
    kept = PrivacyRequest.objects.of(shop).get()
    assert kept.customer == "" and kept.erasure == ErasureLog.objects.of(shop).get()
    if route == ERASURES:
        assert call(*sent).json()["id"] != first.json()["id"]
        assert requests.work() == 1 and ErasureLog.objects.of(shop).count() == 2
    else:
        assert call(*sent).status_code == 404


def test_the_same_idempotency_key_asks_once_and_is_not_kept_in_clear(call: Call, shop: Shop, secret_key: str) -> None:
    name = {"Idempotency_Key": "erase-ann@shop.example"}
    first = call("POST", ERASURES, secret_key, ANN, **name)
    requests.work()
    again = call("POST", ERASURES, secret_key, ANN, **name)
    assert again["Idempotent-Replayed"] == "true" and again.json() == first.json()
    assert PrivacyRequest.objects.of(shop).count() == 1
    assert "ann" not in IdempotentWrite.objects.of(shop).get().name


def test_it_needs_a_scope_of_its_own_a_body_and_the_right_shop(
    call: Call, shop: Shop, other_shop: Shop, secret_key: str
) -> None:
    _key, weak = keys.create_key(shop, "weak", "secret", scopes=["customers:read", "customers:write"])
    _key, foreign = keys.create_key(other_shop, "foreign", "secret")
    refresher.poll()
    asked = call("POST", EXPORTS, secret_key, ANN).json()
    assert call("POST", EXPORTS, weak, ANN).json()["code"] == "missing_scope"
    assert call("GET", f"{EXPORTS}/{asked['id']}", weak).status_code == 403
    assert call("GET", f"{EXPORTS}/{asked['id']}", foreign).status_code == 404
    assert call("GET", f"{ERASURES}/{asked['id']}", secret_key).status_code == 404
    for body, field in (({}, "customer_id"), ({"customer_id": ""}, "customer_id"), ({**ANN, "x": 1}, "x")):
        wrong = call("POST", ERASURES, secret_key, body)
        assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, field)
    assert call("POST", ERASURES, foreign, ANN).status_code == 202
    requests.work()
    assert Customer.objects.of(shop).filter(external_id="C-1").exists()


def test_a_worker_that_died_leaves_its_request_to_the_next(
    call: Call, shop: Shop, secret_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("POST", ERASURES, secret_key, ANN)
    dead = requests._claim()
    assert dead is not None and requests.work() == 0  # somebody has it
    PrivacyRequest.objects.of(shop).update(due_at=timezone.now())  # the lease is over
    assert requests.work() == 1
    assert not Customer.objects.of(shop).exists()
    requests._carry_out(dead)  # it was only slow: its lease is lost, and nothing happens twice
    assert ErasureLog.objects.of(shop).count() == 1


def test_what_fails_is_tried_again_and_names_nobody_in_the_log(
    call: Call, shop: Shop, secret_key: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    call("POST", ERASURES, secret_key, ANN)
    with monkeypatch.context() as broken:
        broken.setattr(requests, "erase", lambda *args, **options: 1 / 0)
        assert requests.work() == 1
    waiting = PrivacyRequest.objects.of(shop).get()
    assert (waiting.state, waiting.error, waiting.attempts) == ("queued", "ZeroDivisionError", 1)
    assert waiting.due_at > timezone.now() and requests.work() == 0
    assert "C-1" not in caplog.text
    PrivacyRequest.objects.of(shop).update(due_at=timezone.now(), attempts=requests.MOST_ATTEMPTS - 1)
    with monkeypatch.context() as broken:
        broken.setattr(requests, "erase", lambda *args, **options: 1 / 0)
        requests.work()
    over = PrivacyRequest.objects.of(shop).get()
    assert (over.state, over.customer) == ("failed", "")
    assert call("POST", ERASURES, secret_key, ANN).json()["id"] != str(over.pk)


def test_an_erasure_takes_exports_of_the_person_with_it(
    call: Call, shop: Shop, secret_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = call("POST", EXPORTS, secret_key, ANN).json()
    requests.work()
    call("POST", EXPORTS, secret_key, ANN)
    underway = requests._claim()
    assert underway is not None
    monkeypatch.setattr(requests, "export", lambda *args, **options: {"tables": "read before"})
    erase.erase(shop, "C-1")
    requests._carry_out(underway)
    assert not ExportPart.objects.of(shop).exists()
    assert file_of(call, secret_key, done).status_code == 404
    assert {(each.state, each.customer) for each in PrivacyRequest.objects.of(shop)} == {("expired", "")}


@pytest.mark.parametrize("death", [None, 1, 5, requests.MOST_ATTEMPTS - 1])
def test_an_erasure_that_fails_nine_times_of_a_minute_each_is_done_within_the_hour_though_a_worker_dies(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, death: int | None
) -> None:
    """By a clock that we turn: a look every ten seconds, attempts of a minute."""
    asked_at = clock = timezone.now()
    monkeypatch.setattr(requests.timezone, "now", lambda: clock)
    asked = requests.ask(shop, "erasure", "C-1")
    PrivacyRequest.objects.of(shop).update(asked_at=asked_at, due_at=asked_at)
    real = requests.erase

    def attempt(*args: Any, **options: Any) -> Any:
        nonlocal clock
        clock += timedelta(minutes=1)
        if (asked.attempts or 0) < requests.MOST_ATTEMPTS:
            raise ConnectionError
        return real(*args, **options)

    monkeypatch.setattr(requests, "erase", attempt)
    while asked.state not in ("done", "failed"):
        asked.attempts = PrivacyRequest.objects.of(shop).get().attempts + 1
        if asked.attempts == death and asked.due_at <= clock:
            assert requests._claim() is not None  # and is never heard of again
        else:
            requests.work()
        asked.refresh_from_db()
        clock += timedelta(seconds=10)
        assert clock - asked_at < timedelta(hours=2)
    assert (asked.state, asked.attempts) == ("done", requests.MOST_ATTEMPTS)
    assert asked.done_at is not None and asked.done_at - asked_at < timedelta(hours=1)
    assert not Customer.objects.of(shop).exists()


def test_late_and_failed_requests_are_told_until_the_person_is_served(shop: Shop) -> None:
    asked = requests.ask(shop, "erasure", "C-1")
    assert requests.troubles(shop) == (0, 0)
    rows = PrivacyRequest.objects.of(shop).filter(pk=asked.pk)
    rows.update(asked_at=timezone.now() - timedelta(minutes=61))
    assert requests.troubles(shop) == (1, 0)
    rows.update(state="failed")
    assert requests.troubles(shop) == (0, 1)
    requests.ask(shop, "export", "C-1")  # something else
    requests.ask(shop, "erasure", "C-2")  # somebody else
    assert requests.troubles(shop) == (0, 1)
    requests.ask(shop, "erasure", "C-1")
    assert requests.troubles(shop) == (0, 0)
