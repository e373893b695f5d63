"""Rows that were turned away, corrected and tried again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from commerce_ai.ingest.files import load_file, retry
from commerce_ai.ingest.models import FileLoad, QuarantineRow
from commerce_ai.ingest.tracking import accept
from commerce_ai.shop.models import Customer, DailyMetric, Event, Order, OrderLine, Product, Return, Shop


def put(folder: Path, *lines: str) -> Path:
    path = folder / "file.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def load(shop: Shop, path: Path, table: str, **options: Any) -> FileLoad:
    return load_file(shop, path, format="csv", table=table, most_rejected=1.0, **options).load


def open_rows(shop: Shop) -> list[QuarantineRow]:
    return list(QuarantineRow.objects.of(shop).filter(state="open").order_by("row_number"))


def test_a_corrected_row_goes_in_and_says_who_did_it(shop: Shop, tmp_path: Path) -> None:
    load(shop, put(tmp_path, "external_id,title,price,tags", 'p1,Mug,"1,99",a|b', "p2,Cup,2,"), "products")
    person = get_user_model().objects.create(username="ann")
    (row,) = open_rows(shop)
    done = retry([row], {row.pk: {"price": "1.99"}}, by=person)
    assert (done.solved, done.problems) == ([row.pk], {})
    product = Product.objects.of(shop).get(external_id="p1")
    assert (float(product.price), product.tags) == (1.99, ["a", "b"])
    row.refresh_from_db()
    assert (row.state, row.solved_by, row.attempts) == ("solved", person, 2)
    # Solved is solved: neither another try nor the same file brings it back.
    assert retry([row]).solved == []
    load(shop, tmp_path / "file.csv", "products", again=True)
    assert QuarantineRow.objects.of(shop).count() == 1
    assert open_rows(shop) == []


def test_a_row_that_is_still_wrong_stays_with_its_new_reason(shop: Shop, tmp_path: Path) -> None:
    load(shop, put(tmp_path, "external_id,title,price", 'p1,,"1,99"'), "products")
    (row,) = open_rows(shop)
    assert row.values == {"external_id": "p1", "title": "", "price": "1,99"}
    done = retry([row], {row.pk: {"price": "1.99"}})
    assert done.solved == []
    row.refresh_from_db()
    assert (row.state, row.column, row.reason, row.values["price"]) == ("open", "title", "missing", "1.99")
    assert done.problems == {row.pk: row.message}
    assert retry([row], {row.pk: {"title": "Mug"}}).solved == [row.pk]


def test_what_came_too_early_goes_in_when_the_other_table_is_there(shop: Shop, tmp_path: Path) -> None:
    path = put(tmp_path, "order_id,position,product_id,quantity,unit_price", "o1,0,p1,2,4.50", "o1,1,p1,0,4.50")
    load(shop, path, "order_lines")
    assert [row.reason for row in open_rows(shop)] == ["unknown", "unknown"]
    Product.objects.create(shop=shop, external_id="p1", title="Mug")
    load(shop, put(tmp_path, "external_id,total,placed_at", "o1,9,2024-01-01"), "orders")
    done = retry(open_rows(shop))
    assert len(done.solved) == 1
    assert OrderLine.objects.of(shop).get().product.external_id == "p1"
    (row,) = open_rows(shop)
    assert "quantity > 0" in row.message


def test_personal_values_survive_a_correction_and_stay_encrypted(shop: Shop, tmp_path: Path) -> None:
    path = put(tmp_path, "external_id,email,birth_year", "c1,ann@example.org,soon")
    load(shop, path, "customers")
    (row,) = open_rows(shop)
    assert retry([row], {row.pk: {"birth_year": "later"}}).solved == []
    with connection.cursor() as cursor:
        cursor.execute("SELECT q::text FROM ingest_quarantinerow q")
        assert "ann@" not in cursor.fetchone()[0]
    row.refresh_from_db()
    assert retry([row], {row.pk: {"birth_year": "1990", "email": "eve@example.org"}}).solved == [row.pk]
    customer = Customer.objects.of(shop).get()
    assert (customer.email, customer.birth_year) == ("eve@example.org", 1990)


def test_what_is_shown_blacked_out_is_not_lost_when_the_form_gives_it_back(shop: Shop, tmp_path: Path) -> None:
    load(shop, put(tmp_path, "external_id,title,price", 'p1,By ann@example.org,"1,99"'), "products")
    (row,) = open_rows(shop)
    assert row.values == {"external_id": "p1", "title": "By [removed]", "price": "1,99"}
    assert retry([row], {row.pk: {**row.values, "price": "1.99"}}).solved == [row.pk]
    assert Product.objects.of(shop).get().title == "By ann@example.org"


def test_discarded_rows_and_other_shops_are_left_alone(shop: Shop, other_shop: Shop, tmp_path: Path) -> None:
    path = put(tmp_path, "external_id,title,price", 'p1,Mug,"1,99"')
    for each in (shop, other_shop):
        load(each, path, "products")
    ours, theirs = open_rows(shop) + open_rows(other_shop)
    QuarantineRow.objects.filter(pk=theirs.pk).update(state="discarded")
    done = retry([ours, theirs], {ours.pk: {"price": "2"}, theirs.pk: {"price": "2"}})
    assert done.solved == [ours.pk]
    assert Product.objects.of(shop).count() == 1
    assert not Product.objects.of(other_shop).exists()


def test_rows_that_break_a_rule_together_all_stay(shop: Shop, tmp_path: Path) -> None:
    path = put(tmp_path, "supplier_id,product_id", "s1,p1", "s2,p1")
    load(shop, path, "supplier_products")
    Product.objects.create(shop=shop, external_id="p1", title="Mug")
    load(shop, put(tmp_path, "external_id,name", "s1,One", "s2,Two"), "suppliers")
    done = retry(open_rows(shop))
    assert done.solved == []
    assert len(done.problems) == len(open_rows(shop)) == 2
    first, second = open_rows(shop)
    assert retry([first, second], {second.pk: {"preferred": "no"}}).problems == {}


@pytest.fixture
def uk(db: None) -> Shop:
    return Shop.objects.create(slug="uk", name="UK", currency="GBP", timezone="Europe/London")


def test_invoice_lines_join_what_is_there_of_their_invoice(uk: Shop, tmp_path: Path) -> None:
    header = "invoice,sku,description,quantity,timestamp,unit_price,customer_id,country"
    path = put(
        tmp_path, header,
        "1,A,MUG,2,2010-06-01 10:00,1.50,9,France",
        '1,K,CUP,1,2010-06-01 10:00,"4,25",9,France',
        '1,POST,POSTAGE,1,2010-06-01 10:00,"18,00",9,France',
        'C2,A,MUG,-1,2010-06-02 10:00,"1,50",9,France',
        '3,A,MUG,1,2010-06-03 10:00,"1,75",9,France',
    )  # fmt: skip
    loaded = load_file(uk, path, format="online-retail", most_rejected=1.0).load
    assert (loaded.rows_loaded, loaded.rows_rejected) == (1, 4)
    prices = {2: "4.25", 3: "18.00", 4: "1.50", 5: "1.75"}
    done = retry(open_rows(uk), {row.pk: {"unit_price": prices[row.row_number]} for row in open_rows(uk)})
    assert len(done.solved) == 4 or done.problems == {}
    order = Order.objects.of(uk).get(external_id="1")
    assert sorted(order.lines.values_list("position", "sku")) == [(0, "A"), (1, "K")]
    assert (order.shipping, order.total) == (18, 2 * 1.5 + 4.25 + 18)
    assert Return.objects.of(uk).get().order == order
    assert float(Product.objects.of(uk).get(external_id="A").price) == 1.75
    assert DailyMetric.objects.of(uk).get(name="revenue", day="2010-06-01").value == 25.25


def test_messages_of_a_file_and_of_the_tracking_api(shop: Shop, tmp_path: Path) -> None:
    message = {"type": "track", "event": "Product Viewed", "anonymousId": "a1", "messageId": "m1"}
    path = put(tmp_path, json.dumps(message))
    load_file(shop, path, format="segment", most_rejected=1.0)
    (row,) = open_rows(shop)
    assert row.values == {"message": json.dumps(message)}
    corrected = json.dumps({**message, "timestamp": "2023-01-01T00:00:00Z"})
    assert retry([row], {row.pk: {"message": corrected}}).solved == [row.pk]
    accept(shop.pk, [json.dumps({"type": "track", "anonymousId": "a1", "messageId": "m2"}).encode()])
    (row,) = open_rows(shop)
    assert row.table == "event"
    done = retry([row], {row.pk: {"event": "Product Viewed", "timestamp": "2023-01-02T00:00:00Z"}})
    assert done.solved == [row.pk]
    assert set(Event.objects.of(shop).values_list("message_id", flat=True)) == {"m1", "m2"}
