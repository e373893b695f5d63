"""The routes: what is answered, kept and refused; and that a live answer reads nothing from Postgres."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import polars as pl
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.api import keys
from commerce_ai.decisions.models import Decision
from commerce_ai.ingest import memory
from commerce_ai.privacy.erase import erase
from commerce_ai.shop.models import Customer, Label, Shop
from commerce_ai.shop.revision import refresher
from plugins.fraud import entities, seen
from plugins.fraud.models import Case, CaseStep
from tests.digits import too_long
from tests.factories import OrderFactory, PaymentFactory
from tests.fraud.conftest import TREES, body
from tests.fraud.frames import payments


def change(shop: Shop, **changed: Any) -> None:
    from dataclasses import asdict

    registry.save_settings(shop, "fraud", {**asdict(registry.settings_for(shop.pk, "fraud")), **changed})
    refresher.poll()


@pytest.fixture
def live(shop: Shop, go_live: Any) -> Any:
    """A version that knows customers c0 to c79 and devices d1000 … by their numbers, up to an hour ago."""
    frame = payments()
    moved = frame.with_columns(
        pl.col("timestamp") + (timezone.now() - timedelta(hours=1) - frame["timestamp"].max()),
        numbers(shop, frame["customer_id"], "customer c").alias("customer_id"),
        numbers(shop, frame["terminal_id"], "device d").alias("terminal_id"),
    )
    return go_live(shop, {"transactions": moved})


def numbers(shop: Shop, ids: pl.Series, kind: str) -> pl.Series:
    distinct = ids.unique().to_list()
    known = [entities.number(shop.pk, f"{kind}{each}") for each in distinct]
    return ids.replace_strict(distinct, known, return_dtype=pl.Int64)


def burst(call: Any, count: int, **fields: Any) -> list[dict[str, Any]]:
    return [call("POST", "score", body(f"b{n}", "60.00", customer_id=f"c{n}", device_id="x", **fields))
            for n in range(count)]  # fmt: skip


# --- without a version ---


def test_without_a_version_rules_answer_and_say_so(call, shop):
    fine = call("POST", "score", body(customer_id="new", device_id="x"))
    assert fine["action"] == "allow" and fine["fallback"] and fine["score"] is None and fine["version"] is None
    assert fine["fallback_reason"] == "No version is live yet: rules alone decide."
    assert fine["reasons"][0]["code"] == "nothing_unusual" and fine["case_id"] is None and fine["stored"]
    kept = Decision.objects.of(shop).get(id=UUID(fine["decision_id"]))
    assert kept.flags == ["fallback"] and kept.durable and kept.subject == "payment:new"
    dear = call("POST", "score", body("dear", "750.00"))
    assert dear["action"] == "review" and [each["code"] for each in dear["reasons"]] == ["amount_over_limit"]
    both = call("POST", "score", body("both", "750.00", card_country="DE", ip_country="NL"))
    assert {each["code"] for each in both["reasons"]} == {"amount_over_limit", "country_mismatch"}
    assert both["expected_costs"]["allow"] > dear["expected_costs"]["allow"]


def test_velocity_is_counted_from_what_was_asked_before(call, shop):
    answers = burst(call, 7)
    assert [each["action"] for each in answers[:5]] == ["allow"] * 5
    assert (
        answers[6]["action"] == "review" and "made 7 payments in a day; 5 are usual" in answers[6]["reasons"][0]["text"]
    )
    again = call("POST", "score", body("b6", "60.00", customer_id="c6", device_id="x"))
    assert "made 7 payments" in again["reasons"][0]["text"]  # the same payment counts once
    week_ago = (timezone.now() - timedelta(days=3)).isoformat()
    assert call("POST", "score", body("old", "60.00", device_id="x", at=week_ago))["action"] == "allow"


def test_what_is_no_address_on_the_net_is_named(call, shop):
    refused = call("POST", "score", body(ip="banana"), status=400)
    assert refused["code"] == "invalid" and refused["errors"] == [
        {"field": "ip", "message": "It is not an IP address, such as 203.0.113.9 or 2001:db8::9."}
    ]
    assert not Decision.objects.of(shop).exists()


def test_an_address_is_one_device_however_it_is_written(call, shop):
    ways = ("2001:db8::9", "2001:DB8:0::9", " 2001:0db8:0:0:0:0:0:9")
    answers = [call("POST", "score", body(f"n{n}", "60.00", ip=ways[n % 3])) for n in range(7)]
    assert "made 7 payments in a day" in answers[-1]["reasons"][0]["text"]


# --- with a version ---


def test_a_known_customer_is_scored_from_what_was_learned_and_what_came_since(call, shop, live):
    honest = call("POST", "score", body("h", "30.00", customer_id="c3", device_id="d1001"))
    assert honest["version"] == f"{TREES} v{live.pk}" and not honest["fallback"] and honest["history"] == "full"
    kept = Decision.objects.of(shop).get(id=UUID(honest["decision_id"])).payload["context"]["features"]
    stranger = call("POST", "score", body("s", "30.00"))
    empty = Decision.objects.of(shop).get(id=UUID(stranger["decision_id"])).payload["context"]["features"]
    assert kept["customer_tx_count_30d"] > 5 and empty["customer_tx_count_30d"] == 1
    again = call("POST", "score", body("h2", "30.00", customer_id="c3", device_id="d1001"))
    more = Decision.objects.of(shop).get(id=UUID(again["decision_id"])).payload["context"]["features"]
    assert more["customer_tx_count_30d"] == kept["customer_tx_count_30d"] + 1
    answers = burst(call, 10)
    assert answers[0]["action"] == "allow" and answers[-1]["score"] > 0.3 and answers[-1]["action"] != "allow"
    assert honest["reasons"] and answers[-1]["case_id"]


def test_no_figure_of_an_answer_has_more_digits_than_anybody_reads(call, shop, live):
    answers = burst(call, 10)
    assert not any(map(too_long, answers)) and any(each["case_id"] for each in answers)
    assert not too_long(call("GET", "cases"))
    assert not [each for kept in Decision.objects.of(shop) for each in too_long(kept.payload)]


def test_warm_an_allowed_payment_reads_nothing_from_postgres(shop, live):
    from plugins.fraud import service
    from plugins.fraud.answers import Request

    ask = lambda name: service.score(  # noqa: E731
        shop.pk, Request(payment_id=name, amount=20.0, at=timezone.now(), customer_id="c3", device_id="d1001")
    )
    ask("cold")
    with CaptureQueriesContext(
        connection,
    ) as found:
        assert ask("warm").action == "allow"
    said = [each["sql"] for each in found if "decisions_decision" not in each["sql"] and "SAVEPOINT" not in each["sql"]]
    assert said == []


def test_without_redis_the_answer_says_that_the_last_payments_are_missing(call, shop, live, monkeypatch):
    from plugins.fraud import service
    from plugins.fraud.answers import Request

    def away(question: Any) -> Any:
        raise memory.Unavailable

    monkeypatch.setattr(seen.memory, "ask", away)
    ask = lambda amount: service.score(  # noqa: E731
        shop.pk, Request(payment_id="p", amount=amount, at=timezone.now(), customer_id="c3", device_id="d1001")
    )
    answer = ask(20.0)
    assert answer.history == "trained" and not answer.fallback
    assert Decision.objects.of(shop).get(id=UUID(answer.decision_id)).flags == ["history"]
    change(shop, rules_only=True)
    assert ask(900.0).history == "none" and ask(900.0).action == "review"


def test_the_emergency_switch_and_a_broken_version_leave_rules(call, shop, live, monkeypatch):
    monkeypatch.setattr("plugins.fraud.scorer.FraudScorer.probabilities", lambda *_: 1 / 0)
    broken = call("POST", "score", body())
    assert broken["fallback_reason"] == "The live version could not answer: rules alone decide."
    change(shop, rules_only=True)
    answer = call("POST", "score", body())
    assert answer["fallback_reason"] == "The shop has switched to rules only." and answer["version"] is None


def test_beyond_the_capacity_nobody_is_sent_to_review(call, shop):
    change(shop, reviews_a_day=1)
    first, second = (call("POST", "score", body(name, "750.00")) for name in ("one", "two"))
    assert (first["action"], second["action"]) == ("review", "allow")
    assert second["reasons"][-1]["code"] == "no_reviews_left"
    assert call("POST", "score", body("one", "750.00"))["action"] == "review"  # it has its place already
    change(shop, reviews_a_day=0)
    assert call("POST", "score", body("three", "750.00"))["action"] == "allow"


def test_settings_bound_what_may_be_blocked(call, shop):
    two = {"card_country": "DE", "ip_country": "NL"}
    change(shop, review_cost=700)
    assert call("POST", "score", body("one", "750.00", **two))["action"] == "block"
    change(shop, block_from=0.95)
    assert call("POST", "score", body("two", "750.00", **two))["action"] == "allow"


def test_nothing_personal_is_kept_beside_the_names_of_rows(call, shop):
    sent = body("p", "750.00", customer_id="maria@x.org", device_id="dev-7", ip="203.0.113.9", card_fingerprint="fp-1")
    answer = call("POST", "score", sent)
    kept = Decision.objects.of(shop).get(id=UUID(answer["decision_id"]))
    there = f"{kept.payload} {kept.reasons} {Case.objects.of(shop).get().reasons}"
    there += " ".join(key.decode() for key in memory.client().scan_iter(memory.prefixed("fraud:*")))
    assert not any(each in there for each in ("maria", "dev-7", "203.0", "fp-1"))


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"amount": "-1"}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"amount": "much"}, "amount"),
        ({"payment_id": ""}, "payment_id"),
        ({"currency": "USD"}, "currency"),
        ({"at": "2026-01-01T00:00:00"}, "at"),
        ({"at": "1999-01-01T00:00:00Z"}, "at"),
        ({"card_country": "Germany"}, "card_country"),
        ({"devise_id": "x"}, "devise_id"),
    ],
)
def test_bad_input_is_one_error_that_names_the_field(call, wrong, field):
    answer = call("POST", "score", {**body(), **wrong}, status=400)
    assert answer["code"] == "invalid" and [each["field"] for each in answer["errors"]] == [field]


def test_only_a_secret_key_may_ask(client, shop):
    key = keys.create_key(shop, "browser", "publishable")[1]
    refresher.poll()
    for path in ("score", "labels"):
        answer = client.post(
            f"/api/v1/fraud/{path}", body(), content_type="application/json", headers={"Authorization": f"Bearer {key}"}
        )
        assert answer.status_code == 403


# --- cases and labels ---


def test_cases_are_listed_in_pages(call, shop):
    for n in range(3):
        call("POST", "score", body(f"p{n}", "750.00", order_id=f"o{n}", customer_id="c1"))
    page = call("GET", "cases", limit=2)
    assert [each["payment_id"] for each in page["results"]] == ["p0", "p1"] and page["results"][0]["order_id"] == "o0"
    assert page["results"][0]["amount"] == "750.00" and page["results"][0]["state"] == "open"
    rest = call("GET", "cases", limit=2, cursor=page["next"])
    assert [each["payment_id"] for each in rest["results"]] == ["p2"] and rest["next"] is None
    assert call("GET", "cases", state="cleared")["results"] == []
    assert call("GET", "cases", status=400, state="lost")["errors"][0]["field"] == "state"
    assert call("GET", "cases", status=400, cursor="x")["errors"][0]["field"] == "cursor"


def test_a_payment_has_one_case_however_often_it_is_asked_for(call, shop):
    Customer.objects.create(shop=shop, external_id="c1")
    first, again = (call("POST", "score", body("p", "750.00", customer_id="c1")) for _ in range(2))
    assert first["case_id"] == again["case_id"]
    case = Case.objects.of(shop).get()
    assert case.customer.external_id == "c1" and case.steps.count() == 1 and case.expected_loss > 0


def test_labels_of_the_shops_own_system_close_cases_and_are_kept_once(call, shop):
    order = OrderFactory(shop=shop)
    paid = PaymentFactory(shop=shop, order=order, external_id="p")
    case = call("POST", "score", body("p", "750.00"))["case_id"]
    rows = [{"payment_id": "p", "is_fraud": True}, {"order_id": order.external_id, "is_fraud": False}]
    assert call("POST", "labels", {"rows": rows}) == {"labelled": 2, "cases_closed": 1}
    assert call("POST", "labels", {"rows": rows}) == {"labelled": 2, "cases_closed": 0}
    found = set(Label.objects.of(shop).values_list("task", "subject_type", "subject_id", "value", "source"))
    assert found == {("fraud", "payment", paid.pk, "fraud", "api"), ("fraud", "order", order.pk, "legitimate", "api")}
    assert Label.objects.of(shop).count() == 2
    closed = Case.objects.of(shop).get(pk=case)
    assert closed.state == "confirmed" and closed.decided_by is None


def test_one_bad_label_keeps_none(call, shop):
    PaymentFactory(shop=shop, external_id="p")
    for row, field in (
        ({"payment_id": "gone", "is_fraud": True}, "rows.1.payment_id"),
        ({"order_id": "gone", "is_fraud": True}, "rows.1.order_id"),
        ({"is_fraud": True}, "rows.1.payment_id"),
        ({"payment_id": "p"}, "rows.1.is_fraud"),
        # One before the year 1 in UTC is taken by Postgres and can't be read again.
        ({"payment_id": "p", "is_fraud": True, "at": "0001-01-01T00:00:00+14:00"}, "rows.1.at"),
        ({"payment_id": "p", "is_fraud": True, "at": "9999-12-31T23:59:59-14:00"}, "rows.1.at"),
    ):
        answer = call("POST", "labels", {"rows": [{"payment_id": "p", "is_fraud": True}, row]}, status=400)
        assert answer["errors"][0]["field"] == field
    assert not Label.objects.of(shop).exists()


def test_a_person_asked_for_comes_first_with_a_deadline_and_only_a_person_decides(call, shop, person):
    change(shop, human_review_days=2)
    PaymentFactory(shop=shop, external_id="p")
    small = call("POST", "score", body("p", "501.00"))["case_id"]
    call("POST", "score", body("large", "5000.00"))
    call("POST", "labels", {"rows": [{"payment_id": "p", "is_fraud": True}]})  # a system closed it
    asked = call("POST", f"cases/{small}/review")
    assert asked["state"] == "open" and asked["human_requested"] and not asked["decided_by_person"]
    left = datetime.fromisoformat(asked["deadline"]) - timezone.now()
    assert timedelta(days=1.9) < left < timedelta(days=2)
    assert call("POST", f"cases/{small}/review") == asked  # again changes nothing
    call("POST", "labels", {"rows": [{"payment_id": "p", "is_fraud": True}]})
    assert Case.objects.of(shop).get(pk=small).state == "open"

    client = person("operator")
    page = client.get("/console/fraud/board/")
    assert [line.case.pk for line in page.context["cases"]][0] == small
    client.post("/console/fraud/board/", {"action": "clear", "case": [str(small)]})
    case = Case.objects.of(shop).get(pk=small)
    assert case.state == "cleared" and case.decided_by.username == "operator"
    steps = CaseStep.objects.of(shop).filter(case=case).order_by("at", "pk").values_list("kind", "said", "by__username")
    assert list(steps) == [
        ("opened", "", None), ("verdict", "confirmed", None), ("requested", "", None),
        ("verdict", "cleared", "operator"),
    ]  # fmt: skip
    assert call("POST", f"cases/{small}/review", status=409)["code"] == "already_decided"


def test_another_shops_case_is_not_there(call, shop):
    from tests.factories import ShopFactory

    other = Case.objects.create(shop=ShopFactory(), payment_external_id="p", action="block", amount=5, currency="EUR")
    for name in (other.pk, "p", "9" * 30):
        assert call("POST", f"cases/{name}/review", status=404)["code"] == "not_found"
    assert call("GET", "cases")["results"] == []


def test_of_an_erased_customer_nothing_seen_is_left_and_others_on_the_device_stay(call, shop):
    mine = Customer.objects.create(shop=shop, external_id="me")
    PaymentFactory(shop=shop, external_id="one", customer=mine, device_id="x")
    for payment, customer in (("one", "me"), ("two", "other")):
        call("POST", "score", body(payment, "60.00", customer_id=customer, device_id="x"))
    who, other, device = (entities.number(shop.pk, each) for each in ("customer me", "customer other", "device x"))
    assert [len(each.times) for each in seen.recent(shop.pk, who, device, 0)] == [1, 2]
    erase(shop, "me")
    assert [len(each.times) for each in seen.recent(shop.pk, who, device, 0)] == [0, 1]
    assert len(seen.recent(shop.pk, other, device, 0)[0].times) == 1
