"""The routes over HTTP: who may ask, what is refused and how it is named, and what comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from commerce_ai.api import keys
from commerce_ai.decisions.models import Decision
from commerce_ai.shop.models import Campaign, Shop
from commerce_ai.shop.revision import refresher
from plugins.advertising import worth
from plugins.advertising.models import Assignment, Audience, AudienceExport
from tests.digits import too_long

DECIDE, AUDIENCES, ASSIGNMENTS = "/api/v1/ads/decide", "/api/v1/audiences", "/api/v1/ads/assignments"


@pytest.fixture
def secret(shop: Shop) -> str:
    return keys.create_key(shop, "server", "secret")[1]


@pytest.fixture
def call(client: Client, secret: str) -> Any:
    def make(method: str, path: str, body: Any = None, *, key: str = secret, **headers: str) -> Any:
        refresher.poll()
        sent = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        return client.generic(method, path, headers={"Authorization": f"Bearer {key}", **headers}, **sent)

    return make


def test_a_decision_has_everything_that_the_storefront_needs(call, people, campaign):
    answer = call("POST", DECIDE, {"customer_id": "c1", "placement": "home"}).json()
    assert set(answer) == {
        "campaign", "arm", "propensity", "reasons", "decision_id", "version", "fallback", "fallback_reason", "stored",
    }  # fmt: skip
    assert answer["arm"] in ("shown", "held_out") and answer["fallback"] and answer["stored"]
    assert (answer["campaign"] is not None) == (answer["arm"] == "shown") and answer["reasons"][0]["code"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "customer_id"),
        ({"customer_id": ""}, "customer_id"),
        ({"customer_id": 7}, "customer_id"),
        ({"anonymous_id": "a", "campaigns": "spring"}, "campaigns"),
        ({"anonymous_id": "a", "placement": "x" * 65}, "placement"),
    ],
)
def test_bad_questions_are_named(call, body, field):
    response = call("POST", DECIDE, body)
    assert response.status_code == 400 and response.json()["errors"][0]["field"] == field


def test_a_campaign_that_is_not_there_is_named_and_so_are_those_that_are(call, shop, people, campaign):
    response = call("POST", DECIDE, {"customer_id": "c1", "campaigns": ["spring", "sumer"]})
    assert response.status_code == 404 and response.json()["code"] == "not_found"
    said = response.json()["errors"]
    assert said == [
        {"field": "campaigns", "message": "There is no such campaign in this shop: sumer. There are: spring."}
    ]
    assert not Decision.objects.of(shop).exists(), "what can't be asked is no decision"
    campaign.delete()
    worth.forget_all()
    bare = call("POST", DECIDE, {"customer_id": "c1", "campaigns": ["spring"]}).json()
    assert "spring. It has none yet: load campaigns first." in bare["message"]


def test_a_campaign_that_does_not_run_is_known_all_the_same(call, shop, people, campaign):
    Campaign.objects.create(shop=shop, external_id="later", name="Later", status=Campaign.Status.DRAFT)
    answer = call("POST", DECIDE, {"customer_id": "c1", "campaigns": ["later"]}).json()
    assert answer["campaign"] is None and answer["reasons"][0]["code"] == "no_campaign"
    assert answer["reasons"][0]["text"] == "None of the campaigns that were named is running"


def test_no_figure_of_an_answer_has_more_digits_than_anybody_reads(call, shop, people, campaign, score, go_live):
    go_live()
    score(people, [0.1 / (each + 3) for each in range(len(people))])
    answers = [call("POST", DECIDE, {"customer_id": each.external_id}).json() for each in people]
    assert not any(map(too_long, answers)) and len({each["propensity"] for each in answers}) > 1
    assert not [each for kept in Decision.objects.of(shop) for each in too_long(kept.payload)]


def test_a_browsers_key_may_not_ask(call, shop):
    browser = keys.create_key(shop, "browser", "publishable", origins=["https://shop.example"])[1]
    response = call("POST", DECIDE, {"anonymous_id": "a"}, key=browser, Origin="https://shop.example")
    assert response.status_code == 403 and response.json()["code"] == "missing_scope"


def test_off_means_not_there(call, shop, people):
    from commerce_ai import registry

    registry.switch(shop, "advertising", False)
    for method, path, body in (
        ("POST", DECIDE, {"anonymous_id": "a"}), ("GET", AUDIENCES, None), ("GET", f"{AUDIENCES}/1/export", None),
    ):  # fmt: skip
        response = call(method, path, body)
        assert response.status_code == 404 and response.json()["code"] == "plugin_off"


def test_assignments_come_in_once_and_unknown_ids_are_named(call, shop, people, campaign):
    rows = [
        {"campaign_id": "spring", "customer_id": f"c{n}", "treated": n % 2 == 0, "at": "2026-01-05T10:00:00Z"}
        for n in range(6)
    ]
    assert call("POST", ASSIGNMENTS, {"rows": rows}).json() == {"created": 6, "updated": 0, "unchanged": 0}
    rows[0]["propensity"] = 0.5
    assert call("POST", ASSIGNMENTS, {"rows": rows}).json() == {"created": 0, "updated": 1, "unchanged": 5}
    assert Assignment.objects.of(shop).filter(treated=True).count() == 3
    for place, field, value in ((2, "customer_id", "nobody"), (1, "campaign_id", "none"), (0, "propensity", 1.5)):
        wrong = [dict(row) for row in rows]
        wrong[place][field] = value
        response = call("POST", ASSIGNMENTS, {"rows": wrong})
        assert response.status_code == 400 and response.json()["errors"][0]["field"] == f"rows.{place}.{field}"


def test_audiences_are_built_listed_and_exported(call, shop, people, score):
    score(people, [0.01 * n for n in range(40)])
    asked = {"name": "Best", "segments": ["loyal"], "top_share": 0.5}
    made = call("POST", AUDIENCES, asked)
    assert made.status_code == 201 and made.json()["size"] == 20 and made.json()["extra_orders"] == pytest.approx(5.9)
    assert call("POST", AUDIENCES, {**asked, "top_share": 0.1}).json()["size"] is None, "four are persons, not a size"
    assert call("POST", AUDIENCES, asked).status_code == 200
    listed = call("GET", AUDIENCES).json()["results"]
    assert [each["name"] for each in listed] == ["Best"] and listed[0]["segments"] == ["loyal"]
    address = f"{AUDIENCES}/{listed[0]['id']}/export"
    file = call("GET", f"{address}?platform=meta", Accept="text/csv")
    assert file.status_code == 200 and file["Content-Type"].startswith("text/csv")
    assert file.content.startswith(b"email,phone\n") and file.content.count(b"\n") == 16
    assert "no-store" in file["Cache-Control"] and AudienceExport.objects.of(shop).get().api_key_id
    assert call("GET", f"{address}?platform=fax").json()["errors"][0]["field"] == "platform"
    assert call("GET", f"{AUDIENCES}/999999/export").status_code == 404


def test_an_export_needs_the_right_to_read_customers(call, shop, people):
    narrow = keys.create_key(shop, "narrow", "secret", scopes=["decide"])[1]
    audience = Audience.objects.create(shop=shop, name="All")
    assert call("GET", f"{AUDIENCES}/{audience.pk}/export", key=narrow).status_code == 403


def test_another_shops_audience_is_not_there(call, shop):
    other = Shop.objects.create(slug="other", name="Other", currency="EUR", timezone="UTC")
    theirs = Audience.objects.create(shop=other, name="Theirs")
    assert call("GET", f"{AUDIENCES}/{theirs.pk}/export").status_code == 404
    assert call("GET", AUDIENCES).json()["results"] == []


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"segments": ["kings"]}, 400, "segments.0"),
        ({"top_share": 2}, 400, "top_share"),
        ({"campaign_id": "none"}, 400, "campaign_id"),
        ({"name": ""}, 400, "name"),
        ({"top_share": 0.5}, 409, "top_share"),
        ({"segments": ["loyal"]}, 409, "segments"),
    ],
)
def test_rules_that_do_not_hold_are_named(call, shop, people, change, status, field):
    response = call("POST", AUDIENCES, {"name": "A", **change})
    assert response.status_code == status and response.json()["errors"][0]["field"] == field
    assert not Audience.objects.of(shop).exists()
