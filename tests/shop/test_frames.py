from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from django.db import ProgrammingError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commerce_ai.shop.bulk import copy_rows
from commerce_ai.shop.frames import FrameMismatch, read, read_batches
from commerce_ai.shop.models import Product
from tests.factories import EventFactory, ProductFactory, ShopFactory

pytestmark = pytest.mark.django_db

SCHEMA = {
    "external_id": pl.String, "title": pl.String, "price": pl.Float64, "cost": pl.Decimal(14, 4),
    "tags": pl.List(pl.String), "active": pl.Boolean, "parent_id": pl.Int64, "created_at": pl.Datetime("us", "UTC"),
}  # fmt: skip
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
MONEY = st.none() | st.decimals(0, 10**6, places=4)
INSTANTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))
ROW = st.tuples(TEXTS, MONEY, MONEY, st.lists(TEXTS, max_size=4), st.booleans(), INSTANTS)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROW, max_size=6))
def test_columns_come_back_as_they_were_written(rows):
    shop = ShopFactory()
    columns = ("shop", "external_id", "title", "price", "cost", "tags", "active", "created_at")
    copy_rows(Product, columns, [(shop.pk, f"{n}", *row) for n, row in enumerate(rows)])
    sql = f"SELECT {', '.join(SCHEMA)} FROM shop_product WHERE shop_id = %s ORDER BY id"  # noqa: S608
    frame = read(sql, [shop.pk], SCHEMA)
    assert frame.schema == pl.Schema(SCHEMA)
    assert frame.rows() == [
        (f"{n}", title, None if price is None else float(price), cost, tags, active, None, at)
        for n, (title, price, cost, tags, active, at) in enumerate(rows)
    ]


ONE = """
    SELECT 7::smallint AS small, 'NaN'::float8 AS nan, '-Infinity'::float8 AS low, '\\x00ff'::bytea AS raw,
           date '2026-02-03' AS day, timestamptz '2026-02-03 04:05:06.000007+02' AS at,
           timestamp '2026-02-03 04:05' AS wall, array[1, NULL, 3] AS numbers,
           array['a', 'b "c"\\,', NULL, '', E'x\\ny', 'NULL'] AS words,
           'k'::text AS kind,
           '{"a": [1]}'::jsonb AS json, '01a19467-e800-7000-8000-000000000000'::uuid AS id, array[]::int[] AS none
"""


def test_every_type_of_column():
    schema = {
        "small": pl.Int16, "nan": pl.Float64, "low": pl.Float32, "raw": pl.Binary, "day": pl.Date,
        "at": pl.Datetime("ms", "Europe/Berlin"), "wall": pl.Datetime("us"), "numbers": pl.List(pl.Int32),
        "words": pl.List(pl.String), "kind": pl.Categorical(), "json": pl.String, "id": pl.String,
        "none": pl.List(pl.Int64),
    }  # fmt: skip
    frame = read(ONE, [], schema)
    assert frame.schema == pl.Schema(schema)
    row = frame.row(0, named=True)
    assert (row["small"], row["raw"], row["day"]) == (7, b"\x00\xff", date(2026, 2, 3))
    assert row["nan"] != row["nan"]
    assert row["low"] == float("-inf")
    assert row["at"] == datetime(2026, 2, 3, 2, 5, 6, tzinfo=UTC)
    assert row["at"].utcoffset() == timedelta(hours=1)
    assert row["wall"] == datetime(2026, 2, 3, 4, 5)
    assert row["numbers"] == [1, None, 3]
    assert row["words"] == ["a", 'b "c"\\,', None, "", "x\ny", "NULL"]
    assert (row["kind"], row["json"], row["none"]) == ("k", '{"a": [1]}', [])
    assert row["id"] == "01a19467-e800-7000-8000-000000000000"


@pytest.mark.parametrize(
    "dtype", [pl.Int64, pl.String, pl.Float64, pl.Boolean, pl.Date, pl.Datetime("us", "UTC"), pl.Binary]
)
def test_no_rows_and_rows_of_nothing(dtype):
    none = read("SELECT NULL AS a, NULL AS b WHERE false", [], {"a": dtype, "b": dtype})
    assert none.schema == pl.Schema({"a": dtype, "b": dtype})
    assert none.height == 0
    assert read("SELECT NULL AS a UNION ALL SELECT NULL", [], {"a": dtype})["a"].to_list() == [None, None]


def test_the_empty_text_is_no_null():
    assert read("SELECT '' AS a UNION ALL SELECT NULL", [], {"a": pl.String})["a"].to_list() == ["", None]


def test_columns_come_in_the_order_of_the_schema():
    assert read("SELECT 1 AS a, 2 AS b", [], {"b": pl.Int64, "a": pl.Int64}).rows() == [(2, 1)]


def test_parameters_are_bound_never_formatted():
    nasty = "'; DROP TABLE shop_product; --%s"
    assert read("SELECT %s::text AS a, %s AS b", [nasty, 1], {"a": pl.String, "b": pl.Int64}).row(0) == (nasty, 1)
    named = read(
        "SELECT id FROM shop_product WHERE id = ANY(%(ids)s) AND title LIKE '%%x'", {"ids": [1]}, {"id": pl.Int64}
    )
    assert named.height == 0


def test_uncommitted_rows_of_the_same_connection_are_seen():
    product = ProductFactory(price=Decimal("0.1234"))
    frame = read("SELECT id, price FROM shop_product", [], {"id": pl.Int64, "price": pl.Float64})
    assert frame.rows() == [(product.pk, 0.1234)]


def test_events_come_with_their_ids_and_times():
    event = EventFactory()
    schema = {"id": pl.String, "occurred_at": pl.Datetime("us", "UTC")}
    assert read("SELECT id, occurred_at FROM shop_event", [], schema).row(0) == (str(event.id), event.occurred_at)


@pytest.mark.parametrize(
    ("sql", "schema", "message"),
    [
        ("SELECT 1 AS a, 2 AS b", {"a": pl.Int64}, "column b is selected, but not in the schema"),
        ("SELECT 1 AS a", {"a": pl.Int64, "b": pl.Int64}, "column b is in the schema, but not selected"),
        ("SELECT 1 AS a, 2 AS a", {"a": pl.Int64}, "column a is selected twice"),
        ("SELECT 'x' AS a", {"a": pl.Int64}, "column a is not Int64"),
        ("SELECT 1.5 AS a, 1 AS b", {"b": pl.Int64, "a": pl.Int64}, "column a is not Int64"),
        ("SELECT 3000000000 AS a", {"a": pl.Int32}, "column a is not Int32"),
        ("SELECT 'x' AS a", {"a": pl.Boolean}, "column a is not Boolean"),
        ("SELECT now() AS a", {"a": pl.Datetime("us")}, "column a is not Datetime"),
        ("SELECT now()::timestamp AS a", {"a": pl.Datetime("us", "UTC")}, "column a is not Datetime"),
        ("SELECT 'infinity'::timestamptz AS a", {"a": pl.Datetime("us", "UTC")}, "column a is not Datetime"),
    ],
)
def test_a_mismatch_names_the_column(sql, schema, message):
    with pytest.raises(FrameMismatch, match=message):
        read(sql, [], schema)


def test_wrong_sql_is_a_database_error():
    with pytest.raises(ProgrammingError, match="nope"):
        read("SELECT nope", [], {"a": pl.Int64})


def test_batches_hold_line_breaks_together():
    sql = "SELECT n, E'a\\n\"b,' || n AS text FROM generate_series(1, 10) AS n"
    batches = list(read_batches(sql, [], {"n": pl.Int64, "text": pl.String}, rows=4))
    assert [batch.height for batch in batches] == [4, 4, 2]
    assert pl.concat(batches)["text"].to_list() == [f'a\n"b,{n}' for n in range(1, 11)]
    assert [batch.height for batch in read_batches("SELECT 1 AS n WHERE false", [], {"n": pl.Int64})] == [0]
