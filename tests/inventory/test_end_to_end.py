"""Facts in over HTTP, a training in this process, the gate, forecasts, a proposal, its approval, the order, the board."""

from __future__ import annotations

import json
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from django.test import Client

from commerce_ai import registry
from commerce_ai.api import keys
from commerce_ai.decisions.models import Decision
from commerce_ai.learning import leases
from commerce_ai.learning.attempt import execute
from commerce_ai.learning.models import Run, Version
from commerce_ai.learning.runs import request_run
from commerce_ai.shop.models import (
    DemandForecast,
    Product,
    PurchaseOrder,
    PurchaseOrderLine,
    Shop,
    ShopMember,
    StockOutlook,
    Supplier,
    SupplierProduct,
)  # fmt: skip
from commerce_ai.shop.revision import refresher
from plugins.inventory.forms import SLOT
from tests.inventory.conftest import today

PRODUCTS, DAYS = 12, 91


@pytest.fixture
def shop(db: None, settings: Any, tmp_path: Path) -> Shop:
    settings.VAR_DIR = tmp_path
    made = Shop.objects.create(slug="deli", name="Deli", currency="EUR", timezone="Europe/Berlin")
    registry.switch(made, "inventory", True)
    return made


@pytest.fixture
def call(shop: Shop, client: Client) -> Any:
    key = keys.create_key(shop, "server", "secret")[1]

    def make(method: str, path: str, body: Any = None, **query: Any) -> Any:
        refresher.poll()
        sent = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        headers = {"Authorization": f"Bearer {key}"}
        response = client.generic(method, path, headers=headers, query_params=query, **sent)
        assert response.status_code in (200, 201), response.content
        return response.json()

    return make


def orders(shop: Shop) -> list[dict[str, Any]]:
    """An order a day: a level that rose five weeks ago, with busy Saturdays, which the average of four weeks misses."""
    rng = np.random.default_rng(3)
    found = []
    for back in range(DAYS, 0, -1):
        day = today(shop) - timedelta(days=back)
        pace = np.linspace(0.5, 6, PRODUCTS) * (3.0 if day.weekday() == 5 else 0.7)
        lines = [
            {"product_id": f"tea-{n}", "quantity": str(units), "unit_price": "8.00"}
            for n, units in enumerate(rng.poisson(pace))
            if units
        ]
        if lines:
            placed = datetime.combine(day, time(12), shop.tz).isoformat()
            found.append({"external_id": f"o-{back}", "placed_at": placed, "total": "8.00", "lines": lines})
    return found


def test_from_sales_to_a_purchase_order_on_the_board(
    shop: Shop, call: Any, client: Client, django_user_model: Any
) -> None:
    # Facts.
    rows = [{"external_id": f"tea-{n}", "title": f"Tea {n}", "price": "8.00", "cost": "3.00"} for n in range(PRODUCTS)]
    call("POST", "/api/v1/products/bulk", {"rows": rows})
    call("POST", "/api/v1/orders/bulk", {"rows": orders(shop)})
    levels = [{"product_id": f"tea-{n}", "on_hand": "3" if n % 2 else "4000"} for n in range(PRODUCTS)]
    call("POST", "/api/v1/stock/bulk", {"rows": levels})
    farm = Supplier.objects.create(shop=shop, external_id="farm", name="Farm", lead_time_days=5, order_multiple=6)
    for product in Product.objects.of(shop):
        SupplierProduct.objects.create(shop=shop, product=product, supplier=farm, unit_cost="3.00")

    # Before any training: the moving average, and it says so; nothing is proposed.
    before = call("GET", "/api/v1/forecasts", product_id="tea-11")
    assert before["fallback"] and before["version"] is None and len(before["days"]) == 28
    assert len({day["mean"] for day in before["days"]}) == 1 and before["days"][0]["mean"] > 3
    assert call("GET", "/api/v1/reorder-proposals")["results"] == []

    # Training, gate, version.
    run = request_run(shop, SLOT, {"rounds": 40, "origins": 3}, wake=False)
    ended = execute(leases.claim("test", run.pk))
    assert ended.state == Run.State.SUCCEEDED, ended.reason
    version = Version.objects.of(shop).get(slot=SLOT, state=Version.State.LIVE)
    assert version.metrics["scaled_pinball"] <= version.baseline["scaled_pinball"]
    assert version.published_at is not None, version.publish_error

    # What it published.
    assert DemandForecast.objects.of(shop).count() == PRODUCTS * 28
    soon = StockOutlook.objects.of(shop).get(product__external_id="tea-11")
    late = StockOutlook.objects.of(shop).get(product__external_id="tea-10")
    assert soon.days_of_cover < 5 < late.days_of_cover and soon.stock_out_probability > 0.9
    assert late.stock_out_probability < 0.01

    # The forecast over the API, and the decision behind it: Saturdays are busy.
    answer = call("GET", "/api/v1/forecasts", product_id="tea-11")
    assert not answer["fallback"] and answer["version"] == f"inventory.demand v{version.pk}"
    assert answer["days"][0]["date"] == today(shop).isoformat()
    assert all(day["q05"] <= day["q50"] <= day["q95"] for day in answer["days"])
    assert Decision.objects.of(shop).get(id=UUID(answer["decision_id"])).version_id == version.pk

    # A proposal, approved with another quantity.
    waiting = call("GET", "/api/v1/reorder-proposals")["results"]
    assert {row["product_id"] for row in waiting} == {f"tea-{n}" for n in range(1, PRODUCTS, 2)}
    first = next(row for row in waiting if row["product_id"] == "tea-11")
    assert float(first["quantity"]) % 6 == 0 and float(first["expected_gain"]) > 0
    assert {reason["code"] for reason in first["reasons"]} >= {"below_reorder_point", "cover"}
    path = f"/api/v1/reorder-proposals/{first['id']}/approve"
    approved = call("POST", path, {"quantity": "120"})
    assert approved["proposal"]["state"] == "approved" and approved["stored"]
    line = PurchaseOrderLine.objects.of(shop).get()
    assert (line.product.external_id, line.quantity, line.purchase_order.supplier) == ("tea-11", 120, farm)
    assert line.purchase_order.status == PurchaseOrder.Status.DRAFT
    kept = Decision.objects.of(shop).get(id=UUID(approved["decision_id"]))
    assert kept.durable and kept.version_id == version.pk and kept.payload["value"] == "120"

    # The board.
    user = django_user_model.objects.create_user("owner", password="x", is_staff=True)
    ShopMember.objects.create(shop=shop, user=user, role="owner")
    client.force_login(user)
    page = client.get("/console/inventory/board/", {"product": "tea-11"})
    assert page.status_code == 200
    assert len(page.context["proposals"]) == len(waiting) - 1
    figures = {str(card.title): card.value for card in page.context["cards"]}
    assert figures["Orders proposed"] == str(len(waiting) - 1)
    chart = page.context["chart"]
    assert chart.series[1].values[-1] is not None and chart.series[1].high[-1] >= chart.series[1].low[-1]
    assert "reorder-" in page.content.decode()
