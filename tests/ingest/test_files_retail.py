"""Invoice lines: what becomes of each kind, and that neither order nor splitting of files matters."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commerce_ai.ingest.files import FileError, Loaded, load_file
from commerce_ai.ingest.models import QuarantineRow
from commerce_ai.shop.models import Customer, DailyMetric, Door, Order, OrderLine, Product, Return, Shop

Line = tuple[str, str, str | None, int, str, float, str | None, str]
Load = Callable[..., Loaded]
COLUMNS = ("invoice", "sku", "description", "quantity", "timestamp", "unit_price", "customer_id", "country")


@pytest.fixture
def uk(db: None) -> Shop:
    return Shop.objects.create(slug="uk", name="UK", currency="GBP", timezone="Europe/London")


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """``load(shop, line, …)``: lines as tuples of COLUMNS, as CSV; or a frame, as Parquet."""

    def make(shop: Shop, *lines: Line | pl.DataFrame, **options: Any) -> Loaded:
        path = tmp_path / options.pop("name", "retail")
        if isinstance(lines[0], pl.DataFrame):
            lines[0].write_parquet(path)
        else:
            frame = pl.DataFrame(
                [[*map(_text, line)] for line in lines], schema=dict.fromkeys(COLUMNS, pl.String), orient="row"
            )
            frame.write_csv(path, quote_style="always")
        return load_file(shop, path, format="online-retail", **options)

    return make


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def line(invoice: str = "1", sku: str = "A", **fields: Any) -> Line:
    usual = {
        "description": "MUG", "quantity": 2, "timestamp": "2010-06-01 10:00:00", "unit_price": 1.5, "customer_id": "9",
        "country": "United Kingdom",
    }  # fmt: skip
    return (invoice, sku, *(usual | fields).values())  # type: ignore[return-value]


def counts(loaded: Loaded) -> dict[str, int]:
    return {each["code"]: each["count"] for each in loaded.findings}


def shop_state(shop: Shop) -> dict[str, Any]:
    """Everything that follows from the file, by outside ids: primary keys and instants of writing left out."""
    return {
        "products": set(Product.objects.of(shop).values_list("external_id", "title", "price", "created_at")),
        "customers": set(Customer.objects.of(shop).values_list("external_id", "country", "created_at")),
        "orders": set(
            Order.objects.of(shop).values_list(
                "external_id",
                "customer__external_id",
                "total",
                "shipping",
                "shipping_country",
                "placed_at",
                "door",
                "status",
            )
        ),
        "lines": set(
            OrderLine.objects.of(shop).values_list(
                "order__external_id", "position", "product__external_id", "title", "quantity", "unit_price"
            )
        ),
        "returns": set(
            Return.objects.of(shop).values_list(
                "external_id",
                "order__external_id",
                "order_line__position",
                "customer__external_id",
                "quantity",
                "amount",
                "at",
            )
        ),
        "figures": set(DailyMetric.objects.of(shop).values_list("day", "name", "value")),
    }


def test_an_invoice_becomes_an_order(uk: Shop, load: Load) -> None:
    loaded = load(
        uk,
        line("1", "A", quantity=2, unit_price=1.5),
        line("1", "K", description="CUP", quantity=1, unit_price=4.25),
        line("1", "POST", description="POSTAGE", quantity=1, unit_price=18),
        line("2", "A", customer_id=None, unit_price=1.65),
    )
    order = Order.objects.of(uk).get(external_id="1")
    assert (order.total, order.shipping, order.currency, order.shipping_country) == (Decimal("25.25"), 18, "GBP", "GB")
    assert (order.door, order.source, order.status) == (Door.FILE, "online-retail", "fulfilled")
    assert order.placed_at == datetime(2010, 6, 1, 10, tzinfo=UTC)
    assert [(each.position, each.sku, each.title, each.quantity) for each in order.lines.order_by("position")] == [
        (0, "A", "MUG", 2),
        (1, "K", "CUP", 1),
    ]
    assert Order.objects.of(uk).get(external_id="2").customer is None
    assert set(Product.objects.of(uk).values_list("external_id", "title")) == {("A", "MUG"), ("K", "CUP")}
    assert Customer.objects.of(uk).get().external_id == "9"
    assert DailyMetric.objects.of(uk).get(name="revenue", day="2010-06-01").value == pytest.approx(28.55)
    assert counts(loaded) == {"price_changed": 1, "guests": 1, "shipping_codes": 1}
    assert (loaded.load.rows_read, loaded.load.rows_loaded) == (4, 4)


def test_what_is_no_sale_is_told_apart(uk: Shop, load: Load) -> None:
    loaded = load(
        uk,
        line("1", "A"),
        line("1", "A"),  # twice the same
        line("2", "M", description="Manual", unit_price=50),
        line("3", "BANK CHARGES", unit_price=15),
        line("4", "POST", unit_price=18),
        line("5", "A", quantity=-40, unit_price=0, customer_id=None, description="damaged"),
        line("6", "A", quantity=40, unit_price=0, customer_id=None, description="found"),
        line("7", "A", unit_price=0),
        line("C8", "A", quantity=-1),
        line("9", "A", quantity=-1),
        line("C10", "A", quantity=3),
        line("A11", "B", description="Adjust bad debt", unit_price=-900, customer_id=None),
    )
    assert counts(loaded) == {
        "duplicate_rows": 1,
        "non_product_codes": 4,
        "stock_corrections": 2,
        "free_lines": 1,
        "cancellations": 1,
        "negative_quantities": 1,
        "cancelled_without_goods": 1,
    }
    row = loaded.load
    assert (row.rows_read, row.rows_duplicate, row.rows_left_out, row.rows_rejected) == (12, 1, 7, 0)
    assert set(Order.objects.of(uk).values_list("external_id", flat=True)) == {"1", "7"}
    assert set(Return.objects.of(uk).values_list("external_id", "quantity", "amount", "reason")) == {
        ("C8-A", 1, Decimal("1.5"), "cancelled"),
        ("9-A", 1, Decimal("1.5"), ""),
    }


def test_a_return_belongs_to_the_customers_last_order_of_the_product(uk: Shop, load: Load) -> None:
    days = {name: f"2010-06-0{day} 10:00" for day, name in enumerate(("first", "second", "back", "after"), 1)}
    loaded = load(
        uk,
        line("1", "A", timestamp=days["first"]),
        line("2", "A", timestamp=days["second"]),
        line("3", "A", timestamp=days["after"]),
        line("4", "A", timestamp=days["second"], customer_id="8"),
        line("C5", "A", quantity=-1, timestamp=days["back"]),
        line("C6", "K", quantity=-1, timestamp=days["back"]),
        line("C7", "A", quantity=-1, timestamp=days["back"], customer_id=None),
    )
    found = dict(Return.objects.of(uk).values_list("external_id", "order__external_id"))
    assert found == {"C5-A": "2", "C6-K": None, "C7-A": None}
    assert counts(loaded)["returns_without_order"] == 2


def test_one_product_and_customer_under_several_spellings(uk: Shop, load: Load) -> None:
    loaded = load(
        uk,
        line("1", "85123a", customer_id="9.0", description="HEART"),
        line("2", " 85123A", customer_id="9", description=" HEART"),
        line("3", "85123A", description="heart wrong", timestamp="2010-07-01T10:00", unit_price=1.75, country="EIRE"),
    )
    product, customer = Product.objects.of(uk).get(), Customer.objects.of(uk).get()
    assert (product.external_id, product.title, product.price) == ("85123A", "HEART", Decimal("1.75"))
    assert (customer.external_id, customer.country) == ("9", "IE")
    assert counts(loaded) == {
        "products_merged": 1,
        "customers_merged": 1,
        "title_chosen": 1,
        "price_changed": 1,
        "country_changed": 1,
    }


def test_outliers_are_counted_by_the_stated_rule_and_kept(uk: Shop, load: Load) -> None:
    usual = [line(str(n), "A", quantity=2 + n % 3, unit_price=1.5) for n in range(20)]
    loaded = load(uk, *usual, line("90", "A", quantity=74215), line("91", "A", unit_price=16))
    assert counts(loaded)["quantity_outliers"] == counts(loaded)["price_outliers"] == 1
    assert OrderLine.objects.of(uk).filter(quantity=74215).exists()


def test_lines_that_can_not_be_read_wait_in_quarantine(uk: Shop, load: Load) -> None:
    loaded = load(
        uk,
        line("1", "A"),
        line("1", "B", quantity=0),
        line("1", "C", unit_price=-4),
        line("1", "D1", timestamp="01/06/2010"),
        line("", "E"),
        line("1", "F", unit_price="1,50"),
        most_rejected=1.0,
    )
    rows = QuarantineRow.objects.of(uk).order_by("row_number").values_list("row_number", "column", "reason")
    assert list(rows) == [
        (2, "quantity", "zero"), (3, "unit_price", "negative"), (4, "timestamp", "instant"), (5, "invoice", "missing"),
        (6, "unit_price", "comma"),
    ]  # fmt: skip
    assert (loaded.load.rows_loaded, loaded.load.rows_rejected) == (1, 5)


def test_the_columns_of_the_published_files_are_known(uk: Shop, load: Load, tmp_path: Path) -> None:
    path = tmp_path / "uci.csv"
    path.write_text(
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
        "536365,85123A,WHITE HEART,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom\n"
        "C536379,85123A,WHITE HEART,-1,2010-12-01 09:41:00,2.55,17850.0,United Kingdom\n"
    )
    load_file(uk, path, format="online-retail")
    assert Return.objects.of(uk).get().order.external_id == "536365"
    path.write_text("InvoiceNo,StockCode\n1,A\n")
    with pytest.raises(FileError) as caught:
        load_file(uk, path, format="online-retail")
    assert caught.value.column == "quantity"


def test_a_shop_in_another_currency_is_refused(shop: Shop, load: Load) -> None:
    with pytest.raises(FileError, match=r"GBP.*EUR"):
        load(shop, line())


def test_what_others_know_better_stays(uk: Shop, load: Load) -> None:
    Product.objects.create(shop=uk, external_id="A", title="Our mug", price=9, source="shopify")
    Order.objects.create(
        shop=uk, external_id="1", currency="GBP", total=1, door=Door.SYSTEM, placed_at="2010-06-01T00:00Z"
    )
    tracked = Order.objects.create(
        shop=uk, external_id="2", currency="GBP", total=1, door=Door.TRACKING, placed_at="2010-06-01T00:00Z"
    )
    for position in range(3):
        OrderLine.objects.create(shop=uk, order=tracked, position=position, quantity=1, unit_price=1)
    loaded = load(uk, line("1", "A"), line("2", "A"), line("2", "K"))
    assert Product.objects.of(uk).get(external_id="A").title == "Our mug"
    assert list(Order.objects.of(uk).order_by("external_id").values_list("total", "door")) == [
        (1, Door.SYSTEM),
        (6, Door.FILE),
    ]
    assert set(OrderLine.objects.of(uk).values_list("order__external_id", "sku")) == {("2", "A"), ("2", "K")}
    assert loaded.load.rows_left_out == counts(loaded)["known_from_api"] == 1


def test_two_shops_share_nothing(uk: Shop, load: Load) -> None:
    other = Shop.objects.create(slug="other", name="Other", currency="GBP")
    load(uk, line("1", "A"))
    load(other, line("1", "A", description="BOWL"), line("C2", "A", quantity=-1, timestamp="2010-07-01 10:00"))
    assert shop_state(uk)["products"] == {("A", "MUG", Decimal("1.5"), datetime(2010, 6, 1, 10, tzinfo=UTC))}
    assert Return.objects.of(other).get().order.shop_id == other.pk
    assert not Return.objects.of(uk).exists()


LINES = st.lists(
    st.builds(
        line,
        st.sampled_from(["1", "2", "3", "C4", "C5"]),
        st.sampled_from(["A", "a", "B1", "POST", "M"]),
        description=st.sampled_from(["MUG", "CUP", None]),
        quantity=st.sampled_from([-2, -1, 0, 1, 3]),
        unit_price=st.sampled_from([0, 1.5, 2.25, -1]),
        timestamp=st.sampled_from(["2010-06-01 10:00", "2010-06-02 10:00", "2010-07-01 23:30"]),
        customer_id=st.sampled_from(["9", "9.0", "8", None]),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(lines=LINES, seed=st.integers(0, 99))
def test_order_of_lines_and_a_second_load_do_not_matter(uk: Shop, load: Load, lines: list[Line], seed: int) -> None:
    first, second, third = (Shop.objects.create(slug=f"s{uuid4()}", name="x", currency="GBP") for _each in range(3))
    loaded = load(first, *lines, most_rejected=1.0).load
    assert loaded.rows_rejected == QuarantineRow.objects.of(first).count()
    assert loaded.rows_read == len(lines)
    before = shop_state(first)
    again = load(first, *lines, most_rejected=1.0, again=True, name="renamed")
    assert shop_state(first) == before
    assert not any(each.inserted or each.updated for each in again.written.values())
    shuffled = random.Random(seed).sample(lines, len(lines))
    load(second, *shuffled, most_rejected=1.0)
    assert shop_state(second) == before
    # By invoice, in any order of the files: the same shop.
    invoices = random.Random(seed).sample(sorted({each[0] for each in lines}), len({each[0] for each in lines}))
    for invoice in invoices:
        load(third, *(each for each in lines if each[0] == invoice), most_rejected=1.0)
    assert shop_state(third) == before


def test_a_slice_of_the_real_file(uk: Shop, load: Load, shared_data: Path) -> None:
    path = shared_data / "retail" / "online-retail-ii.parquet"
    if not path.is_file():
        pytest.skip("the real data set is not here")
    real = pl.read_parquet(path).head(20_000)
    loaded = load(uk, real)
    found = counts(loaded)
    sold = real.filter(
        (pl.col("quantity") > 0)
        & (pl.col("unit_price") > 0)
        & ~pl.col("cancelled")
        & pl.col("sku").str.contains(r"\d{5}")
    ).unique()
    assert abs(OrderLine.objects.of(uk).count() - sold.height) < 50
    assert Return.objects.of(uk).count() == found["cancellations"] > 300
    assert found["returns_without_order"] < found["cancellations"]
    assert Product.objects.of(uk).get(external_id="85123A").title == "WHITE HANGING HEART T-LIGHT HOLDER"
    assert not Product.objects.of(uk).filter(external_id__in=["POST", "M", "DOT", "BANK CHARGES"]).exists()
    lines = OrderLine.objects.of(uk).values_list("quantity", "unit_price")
    orders = Order.objects.of(uk).values_list("total", "shipping")
    assert sum(quantity * price for quantity, price in lines) == sum(total - shipping for total, shipping in orders)
    assert load(uk, real).already
