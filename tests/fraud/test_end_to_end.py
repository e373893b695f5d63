"""Payments and chargebacks in, a training in this process, the gate, live, an answer, its case, a verdict, its label."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.test import Client
from django.urls import reverse

from commerce_ai.decisions.models import Decision
from commerce_ai.learning import leases
from commerce_ai.learning.attempt import execute
from commerce_ai.learning.learner import Window
from commerce_ai.learning.models import Run, Version
from commerce_ai.learning.runs import request_run
from commerce_ai.shop.models import Label, Payment, Shop
from plugins.fraud import queries
from plugins.fraud.models import Case
from tests.fraud.conftest import TREES, body, pay


def test_from_payments_to_a_verdict_that_is_learned_from(shop: Shop, call: Any, client: Client, person: Any) -> None:
    loaded = pay(shop)
    assert Payment.objects.of(shop).count() == loaded.height

    # Before any training: rules, and it says so.
    first = call("POST", "score", body("before", "35.00", customer_id="c1", device_id="d1000"))
    assert first["action"] == "allow" and first["fallback"] and first["score"] is None and first["version"] is None

    # Training, gate, version.
    run = request_run(shop, TREES, wake=False)
    ended = execute(leases.claim("test", run.pk))
    assert ended.state == Run.State.SUCCEEDED, ended.reason
    version = Version.objects.of(shop).get(slot="fraud.score", state=Version.State.LIVE)
    assert version.metrics["average_precision"] > version.baseline["average_precision"]

    # The version's page says what it goes by, and what a few readable rules would give up.
    twin = version.explanation["twin"]
    assert twin["metric"] == "average_precision" and twin["twin_metric"] <= twin["scorer_metric"] + 0.05
    shown = person("analyst").get(reverse("admin:learning_version_change", args=[version.pk])).content.decode()
    assert "Its readable twin" in shown and version.explanation["curves"][0]["name"] in shown

    # An honest payment passes; a burst on one device does not.
    honest = call("POST", "score", body("honest", "35.00", customer_id="c1", device_id="d1000"))
    assert honest["action"] == "allow" and honest["version"] == f"{TREES} v{version.pk}" and not honest["fallback"]
    assert honest["history"] == "full"
    # The tenth payment of a fresh device within a minute.
    burst = [
        call("POST", "score", body(f"burst-{n}", "80.00", customer_id=f"c{n}", device_id="fresh")) for n in range(10)
    ]
    last = burst[-1]
    assert last["score"] > 5 * honest["score"] and last["action"] in ("review", "block"), last
    assert any("device made 10 payments" in each["text"] for each in last["reasons"]), last["reasons"]

    # The decision behind it, durable, and the case.
    kept = Decision.objects.of(shop).get(id=UUID(last["decision_id"]))
    assert kept.durable and kept.version_id == version.pk and kept.payload["value"]["action"] == last["action"]
    case = Case.objects.of(shop).get(pk=last["case_id"])
    assert (case.payment_external_id, case.state, case.decision_id) == ("burst-9", "open", kept.id)
    assert case.customer.external_id == "c9"

    # The payment arrives as a fact; the board shows its case; a person's verdict becomes a label.
    fact = Payment.objects.create(
        shop=shop, external_id="burst-9", amount="80.00", currency="EUR", status="captured", device_id="fresh"
    )
    page = person("operator").get("/console/fraud/board/")
    assert case.pk in [line.case.pk for line in page.context["cases"]] and "burst-9" in page.content.decode()
    client.post("/console/fraud/board/", {"action": "confirm", "case": str(case.pk)})
    case.refresh_from_db()
    assert case.state == "confirmed" and case.decided_by.username == "operator"
    label = Label.objects.of(shop).get(task="fraud")
    assert (label.subject_type, label.subject_id, label.value, label.by) == (
        "payment", fact.pk, "fraud", case.decided_by,
    )  # fmt: skip
    assert Decision.objects.of(shop).get(kind="verdict").durable

    # The next training reads it, once the label delay is over.
    from datetime import timedelta

    from django.utils import timezone

    later = queries.learning_frames(shop, Window(None, timezone.now() + timedelta(days=8)))["transactions"]
    row = later.filter(transaction_id=fact.pk).row(0, named=True)
    assert row["is_fraud"] == 1 and row["known_at"] == label.at
