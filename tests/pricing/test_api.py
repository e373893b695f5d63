"""The routes: prices, simulations, proposals and decisions on them; what is refused, and that nobody has a price alone."""

from __future__ import annotations

import itertools
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.api import keys
from commerce_ai.api.hot_schema import hot_routes
from commerce_ai.decisions.models import Decision
from commerce_ai.shop.models import PriceChange, PricePlan, PriceResponse, Product, Shop
from commerce_ai.shop.revision import refresher
from plugins.pricing import service, tasks
from plugins.pricing.models import PriceProposal
from tests.digits import too_long
from tests.factories import ProductFactory, ShopFactory
from tests.pricing.conftest import SETTINGS


def save(shop: Shop, **changes: Any) -> None:
    registry.save_settings(shop, "pricing", {**SETTINGS, **changes})
    refresher.poll()


@pytest.fixture
def proposal(shop: Shop, goods: list[Product], go_live: Any) -> PriceProposal:
    go_live()
    return PriceProposal.objects.of(shop).open().filter(product__category="bread").first()


def test_without_a_version_the_catalogue_answers_and_says_so(goods, call):
    answer = call("GET", "prices/now", product_id=["P0", "P1"])
    assert [each["price"] for each in answer["prices"]] == ["4.00", "5.00"] and answer["currency"] == "EUR"
    assert answer["fallback"] and "No version is live" in answer["fallback_reason"] and answer["version"] is None
    told = call("POST", "prices/simulate", {"products": [{"product_id": "P1", "percent": 5}]})
    assert told["fallback"] and told["products"][0]["units"] is None and told["products"][0]["price"] == "5.25"


def test_the_cores_price_routes_stay(goods, call):
    listed = call("GET", "prices")
    assert {each["product_id"] for each in listed["results"]} == {f"P{n}" for n in range(8)} and "next" in listed
    assert call("PUT", "prices/P1", {"price": "5.50"})["price"] == "5.50"
    assert call("GET", "prices/P1")["price"] == "5.50"
    assert call("GET", "prices", product_id="P1")["prices"][0]["price"] == "5.50"


def test_no_route_takes_a_customer(proposal, call):
    """Prices never depend on who asks: there is no field for it, and one that is sent is refused."""
    ours = [route for path, route in hot_routes() if route.plugin == "pricing"]
    assert len(ours) == 6
    for route in ours:
        for struct in filter(None, (route.query, route.body)):
            names = {each.name for each in msgspec.structs.fields(struct)}
            assert not names & {"customer_id", "customer_token", "anonymous_id", "session_id", "segment"}
            assert struct.__struct_config__.forbid_unknown_fields
    refused = call("GET", "prices", status=400, product_id="P1", customer_id="c1")
    assert "customer_id" in str(refused["errors"])
    body = {"products": [{"product_id": "P1", "percent": 1, "customer_id": "c1"}]}
    assert "customer_id" in str(call("POST", "prices/simulate", body, status=400)["errors"])
    assert not {name for name in registry.default_settings("pricing").__dataclass_fields__ if "person" in name}


def test_unknown_products_and_bad_prices_are_named(proposal, call, shop):
    ProductFactory(shop=ShopFactory(), external_id="THEIRS")
    assert call("GET", "prices", status=404, product_id="THEIRS")["errors"][0]["field"] == "product_id"
    wrong = [
        ({"product_id": "P1"}, "products.1.price"),
        ({"product_id": "P1", "price": "x"}, "products.1.price"),
        ({"product_id": "P1", "price": "-1"}, "products.1.price"),
        ({"product_id": "P1", "price": "NaN"}, "products.1.price"),
        ({"product_id": "P1", "percent": -100}, "products.1.percent"),
    ]
    for row, field in wrong:
        body = {"products": [{"product_id": "P0", "percent": 1}, row]}
        assert call("POST", "prices/simulate", body, status=400)["errors"][0]["field"] == field
    missing = call("POST", "prices/simulate", {"products": [{"product_id": "THEIRS", "percent": 1}]}, status=404)
    assert missing["errors"][0]["field"] == "products"
    assert call("GET", "prices/proposals", status=400, state="open")["errors"][0]["field"] == "state"


def test_a_simulation_says_what_to_expect_with_its_interval(proposal, call):
    told = call("POST", "prices/simulate", {"products": [
        {"product_id": "P1", "percent": 10}, {"product_id": "P0", "percent": 10}]})  # fmt: skip
    bread, tea = told["products"]
    assert not told["fallback"] and told["version"].startswith("pricing.elasticity v")
    for each in (bread, tea):
        for name in ("units", "revenue", "margin", "gain"):
            assert each[name]["low"] <= each[name]["value"] <= each[name]["high"]
    assert bread["gain"]["value"] > 0 > tea["gain"]["value"]
    assert tea["revenue"]["value"] == pytest.approx(tea["units"]["value"] * float(tea["price"]), abs=0.01)
    digits = {"units": 3, "revenue": 2, "margin": 2, "gain": 2, "elasticity": 4}
    for each, (name, most) in itertools.product((bread, tea), digits.items()):
        assert all(round(figure, most) == figure for figure in each[name].values()), (name, each[name])
    lower = call("POST", "prices/simulate", {"products": [{"product_id": "P1", "price": "4.00"}]})["products"][0]
    assert lower["prior_price"] == "5.00"
    assert [each["code"] for each in lower["reasons"]] == ["elasticity", "outside_guard_rails"]


def test_no_figure_of_an_answer_has_more_digits_than_anybody_reads(proposal, call):
    told = call("POST", "prices/simulate", {"products": [{"product_id": f"P{n}", "percent": 7.3} for n in range(8)]})
    assert not too_long(told) and not too_long(call("GET", "prices/proposals"))
    kept = Decision.objects.of(proposal.shop_id).filter(plugin="pricing", kind="price proposal").first()
    assert kept is not None and not too_long(kept.payload)


def test_where_money_has_no_smaller_unit_no_digits_are_shown(proposal, shop, call):
    Shop.objects.filter(pk=shop.pk).update(currency="JPY")
    refresher.poll()
    [told] = call("POST", "prices/simulate", {"products": [{"product_id": "P1", "price": "6"}]})["products"]
    assert all(figure == round(figure) for name in ("revenue", "margin", "gain") for figure in told[name].values())


def test_warm_prices_read_nothing_from_postgres(proposal, shop, call):
    call("GET", "prices", product_id="P1")
    with CaptureQueriesContext(
        connection,
    ) as seen:
        service.prices(shop.pk, ["P1", "P2"])
    assert all("decisions_decision" in each["sql"] or "SAVEPOINT" in each["sql"] for each in seen.captured_queries)


def test_a_planned_price_holds_from_its_day_on(proposal, shop, call):
    today = proposal.today()
    PriceProposal.objects.of(shop).filter(pk=proposal.pk).update(starts_on=today + timedelta(days=1))
    call("POST", "prices/proposals/approve", {"ids": [proposal.pk]})
    name, current = proposal.product.external_id, f"{proposal.current_price:.2f}"
    assert call("GET", "prices", product_id=name)["prices"][0]["price"] == current
    assert PricePlan.objects.of(shop).get().starts_on == today + timedelta(days=1)
    assert not PriceChange.objects.of(shop).exists() and tasks.carry_out(shop.pk) == 0
    # The day has come, and the job has not run yet.
    PriceProposal.objects.of(shop).filter(pk=proposal.pk).update(starts_on=today)
    service.plans_of.__self__.forget_all()
    [answer] = call("GET", "prices", product_id=name)["prices"]
    assert (answer["source"], answer["price"], answer["proposal_id"]) == ("plan", f"{proposal.price:.2f}", proposal.pk)
    assert tasks.carry_out(shop.pk) == 1 and tasks.carry_out(shop.pk) == 0
    [answer] = call("GET", "prices", product_id=name)["prices"]
    assert (answer["source"], answer["price"]) == ("catalogue", f"{proposal.price:.2f}")


def test_a_persons_price_is_never_overwritten(proposal, shop, call):
    name = proposal.product.external_id
    call("PUT", f"prices/{name}", {"price": "5.55"})
    [refused] = call("POST", "prices/proposals/approve", {"ids": [proposal.pk]})["refused"]
    assert "changed since" in refused["message"] and PriceProposal.objects.get(pk=proposal.pk).state == "proposed"
    other = PriceProposal.objects.of(shop).open().exclude(pk=proposal.pk).first()
    PriceProposal.objects.of(shop).filter(pk=other.pk).update(starts_on=other.today() + timedelta(days=3))
    call("POST", "prices/proposals/approve", {"ids": [other.pk]})
    call("PUT", f"prices/{other.product.external_id}", {"price": "1.23"})
    PriceProposal.objects.of(shop).filter(pk=other.pk).update(starts_on=other.today())
    assert tasks.carry_out(shop.pk) == 0
    other.refresh_from_db()
    assert other.state == "undone" and other.reasons[-1]["code"] == "not_carried_out"
    assert Product.objects.get(pk=other.product_id).price == Decimal("1.23")


def test_decisions_are_made_once_and_kept(proposal, shop, call):
    done = call("POST", "prices/proposals/reject", {"ids": [proposal.pk]})
    assert done["done"] == [proposal.pk] and not done["refused"]
    again = call("POST", "prices/proposals/approve", {"ids": [proposal.pk]})
    assert not again["done"] and "rejected" in again["refused"][0]["message"]
    kept = Decision.objects.of(shop).get(pk=done["decision_id"])
    assert kept.durable and kept.kind == "reject" and kept.payload["value"]["done"] == [proposal.pk]
    assert PriceProposal.objects.get(pk=proposal.pk).decided_by_key is not None
    rejected = call("GET", "prices/proposals", state="rejected")["results"]
    assert [each["id"] for each in rejected] == [proposal.pk]
    assert call("GET", "prices/proposals", product_id=proposal.product.external_id)["results"] == []


def test_undoing_puts_the_price_before_back(proposal, shop, call):
    call("POST", "prices/proposals/approve", {"ids": [proposal.pk]})
    call("POST", "prices/proposals/undo", {"ids": [proposal.pk]})
    name = proposal.product.external_id
    assert call("GET", "prices", product_id=name)["prices"][0]["price"] == f"{proposal.current_price:.2f}"
    prices = PriceChange.objects.of(shop).order_by("starts_at").values_list("price", flat=True)
    assert list(prices) == [proposal.price, proposal.current_price] and not PricePlan.objects.of(shop).exists()


def test_lists_page_by_cursor(proposal, shop, call):
    everything = {each.pk for each in PriceProposal.objects.of(shop).open()}
    seen, cursor = set(), ""
    while True:
        answer = call("GET", "prices/proposals", limit=1, cursor=cursor)
        seen |= {each["id"] for each in answer["results"]}
        if not (cursor := answer["next"]):
            break
    assert seen == everything and len(seen) >= 2


def test_rights_are_needed(proposal, shop, client):
    reader = keys.create_key(shop, "reader", "secret", scopes=["decide"])[1]
    refresher.poll()
    answer = client.post(
        "/api/v1/prices/proposals/approve", {"ids": [proposal.pk]}, content_type="application/json",
        headers={"Authorization": f"Bearer {reader}"},
    )  # fmt: skip
    assert answer.status_code == 403 and "prices:write" in answer.json()["detail"]
    registry.switch(shop, "pricing", False)
    refresher.poll()
    off = client.get("/api/v1/prices/proposals", headers={"Authorization": f"Bearer {reader}"})
    assert off.status_code == 404


def test_the_emergency_switch_leaves_the_catalogue(proposal, shop, call):
    PriceProposal.objects.of(shop).filter(pk=proposal.pk).update(state="approved", starts_on=proposal.today())
    save(shop, catalogue_only=True)
    answer = call("GET", "prices", product_id=proposal.product.external_id)
    assert answer["fallback"] and "catalogue prices only" in answer["fallback_reason"]
    assert answer["prices"][0]["source"] == "catalogue"
    assert tasks.carry_out(shop.pk) == 0 and tasks.publish(shop.pk) == 0


def test_a_training_replaces_open_proposals_and_rests_after_a_decision(proposal, shop, go_live):
    before = set(PriceProposal.objects.of(shop).open().values_list("product_id", flat=True))
    proposal.reject()
    version = go_live()
    after = PriceProposal.objects.of(shop).open()
    assert set(after.values_list("product_id", flat=True)) == before - {proposal.product_id}
    assert set(after.values_list("version_id", flat=True)) == {version.pk}
    assert set(PriceResponse.objects.of(shop).values_list("version_id", flat=True)) == {version.pk}
    assert PriceProposal.objects.of(shop).filter(state="expired").exists()


def test_proposals_keep_the_settings(shop, goods, go_live):
    save(shop, ending=".99", max_step_percent=30.0)
    Product.objects.of(shop).filter(external_id="P3").update(cost=None)
    go_live()
    found = list(PriceProposal.objects.of(shop).open())
    assert found and all(each.price % 1 == Decimal("0.99") and each.gain_low > 0 for each in found)
    assert "P3" not in {each.product.external_id for each in found}
    save(shop, least_observations=1000)
    assert tasks.publish(shop.pk) == 0


def test_an_announced_reduction_shows_the_lowest_price_of_thirty_days(shop, goods, go_live, call):
    tea = goods[0]
    Product.objects.of(shop).filter(pk=tea.pk).update(price=Decimal("9.00"))
    PriceChange.objects.create(
        shop=shop, product=tea, price=Decimal("9.00"), previous_price=Decimal("8.50"),
        starts_at=timezone.now() - timedelta(days=10),
    )  # fmt: skip
    save(shop, announce_reductions=True, max_step_percent=20.0)
    go_live()
    found = PriceProposal.objects.of(shop).open().get(product=tea)
    assert found.price < Decimal("8.50") and found.prior_price == Decimal("8.50")
    call("POST", "prices/proposals/approve", {"ids": [found.pk]})
    change = PriceChange.objects.of(shop).get(product=tea, price=found.price)
    assert change.kind == "reduction" and change.prior_price is not None and found.price < change.prior_price
