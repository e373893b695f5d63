"""What needs a person: ranked by money, equal ones together, what disagrees apart, approved and undone in one click."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.console import needs
from commerce_ai.console.health import survey
from commerce_ai.plugin import Need, Plugin
from commerce_ai.shop.models import PricePlan, Product, PurchaseOrderLine
from commerce_ai.shop.revision import refresher
from plugins.inventory.models import ReorderProposal
from plugins.pricing.models import PriceProposal
from tests.factories import ConversationFactory, ProductFactory, SupplierFactory
from tests.plugin_factories import CaseFactory, PriceProposalFactory, ReorderProposalFactory

INDEX = "/console/"


@pytest.fixture
def on(shop):
    for slug in ("pricing", "inventory", "fraud", "support"):
        registry.switch(shop, slug, on=True)
    refresher.poll()


@pytest.fixture
def goods(shop):
    return [
        ProductFactory(shop=shop, title=f"Pot {n}", category="Garden" if n < 4 else "Kitchen", price=10, cost=5)
        for n in range(6)
    ]


@pytest.fixture
def proposals(shop, on, goods):
    """Cuts of four garden products and two of the kitchen, €1 to €6 a week."""
    return [
        PriceProposalFactory(shop=shop, product=product, expected_gain=n + 1, gain_low=n)
        for n, product in enumerate(goods)
    ]


def reorder(shop, product, gain, supplier=None, **columns):
    day = timezone.now().date() + timedelta(days=5)
    supplier = supplier or SupplierFactory(shop=shop, name="Farm")
    return ReorderProposalFactory(
        shop=shop, product=product, supplier=supplier, expected_gain=gain, order_by=day, unit_cost=3, **columns
    )


def rows_of(client):
    return client.get(INDEX).context["needs"].rows


def post(client, row, **sent):
    page = client.get(INDEX)
    body = {"action": "approve-all", "seen": page.context["now"], "next": INDEX, "but": list(row.apart), **sent}
    return client.post(row.need.approve, body, follow=True)


def test_equal_ones_are_grouped_and_the_largest_gain_comes_first(owner, shop, proposals):
    titles = [(row.title, row.gain_words) for row in rows_of(owner)]
    assert titles == [
        ("2 price cuts in Kitchen", "+€11 a week"),
        ("4 price cuts in Garden", "+€10 a week"),
    ]


def test_every_row_links_to_the_rows_that_it_counts(owner, shop, goods, proposals):
    reorder(shop, ProductFactory(shop=shop), 30)
    CaseFactory(shop=shop, amount=100, currency="EUR", expected_loss=40.0)
    ConversationFactory(shop=shop, status="handed_off")
    rows = rows_of(owner)
    assert {row.need.kind for row in rows} == {"price-cut", "reorder", "fraud-case", "conversation"}
    for row in rows:
        assert owner.get(row.need.url).context["cl"].result_count == row.count, row.need.kind


def test_all_of_a_row_are_approved_in_the_log_and_undone_again(sign_in, shop, goods, proposals):
    operator = sign_in("operator")
    row = next(each for each in rows_of(operator) if "Garden" in each.title)
    page = post(operator, row)
    assert page.redirect_chain[-1][0] == INDEX
    text = page.content.decode()
    assert "4 proposals were approved." in text and 'value="undo-batch"' in text
    assert set(PriceProposal.objects.of(shop).values_list("product__category", "state")) == {
        ("Garden", "approved"), ("Kitchen", "proposed"),
    }  # fmt: skip
    assert LogEntry.objects.filter(user=operator.user, change_message="Approved.").count() == 4
    assert set(Product.objects.of(shop).filter(category="Garden").values_list("price", flat=True)) == {Decimal("9.5")}
    (approval,) = page.context["approvals"]
    assert approval["row"].count == 4 and approval["row"].by == operator.user.username
    sent = {"action": "undo-batch", "batch": approval["row"].batch, "next": INDEX}
    page = operator.post(approval["row"].undo, sent, follow=True)
    assert "4 proposals were undone." in page.content.decode() and not page.context["approvals"]
    assert set(Product.objects.of(shop).values_list("price", flat=True)) == {Decimal(10)}
    assert not PricePlan.objects.of(shop).exists()


def test_what_changed_after_the_page_is_not_approved_unseen(sign_in, shop, goods, proposals):
    operator = sign_in("operator")
    row = next(each for each in rows_of(operator) if "Kitchen" in each.title)
    seen = timezone.now().isoformat()
    later = ProductFactory(shop=shop, category="Kitchen", price=10)
    PriceProposalFactory(shop=shop, product=later, expected_gain=99)
    post(operator, row, seen=seen)
    states = dict(PriceProposal.objects.of(shop).filter(product__category="Kitchen").values_list("product", "state"))
    assert states.pop(later.pk) == "proposed" and set(states.values()) == {"approved"}
    assert "Nothing is left of it" in post(operator, row, seen="yesterday").content.decode()


def test_an_analyst_and_another_shop_approve_nothing(sign_in, shop, other, proposals):
    analyst = sign_in("analyst")
    row = rows_of(analyst)[0]
    assert 'value="approve-all"' not in analyst.get(INDEX).content.decode()
    assert post(analyst, row).status_code == 403
    PriceProposal.objects.of(shop).update(shop=other)
    operator = sign_in("operator")
    assert "Nothing is left of it" in post(operator, row).content.decode()
    assert set(PriceProposal.objects.values_list("state", flat=True)) == {"proposed"}


@pytest.mark.parametrize("next", ["https://elsewhere.example/", "//elsewhere.example", "javascript:alert(1)"])
def test_nobody_is_sent_elsewhere(sign_in, shop, proposals, next):
    operator = sign_in("operator")
    row = rows_of(operator)[0]
    sent = {"action": "approve-all", "seen": timezone.now().isoformat(), "next": next}
    assert operator.post(row.need.approve, sent).headers["Location"] == row.need.approve.partition("?")[0]


@pytest.mark.parametrize("query", ["", "?change=cut", "?change=sideways&category=Garden", "?category=Garden"])
def test_a_group_that_is_none_approves_nothing(sign_in, shop, proposals, query):
    sent = {"action": "approve-all", "seen": timezone.now().isoformat()}
    sign_in("operator").post(f"/console/pricing/board/{query}", sent)
    assert not PriceProposal.objects.of(shop).filter(state="approved").exists()


@pytest.mark.parametrize("batch", ["", "x", "9" * 30, "00000000-0000-7000-8000-000000000000"])
def test_a_batch_that_there_is_not_undoes_nothing(sign_in, shop, proposals, batch):
    page = sign_in("operator").post(
        "/console/pricing/board/", {"action": "undo-batch", "batch": batch, "next": INDEX}, follow=True
    )
    assert "Nothing is left of it" in page.content.decode()


def test_what_disagrees_on_a_product_is_one_row_and_is_left_alone_by_approving_all(sign_in, shop, goods, proposals):
    farm = SupplierFactory(shop=shop, name="Farm")
    for product, gain in ((goods[0], 20), (goods[1], 30), (ProductFactory(shop=shop), 50)):
        reorder(shop, product, gain, farm)
    operator = sign_in("operator")
    rows = {row.need.kind + row.title[-6:]: row for row in rows_of(operator)}
    cuts, orders = rows["price-cutGarden"], rows["reordert Farm"]
    assert (cuts.title, cuts.gain, cuts.count) == ("2 price cuts in Garden", Decimal(7), 2)
    assert (orders.title, orders.gain) == ("1 order at Farm", Decimal(50))
    (disagreeing,) = (row for row in rows.values() if row.need.kind == "disagree")
    assert disagreeing.title == "A lower price and a new order disagree on 2 products"
    assert [str(words) for words, _url in disagreeing.links] == ["a lower price", "a new order"]
    assert not disagreeing.need.approve and "Pot 0, Pot 1" in str(disagreeing.need.detail)
    post(operator, cuts)
    post(operator, orders)
    apart = {goods[0].pk, goods[1].pk}
    for model in (PriceProposal, ReorderProposal):
        assert set(model.objects.of(shop).filter(product__in=apart).values_list("state", flat=True)) == {"proposed"}
    assert PriceProposal.objects.of(shop).filter(state="approved").count() == 2
    assert PurchaseOrderLine.objects.of(shop).count() == 1


def test_orders_are_undone_through_the_plugins_own_way(sign_in, shop, on, goods):
    reorder(shop, goods[0], 20)
    operator = sign_in("operator")
    page = post(operator, rows_of(operator)[0])
    (approval,) = page.context["approvals"]
    assert PurchaseOrderLine.objects.of(shop).exists()
    operator.post(approval["row"].undo, {"action": "undo-batch", "batch": approval["row"].batch})
    assert not PurchaseOrderLine.objects.of(shop).exists()
    assert ReorderProposal.objects.of(shop).get().state == "undone"


class Talkative(Plugin):
    name, slug, version, verbose_name = "tests.console", "talkative", "1", "Talkative"

    def __init__(self, found):
        self.found = found

    def needs(self, shop):
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def test_fifteen_rows_at_most_and_what_has_no_price_keeps_some_places(shop):
    paid = [Need("paid", f"paid {n}", gain=Decimal(n + 1)) for n in range(30)]
    unpaid = [Need("unpaid", f"unpaid {n}", tone="bad" if n == 7 else "") for n in range(8)]
    found = needs.ranked(shop, [Talkative([*paid, *unpaid])], survey(shop))
    assert [row.title for row in found.rows[:2]] == ["paid 29", "paid 28"]
    assert [row.need.kind for row in found.rows] == ["paid"] * 10 + ["unpaid"] * 5 and found.more == 23
    assert found.rows[10].title == "unpaid 7", "what is bad comes first"
    few = needs.ranked(shop, [Talkative(paid[:3])], survey(shop))
    assert len(few.rows) == 3 and few.more == 0


def test_a_deadline_within_a_day_counts_twice(shop):
    soon = timezone.now() + timedelta(hours=3)
    found = needs.ranked(
        shop,
        [Talkative([Need("a", "later", gain=Decimal(15)), Need("b", "soon", gain=Decimal(10), deadline=soon)])],
        survey(shop),
    )
    assert [row.title for row in found.rows] == ["soon", "later"]


def test_a_plugin_whose_needs_fail_says_so_and_takes_nothing_else_along(shop):
    broken, fine = Talkative(RuntimeError("no table")), Talkative([Need("a", "fine")])
    titles = [row.title for row in needs.ranked(shop, [broken, fine], survey(shop)).rows]
    assert "fine" in titles and any("no table" in title for title in titles)
