"""CSV and Parquet files as frames of a schema; whatever is wrong with a file is one `FrameError`."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from commerce_ai.learning.schema import FrameError, FrameSchema

_PARQUET = b"PAR1"
_WHOLE_NUMBER = r"^(?:0|-?[1-9]\d{0,17})$"  # no leading zeros: "007" is a name, not a number


Source = pl.DataFrame | Path | str


def read_frames(
    schemas: Mapping[str, FrameSchema], sources: Mapping[str, Source], mapping: Mapping[str, str] | None = None
) -> dict[str, pl.DataFrame]:
    """Frames or files by name as `schemas` want them; `FrameError` for one that is missing, unknown or wrong.

    `mapping` says how the sources call our columns: ours -> theirs, in every frame; or ``frame.ours`` -> theirs.
    """
    there = ", ".join(schemas) or "none"
    for name in sources:
        if name not in schemas:
            raise FrameError(f"there is no such frame; there are: {there}", source=name)
    _check_mapping(schemas, mapping or {})
    frames = {}
    for name, schema in schemas.items():
        if name not in sources:
            if schema.optional:
                continue
            raise FrameError(f"the frame is needed: {name}=FILE", source=name)
        own = {ours.removeprefix(f"{name}."): theirs for ours, theirs in (mapping or {}).items()}
        renames = {ours: theirs for ours, theirs in own.items() if ours in schema.columns}
        source = sources[name]
        if isinstance(source, pl.DataFrame):
            frames[name] = schema.check(_rename(source, schema, renames, name), name)
        else:
            frames[name] = read_frame(Path(source), schema, renames)
    return frames


def read_frame(path: Path, schema: FrameSchema, mapping: Mapping[str, str] | None = None) -> pl.DataFrame:
    """The file's rows as `schema` wants them. `mapping` says how the file calls our columns: ours -> theirs.

    Parquet is known by its content, everything else is read as CSV (UTF-8, comma, one header line, quotes
    doubled; ``.gz`` too). Text that the file leaves empty is missing. Ids in a CSV are integers when every one
    of them is a whole number without leading zeros, else text.
    """
    source = str(path)
    is_parquet = _is_parquet(path)
    frame = _rename(_parquet(path) if is_parquet else _csv(path), schema, mapping or {}, source)
    if not frame.height:
        raise FrameError("the file has no rows", source=source)
    if not is_parquet:
        frame = frame.with_columns(_number_ids(frame, schema))
    return schema.check(frame, source)


def write_frame(frame: pl.DataFrame, path: Path) -> None:
    """CSV if the name ends so, else Parquet; whole or not at all."""
    scratch = path.with_name(f".{path.name}.new")
    if path.suffix == ".csv":
        frame.write_csv(scratch)
    else:
        frame.write_parquet(scratch, compression="zstd")
    scratch.replace(path)


def _is_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except FileNotFoundError:
        raise FrameError("there is no such file", source=str(path)) from None
    except OSError as error:
        raise FrameError(f"the file can't be read: {error.strerror or error}", source=str(path)) from None
    if not start:
        raise FrameError("the file is empty", source=str(path))
    return start == _PARQUET or path.suffix == ".parquet"


def _parquet(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except Exception as error:  # polars raises many kinds here, its Rust panics among them
        words = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FrameError(f"this is not a whole Parquet file: {words}", source=str(path)) from None


def _csv(path: Path) -> pl.DataFrame:
    try:
        frame = pl.read_csv(path, infer_schema=False)
    except Exception:
        raise _what_is_wrong(path) from None
    if any(name.endswith("_duplicated_0") for name in frame.columns) or "\x00" in "".join(frame.columns):
        raise _what_is_wrong(path)
    # Polars fills the missing end of a short row with nulls; a row cut off in the middle must not pass for one.
    if frame.height and frame[:, -1].null_count() and (wrong := _find_fault(path)) is not None:
        raise wrong
    return frame


def _what_is_wrong(path: Path) -> FrameError:
    return _find_fault(path) or FrameError("this is not a CSV file", source=str(path))


def _find_fault(path: Path) -> FrameError | None:
    """The first thing wrong with a CSV file, with its row. Slow: for files that are known to be odd."""
    content, source = path.read_bytes(), str(path)
    if content[:2] == b"\x1f\x8b":
        import gzip

        try:
            content = gzip.decompress(content)
        except (OSError, EOFError):
            return FrameError("the compressed file is cut off or damaged", source=source)
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return FrameError("the file is UTF-16; save it as UTF-8", source=source)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") or None
        return FrameError(
            f"byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8", source=source, row=row
        )
    if "\x00" in text:
        return FrameError("this is not a text file", source=source)
    return _find_odd_row(text, source)


def _find_odd_row(text: str, source: str) -> FrameError | None:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    number = 0
    try:
        for number, row in enumerate(rows):
            if header is None:
                header = row
                twice = sorted({name for name in row if row.count(name) > 1})
                if twice:
                    return FrameError("two columns have this name", source=source, column=twice[0])
            elif row and len(row) != len(header):
                words = f"the row has {len(row)} fields, the header {len(header)}"
                return FrameError(words, source=source, row=number)
    except csv.Error as error:
        return FrameError(f"the row is cut off or its quotes do not match ({error})", source=source, row=number + 1)
    return FrameError("the file is empty", source=source) if header is None else None


def _rename(frame: pl.DataFrame, schema: FrameSchema, mapping: Mapping[str, str], source: str) -> pl.DataFrame:
    for ours, theirs in mapping.items():
        if ours not in schema.columns or ours == theirs:
            continue
        if theirs not in frame.columns:
            have = ", ".join(frame.columns)
            raise FrameError(f"{ours!r} is mapped to it, but the columns are: {have}", source=source, column=theirs)
        # A column that happens to have our name already gives way to the one that was named.
        frame = frame.drop(ours, strict=False).rename({theirs: ours})
    if len(frame.columns) == 1 and schema.columns.keys() - set(frame.columns):
        header = frame.columns[0]
        for name, sign in (("semicolons", ";"), ("tabs", "\t")):
            if sign in header:
                raise FrameError(f"the columns are separated by {name}; commas are needed", source=source)
    return frame


def _check_mapping(schemas: Mapping[str, FrameSchema], mapping: Mapping[str, str]) -> None:
    columns = {column for each in schemas.values() for column in each.columns}
    longer = {f"{frame}.{column}" for frame, each in schemas.items() for column in each.columns}
    for ours in mapping:
        if ours not in columns | longer:
            raise FrameError(
                f"there is no column {ours!r} to map; there are: {', '.join(sorted(columns))}", source="map"
            )


def _number_ids(frame: pl.DataFrame, schema: FrameSchema) -> list[pl.Series]:
    names = [name for name, column in schema.columns.items() if column.kind == "id" and name in frame.columns]
    return [
        frame[name].cast(pl.Int64)
        for name in names
        if frame[name].null_count() < frame.height and frame[name].str.contains(_WHOLE_NUMBER).all()
    ]


def fingerprint(frames: Mapping[str, pl.DataFrame]) -> str:
    """A hash of all frames: names, columns, dtypes, values and row order. Equal within one version of polars."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(frames):
        buffer = io.BytesIO()
        frames[name].rechunk().write_ipc(buffer, compression="uncompressed")
        digest.update(name.encode() + b"\0")
        digest.update(buffer.getbuffer())
    return digest.hexdigest()
