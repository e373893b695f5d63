"""CSV and Parquet of the shop's own tables: what is written, what is turned away, and what a second load changes."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commerce_ai.ingest.files import FileError, Loaded, load_file, tables
from commerce_ai.ingest.models import FileLoad, QuarantineRow
from commerce_ai.shop.contact import email_hash
from commerce_ai.shop.models import (
    Customer,
    DailyMetric,
    Door,
    Label,
    Order,
    OrderLine,
    PriceChange,
    Product,
    Revision,
    Shop,
)

Load = Callable[..., Loaded]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """``load(shop, "products", "external_id,title", "p1,Mug")`` → Loaded; a frame is loaded as Parquet."""

    def make(shop: Shop, table: str, *lines: str | pl.DataFrame, **options: Any) -> Loaded:
        path = tmp_path / options.pop("name", f"{table}.csv")
        if isinstance(lines[0], pl.DataFrame):
            lines[0].write_parquet(path)
            return load_file(shop, path, format="parquet", table=table, **options)
        path.write_text("\n".join(map(str, lines)) + "\n")
        return load_file(shop, path, format="csv", table=table, **options)

    return make


def state() -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table that can be loaded, as it stands in the database."""
    found = {}
    with connection.cursor() as cursor:
        for each in tables().values():
            table = each.model._meta.db_table
            cursor.execute(f"SELECT * FROM {table} ORDER BY id")
            found[table] = cursor.fetchall()
    return found


# One row of each table, in an order in which every reference is there.
EVERY = {
    "products": ("external_id,title,price,tags,attributes,active", 'p1,Mug,4.50,a|b,"{""size"": 1}",yes'),
    "customers": ("external_id,email,country,birth_year,gender", "c1,ann@example.org,Germany,1990,Female"),
    "locations": ("external_id,name", "w1,Warehouse"),
    "suppliers": ("external_id,name,lead_time_days", "s1,Potter,12.5"),
    "campaigns": ("external_id,name,budget", "k1,Spring,100"),
    "promotions": ("external_id,name,starts_at,value", "x1,Sale,2024-03-01,10"),
    "price_changes": ("product_id,price,starts_at", "p1,4.5,2024-03-01T10:00:00Z"),
    "competitor_prices": ("product_id,competitor,price,seen_at", "p1,Rival,4.99,2024-03-01 10:00"),
    "promotion_products": ("promotion_id,product_id,price", "x1,p1,4"),
    "identities": ("anonymous_id,customer_id,proven,at", "a1,c1,true,2024-03-01"),
    "consents": ("customer_id,purpose,granted,at", "c1,email,1,2024-03-01"),
    "orders": ("external_id,customer_id,total,placed_at", "o1,c1,9.00,2024-03-31T23:30:00+02:00"),
    "order_lines": ("order_id,position,product_id,quantity,unit_price", "o1,0,p1,2,4.50"),
    "payments": ("external_id,order_id,status,amount,ip", "y1,o1,captured,9,2001:DB8::1"),
    "chargebacks": ("external_id,payment_id,amount,occurred_at,known_at", "b1,y1,9,2024-04-01,2024-04-09"),
    "refunds": ("external_id,order_id,amount,at", "r1,o1,4.50,2024-04-02"),
    "shipments": ("external_id,order_id,location_id,shipped_at", "h1,o1,w1,2024-04-01"),
    "returns": ("external_id,order_id,product_id,quantity,at", "t1,o1,p1,1,2024-04-02"),
    "stock_levels": ("product_id,location_id,on_hand", "p1,w1,40"),
    "stock_movements": ("external_id,product_id,location_id,kind,quantity,at", "m1,p1,w1,sale,-2,2024-04-01"),
    "supplier_products": ("supplier_id,product_id,unit_cost", "s1,p1,1.75"),
    "purchase_orders": ("external_id,supplier_id,location_id,expected_on", "q1,s1,w1,2024-05-01"),
    "purchase_order_lines": ("purchase_order_id,position,product_id,quantity", "q1,0,p1,100"),
    "ad_spend": ("campaign_id,day,cost,clicks", "k1,2024-03-01,12.34,50"),
    "reviews": ("external_id,product_id,customer_id,rating,text,at", 'v1,p1,c1,5,"Fine, ""really""",2024-04-10'),
    "mentions": ("external_id,platform,text,at", "n1,news,A mug,2024-04-10"),
    "conversations": ("external_id,customer_id,opened_at", "z1,c1,2024-04-10"),
    "messages": ("external_id,conversation_id,role,text,at", "g1,z1,customer,Where is it?,2024-04-10"),
    "articles": ("external_id,title,body", "e1,Returns,Within 30 days."),
    "labels": ("task,subject_type,subject_id,value,at", "quality,product,p1,good,2024-04-10"),
}


def test_every_table_takes_a_row_and_a_second_load_changes_nothing(
    shop: Shop, other_shop: Shop, load: Load, tmp_path: Path
) -> None:
    load(shop, "customers", "external_id", "c2")
    every = {**EVERY, "social_ties": ("customer_id,other_id,kind,at", "c1,c2,referral,2024-03-01")}
    assert set(every) == set(tables())
    for table, lines in every.items():
        loaded = load(shop, table, *lines)
        assert loaded.written[table].inserted == 1, table
        assert loaded.load.rows_loaded == loaded.load.rows_read == 1
    before = state()
    for table, lines in every.items():
        again = load(shop, table, *lines, again=True)
        assert (again.written[table].inserted, again.written[table].updated) == (0, 0), table
    assert state() == before
    assert load(shop, "products", *EVERY["products"]).already
    for each in tables().values():
        assert not each.model._default_manager.filter(shop=other_shop).exists()


def test_values_arrive_as_what_they_are(shop: Shop, load: Load) -> None:
    for table in ("products", "customers", "orders", "order_lines", "payments"):
        load(shop, table, *EVERY[table])
    product = Product.objects.of(shop).get()
    assert (product.price, product.tags, product.attributes) == (Decimal("4.5"), ["a", "b"], {"size": 1})
    assert product.source == "file"
    customer = Customer.objects.of(shop).get()
    assert (customer.email, customer.country, customer.gender) == ("ann@example.org", "DE", "female")
    assert bytes(customer.email_hash) == email_hash("ANN@example.org")
    order = Order.objects.of(shop).get()
    assert order.placed_at == datetime(2024, 3, 31, 21, 30, tzinfo=UTC) == order.updated_at
    assert (order.door, order.currency, order.customer_id) == (Door.FILE, "EUR", customer.pk)
    line = order.lines.get()
    assert (line.product_id, line.quantity) == (product.pk, 2)
    assert order.payments.get().ip == "2001:db8::"  # its network, as fraud is off for the shop
    # 21:30 UTC is half past eleven in the evening of the shop's day.
    assert DailyMetric.objects.of(shop).get(name="revenue", day="2024-03-31").value == 9.0
    assert Revision.objects.get(shop=shop, topic="catalogue").n >= 1


def test_parquet_says_the_same_as_csv(shop: Shop, other_shop: Shop, load: Load) -> None:
    load(shop, "products", "external_id,title,price,created_at,tags", "7,Mug,4.5,2024-01-01,a|b", "8,Cup,,2024-01-02,")
    frame = pl.DataFrame(
        {
            "external_id": [7, 8], "title": ["Mug", "Cup"], "price": [4.5, None], "tags": [["a", "b"], []],
            "created_at": [datetime(2024, 1, 1), datetime(2024, 1, 2)],
        },
        schema_overrides={"tags": pl.List(pl.String)},
    )  # fmt: skip
    load(other_shop, "products", frame)
    columns = ("external_id", "title", "price", "tags", "created_at", "source", "active", "category", "attributes")
    rows = [list(Product.objects.of(each).order_by("external_id").values(*columns)) for each in (shop, other_shop)]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 2


def test_a_column_that_is_not_there_stays_and_an_empty_cell_is_the_default(shop: Shop, load: Load) -> None:
    load(shop, "products", "external_id,title,brand,price,created_at", "p1,Mug,Acme,4.5,2024-01-01")
    load(shop, "products", "external_id,title,price,created_at", "p1,Big mug,,")
    product = Product.objects.of(shop).get()
    assert (product.title, product.brand, product.price) == ("Big mug", "Acme", None)
    assert product.created_at == datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("column", "value", "reason", "words"),
    [
        ("price", "cheap", "number", "not a number"),
        ("price", '"1,99"', "comma", "after a point"),
        ("price", '"1.234,50"', "comma", "after a point"),
        ("price", "-1", "rule", "price ≥ 0"),
        ("price", "123456789012", "number", "10 digits"),
        ("price", "nan", "number", "not a number"),
        ("active", "perhaps", "boolean", "neither true nor false"),
        ("created_at", "31/03/2024", "instant", "2024-03-31"),
        ("created_at", "2024-02-30", "instant", "2024-03-31"),
        ("created_at", "0001-01-01", "range", "1900"),
        ("attributes", "[1]", "json", "JSON object"),
        ("attributes", '"{""a"": NaN}"', "json", "JSON object"),
        ("title", "", "missing", "a value is needed"),
        ("title", "x" * 501, "length", "500"),
        ("title", "a\x00b", "text", "NUL"),
        ("gtin", "123456789012345", "length", "14"),
    ],
)
def test_a_value_that_does_not_fit_goes_to_quarantine(
    shop: Shop, load: Load, column: str, value: str, reason: str, words: str
) -> None:
    columns = ["external_id", "title", column] if column != "title" else ["external_id", "title", "brand"]
    bad = {"external_id": "p3", "title": "Plate", "brand": "", column: value}
    lines = [",".join(columns), ",".join(["p1", "Mug", ""]), ",".join(bad[each] for each in columns)]
    loaded = load(shop, "products", *lines, most_rejected=0.5)
    assert (loaded.load.rows_loaded, loaded.load.rows_rejected) == (1, 1)
    row = QuarantineRow.objects.of(shop).get()
    assert (row.row_number, row.column, row.reason) == (2, column, reason)
    assert words in row.message
    assert row.values["external_id"] == "p3"
    assert [each.external_id for each in Product.objects.of(shop)] == ["p1"]


def test_rules_that_look_at_two_columns_and_at_defaults(shop: Shop, load: Load) -> None:
    load(shop, "products", "external_id,title", "p1,Mug")
    loaded = load(
        shop, "price_changes", "product_id,price,starts_at,ends_at",
        "p1,5,2024-03-01,2024-04-01", "p1,6,2024-05-01,2024-04-01", most_rejected=1.0,
    )  # fmt: skip
    assert loaded.load.rows_rejected == 1
    assert "ends_at ≥ starts_at" in QuarantineRow.objects.of(shop).get().message
    load(
        shop,
        "consents",
        "customer_id,anonymous_id,purpose,granted,at",
        ",,email,yes,2024-01-01",
        ",a1,email,yes,2024-01-01",
        most_rejected=1.0,
    )
    assert QuarantineRow.objects.of(shop).filter(table="consents").get().row_number == 1


def test_a_file_that_is_wrong_throughout_is_refused_and_says_where(shop: Shop, load: Load) -> None:
    before = state()
    with pytest.raises(FileError) as caught:
        load(shop, "products", "external_id,title,price", 'p1,Mug,"1,99"', 'p2,Cup,"2,99"', "p3,Plate,3")
    assert (caught.value.row, caught.value.column) == (1, "price")
    assert "2 of 3" in str(caught.value)
    assert state() == before
    assert not QuarantineRow.objects.exists()
    assert not FileLoad.objects.exists()


@pytest.mark.parametrize(
    ("table", "frame", "column"),
    [
        ("products", pl.DataFrame({"external_id": ["a"], "title": [["x"]]}), "title"),
        ("products", pl.DataFrame({"external_id": ["a"], "title": ["x"], "price": [True]}), "price"),
        ("products", pl.DataFrame({"external_id": ["a"], "title": ["x"], "created_at": [7]}), "created_at"),
        ("products", pl.DataFrame({"external_id": ["a"]}), "title"),
    ],
)
def test_a_column_of_another_type_is_refused(
    shop: Shop, load: Load, table: str, frame: pl.DataFrame, column: str
) -> None:
    with pytest.raises(FileError) as caught:
        load(shop, table, frame)
    assert caught.value.column == column
    assert not Product.objects.of(shop).exists()


def test_what_only_the_database_sees_writes_nothing(shop: Shop, load: Load) -> None:
    """One supplier of a product is preferred: a rule between rows."""
    load(shop, "products", "external_id,title", "p1,Mug")
    load(shop, "suppliers", "external_id,name", "s1,Potter", "s2,Other")
    with pytest.raises(FileError, match="shop_supplierproduct_one_preferred"):
        load(shop, "supplier_products", "supplier_id,product_id", "s1,p1", "s2,p1")
    assert FileLoad.objects.filter(table="supplier_products").count() == 0


def test_unknown_references_wait_in_quarantine(shop: Shop, other_shop: Shop, load: Load) -> None:
    load(other_shop, "products", "external_id,title", "p9,Theirs")
    load(shop, "products", "external_id,title", "p1,Mug")
    load(shop, "locations", "external_id,name", "w1,Here")
    loaded = load(shop, "stock_levels", "product_id,location_id,on_hand", "p1,w1,3", "p9,w1,5", most_rejected=0.5)
    assert loaded.load.rows_rejected == 1
    row = QuarantineRow.objects.of(shop).get()
    assert (row.column, row.reason) == ("product_id", "unknown")
    assert "load products first" in row.message


def test_orders_make_the_customers_they_name_and_lines_keep_an_unknown_sku(shop: Shop, load: Load) -> None:
    loaded = load(shop, "orders", "external_id,customer_id,total,placed_at", "o1,new,5,2024-01-01", "o2,,5,2024-01-01")
    assert Order.objects.of(shop).get(external_id="o1").customer.external_id == "new"
    assert Order.objects.of(shop).get(external_id="o2").customer is None
    assert {each["code"] for each in loaded.findings} >= {"customers_made"}
    load(shop, "order_lines", "order_id,position,product_id,sku,quantity,unit_price", "o1,0,gone,gone,1,5")
    line = OrderLine.objects.of(shop).get()
    assert (line.product_id, line.sku) == (None, "gone")


def test_money_in_another_currency_waits_for_a_person(shop: Shop, load: Load) -> None:
    lines = ("external_id,total,currency,placed_at", "o1,5,EUR,2024-01-01", "o2,5,usd,2024-01-01", "o3,5,,2024-01-01")
    load(shop, "orders", *lines, most_rejected=0.5)
    assert sorted(Order.objects.of(shop).values_list("external_id", "currency")) == [("o1", "EUR"), ("o3", "EUR")]
    assert QuarantineRow.objects.of(shop).get().reason == "currency"


def test_labels_add_up_and_are_of_something_that_is_there(shop: Shop, load: Load) -> None:
    load(shop, "products", "external_id,title", "p1,Mug")
    columns = "task,subject_type,subject_id,text,value,at"
    lines = [
        "sentiment,text,,I like it,good,2024-01-01",
        "quality,product,p1,,fine,2024-01-01",
        "quality,product,p1,,bad,2024-02-01",
        "quality,product,p9,,bad,2024-02-01",
        "quality,product,,,bad,2024-02-01",
        "sentiment,text,,,good,2024-01-01",
    ]
    loaded = load(shop, "labels", columns, *lines, most_rejected=1.0)
    assert loaded.written["labels"].inserted == Label.objects.of(shop).count() == 3
    assert Label.objects.of(shop).get(value="fine").subject_id == Product.objects.of(shop).get().pk
    rows = QuarantineRow.objects.of(shop).order_by("row_number").values_list("row_number", "reason")
    assert list(rows) == [(4, "unknown"), (5, "rule"), (6, "rule")]
    again = load(shop, "labels", columns, lines[2], lines[1], "quality,product,p1,,bad,2024-03-01")
    assert (again.written["labels"].inserted, again.written["labels"].unchanged) == (1, 2)


def test_an_orders_e_mail_is_kept_as_a_hash_only(shop: Shop, load: Load) -> None:
    load(shop, "orders", "external_id,total,placed_at,email", "o1,5,2024-01-01,ann@example.org", "o2,5,2024-01-01,")
    hashes = dict(Order.objects.of(shop).values_list("external_id", "email_hash"))
    assert (bytes(hashes["o1"]), hashes["o2"]) == (email_hash("ann@example.org"), None)


def test_variants_find_their_group_wherever_it_stands_in_the_file(shop: Shop, load: Load) -> None:
    load(
        shop, "products", "external_id,title,parent_id,is_group", "v1,Red mug,g,no", "g,Mug,,yes", "v2,Blue mug,lost,no"
    )
    assert Product.objects.of(shop).get(external_id="v1").parent.external_id == "g"
    assert Product.objects.of(shop).get(external_id="v2").parent is None


def test_a_price_that_holds_now_is_the_products_price(shop: Shop, load: Load) -> None:
    load(shop, "products", "external_id,title,price", "p1,Mug,1", "p2,Cup,2")
    later = (datetime.now(UTC) + timedelta(days=9)).date()
    load(shop, "price_changes", "product_id,price,starts_at", "p1,3,2024-01-01", "p1,4,2024-02-01", f"p1,9,{later}")
    assert list(Product.objects.of(shop).order_by("external_id").values_list("price", flat=True)) == [4, 2]
    assert PriceChange.objects.of(shop).count() == 3


def test_api_before_file_before_tracking(shop: Shop, load: Load) -> None:
    def order(name: str, door: Door) -> None:
        row = Order.objects.create(
            shop=shop, external_id=name, currency="EUR", total=1, door=door, placed_at=datetime(2024, 1, 1, tzinfo=UTC)
        )
        OrderLine.objects.create(shop=shop, order=row, position=0, quantity=1, unit_price=1, sku=str(door))

    order("api", Door.SYSTEM)
    order("tracked", Door.TRACKING)
    lines = [f"{name},7,2024-01-02" for name in ("api", "tracked", "new")]
    loaded = load(shop, "orders", "external_id,total,placed_at", *lines)
    assert (loaded.load.rows_loaded, loaded.load.rows_left_out) == (2, 1)
    totals = dict(Order.objects.of(shop).values_list("external_id", "total"))
    assert totals == {"api": 1, "tracked": 7, "new": 7}
    load(shop, "order_lines", "order_id,position,sku,quantity,unit_price", "api,0,x,1,1", "tracked,0,x,1,7")
    assert set(OrderLine.objects.of(shop).values_list("order__external_id", "sku")) == {("api", "3"), ("tracked", "x")}


def test_within_files_the_later_state_of_an_order_counts(shop: Shop, load: Load) -> None:
    columns = "external_id,total,status,placed_at,updated_at"
    load(shop, "orders", columns, "o1,5,refunded,2024-01-01,2024-02-01")
    loaded = load(shop, "orders", columns, "o1,5,paid,2024-01-01,2024-01-05")
    assert loaded.load.rows_left_out == 1
    assert Order.objects.of(shop).get().status == "refunded"
    assert DailyMetric.objects.of(shop).get(name="revenue").value == 0


def test_repeated_rows_and_keys_are_counted(shop: Shop, load: Load) -> None:
    lines = ["p1,Mug", "p2,Cup", "p1,Mug", "p1,Big mug", "p2,Cup"]
    loaded = load(shop, "products", "external_id,title", *lines)
    assert dict(Product.objects.of(shop).values_list("external_id", "title")) == {"p1": "Big mug", "p2": "Cup"}
    assert (loaded.load.rows_read, loaded.load.rows_loaded, loaded.load.rows_duplicate) == (5, 2, 3)
    counts = {each["code"]: each["count"] for each in loaded.findings}
    assert (counts["duplicate_rows"], counts["repeated_keys"]) == (2, 1)
    again = load(shop, "products", "external_id,title", *lines, again=True)
    assert again.written["products"].unchanged == 2


def test_the_same_content_under_another_name_is_known(shop: Shop, other_shop: Shop, load: Load) -> None:
    first = load(shop, "products", "external_id,title", "p1,Mug", name="a.csv")
    second = load(shop, "products", "external_id,title", "p1,Mug", name="b.csv")
    assert second.already
    assert second.load == first.load
    assert second.findings == first.findings
    assert not load(other_shop, "products", "external_id,title", "p1,Mug").already


def test_unknown_columns_are_named_and_the_header_may_be_in_any_case(shop: Shop, load: Load) -> None:
    loaded = load(shop, "products", "External ID,TITLE,Colour", "p1,Mug,red")
    assert Product.objects.of(shop).get().title == "Mug"
    assert next(each for each in loaded.findings if each["code"] == "unknown_columns")["examples"] == ["Colour"]


def test_personal_values_are_stored_and_turned_away_only_encrypted(shop: Shop, load: Load) -> None:
    secrets = ["ann@example.org", "+49 170 1234567", "Ann Example", "Long Street 1"]
    lines = [",".join(["c1", *secrets, "1990"]), ",".join(["c2", *secrets, "long ago"]), f"c3,,,,,{secrets[0]}"]
    load(shop, "customers", "external_id,email,phone,name,address,birth_year", *lines, most_rejected=1.0)
    customer = Customer.objects.of(shop).get()
    assert [customer.email, customer.phone, customer.name, customer.address] == secrets
    row, misplaced = QuarantineRow.objects.of(shop).order_by("row_number")
    assert row.all_values()["email"] == secrets[0]
    assert row.values == {"external_id": "c2"}
    assert misplaced.all_values()["birth_year"] == secrets[0]
    with connection.cursor() as cursor:
        for table in ("ingest_quarantinerow", "ingest_cleaningreport", "ingest_fileload", "shop_customer"):
            cursor.execute(f"SELECT t::text FROM {table} t")
            text = "".join(row for (row,) in cursor.fetchall())
            for secret in secrets:
                assert secret not in text
                assert secret.encode().hex() not in text


def test_two_shops_have_the_same_ids_and_nothing_in_common(shop: Shop, other_shop: Shop, load: Load) -> None:
    for each, title in ((shop, "Mug"), (other_shop, "Bowl")):
        load(each, "products", "external_id,title", f"p1,{title}")
        load(each, "customers", "external_id,email", "c1,ann@example.org")
        load(each, "orders", "external_id,customer_id,total,placed_at", "o1,c1,5,2024-01-01")
        load(each, "order_lines", "order_id,position,product_id,quantity,unit_price", "o1,0,p1,1,5")
    for each, title in ((shop, "Mug"), (other_shop, "Bowl")):
        line = OrderLine.objects.of(each).get()
        assert line.product.title == title
        assert line.order.shop_id == line.product.shop_id == line.order.customer.shop_id == each.pk
    ours, theirs = (Customer.objects.of(each).get() for each in (shop, other_shop))
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT email) FROM shop_customer")
        assert cursor.fetchone() == (2,)
    assert ours.email == theirs.email


CELLS = st.sampled_from(["", "1.50", "2", "x", "1,5", "-3", "2024-01-01", "yes"])
ROWS = st.lists(
    st.tuples(st.integers(1, 6), st.sampled_from(["", "Mug", "Cup"]), CELLS, CELLS), min_size=1, max_size=12
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=ROWS, seed=st.integers(0, 3))
def test_every_row_is_accounted_for_and_loading_again_changes_nothing(
    shop: Shop, load: Load, rows: list[tuple[Any, ...]], seed: int
) -> None:
    Product.objects.of(shop).delete()
    QuarantineRow.objects.of(shop).delete()
    header = "external_id,title,price,created_at"
    lines = [f'p{key},{title},"{price}","{at}"' for key, title, price, at in rows]
    first = load(shop, "products", header, *lines, most_rejected=1.0, again=True).load
    assert first.rows_read == len(rows)
    assert first.rows_loaded == Product.objects.of(shop).count()
    assert first.rows_rejected == QuarantineRow.objects.of(shop).count()
    before = state()
    load(shop, "products", header, *lines, most_rejected=1.0, again=True, name="renamed.csv")
    assert state() == before
    if len({row[0] for row in rows}) == len(rows):
        random.Random(seed).shuffle(lines)
        load(shop, "products", header, *lines, most_rejected=1.0, again=True)
        assert state() == before
