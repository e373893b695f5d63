"""The board in the console: what it shows, whom it lets act, and what its actions do."""

from __future__ import annotations

from typing import Any

import pytest

from commerce_ai.learning.models import Run
from commerce_ai.shop.models import PurchaseOrderLine, Shop
from plugins.inventory.models import ReorderProposal

BOARD = "/console/inventory/board/"


def ids(shop: Shop) -> list[int]:
    return list(ReorderProposal.objects.of(shop).open().values_list("pk", flat=True))


def test_an_untrained_shop_is_told_the_next_step(person):
    text = person("owner").get(BOARD).content.decode()
    assert "Load orders, stock levels and suppliers, then train" in text and "Nothing is forecast yet" in text


def test_the_most_urgent_comes_first_and_is_drawn_with_its_band(person, shop, go_live):
    go_live(shop)
    page = person("analyst").get(BOARD)
    gains = [line["row"].expected_gain for line in page.context["proposals"]]
    assert len(gains) == 6 and gains == sorted(gains, reverse=True)
    past, ahead = page.context["chart"].series
    assert len(past.values) == 56 + 28 and past.values[56:] == [None] * 28
    assert all(low <= high for low, high in zip(ahead.low[56:], ahead.high[56:], strict=True))
    assert "Approve the chosen" not in page.content.decode(), "an analyst only looks"


def test_operators_approve_edit_reject_and_undo_in_bulk(person, shop, go_live):
    go_live(shop)
    client, (first, second, third, *_rest) = person("operator"), ids(shop)
    sent: dict[str, Any] = {"action": "approve", "proposal": [first, second], f"quantity-{first}": "42"}
    page = client.post(BOARD, sent, follow=True)
    assert "2 proposals: done." in page.content.decode()
    quantities = PurchaseOrderLine.objects.of(shop).order_by("position").values_list("quantity", flat=True)
    assert quantities[0] == 42 and len(quantities) == 2
    client.post(BOARD, {"action": "edit", "proposal": [third], f"quantity-{third}": "13"})
    assert ReorderProposal.objects.of(shop).get(pk=third).quantity == 13
    client.post(BOARD, {"action": "reject", "proposal": [third]})
    client.post(BOARD, {"action": "undo", "proposal": [first]})
    states = dict(ReorderProposal.objects.of(shop).values_list("pk", "state"))
    assert (states[first], states[second], states[third]) == ("undone", "approved", "rejected")
    assert PurchaseOrderLine.objects.of(shop).count() == 1
    again = client.post(BOARD, {"action": "approve", "proposal": [first]}, follow=True)
    assert "undone already" in again.content.decode()


def test_no_quantity_is_an_error_and_orders_nothing(person, shop, go_live):
    go_live(shop)
    [first, *_rest] = ids(shop)
    sent = {"action": "approve", "proposal": [first], f"quantity-{first}": "a lot"}
    page = person("operator").post(BOARD, sent, follow=True)
    assert "a lot is no quantity." in page.content.decode()
    assert not PurchaseOrderLine.objects.of(shop).exists()


@pytest.mark.parametrize("text", ["0", "-3", "0.0001", "1e30", "nan"])
def test_a_number_that_is_no_quantity_is_said_to_be_none(person, shop, go_live, text):
    go_live(shop)
    [first, *_rest] = ids(shop)
    sent = {"action": "edit", "proposal": [first], f"quantity-{first}": text}
    page = person("operator").post(BOARD, sent, follow=True).content.decode()
    assert f"{text} is no quantity." in page and "Choose at least one" not in page


def test_open_and_approved_proposals_as_csv(person, shop, go_live):
    go_live(shop)
    client, (first, *_rest) = person("operator"), ids(shop)
    client.post(BOARD, {"action": "approve", "proposal": [first]})
    waiting = client.post(BOARD, {"action": "export-open"})
    assert waiting["Content-Type"].startswith("text/csv") and len(waiting.content.decode().splitlines()) == 6
    assert len(client.post(BOARD, {"action": "export-approved"}).content.decode().splitlines()) == 2


def test_an_analyst_may_not_act_and_another_shops_proposals_are_not_there(person, shop, go_live):
    go_live(shop)
    assert person("analyst").post(BOARD, {"action": "approve", "proposal": ids(shop)}).status_code == 403
    other = Shop.objects.create(slug="other", name="Other", currency="EUR")
    ReorderProposal.objects.of(shop).update(shop=other)
    found = list(ReorderProposal.objects.of(other).values_list("pk", flat=True))
    page = person("operator").post(BOARD, {"action": "approve", "proposal": found}, follow=True)
    assert "Choose at least one proposal." in page.content.decode()
    assert not PurchaseOrderLine.objects.of(other).exists()


def test_retrain_queues_one_run(person, shop):
    person("operator").post(BOARD, {"action": "retrain"})
    assert list(Run.objects.of(shop).values_list("learner", flat=True)) == ["inventory.demand"]
