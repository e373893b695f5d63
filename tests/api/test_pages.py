"""Pages by cursor: each row once, whatever is added meanwhile."""

from __future__ import annotations

import pytest

from commerce_ai.api.pages import cursor_of, read_cursor
from commerce_ai.shop.models import Product, Shop
from tests.api.conftest import Call


def test_every_row_comes_once_while_rows_are_added(call: Call, shop: Shop, other_shop: Shop, secret_key: str) -> None:
    Product.objects.bulk_create(Product(shop=shop, external_id=f"P{n:03}", title="x") for n in range(25))
    Product.objects.create(shop=other_shop, external_id="theirs", title="x")
    seen, cursor, pages = [], "", 0
    while cursor is not None:
        page = call("GET", f"/api/v1/products?limit=7&cursor={cursor}", secret_key).json()
        seen += [row["external_id"] for row in page["results"]]
        cursor, pages = page["next"], pages + 1
        if pages == 1:
            Product.objects.create(shop=shop, external_id="A-late", title="x")
            Product.objects.of(shop).filter(external_id="P000").delete()
    assert seen == [*(f"P{n:03}" for n in range(25)), "A-late"] and pages == 4


def test_the_last_full_page_has_no_next(call: Call, shop: Shop, secret_key: str) -> None:
    Product.objects.bulk_create(Product(shop=shop, external_id=f"P{n}", title="x") for n in range(4))
    page = call("GET", "/api/v1/products?limit=4", secret_key).json()
    assert len(page["results"]) == 4 and page["next"] is None


NO_PAGES = [
    "limit=0", "limit=1001", "limit=x", "limit=-1", "limit=%C2%B2", "cursor=x", "cursor=djE6eA", "cursor=%00",
    "cursor=" + "9" * 400, "updated_since=x", "updated_since=2026-01-01T00:00:00",
    "updated_since=2026-13-41T00:00:00Z",
]  # fmt: skip


@pytest.mark.parametrize("query", NO_PAGES)
def test_what_is_no_page_is_named(call: Call, secret_key: str, query: str) -> None:
    response = call("GET", f"/api/v1/products?{query}", secret_key)
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert response.json()["errors"][0]["field"] == query.partition("=")[0]


def test_only_what_changed_since(call: Call, shop: Shop, secret_key: str) -> None:
    Product.objects.create(shop=shop, external_id="A", title="x")
    stamp = Product.objects.of(shop).get().updated_at.isoformat()
    assert len(call("GET", f"/api/v1/products?updated_since={stamp}", secret_key).json()["results"]) == 1
    later = "2099-01-01T00:00:00Z"
    assert call("GET", f"/api/v1/products?updated_since={later}", secret_key).json()["results"] == []


def test_a_cursor_comes_back() -> None:
    assert [read_cursor(cursor_of(pk)) for pk in (1, 2**63 - 1)] == [1, 2**63 - 1]
