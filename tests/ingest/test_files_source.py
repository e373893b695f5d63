"""Files that are broken, foreign or odd: what is read, and the one message that says where it can't be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_ai.ingest.files import FileError
from commerce_ai.ingest.files.problems import ROW
from commerce_ai.ingest.files.source import open_source
from commerce_ai.ingest.files.staging import Staging

Put = Callable[..., Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    def write(content: bytes | str | pl.DataFrame, name: str = "f.csv") -> Path:
        path = tmp_path / name
        if isinstance(content, pl.DataFrame):
            content.write_parquet(path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def read(path: Path, **options: Any) -> list[tuple[Any, ...]]:
    return pl.concat(open_source(path, **options).frames()).drop(ROW).rows()


def refusal(path: Path, **options: Any) -> FileError:
    with pytest.raises(FileError) as caught:
        read(path, **options)
    assert str(caught.value).startswith(path.name if path.exists() else str(path))
    return caught.value


@pytest.mark.parametrize(
    ("content", "row", "column", "words"),
    [
        (b"a,b,c\n1,2,3\n4,5\n", 2, "c", "ends after 2 of 3"),
        (b"a,b,c\n1,2,3,4\n", 1, "c", "has 4 values"),
        (b'a,b,c\n1,2,3\n4,5,"six\n7,8,9\n', 2, "c", "within a quoted value"),
        (b'a,b,c\n1,2,3\n4,5,"si', 2, "c", "within a quoted value"),
        (b"a,b,c\n1,2,3\n1,\xff\xfe,3\n", 2, "b", "not UTF-8"),
        (b"a,b,a\n1,2,3\n", None, "a", "twice"),
        (b"a,,c\n1,2,3\n", None, None, "column 2 has no name"),
        (b"", None, None, "empty"),
        (b"\n\n", None, None, "empty"),
        (b"a,b,c\n", None, None, "no rows"),
        (b"PK\x03\x04whatever", None, None, "workbook"),
        (b"\x1f\x8b\x08compressed", None, None, "compressed"),
        ("a,b\n1,é\n".encode("utf-16-le"), None, None, "encoding"),
    ],
)
def test_what_is_wrong_is_said_with_row_and_column(
    put: Put, content: bytes, row: int | None, column: str | None, words: str
) -> None:
    error = refusal(put(content))
    assert (error.row, error.column) == (row, column)
    assert words in str(error)
    assert "\n" not in str(error)


def test_the_row_is_named_far_down_the_file(put: Put) -> None:
    lines = ["a,b,c", *["1,2,3"] * 150_000, "4,5", "1,2,3"]
    assert refusal(put("\n".join(lines))).row == 150_001


def test_a_quote_that_is_never_closed_does_not_swallow_the_file(put: Put) -> None:
    lines = ["a,b,c", "1,2,3", '1,"2,3', *["1,2,3"] * 3_000_000]
    assert refusal(put("\n".join(lines))).row == 2


def test_a_file_above_the_limit_is_refused_before_it_is_read(put: Put, settings: Any) -> None:
    settings.LOAD_MAX_BYTES = 10
    error = refusal(put("a,b,c\n1,2,3\n"))
    assert "LOAD_MAX_BYTES" in str(error)
    assert "10 bytes" in str(error)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file"):
        open_source(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("encoded", "encoding"),
    [
        ("a,b\n1,Äpfel €\n".encode(), ""),
        ("\ufeffa,b\n1,Äpfel €\n".encode(), ""),
        ("a,b\n1,Äpfel €\n".encode("utf-16"), ""),
        ("\ufeffa,b\n1,Äpfel €\n".encode("utf-16-be"), ""),
        ("a,b\n1,Äpfel €\n".encode("cp1252"), "cp1252"),
        ("a,b\n1,Äpfel €\n".encode("utf-16-le"), "utf-16-le"),
    ],
)
def test_encodings(put: Put, encoded: bytes, encoding: str) -> None:
    assert read(put(encoded), encoding=encoding) == [("1", "Äpfel €")]


def test_latin_1_is_read_when_it_is_named_and_never_guessed(put: Put) -> None:
    path = put("a,b\n1,Café\n".encode("latin-1"))
    error = refusal(path)
    assert (error.row, error.column) == (1, "b")
    assert "--encoding latin-1" in str(error)
    assert read(path, encoding="latin-1") == [("1", "Café")]
    assert "klingon" in str(refusal(path, encoding="klingon"))


def test_a_utf_16_file_that_is_cut_off(put: Put) -> None:
    assert "utf-16" in str(refusal(put("a,b\n1,é\n".encode("utf-16")[:-1])))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_are_told_by_the_header(put: Put, separator: str) -> None:
    text = f'a{separator}b\n1{separator}"x{separator}y"\n'
    assert read(put(text)) == [("1", f"x{separator}y")]


def test_quotes_and_line_breaks_in_values(put: Put) -> None:
    assert read(put('a,b\r\n1,"x\r\ny"\r\n2,"say ""hi"""\r\n3,5" pipe\r\n')) == [
        ("1", "x\r\ny"),
        ("2", 'say "hi"'),
        ("3", '5" pipe'),
    ]


def test_parquet_is_told_by_what_is_in_it(put: Put) -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    assert read(put(frame, "f.data")) == [(1, "x"), (2, None)]
    assert read(put(frame, "f.parquet")) == [(1, "x"), (2, None)]


@pytest.mark.parametrize("keep", [3, 100, -10, -1])
def test_truncated_parquet(put: Put, keep: int) -> None:
    whole = put(pl.DataFrame({"a": range(1000)}), "whole.parquet").read_bytes()
    assert "truncated" in str(refusal(put(whole[:keep], "cut.parquet")))


def test_damaged_parquet(put: Put) -> None:
    path = put(pl.DataFrame({"a": [f"value {n}" for n in range(50_000)]}), "whole.parquet")
    whole = bytearray(path.read_bytes())
    whole[1000:5000] = bytes(4000)
    assert "damaged" in str(refusal(put(bytes(whole), "damaged.parquet")))


@given(
    rows=st.lists(
        st.lists(
            st.text(st.characters(exclude_characters="\r\x00", exclude_categories=["Cs"]), max_size=8),
            min_size=2,
            max_size=2,
        ).filter(lambda row: any(row)),
        min_size=1,
        max_size=20,
    )
)
def test_whatever_a_csv_writer_writes_is_read_as_it_was(
    rows: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    import csv

    path = tmp_path_factory.mktemp("csv") / "f.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerows([["a", "b"], *rows])
    assert read(path) == [tuple(value or None for value in row) for row in rows]


def test_a_killed_load_leaves_nothing_that_the_next_one_does_not_sweep(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    left = tmp_path / "loading" / "load-left"
    left.mkdir(parents=True)
    (left / "rows-000000.parquet").write_bytes(b"x")
    with Staging() as one, Staging() as two:
        assert not left.exists()
        one.add("rows", pl.DataFrame({"a": [1]}))
        two.add("rows", pl.DataFrame({"a": [2]}))
        assert [frame.rows() for frame in one.parts("rows")] == [[(1,)]]
    assert list((tmp_path / "loading").iterdir()) == []
