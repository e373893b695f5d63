"""A customer's consent over REST: recorded with time, source and evidence; one clear error for what is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from commerce_ai.api.schema import document
from commerce_ai.shop import consent
from commerce_ai.shop.consent import Purpose
from commerce_ai.shop.models import Consent, Customer, Identity, Shop
from tests.api.conftest import Call

PATH = "/api/v1/customers/C-1/consent"
AT = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)


@pytest.fixture
def customer(shop: Shop) -> Customer:
    return Customer.objects.create(shop=shop, external_id="C-1")


def standing(response) -> dict:
    assert response.status_code == 200, response.content
    return {each["purpose"]: each for each in response.json()["consents"]}


def test_an_answer_is_recorded_and_read_back(call: Call, shop: Shop, customer: Customer, secret_key: str) -> None:
    said = {"purpose": "ads", "granted": False, "at": AT.isoformat(), "source": "hotline", "evidence": "form 3"}
    found = standing(call("PUT", PATH, secret_key, {"consents": [said, {"purpose": "analytics", "granted": True}]}))
    assert found == standing(call("GET", PATH, secret_key))
    assert list(found) == Purpose.values
    assert {name: found["ads"][name] for name in said} | {"at": said["at"]} == said
    assert datetime.fromisoformat(found["ads"]["at"]) == AT
    assert (found["ads"]["allowed"], found["analytics"]["source"]) == (False, "api")
    assert (found["personalisation"]["granted"], found["personalisation"]["allowed"]) == (None, True)
    assert consent.of(shop, customer=customer)[Purpose.ADS] is False
    standing(call("PUT", PATH, secret_key, {"consents": [said]}))
    assert Consent.objects.of(shop).filter(purpose="ads").count() == 1


def test_what_silence_means_is_said(call: Call, shop: Shop, customer: Customer, secret_key: str) -> None:
    consent.set_silences(shop, {"ads": "opt_in"})
    found = standing(call("GET", PATH, secret_key))
    assert (found["ads"]["silence"], found["ads"]["allowed"]) == ("opt_in", False)
    assert (found["analytics"]["silence"], found["analytics"]["allowed"]) == ("opt_out", True)


def test_an_answer_given_on_a_device_of_theirs_is_shown(
    call: Call, shop: Shop, customer: Customer, secret_key: str
) -> None:
    Identity.objects.create(shop=shop, anonymous_id="a1", customer=customer, proven=True)
    consent.record(shop, anonymous_id="a1", purpose="ads", granted=True, at=AT, source="tracking")
    assert standing(call("GET", PATH, secret_key))["ads"]["source"] == "tracking"


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"purpose": "everything", "granted": True}, "consents.0.purpose"),
        ({"purpose": "ads"}, "consents.0.granted"),
        ({"purpose": "ads", "granted": None}, "consents.0.granted"),
        ({"purpose": "ads", "granted": True, "at": "2999-01-01T00:00:00Z"}, "consents.0.at"),
        ({"purpose": "ads", "granted": True, "who": "me"}, "consents.0.who"),
        ({"purpose": "ads", "granted": True, "source": "x" * 65}, "consents.0.source"),
    ],
)  # fmt: skip
def test_a_wrong_answer_is_one_clear_error(call: Call, customer: Customer, secret_key: str, said, field) -> None:
    answer = call("PUT", PATH, secret_key, {"consents": [said]})
    assert answer.status_code == 400
    assert [each["field"] for each in answer.json()["errors"]] == [field]
    assert not Consent.objects.of(customer.shop_id).exists()


def test_evidence_brings_nothing_personal_in(call: Call, shop: Shop, customer: Customer, secret_key: str) -> None:
    said = {"purpose": "ads", "granted": True, "evidence": "form 3, ann@example.org"}
    standing(call("PUT", PATH, secret_key, {"consents": [said]}))
    assert Consent.objects.of(shop).get().evidence == "form 3, [removed]"


def test_nobody_else_s_customer_is_there(
    call: Call, customer: Customer, secret_key: str, publishable_key: str, other_shop: Shop
) -> None:
    Customer.objects.create(shop=other_shop, external_id="C-2")
    body = {"consents": [{"purpose": "ads", "granted": True}]}
    for name in ("C-2", "C-3"):
        for method in ("GET", "PUT"):
            sent = body if method == "PUT" else None
            assert call(method, f"/api/v1/customers/{name}/consent", secret_key, sent).status_code == 404
    assert call("PUT", PATH, publishable_key, body).status_code == 403


def test_it_stands_in_the_document(db: None) -> None:
    methods = document()["paths"]["/api/v1/customers/{external_id}/consent"]
    assert set(methods) == {"get", "put"}
    purpose = str(document()["components"]["schemas"])
    assert all(each in purpose for each in Purpose.values)
