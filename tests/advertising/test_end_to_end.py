"""Facts in over HTTP, trainings, the gate, live versions, a decision, an audience and its export, the board."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from django.test import Client
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.api import keys
from commerce_ai.decisions.models import Decision
from commerce_ai.learning import leases
from commerce_ai.learning.attempt import execute
from commerce_ai.learning.models import Run, Version
from commerce_ai.learning.runs import request_run
from commerce_ai.shop import bulk, consent
from commerce_ai.shop.consent import Purpose
from commerce_ai.shop.models import Campaign, Customer, CustomerScore, Order, Shop, ShopMember
from commerce_ai.shop.revision import refresher
from plugins.advertising import worth
from plugins.advertising.models import AudienceExport, UpliftScore

CUSTOMERS = 800
KEY = ("shop", "external_id")


@pytest.fixture
def call(shop: Shop, client: Client) -> Any:
    key = keys.create_key(shop, "server", "secret")[1]

    def make(method: str, path: str, body: Any = None) -> Any:
        refresher.poll()
        sent = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        response = client.generic(method, path, headers={"Authorization": f"Bearer {key}"}, **sent)
        assert response.status_code in (200, 201), response.content
        return response.json() if response["Content-Type"] == "application/json" else response.content

    return make


def facts(shop: Shop, at: datetime) -> list[dict[str, Any]]:
    """A year of orders; then a campaign that makes half of those it reaches in Austria order, and nobody in Germany."""
    random = np.random.default_rng(3)
    names = [f"c{n}" for n in range(CUSTOMERS)]
    rows = [
        (shop.pk, name, f"{name}@example.org", "AT" if n % 2 else "DE", at - timedelta(days=400))
        for n, name in enumerate(names)
    ]
    bulk.upsert(Customer, ("shop", "external_id", "email", "country", "created_at"), rows, key=KEY)
    ids = bulk.resolve(Customer, shop, names)
    orders, contacted = [], []
    for n, name in enumerate(names):
        day = float(random.random() * 200)
        while day < 300:  # every customer has a rate and leaves one day
            orders.append((ids[name], at - timedelta(days=340 - day)))
            if random.random() < 0.25:
                break
            day += float(random.exponential(60))
        treated = bool(random.random() < 0.5)
        sent = at + timedelta(minutes=n)
        contacted.append({"campaign_id": "spring", "customer_id": name, "treated": treated, "at": sent.isoformat()})
        if random.random() < (0.55 if treated and n % 2 else 0.05):
            orders.append((ids[name], sent + timedelta(days=3)))
    orders = [
        (shop.pk, f"o{n}", customer, "EUR", 40 + n % 20, placed, "paid") for n, (customer, placed) in enumerate(orders)
    ]
    bulk.upsert(Order, ("shop", "external_id", "customer", "currency", "total", "placed_at", "status"), orders, key=KEY)
    return contacted


def train(shop: Shop, learner: str) -> Version:
    run = request_run(shop, learner, wake=False)
    ended = execute(leases.claim("test", run.pk))
    assert ended.state == Run.State.SUCCEEDED, ended.reason
    version = Version.objects.of(shop).get(slot=learner, state=Version.State.LIVE)
    assert version.published_at and not version.publish_error, version.publish_error
    refresher.poll()
    return version


def test_from_a_campaign_with_a_control_group_to_a_hashed_audience(
    shop: Shop, campaign: Campaign, call: Any, client: Client, django_user_model: Any, tmp_path: Path, configure: Any
) -> None:
    # Facts: orders, and who was reached or left alone thirty days ago.
    contacted = facts(shop, timezone.now() - timedelta(days=30))
    run = request_run(shop, "advertising.uplift", wake=False)
    assert execute(leases.claim("test", run.pk)).state == Run.State.SKIPPED, "nothing to learn from yet"
    assert call("POST", "/api/v1/ads/assignments", {"rows": contacted})["created"] == CUSTOMERS
    assert call("POST", "/api/v1/ads/decide", {"customer_id": "c1"})["fallback"]

    # Trainings, the gate, versions, and what they publish. One refused profiling.
    consent.record(
        shop, customer=Customer.objects.of(shop).get(external_id="c1"), purpose=Purpose.PERSONALISATION, granted=False,
        source="test",
    )  # fmt: skip
    uplift, value = train(shop, "advertising.uplift"), train(shop, "advertising.value")
    assert uplift.metrics["qini_auc"] > max(0, uplift.baseline["qini_auc_response"])
    assert uplift.explanation["twin"]["metric"] == "qini_auc" and uplift.explanation["curves"]
    assert value.metrics["rmse_orders"] < value.baseline["rmse_orders"]
    assert UpliftScore.objects.of(shop).count() == 2 * (CUSTOMERS - 1)
    assert CustomerScore.objects.of(shop).count() == CUSTOMERS - 1
    assert not CustomerScore.objects.of(shop).filter(customer__external_id="c1").exists()

    # A decision: Austrians are shown the campaign, Germans are left alone.
    worth.forget_all()
    configure(explore_percent=1)
    answers = {n: call("POST", "/api/v1/ads/decide", {"customer_id": f"c{n}"}) for n in (3, 5, 7, 9, 2, 4, 6, 8)}
    by_gain = {n: each for n, each in answers.items() if not each["reasons"][0]["code"].endswith("by_chance")}
    assert len(by_gain) >= 6 and all(each["version"] == f"advertising.uplift v{uplift.pk}" for each in by_gain.values())
    assert sum((each["campaign"] is not None) == (n % 2 == 1) for n, each in by_gain.items()) >= len(by_gain) - 1
    shown = next(each for each in by_gain.values() if each["campaign"])
    kept = Decision.objects.of(shop).get(id=UUID(shown["decision_id"]))
    assert kept.version_id == uplift.pk and kept.arm == "shown" and kept.payload["value"] == "spring"
    assert call("POST", "/api/v1/ads/decide", {"customer_id": "c1"})["fallback"], "c1 refused personalisation"

    # An audience, and its export: who refused ads since then is not in it.
    built = call("POST", "/api/v1/audiences", {"name": "Best", "campaign_id": "spring", "top_share": 0.4})
    assert 250 < built["size"] <= 320 and built["extra_orders"] > 50
    before = call("GET", f"/api/v1/audiences/{built['id']}/export")
    member = UpliftScore.objects.of(shop).order_by("-uplift").first().customer
    consent.record(shop, customer=member, purpose=Purpose.ADS, granted=False, source="test")
    after = call("GET", f"/api/v1/audiences/{built['id']}/export")
    rows = [list(csv.reader(io.StringIO(file.decode()))) for file in (before, after)]
    assert len(rows[0]) == len(rows[1]) + 1 == built["size"] + 1
    assert [each.without_consent for each in AudienceExport.objects.of(shop).order_by("pk")] == [0, 1]

    # The board.
    user = django_user_model.objects.create_user("owner", password="x", is_staff=True)
    ShopMember.objects.create(shop=shop, user=user, role="owner")
    client.force_login(user)
    page = client.get("/console/advertising/board/")
    [line] = page.context["campaigns"]
    assert line.shown >= 1 and line.persuadable > 100 and line.extra_orders > 50
    assert sum(each["customers"] for each in page.context["segments"]) <= CUSTOMERS - 1
    assert page.context["audiences"][0].size == built["size"]
    figures = {str(card.title): card.value for card in page.context["cards"]}
    assert figures["Live uplift model"] == f"{uplift.metrics['qini_auc']:.3f}"
    assert registry.plugin("advertising").health(shop) == []
