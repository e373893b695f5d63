"""Forecasts and proposals over the API: answers, fallbacks, refusals, the approval and its undoing."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from commerce_ai import registry
from commerce_ai.api import keys
from commerce_ai.decisions.models import Decision
from commerce_ai.decisions.proposals import AlreadyDecided, Refused
from commerce_ai.shop.models import (
    DemandForecast,
    Product,
    PurchaseOrder,
    PurchaseOrderLine,
    Shop,
    StockLevel,
    StockOutlook,
    Supplier,
)  # fmt: skip
from commerce_ai.shop.revision import bump, refresher
from plugins.inventory import exporting, service, tasks
from plugins.inventory.models import ReorderProposal
from tests.digits import too_long
from tests.inventory.conftest import today


@pytest.fixture
def ask(shop: Shop, client: Any) -> Any:
    key = keys.create_key(shop, "server", "secret")[1]

    def make(path: str, method: str = "GET", body: str | None = None, key: str = key, **query: Any) -> Any:
        refresher.poll()
        sent = {} if body is None else {"data": body, "content_type": "application/json"}
        headers = {"Authorization": f"Bearer {key}"}
        return client.generic(method, f"/api/v1/{path}", headers=headers, query_params=query, **sent)

    return make


def proposal(shop: Shop, product: str = "tea-11") -> ReorderProposal:
    return ReorderProposal.objects.of(shop).get(product__external_id=product)


def test_a_forecast_of_chosen_days(shop, ask, go_live):
    version = go_live(shop)
    first = today(shop) + timedelta(days=3)
    answer = ask("forecasts", product_id="tea-3", **{"from": first, "to": first + timedelta(days=1)}).json()
    assert [day["date"] for day in answer["days"]] == [f"{first}", f"{first + timedelta(days=1)}"]
    assert answer["version"] == f"inventory.demand v{version.pk}" and not answer["fallback"] and answer["stored"]
    row = DemandForecast.objects.of(shop).get(product__external_id="tea-3", day=first)
    assert answer["days"][0]["q90"] == round(row.q90, 4) and row.planned_price == Decimal(8)


def test_no_figure_of_an_answer_has_more_digits_than_anybody_reads(shop, ask, go_live):
    go_live(shop)
    forecast, orders = ask("forecasts", product_id="tea-3").json(), ask("reorder-proposals").json()
    assert not too_long(forecast) and orders["results"] and not too_long(orders)
    assert all(each["expected_gain"] is None or each["expected_gain"][-3] == "." for each in orders["results"])
    Shop.objects.filter(pk=shop.pk).update(currency="JPY")
    bump("settings", shop)
    gains = [each["expected_gain"] for each in ask("reorder-proposals").json()["results"] if each["expected_gain"]]
    assert gains and not any("." in each for each in gains)


def test_days_beyond_the_horizon_and_the_emergency_switch_get_the_average(shop, ask, go_live):
    go_live(shop)
    far = today(shop) + timedelta(days=100)
    assert ask("forecasts", product_id="tea-3", **{"from": far}).json()["fallback"]
    registry.save_settings(shop, "inventory", {**_plain(shop), "ma28_only": True})
    answer = ask("forecasts", product_id="tea-3").json()
    assert answer["fallback"] and "switched" in answer["fallback_reason"]
    assert answer["reasons"][0]["code"] == "moving_average"


def test_days_that_are_over_are_left_out_whoever_answers(shop, ask):
    now = today(shop)
    answer = ask("forecasts", product_id="tea-3", **{"from": now - timedelta(days=3), "to": now + timedelta(days=1)})
    assert [day["date"] for day in answer.json()["days"]] == [f"{now}", f"{now + timedelta(days=1)}"]


@pytest.mark.parametrize(
    ("path", "query", "status", "field"),
    [
        ("forecasts", {"product_id": "tea-1", "from": "9999-12-31"}, 400, "from"),
        ("forecasts", {"product_id": "tea-1", "to": "2020-01-02"}, 400, "to"),
        ("forecasts", {}, 400, "product_id"),
        ("forecasts", {"product_id": "nothing"}, 404, "product_id"),
        ("forecasts", {"product_id": "tea-1", "from": "soon"}, 400, "from"),
        ("forecasts", {"product_id": "tea-1", "from": "2026-02-02", "to": "2026-02-01"}, 400, "to"),
        ("reorder-proposals", {"state": "lost"}, 400, "state"),
        ("reorder-proposals", {"cursor": "x"}, 400, "cursor"),
        ("reorder-proposals", {"limit": "0"}, 400, "limit"),
    ],
)
def test_what_is_wrong_is_named(shop, ask, path, query, status, field):
    response = ask(path, **query)
    assert response.status_code == status and response.json()["errors"][0]["field"] == field


def test_proposals_page_by_cursor(shop, ask, go_live):
    go_live(shop)
    found, cursor = [], ""
    while cursor is not None:
        page = ask("reorder-proposals", limit=4, cursor=cursor).json()
        assert len(page["results"]) <= 4
        found, cursor = found + [row["product_id"] for row in page["results"]], page["next"]
    assert sorted(found) == sorted(f"tea-{n}" for n in range(1, 12, 2))


def test_approving_needs_its_scope_a_quantity_and_an_open_proposal(shop, ask, go_live):
    go_live(shop)
    row = proposal(shop)
    path = f"reorder-proposals/{row.pk}/approve"
    weak = keys.create_key(shop, "reader", "secret", scopes=["decide"])[1]
    assert ask(path, "POST", "{}", key=weak).status_code == 403
    for bad in ('{"quantity": "0"}', '{"quantity": "1.2345"}', '{"quantity": "many"}', '{"amount": 3}'):
        assert ask(path, "POST", bad).status_code == 400, bad
    assert ask("reorder-proposals/999999/approve", "POST", "{}").status_code == 404
    service.reject(row)
    refused = ask(path, "POST", "{}")
    assert refused.status_code == 409 and "rejected" in refused.json()["message"]
    assert not PurchaseOrder.objects.of(shop).exists()


def test_approving_twice_orders_once(shop, ask, go_live):
    go_live(shop)
    path = f"reorder-proposals/{proposal(shop).pk}/approve"
    first, again = ask(path, "POST", "{}").json(), ask(path, "POST", "{}").json()
    assert first["decision_id"] == again["decision_id"] and first["proposal"] == again["proposal"]
    assert PurchaseOrderLine.objects.of(shop).count() == 1
    assert Decision.objects.of(shop).filter(kind="reorder", durable=True).count() == 1
    assert ask(path, "POST", '{"quantity": "7"}').status_code == 409


def test_approvals_of_a_day_share_a_draft_until_it_is_placed(shop, go_live):
    go_live(shop)
    for n in (1, 3):
        service.approve(proposal(shop, f"tea-{n}"))
    order = PurchaseOrder.objects.of(shop).get()
    assert PurchaseOrderLine.objects.of(shop).filter(purchase_order=order).count() == 2
    PurchaseOrder.objects.of(shop).update(status="placed")
    service.approve(proposal(shop, "tea-5"))
    assert PurchaseOrder.objects.of(shop).count() == 2
    with pytest.raises(Refused, match="placed already"):
        service.undo(proposal(shop, "tea-1"))


def test_undoing_takes_the_line_and_an_empty_order_away(shop, go_live):
    go_live(shop)
    row = proposal(shop)
    service.approve(row, quantity=Decimal(10))
    row.refresh_from_db()
    service.undo(row)
    assert not PurchaseOrder.objects.of(shop).exists() and proposal(shop).state == "undone"
    with pytest.raises(AlreadyDecided):
        service.undo(proposal(shop))


def test_a_supplier_who_left_is_refused_and_nothing_is_kept(shop, go_live):
    go_live(shop)
    Supplier.objects.of(shop).update(active=False)
    with pytest.raises(Refused, match="not active"):
        service.approve(proposal(shop))
    assert proposal(shop).decision_id is None and not Decision.objects.of(shop).filter(kind="reorder").exists()


def test_the_hourly_look_follows_the_stock_and_keeps_what_was_edited(shop, go_live):
    go_live(shop)
    service.edit(proposal(shop, "tea-11"), Decimal(77))
    StockLevel.objects.of(shop).filter(product__external_id="tea-9").update(on_hand=5000)
    StockLevel.objects.of(shop).filter(product__external_id="tea-8").update(on_hand=0)
    assert tasks.look(shop.pk) == "6 proposals are open"
    assert proposal(shop, "tea-11").quantity == 77 and proposal(shop, "tea-9").state == "expired"
    sold_out = StockOutlook.objects.of(shop).get(product__external_id="tea-8")
    assert (sold_out.days_of_cover, sold_out.stock_out_on) == (0, today(shop))
    assert proposal(shop, "tea-8").order_by == today(shop)


def test_publishing_again_replaces_all_rows(shop, go_live):
    go_live(shop)
    gone = Product.objects.of(shop).get(external_id="tea-0")
    PurchaseOrderLine.objects.of(shop).filter(product=gone).delete()
    second = go_live(shop)
    assert set(DemandForecast.objects.of(shop).values_list("version_id", flat=True)) == {second.pk}
    assert DemandForecast.objects.of(shop).count() == 12 * 28
    assert ReorderProposal.objects.of(shop).filter(state="proposed").count() == 6


def test_cells_of_the_csv_are_no_formulas(shop, go_live):
    go_live(shop)
    Product.objects.of(shop).filter(external_id="tea-11").update(title='=HYPERLINK("http://x";"y")')
    rows = ReorderProposal.objects.of(shop).select_related("product", "supplier", "location").order_by("pk")
    lines = list(csv.reader(io.StringIO(exporting.csv_of(rows))))
    assert lines[0] == list(exporting.COLUMNS) and len(lines) == 7
    assert lines[-1][3] == '\'=HYPERLINK("http://x";"y")'
    assert [exporting.safe(each) for each in ("+1", "-1", "@a", "\ta", " =1", "a=1")] == [
        "'+1", "'-1", "'@a", "'\ta", "' =1", "a=1",
    ]  # fmt: skip


def _plain(shop: Shop) -> dict[str, Any]:
    import dataclasses

    return dataclasses.asdict(registry.settings_for(shop.pk, "inventory"))
