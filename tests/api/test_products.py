"""Products over REST: one by one and in bulk, by outside ids only, errors naming field and row."""

from __future__ import annotations

from decimal import Decimal

import pytest

from commerce_ai.shop.catalogue import catalogue_of
from commerce_ai.shop.models import PriceChange, Product, Shop
from commerce_ai.shop.revision import refresher
from tests.api.conftest import Call

MUG = {"external_id": "MUG/1", "title": "Mug", "category": "Home > Mugs", "price": "12.50", "tags": ["blue"],
       "attributes": {"size": "L"}}  # fmt: skip


def test_a_product_is_made_read_changed_and_deleted(call: Call, shop: Shop, secret_key: str) -> None:
    made = call("POST", "/api/v1/products", secret_key, MUG)
    assert made.status_code == 201, made.content
    assert made.json() == {
        "external_id": "MUG/1", "parent_id": None, "is_group": False, "title": "Mug", "description": "",
        "category": "Home > Mugs", "brand": "", "price": "12.50", "cost": None, "url": "", "image_url": "",
        "attributes": {"size": "L"}, "tags": ["blue"], "gtin": "", "active": True,
        "created_at": made.json()["created_at"], "updated_at": made.json()["updated_at"],
    }  # fmt: skip
    assert call("GET", "/api/v1/products/MUG/1", secret_key).json() == made.json()
    changed = call("PATCH", "/api/v1/products/MUG/1", secret_key, {"price": 13})
    assert (changed.status_code, changed.json()["price"], changed.json()["title"]) == (200, "13.00", "Mug")
    replaced = call("PUT", "/api/v1/products/MUG/1", secret_key, {"title": "New mug"})
    assert (replaced.json()["title"], replaced.json()["price"], replaced.json()["tags"]) == ("New mug", None, [])
    assert replaced.json()["created_at"] == made.json()["created_at"]
    assert call("DELETE", "/api/v1/products/MUG/1", secret_key).status_code == 204
    assert call("GET", "/api/v1/products/MUG/1", secret_key).status_code == 404
    assert not Product.objects.of(shop).exists()


def test_put_makes_what_is_not_there(call: Call, secret_key: str) -> None:
    assert call("PUT", "/api/v1/products/A", secret_key, {"title": "A"}).status_code == 201
    assert call("PUT", "/api/v1/products/A", secret_key, {"title": "A"}).status_code == 200


def test_post_and_patch_refuse(call: Call, secret_key: str) -> None:
    call("POST", "/api/v1/products", secret_key, MUG)
    again = call("POST", "/api/v1/products", secret_key, MUG)
    assert (again.status_code, again.json()["code"]) == (409, "exists")
    assert call("PATCH", "/api/v1/products/other", secret_key, {"price": 1}).status_code == 404
    other = call("PUT", "/api/v1/products/A", secret_key, MUG)
    assert (other.status_code, other.json()["errors"][0]["field"]) == (400, "external_id")


@pytest.mark.parametrize(
    ("change", "field"),
    [({"title": ""}, "title"), ({"price": -1}, "price"), ({"price": "x"}, "price"), ({"price": 1e20}, "price"),
     ({"prcie": 1}, "prcie"), ({"attributes": []}, "attributes"), ({"tags": "x"}, "tags"),
     ({"tags": [1, {}]}, "tags.1"), ({"external_id": None}, "external_id"), ({"external_id": " "}, "external_id"),
     ({"parent_id": "no"}, "parent_id"), ({"parent_id": "MUG/1"}, "parent_id"),
     ({"created_at": "yesterday"}, "created_at"), ({"active": "perhaps"}, "active"), ({"gtin": "1" * 15}, "gtin")],
)  # fmt: skip
def test_a_wrong_field_is_named(call: Call, secret_key: str, change: dict, field: str) -> None:
    response = call("POST", "/api/v1/products", secret_key, {**MUG, **change})
    body = response.json()
    assert (response.status_code, body["code"]) == (400, "invalid"), body
    assert [each["field"] for each in body["errors"]] == [field]
    row = {**MUG, **change}
    bulk = call("POST", "/api/v1/products/bulk", secret_key, {"rows": [{"external_id": "fine", "title": "x"}, row]})
    assert (bulk.status_code, [each["field"] for each in bulk.json()["errors"]]) == (400, [f"rows.1.{field}"])
    assert call("GET", "/api/v1/products", secret_key).json()["results"] == []


def test_bulk_says_what_became_of_each_row(call: Call, shop: Shop, secret_key: str) -> None:
    rows = [{"external_id": f"P{n}", "title": f"Product {n}", "price": n} for n in range(5)]
    first = call("POST", "/api/v1/products/bulk", secret_key, {"rows": rows}).json()
    assert {key: first[key] for key in ("created", "updated", "unchanged", "failed")} == {
        "created": 5, "updated": 0, "unchanged": 0, "failed": 0,
    }  # fmt: skip
    rows[1]["price"] = 99
    rows[2] = {"external_id": "P2"}  # nothing given: nothing changes
    rows[3] = {"external_id": "P3", "active": False}
    rows.append({"external_id": "P9", "title": "Late", "parent_id": "P0"})
    second = call("POST", "/api/v1/products/bulk", secret_key, {"rows": rows}).json()
    assert [each["status"] for each in second["results"]] == [
        "unchanged", "updated", "unchanged", "updated", "unchanged", "created",
    ]  # fmt: skip
    assert Product.objects.of(shop).get(external_id="P2").title == "Product 2"
    assert Product.objects.of(shop).get(external_id="P9").parent.external_id == "P0"  # type: ignore[union-attr]


def test_bulk_is_all_or_nothing_unless_asked_otherwise(call: Call, shop: Shop, secret_key: str) -> None:
    rows = [{"external_id": "A", "title": "A"}, {"external_id": "B"}, {"title": "C"}, 7,
            {"external_id": "A", "title": "again"},
            {"external_id": "D", "title": "D", "parent_id": "none"}]  # fmt: skip
    refused = call("POST", "/api/v1/products/bulk", secret_key, {"rows": rows})
    assert refused.status_code == 400
    fields = [each["field"] for each in refused.json()["errors"]]
    assert fields == ["rows.2.external_id", "rows.3", "rows.4.external_id"]
    assert not Product.objects.of(shop).exists()
    partly = call("POST", "/api/v1/products/bulk?atomic=false", secret_key, {"rows": rows})
    assert partly.status_code == 200
    assert [each["status"] for each in partly.json()["results"]] == ["created", *["failed"] * 5]
    assert [each["errors"][0]["field"] for each in partly.json()["results"][1:]] == [
        "title", "external_id", "", "external_id", "parent_id",
    ]  # fmt: skip
    refused = call("POST", "/api/v1/products/bulk", secret_key, {"rows": rows[:2]})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "rows.1.title")


def test_a_batch_has_an_end(call: Call, secret_key: str) -> None:
    rows = [{"external_id": str(n), "title": "x"} for n in range(1001)]
    response = call("POST", "/api/v1/products/bulk", secret_key, {"rows": rows})
    assert (response.status_code, response.json()["code"]) == (413, "too_many_rows")
    assert call("POST", "/api/v1/products/bulk", secret_key, {"rows": rows[1:]}).json()["created"] == 1000
    for body in ({}, [], {"rows": {}}, None, "x"):
        assert call("POST", "/api/v1/products/bulk", secret_key, body).status_code == 400
    assert call("POST", "/api/v1/products/bulk?atomic=maybe", secret_key, {"rows": []}).status_code == 400


def test_variants_may_come_with_their_group(call: Call, shop: Shop, secret_key: str) -> None:
    rows = [
        {"external_id": "V1", "title": "Red", "parent_id": "G"},
        {"external_id": "G", "title": "Shirt", "is_group": True},
        {"external_id": "V2", "title": "Blue", "parent_id": "G"},
    ]
    assert call("POST", "/api/v1/products/bulk", secret_key, {"rows": rows}).json()["created"] == 3
    again = call("POST", "/api/v1/products/bulk", secret_key, {"rows": rows}).json()
    assert again["unchanged"] == 3
    assert call("GET", "/api/v1/products/V2", secret_key).json()["parent_id"] == "G"
    patched = call("PATCH", "/api/v1/products/V2", secret_key, {"parent_id": None})
    assert patched.json()["parent_id"] is None


def test_a_price_change_is_kept(call: Call, shop: Shop, secret_key: str) -> None:
    call("POST", "/api/v1/products", secret_key, MUG)
    call("PATCH", "/api/v1/products/MUG/1", secret_key, {"price": "9.99"})
    call("PATCH", "/api/v1/products/MUG/1", secret_key, {"brand": "Potter"})
    found = PriceChange.objects.of(shop).order_by("starts_at").values_list("previous_price", "price")
    assert list(found) == [(None, Decimal("12.5")), (Decimal("12.5"), Decimal("9.99"))]


def test_a_write_acts_on_warm_catalogues_after_one_poll(call: Call, shop: Shop, secret_key: str) -> None:
    call("POST", "/api/v1/products", secret_key, MUG)
    assert catalogue_of(shop.pk).price.tolist() == [12.5]
    call("PATCH", "/api/v1/products/MUG/1", secret_key, {"price": 20})
    refresher.poll()
    assert catalogue_of(shop.pk).price.tolist() == [20.0]
    call("DELETE", "/api/v1/products/MUG/1", secret_key)
    refresher.poll()
    assert len(catalogue_of(shop.pk)) == 0


def test_what_no_text_can_hold_is_refused(call: Call, secret_key: str) -> None:
    for raw in (b'{"external_id": "A\\u0000", "title": "x"}', b'{"external_id": "A", "title": "\\ud800"}',
                b'{"external_id": "A", "title": "x", "price": NaN}', b"\xff", b"{", b"[" * 100_000):  # fmt: skip
        response = call("POST", "/api/v1/products", secret_key, raw)
        assert (response.status_code, response.json()["code"]) == (400, "malformed"), raw
    assert call("GET", "/api/v1/products/A%00", secret_key).status_code == 404
    assert call("GET", "/api/v1/products?updated_since=%00", secret_key).status_code == 400


def test_other_forms_than_json_are_refused(call: Call, client: object, secret_key: str) -> None:
    response = client.post("/api/v1/products", {"title": "x"}, headers={"Authorization": f"Bearer {secret_key}"})  # type: ignore[attr-defined]
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")
