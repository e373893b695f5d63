"""Orders with a known answer to price, a training, the gate, facts, proposals, an approval, the price, the board."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone

from commerce_ai.decisions.models import Decision
from commerce_ai.learning import leases
from commerce_ai.learning.attempt import execute
from commerce_ai.learning.models import Run, Version
from commerce_ai.learning.runs import request_run
from commerce_ai.shop.models import (
    PriceChange,
    PricePlan,
    PriceResponse,
    Product,
    Promotion,
    PromotionProduct,
    Shop,
    ShopMember,
)
from commerce_ai.shop.revision import refresher
from tests.pricing.conftest import LEARNER, write_sales
from tests.pricing.frames import MONDAY, TRUE, sales

pytestmark = pytest.mark.slow


def write_promotions(shop: Shop, goods: list[Product], end: Any) -> None:
    frame = sales(8, 80)
    from datetime import timedelta

    for row in frame.filter(frame["promotion"] > 0).iter_rows(named=True):
        begin = end - timedelta(weeks=80) + (row["period"] - MONDAY)
        made = Promotion.objects.create(
            shop=shop, external_id=f"x{row['product_id']}-{row['period']}", name="Offer", kind="display",
            starts_at=begin, ends_at=begin + timedelta(days=7),
        )  # fmt: skip
        PromotionProduct.objects.create(shop=shop, promotion=made, product=goods[row["product_id"] - 1])


def test_from_orders_to_a_price_on_the_board(
    shop: Shop, goods: list[Product], call: Any, client: Client, django_user_model: Any
) -> None:
    # Before any training: the catalogue's prices, and it says so.
    first = call("GET", "prices", product_id="P0")
    assert first["fallback"] and first["prices"][0]["price"] == "4.00"

    # Facts.
    write_promotions(shop, goods, write_sales(shop, goods))

    # Training, gate, version, published facts.
    run = request_run(shop, LEARNER, {"nuisance": "linear"}, wake=False)
    ended = execute(leases.claim("test", run.pk))
    assert ended.state == Run.State.SUCCEEDED, ended.reason
    version = Version.objects.of(shop).get(slot=LEARNER, state=Version.State.LIVE)
    assert version.metrics["rmse_log_units"] < version.baseline["rmse_log_units"]
    assert not version.publish_error
    responses = {each.product_id: each for each in PriceResponse.objects.of(shop)}
    assert len(responses) == 8
    for each in goods:
        row = responses[each.pk]
        assert row.elasticity == pytest.approx(TRUE[each.category], abs=0.6)
        assert row.low < row.elasticity < row.high and row.version_id == version.pk
        assert row.pooled_with == each.category

    # Proposals: bread (−1.5) is too cheap at a cost of 60 %, tea (−3) is dear enough.
    listed = call("GET", "prices/proposals")["results"]
    by_product = {each["product_id"]: each for each in listed}
    assert {"P1", "P3", "P5", "P7"} <= by_product.keys()
    bread = by_product["P1"]
    assert Decimal(bread["price"]) > Decimal(bread["current_price"]) and Decimal(bread["gain_low"]) > 0
    assert Decimal(bread["gain_low"]) <= Decimal(bread["expected_gain"]) <= Decimal(bread["gain_high"])
    assert Decision.objects.of(shop).get(id=UUID(bread["decision_id"])).durable

    # A simulation foretells the same.
    told = call("POST", "prices/simulate", {"products": [{"product_id": "P1", "price": bread["price"]}]})
    assert told["products"][0]["gain"]["value"] == pytest.approx(float(bread["expected_gain"]), abs=0.01)

    # Approved over the API: planned, carried out, answered.
    done = call("POST", "prices/proposals/approve", {"ids": [bread["id"], 10**9]})
    assert done["done"] == [bread["id"]] and done["refused"][0]["id"] == 10**9
    product = Product.objects.of(shop).get(external_id="P1")
    assert product.price == Decimal(bread["price"])
    plan = PricePlan.objects.of(shop).get(product=product)
    assert plan.price == product.price and plan.version_id == version.pk
    change = PriceChange.objects.of(shop).get(product=product)
    assert (change.price, change.previous_price) == (product.price, Decimal(bread["current_price"]))
    assert str(change.decision_id) == bread["decision_id"] and change.starts_at <= timezone.now()
    answer = call("GET", "prices", product_id="P1")
    assert answer["prices"][0]["price"] == bread["price"] and not answer["fallback"]
    kept = Decision.objects.of(shop).get(id=UUID(answer["decision_id"]))
    assert kept.durable and kept.version_id == version.pk and kept.payload["value"] == {"P1": bread["price"]}
    assert kept.customer_id is None and not kept.anonymous_id and not kept.session_id

    # The board: what waits is listed, what was approved can be undone.
    user = django_user_model.objects.create_user("owner", password="x", is_staff=True)
    ShopMember.objects.create(shop=shop, user=user, role="owner")
    client.force_login(user)
    refresher.poll()
    page = client.get("/console/pricing/board/")
    assert page.status_code == 200
    assert [line["proposal"].product.external_id for line in page.context["lines"]][0] in by_product
    assert bread["id"] in [each.pk for each in page.context["decided"]]
    assert sum(page.context["chart"].series[0].values) == 8
    assert client.post("/console/pricing/board/", {"action": "undo", "chosen": [bread["id"]]}).status_code == 302
    product.refresh_from_db()
    assert product.price == Decimal(bread["current_price"]) and not PricePlan.objects.of(shop).exists()
