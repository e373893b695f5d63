import threading
from datetime import date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from django.db import IntegrityError, connection, connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commerce_ai.shop import contact
from commerce_ai.shop.bulk import BadValue, UpsertCount, copy_rows, resolve, upsert
from commerce_ai.shop.models import Customer, DailyMetric, DemandForecast, Door, Order, Product, StockLevel
from tests.factories import BEGINNING, CustomerFactory, LocationFactory, ProductFactory, ShopFactory

pytestmark = pytest.mark.django_db

KEY = ("shop", "external_id")
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
NAMES = st.sampled_from(["A", "B", "C", "D"])
JSON = st.dictionaries(
    TEXTS, st.none() | st.booleans() | st.integers(-(10**9), 10**9) | TEXTS | st.lists(TEXTS, max_size=2)
)
PRICES = st.none() | st.decimals(0, 10**6, places=4)
property_test = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def products_of(shop):
    rows = Product.objects.of(shop).values_list("external_id", "title", "price", "attributes", "tags", "active")
    return {row[0]: row[1:] for row in rows}


PRODUCT = st.tuples(NAMES, TEXTS, PRICES, JSON, st.lists(TEXTS, max_size=3), st.booleans())
PRODUCT_COLUMNS = ("shop", "external_id", "title", "price", "attributes", "tags", "active")


@property_test
@given(st.lists(st.lists(PRODUCT, max_size=6), max_size=3))
def test_upserts_leave_what_a_dict_would(batches):
    shop, model = ShopFactory(), {}
    for batch in batches:
        before = dict(model)
        model.update({row[0]: row[1:] for row in batch})
        touched = {row[0] for row in batch}
        rows = [(shop.pk, *row) for row in batch]
        counted = upsert(Product, PRODUCT_COLUMNS, rows, key=KEY)
        assert products_of(shop) == model
        assert counted == UpsertCount(
            inserted=len(touched - before.keys()),
            updated=sum(name in before and before[name] != model[name] for name in touched),
            unchanged=sum(name in before and before[name] == model[name] for name in touched),
            repeated=len(batch) - len(touched),
        )
        again = upsert(Product, PRODUCT_COLUMNS, [(shop.pk, name, *model[name]) for name in touched], key=KEY)
        assert again == UpsertCount(unchanged=len(touched))


@property_test
@given(st.lists(PRODUCT, max_size=6))
def test_a_frame_does_what_its_rows_do(rows):
    schema = {
        "external_id": pl.String, "title": pl.String, "price": pl.Decimal(14, 4), "tags": pl.List(pl.String),
        "active": pl.Boolean,
    }  # fmt: skip
    columns = ("shop_id", *schema)
    one, other = ShopFactory(), ShopFactory()
    picked = [(name, title, price, tags, active) for name, title, price, _attributes, tags, active in rows]
    frame = pl.DataFrame(picked, schema=schema, orient="row").with_columns(shop_id=pl.lit(one.pk))
    counted = upsert(Product, columns, frame, key=KEY)
    assert counted == upsert(Product, columns, [(other.pk, *row) for row in picked], key=KEY)
    assert products_of(one) == products_of(other)


CUSTOMER = st.tuples(
    NAMES, st.sampled_from(["", "a@b.de", "A@B.de", "c@d.de"]), TEXTS, st.none() | st.integers(1900, 2000)
)


@property_test
@given(st.lists(CUSTOMER, max_size=8), st.lists(CUSTOMER, max_size=8))
def test_encrypted_columns_are_compared_by_what_they_say(first, then):
    shop, model = ShopFactory(), {}
    columns = ("shop", "external_id", "email", "name", "birth_year")
    for batch in (first, first, then, then):
        before = dict(model)
        model.update({row[0]: row[1:] for row in batch})
        counted = upsert(Customer, columns, [(shop.pk, *row) for row in batch], key=KEY)
        changed = [name for name in {row[0] for row in batch} if name in before and before[name] != model[name]]
        assert counted.updated == len(changed)
    rows = {row.external_id: row for row in Customer.objects.of(shop)}
    assert {name: (row.email, row.name, row.birth_year) for name, row in rows.items()} == model
    assert all(row.email_hash == contact.email_hash(row.email) for row in rows.values())


VERSION = st.tuples(NAMES, st.sampled_from(Door.values), st.integers(0, 3), st.integers(0, 99))


@property_test
@given(st.lists(st.lists(VERSION, max_size=6), max_size=3))
def test_the_newest_by_door_and_time_wins(batches):
    shop, model = ShopFactory(), {}
    columns = ("shop", "external_id", "door", "updated_at", "total", "currency", "placed_at")
    for batch in batches:
        for name, *row in batch:
            if name not in model or row[:2] >= model[name][:2]:
                model[name] = row
        rows = [
            (shop.pk, name, door, BEGINNING + timedelta(hours=hour), total, "EUR", BEGINNING)
            for name, door, hour, total in batch
        ]
        upsert(Order, columns, rows, key=KEY, newest_by=("door", "updated_at"))
    found = {
        order.external_id: [order.door, (order.updated_at - BEGINNING) // timedelta(hours=1), int(order.total)]
        for order in Order.objects.of(shop)
    }
    assert found == model


def test_columns_left_out_get_their_defaults_and_keep_what_they_have():
    shop = ShopFactory()
    upsert(Product, ("shop", "external_id", "title"), [(shop.pk, "A", "Mug")], key=KEY)
    product = Product.objects.get()
    assert (product.attributes, product.tags, product.active, product.price) == ({}, [], True, None)
    assert product.created_at <= product.updated_at
    Product.objects.update(brand="Acme")
    upsert(Product, ("shop", "external_id", "title"), [(shop.pk, "A", "Cup")], key=KEY)
    product.refresh_from_db()
    assert (product.title, product.brand) == ("Cup", "Acme")


def test_updated_at_moves_with_a_change_alone():
    product = ProductFactory(title="Mug")
    Product.objects.update(updated_at=BEGINNING)
    rows = [(product.shop_id, product.external_id, "Mug")]
    assert upsert(Product, ("shop", "external_id", "title"), rows, key=KEY).unchanged == 1
    product.refresh_from_db()
    assert product.updated_at == BEGINNING
    upsert(Product, ("shop", "external_id", "title"), [(*rows[0][:2], "Cup")], key=KEY)
    product.refresh_from_db()
    assert product.updated_at > BEGINNING


def test_only_the_columns_to_update_are_taken_over():
    product = ProductFactory(title="Mug", brand="Acme")
    row = (product.shop_id, product.external_id, "Cup", "Other")
    columns = ("shop", "external_id", "title", "brand")
    assert upsert(Product, columns, [row], key=KEY, update=()).unchanged == 1
    assert upsert(Product, columns, [row], key=KEY, update=("title",)).updated == 1
    product.refresh_from_db()
    assert (product.title, product.brand) == ("Cup", "Acme")


def test_empty_is_one_value_of_a_key():
    product = ProductFactory()
    quantiles = dict.fromkeys(DemandForecast.QUANTILES, 1.0)
    columns = ("shop", "product", "location", "day", "as_of", "mean", *quantiles)
    rows = [
        (product.shop_id, product.pk, None, date(2026, 1, 1), BEGINNING, mean, *quantiles.values()) for mean in (1, 2)
    ]
    key = ("product", "location", "day")
    assert upsert(DemandForecast, columns, rows, key=key) == UpsertCount(inserted=1, repeated=1)
    assert upsert(DemandForecast, columns, rows[:1], key=key) == UpsertCount(updated=1)


def test_it_works_again_and_again_in_one_transaction_and_leaves_nothing_after_a_rollback():
    shop = ShopFactory()
    for title in ("Mug", "Cup"):
        with transaction.atomic():
            assert upsert(Product, ("shop", "external_id", "title"), [(shop.pk, "A", title)], key=KEY).inserted == 1
            assert upsert(Product, ("shop", "external_id", "title"), [(shop.pk, "B", title)], key=KEY).inserted == 1
            transaction.set_rollback(True)
    assert not Product.objects.of(shop).exists()


@pytest.mark.django_db(transaction=True)
def test_each_commit_empties_the_staging_table():
    shop = ShopFactory()
    for _ in range(3):
        upsert(Product, ("shop", "external_id", "title"), [(shop.pk, "A", "Mug")], key=KEY)
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relname LIKE 'stage\\_%' AND relpersistence = 't'")
        stages = [name for (name,) in cursor.fetchall()]
        assert stages
        for name in stages:
            cursor.execute(f"SELECT count(*) FROM {name}")
            assert cursor.fetchone() == (0,)


@pytest.mark.parametrize(
    ("columns", "row", "message"),
    [
        (("price",), ("many",), "column price, row 2"),
        (("price",), (float("nan"),), "column price, row 2: nan is not a number"),
        (("price",), (Decimal("1e20"),), "column price, row 2: numeric field overflow"),
        (("title",), ("x" * 501,), "column title, row 2: value too long"),
        (("active",), ("yes",), "column active, row 2: 'yes' is neither true nor false"),
        (("created_at",), (datetime(2026, 1, 1),), "column created_at, row 2: .* has no time zone"),
        (("tags",), ("a,b",), "column tags, row 2: 'a,b' is not a list"),
        (("title", "brand"), ("a",), "row 2: 3 values for 4 columns"),
    ],
)
def test_a_value_that_does_not_fit_is_named_by_column_and_row(columns, row, message):
    shop = ShopFactory()
    good = (shop.pk, "A", *(Product(title="t", created_at=BEGINNING).__dict__[name] for name in columns))
    with pytest.raises(BadValue, match=message), transaction.atomic():
        upsert(Product, ("shop", "external_id", *columns), [good, (shop.pk, "B", *row)], key=KEY)
    assert not Product.objects.of(shop).exists()


def test_an_unknown_column_is_named():
    with pytest.raises(LookupError, match=r"shop\.Product has no column colour"):
        upsert(Product, ("shop", "external_id", "colour"), [], key=KEY)


def test_constraints_hold():
    shop = ShopFactory()
    with pytest.raises(IntegrityError, match="price_not_negative"), transaction.atomic():
        upsert(Product, ("shop", "external_id", "title", "price"), [(shop.pk, "A", "Mug", -1)], key=KEY)


def test_copying_appends():
    shop = ShopFactory()
    rows = [(shop.pk, f"c{n}", f"c{n}@example.org", {"n": n}) for n in range(5000)]
    assert copy_rows(Customer, ("shop", "external_id", "email", "attributes"), iter(rows)) == 5000
    customer = Customer.objects.of(shop).get(external_id="c4999")
    assert (customer.email, customer.attributes) == ("c4999@example.org", {"n": 4999})
    assert customer.email_hash == contact.email_hash("c4999@example.org")
    with pytest.raises(IntegrityError), transaction.atomic():
        copy_rows(Customer, ("shop", "external_id"), [(shop.pk, "c5000"), (shop.pk, "c1")])
    assert Customer.objects.of(shop).count() == 5000


def test_copying_a_frame_of_figures():
    shop = ShopFactory()
    frame = pl.DataFrame({"value": [1.5, 2.5], "day": [date(2026, 1, 1), date(2026, 1, 2)], "other": [0, 0]})
    frame = frame.with_columns(shop=pl.lit(shop.pk), name=pl.lit("revenue"))
    assert copy_rows(DailyMetric, ("shop", "name", "day", "value"), frame) == 2
    assert list(DailyMetric.objects.of(shop).order_by("day").values_list("value", flat=True)) == [1.5, 2.5]


def test_foreign_keys_are_our_ids():
    location = LocationFactory()
    product = ProductFactory(shop=location.shop)
    row = (location.shop_id, product.pk, location.pk, 3)
    upsert(StockLevel, ("shop", "product", "location_id", "on_hand"), [row], key=("product", "location"))
    assert product.stock_levels.get().on_hand == 3


def test_external_ids_resolve_in_their_shop():
    customer = CustomerFactory(external_id="A")
    CustomerFactory(external_id="A")
    assert resolve(Customer, customer.shop, ["A", "B", "A"]) == {"A": customer.pk}
    assert resolve(Customer, customer.shop_id, []) == {}


def test_counts_add_up():
    assert UpsertCount(1, 2, 3, 4) + UpsertCount(1, 1, 1, 1) == UpsertCount(2, 3, 4, 5)


@pytest.mark.django_db(transaction=True)
def test_connections_of_a_pool_serve_one_after_another(monkeypatch):
    shop = ShopFactory()
    columns = ("shop", "external_id", "title")
    counts: list[UpsertCount] = []

    def serve():
        for n in range(6):
            rows = [(shop.pk, "A", f"{n // 2}"), (shop.pk, f"B{n}", "b")]
            counts.append(upsert(Product, columns, rows, key=KEY))
            with pytest.raises(BadValue):
                upsert(Product, columns, [(shop.pk, "C", "x" * 501)], key=KEY)
            connection.close()  # goes back to the pool, with its staging table
        connection.close_pool()

    # A thread's connection is made from the settings of the moment: here, as the web process has them.
    options = {**connection.settings_dict["OPTIONS"], "pool": {"min_size": 1, "max_size": 2}}
    monkeypatch.setitem(
        connections.settings, "default", {**connection.settings_dict, "OPTIONS": options, "CONN_MAX_AGE": 0}
    )
    thread = threading.Thread(target=serve)
    thread.start()
    thread.join()
    assert sum(counts, UpsertCount()) == UpsertCount(inserted=7, updated=2, unchanged=3)
    assert Product.objects.of(shop).count() == 7
