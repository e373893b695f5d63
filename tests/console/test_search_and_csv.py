"""Finding things by name, and taking a list along as a file: each within the shop and the role."""

from __future__ import annotations

import csv
import io

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from tests.factories import ConversationFactory, CustomerFactory, ProductFactory, ShopMemberFactory

pytestmark = pytest.mark.django_db


def look(client, asked, **more):
    return client.get(reverse("admin:search"), {"s": asked, **more}).content.decode()


def rows_of(answer):
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


def test_pages_and_rows_are_found_by_name(shop, other, owner):
    mine = ProductFactory(shop=shop, title="Copper Watering Can", external_id="can-1")
    ProductFactory(shop=other, title="Copper Watering Can of theirs", external_id="can-2")
    page = look(owner, "copper", extended=1)
    assert reverse("admin:shop_product_change", args=[mine.pk]) in page and "theirs" not in page
    assert reverse("console:experiments") in look(owner, "experiments")
    assert look(owner, "experiments").count("<a ") >= 1 and look(owner, "") == ""
    assert "No results" in look(owner, "xyzzy", extended=1)


def test_what_is_found_follows_the_chosen_shop_at_once(shop, other, owner):
    mine, theirs = (CustomerFactory(shop=each, external_id="c-100") for each in (shop, other))
    ShopMemberFactory(shop=other, user=owner.user, role="owner")
    here, there = (reverse("admin:shop_customer_change", args=[each.pk]) for each in (mine, theirs))
    owner.post(reverse("console:shop-switch"), {"shop": shop.pk})
    assert here in look(owner, "c-100", extended=1)
    owner.post(reverse("console:shop-switch"), {"shop": other.pk})
    page = look(owner, "c-100", extended=1)
    assert there in page and here not in page


def test_an_analyst_finds_nobody_by_who_they_are(shop, owner, sign_in):
    CustomerFactory(shop=shop, external_id="c-100", email="ann@example.com")
    assert "c-100" in look(owner, "ann@example.com", extended=1)
    assert "No results" in look(sign_in("analyst"), "ann@example.com", extended=1)


def test_a_list_is_exported_as_it_is_filtered(shop, other, owner):
    ProductFactory(shop=shop, title="=1+1", external_id="a-1")
    ProductFactory(shop=shop, title="Plain", external_id="b-1")
    ProductFactory(shop=shop, title=" @SUM(A1)", external_id="=b-2")
    ProductFactory(shop=shop, title="Board <5 mm>", external_id="d-1")
    ProductFactory(shop=other, title="Theirs", external_id="c-1")
    address = reverse("admin:shop_product_changelist")
    answer = owner.get(address, {"csv": 1})
    assert answer["Content-Type"].startswith("text/csv") and "attachment" in answer["Content-Disposition"]
    head, *rows = rows_of(answer)
    text = [" ".join(each) for each in rows]
    assert len(head) > 3 and len(rows) == 4 and not any("Theirs" in each for each in text)
    for cell in ("'=1+1", "' @SUM(A1)", "'=b-2"):
        assert any(cell in each for each in text), "a spreadsheet would have computed it"
    assert any("Board <5 mm>" in each for each in text), "what looks like a tag and is none stays"
    assert len(rows_of(owner.get(address, {"csv": 1, "q": "b-1"}))) == 2
    assert "csv=1" in owner.get(address).content.decode()
    said = LogEntry.objects.filter(user=owner.user).latest("id")
    assert "q=b-1" in said.change_message


def test_an_export_shows_an_analyst_no_more_than_the_list(shop, sign_in, owner):
    ConversationFactory(shop=shop, subject="I am Ann of Elm Street")
    address = reverse("admin:shop_conversation_changelist")
    assert "Elm Street" in str(rows_of(owner.get(address, {"csv": 1})))
    exported = rows_of(sign_in("analyst").get(address, {"csv": 1}))
    assert len(exported) == 2 and "Elm Street" not in str(exported)
    stranger = sign_in("analyst", member=False)
    assert stranger.get(address, {"csv": 1}).status_code == 403
