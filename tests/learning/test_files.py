"""CSV and Parquet: what a file says is what is read, and whatever is wrong with it is one error with its place."""

from __future__ import annotations

import gzip

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commerce_ai.learning.files import fingerprint, read_frame, read_frames, write_frame
from commerce_ai.learning.schema import Column, FrameError, FrameSchema

SCHEMA = FrameSchema(
    {
        "customer_id": Column("id"),
        "amount": Column("float", required=False, nullable=True),
        "at": Column("timestamp", required=False, nullable=True),
    }
)


@pytest.fixture
def write(tmp_path):
    def write(content, name="rows.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def refused(path, schema=SCHEMA, **how) -> FrameError:
    with pytest.raises(FrameError) as caught:
        read_frame(path, schema, **how)
    assert caught.value.source == str(path)
    return caught.value


def test_ids_are_numbers_only_where_all_of_them_are(write):
    assert read_frame(write("customer_id\n1\n22\n"), SCHEMA)["customer_id"].to_list() == [1, 22]
    assert read_frame(write("customer_id\n007\n22\n"), SCHEMA)["customer_id"].to_list() == ["007", "22"]
    assert read_frame(write("customer_id\n1\nC2\n"), SCHEMA)["customer_id"].to_list() == ["1", "C2"]


def test_text_ids_of_a_parquet_file_stay_text(tmp_path):
    pl.DataFrame({"customer_id": ["1", "2"]}).write_parquet(tmp_path / "rows.parquet")
    assert read_frame(tmp_path / "rows.parquet", SCHEMA)["customer_id"].to_list() == ["1", "2"]


def test_parquet_is_known_by_its_content(tmp_path):
    pl.DataFrame({"customer_id": [1]}).write_parquet(tmp_path / "rows.data")
    assert read_frame(tmp_path / "rows.data", SCHEMA).height == 1


def test_a_byte_order_mark_quotes_and_gzip(write):
    text = '\ufeffcustomer_id,amount\n"a,b",1\n"say ""x""\nthere",2\n'
    for path in (write(text), write(gzip.compress(text.encode()), "rows.csv.gz")):
        assert read_frame(path, SCHEMA)["customer_id"].to_list() == ["a,b", 'say "x"\nthere']


def test_columns_are_mapped(write):
    path = write("user,customer_id,x\n1,9,2.5\n")
    frame = read_frame(path, SCHEMA, {"customer_id": "user", "amount": "x"})
    assert frame.to_dicts() == [{"customer_id": 1, "amount": 2.5}]


def test_a_mapped_column_must_be_there(write):
    error = refused(write("customer_id\n1\n"), mapping={"amount": "sum"})
    assert error.column == "sum" and "'amount' is mapped to it" in str(error)


@pytest.mark.parametrize(
    ("content", "row", "words"),
    [
        ("", None, "empty"),
        ("customer_id,amount\n", None, "no rows"),
        ("customer_id,amount\n1,2\n3", 2, "1 fields"),
        ("customer_id,amount\n1,2\n3,4,5\n", 2, "3 fields"),
        ("customer_id,amount\n1,2\n3,many\n", 2, "not a number"),
        ("customer_id,amount\n1,2\n,4\n", 2, "missing"),
        ('customer_id,amount\n1,2\n"3,4\n', 2, "cut off"),
        ("customer_id,at\n1,2024-01-01\n2,01/02/2024\n", 2, "not an instant"),
        (b"customer_id,amount\n1,2\n\xe4,4\n", 2, "UTF-8"),
        ("customer_id,amount\n1,2\n".encode("utf-16"), None, "UTF-16"),
        ("customer_id;amount\n1;2\n", None, "semicolons"),
        ("customer_id\tamount\n1\t2\n", None, "tabs"),
        ("customer_id,customer_id\n1,2\n", None, "two columns"),
        ("amount\n1\n", None, "column is missing"),
        (b"PAR1\x00\x01\x02", None, "Parquet"),
        (gzip.compress(b"customer_id\n1\n", mtime=0)[:-9], None, "cut off"),
    ],
)
def test_what_is_wrong_is_said_with_its_row(write, content, row, words):
    error = refused(write(content))
    assert words in str(error) and error.row == row


def test_a_truncated_parquet_file(tmp_path):
    path = tmp_path / "rows.parquet"
    pl.DataFrame({"customer_id": range(1000)}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-50])
    assert "whole Parquet" in str(refused(path))


def test_a_parquet_name_on_something_else(write):
    assert "Parquet" in str(refused(write("customer_id\n1\n", "rows.parquet")))


def test_a_missing_file_and_a_folder(tmp_path):
    assert "no such file" in str(refused(tmp_path / "nothing.csv"))
    assert "can't be read" in str(refused(tmp_path))


def test_frames_by_name(write):
    path = write("customer_id\n1\n")
    schemas = {"a": SCHEMA, "b": FrameSchema({"z": Column("int")}, optional=True)}
    assert list(read_frames(schemas, {"a": path})) == ["a"]
    frame = pl.DataFrame({"who": [5]})
    assert read_frames(schemas, {"a": frame}, {"a.customer_id": "who"})["a"]["customer_id"].to_list() == [5]
    for sources, words in (({}, "needed"), ({"a": path, "c": path}, "no such frame")):
        with pytest.raises(FrameError, match=words):
            read_frames(schemas, sources)
    with pytest.raises(FrameError, match="no column 'nobody' to map"):
        read_frames(schemas, {"a": path}, {"nobody": "x"})


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), min_size=1, max_size=8).filter(
                str.strip
            ),
            st.one_of(st.none(), st.floats(-1e6, 1e6)),
        ),
        min_size=1,
        max_size=15,
    )
)
def test_what_is_written_reads_back(tmp_path, rows):
    frame = pl.DataFrame(rows, schema={"customer_id": pl.String, "amount": pl.Float64}, orient="row")
    for name in ("rows.csv", "rows.parquet"):
        write_frame(frame, tmp_path / name)
        back = read_frame(tmp_path / name, SCHEMA)
        assert back["customer_id"].cast(pl.String).to_list() == frame["customer_id"].to_list()
        assert back["amount"].to_list() == pytest.approx(frame["amount"].to_list(), nan_ok=True)


def test_the_fingerprint_sees_values_order_names_and_dtypes():
    frame = pl.DataFrame({"x": [1, 2, 3]})
    same = fingerprint({"a": frame})
    assert fingerprint({"a": pl.concat([frame[:1], frame[1:]])}) == same
    others = [
        {"a": frame.reverse()},
        {"b": frame},
        {"a": frame.cast(pl.Int32)},
        {"a": frame.rename({"x": "y"})},
        {"a": frame[:2]},
    ]
    assert len({same, *(fingerprint(each) for each in others)}) == 6
