"""What a frame must look like: dtypes made fit, and one error that names source, column and row."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_ai.learning.schema import Column, FrameError, FrameSchema


def check(kind, values, **about):
    schema = FrameSchema({"x": Column(kind, **about)})
    return schema.check(pl.DataFrame({"x": values}, strict=False), "rows.csv")["x"]


def refused(kind, values, **about) -> FrameError:
    with pytest.raises(FrameError) as caught:
        check(kind, values, **about)
    return caught.value


@pytest.mark.parametrize("dtype", [pl.Int8, pl.Int32, pl.Int64, pl.UInt32, pl.UInt64, pl.String])
def test_ids_keep_the_dtype_they_came_with(dtype):
    frame = pl.DataFrame({"x": pl.Series([1, 2]).cast(dtype)})
    assert FrameSchema({"x": Column("id")}).check(frame, "f")["x"].dtype == dtype


def test_categorical_ids_become_text():
    frame = pl.DataFrame({"x": pl.Series(["a", "b"], dtype=pl.Categorical)})
    assert FrameSchema({"x": Column("id")}).check(frame, "f")["x"].dtype == pl.String


def test_a_fraction_is_no_id():
    assert "must be an integer or text" in str(refused("id", [1.5]))


def test_a_blank_is_no_id():
    error = refused("id", ["a", "  "])
    assert (error.column, error.row) == ("x", 2)


def test_the_error_names_source_column_and_row():
    error = refused("float", ["1", "2", "three"])
    assert (error.source, error.column, error.row) == ("rows.csv", "x", 3)
    assert str(error) == "rows.csv, column 'x', row 3: 'three' is not a number"


def test_a_missing_column_is_named_beside_those_there():
    with pytest.raises(FrameError, match="column 'y': the column is missing; the columns are: x"):
        FrameSchema({"y": Column("int")}).check(pl.DataFrame({"x": [1]}), "f")


def test_an_optional_column_may_be_missing():
    schema = FrameSchema({"x": Column("int"), "y": Column("int", required=False)})
    assert schema.check(pl.DataFrame({"x": [1]}), "f").columns == ["x"]


def test_one_of_a_group_is_enough_and_none_is_too_few():
    schema = FrameSchema({"x": Column("int", required=False), "y": Column("int", required=False)}, one_of=(("x", "y"),))
    assert schema.check(pl.DataFrame({"y": [1]}), "f").columns == ["y"]
    with pytest.raises(FrameError, match="a column 'x' or 'y' is needed"):
        schema.check(pl.DataFrame({"z": [1]}), "f")


def test_other_columns_are_dropped_or_kept():
    frame = pl.DataFrame({"x": [1], "z": [2]})
    assert FrameSchema({"x": Column("int")}).check(frame, "f").columns == ["x"]
    assert FrameSchema({"x": Column("int")}, extra="keep").check(frame, "f").columns == ["x", "z"]


def test_nulls_are_refused_unless_the_column_may_be_empty():
    assert refused("int", [1, None]).row == 2
    assert check("int", [1, None], nullable=True).to_list() == [1, None]
    assert check("float", [None, None], nullable=True).dtype == pl.Float64


def test_numbers_are_not_cut_to_fit():
    assert check("int", [1.0, 2.0]).to_list() == [1, 2]
    assert refused("int", [1.0, 2.7]).row == 2
    assert refused("bool", [0, 1, 2]).row == 3


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_float_must_be_finite(value):
    assert refused("float", [1.0, value]).row == 2


@pytest.mark.parametrize("kind", ["int", "float", "bool", "date", "text"])
def test_lists_fit_nothing_but_lists(kind):
    with pytest.raises(FrameError):
        check(kind, [[1, 2]])


@pytest.mark.parametrize("kind", ["int", "float", "bool"])
def test_a_date_is_no_number(kind):
    with pytest.raises(FrameError):
        check(kind, [date(2024, 1, 1)])


def test_bounds_and_choices():
    assert "below 0" in str(refused("float", [1.0, -0.5], at_least=0))
    assert "above 5" in str(refused("int", [6], at_most=5))
    assert "none of a, b" in str(refused("text", ["a", "c"], choices=("a", "b")))
    assert check("text", ["a", None], choices=("a", "b"), nullable=True).to_list() == ["a", None]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-03-04", datetime(2024, 3, 4, tzinfo=UTC)),
        ("2024-03-04 10:30", datetime(2024, 3, 4, 10, 30, tzinfo=UTC)),
        ("2024-03-04T10:30:15Z", datetime(2024, 3, 4, 10, 30, 15, tzinfo=UTC)),
        ("2024-03-04T10:30:15.123456789", datetime(2024, 3, 4, 10, 30, 15, 123456, tzinfo=UTC)),
        ("2024-03-04T10:30:15,5+02:00", datetime(2024, 3, 4, 8, 30, 15, 500000, tzinfo=UTC)),
        ("2024-03-04 10:30:00-0130", datetime(2024, 3, 4, 12, 0, tzinfo=UTC)),
    ],
)
def test_instants_in_text(text, instant):
    # Beside another precision: a reader that takes the first row's format for all loses the time of day.
    assert check("timestamp", ["2000-01-01", text]).to_list()[1] == instant


@pytest.mark.parametrize("text", ["03/04/2024", "2024-13-01", "2024-02-30", "yesterday", "20240304"])
def test_what_is_not_surely_an_instant_is_refused(text):
    assert refused("timestamp", ["2024-01-01", text]).row == 2


@pytest.mark.parametrize("unit", [1, 10**3, 10**6])
def test_unix_time_in_seconds_milliseconds_and_microseconds(unit):
    expected = datetime(2012, 1, 1, tzinfo=UTC)
    assert check("timestamp", [1_325_376_000 * unit]).to_list() == [expected]
    assert check("timestamp", [str(1_325_376_000 * unit)]).to_list() == [expected]


def test_naive_datetimes_are_utc_and_zones_are_converted():
    naive = check("timestamp", [datetime(2024, 1, 1, 12)])
    zoned = pl.DataFrame({"x": pl.Series([datetime(2024, 1, 1, 12)]).dt.replace_time_zone("Europe/Berlin")})
    assert naive.to_list() == [datetime(2024, 1, 1, 12, tzinfo=UTC)]
    assert FrameSchema({"x": Column("timestamp")}).check(zoned, "f")["x"].to_list() == [
        datetime(2024, 1, 1, 11, tzinfo=UTC)
    ]


@given(st.lists(st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1)), min_size=1, max_size=20))
def test_iso_text_reads_back_as_it_was_written(instants):
    read = check("timestamp", [each.isoformat(sep=" ") for each in instants]).to_list()
    assert read == [each.replace(tzinfo=UTC) for each in instants]


@given(st.lists(st.one_of(st.none(), st.text(alphabet="0123456789abc.-", max_size=5)), min_size=1, max_size=20))
def test_a_cast_loses_no_value_silently(values):
    try:
        read = check("float", values, nullable=True)
    except FrameError as error:
        assert values[error.row - 1] is not None
    else:
        assert [each is None for each in read] == [each is None for each in values]
