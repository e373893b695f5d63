"""`segment`: one message of the Segment spec a line, as warehouses and other platforms export their history.

Each message is read as the tracking API reads it, but by its own instant: what was sent when, by which clock, is
long past. A message without an id gets one from what it says, so that loading the file again adds nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, BinaryIO

import msgspec
import polars as pl
from django.db import connection, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from commerce_ai.ingest import personal, tasks, tracking
from commerce_ai.ingest.files.fields import Field
from commerce_ai.ingest.files.loading import Loading
from commerce_ai.ingest.files.problems import ROW, FileError
from commerce_ai.ingest.files.rejects import Reject
from commerce_ai.ingest.files.source import Source
from commerce_ai.ingest.messages import Reader, Refused, parse_instant, tidy
from commerce_ai.ingest.vocabulary import MOST_EVENT_BYTES
from commerce_ai.shop import partitions

MESSAGE = "message"
FIELDS = {MESSAGE: Field(MESSAGE, MESSAGE, "text", gettext_lazy("the message, as JSON"), required=True, personal=True)}
_AT_ONCE = 2_000  # messages a batch: what is projected, and retried, together
_LONGEST_LINE = 16 * MOST_EVENT_BYTES
_SENT = ("sentAt", "sent_at", "receivedAt", "received_at")


def clean(loading: Loading, source: Source) -> None:
    """Every line into staging as the message to accept, or into quarantine. Raises FileError."""
    if source.is_parquet:
        raise FileError(_("the file is Parquet, not one JSON message a line"), file=source.name)
    with source.path.open("rb") as file:
        for lines in _chunks(_lines(file, source), _AT_ONCE):
            clean_lines(loading, lines)
            loading.progress.advance(len(lines))
            loading.rejects.check(loading.read, finished=False)
    if not loading.read:
        raise FileError(_("the file has no rows"), file=source.name)


def clean_lines(loading: Loading, lines: list[tuple[int, bytes]]) -> None:
    """Numbered messages into staging, or into quarantine."""
    reader = Reader(loading.at, trusted=True)
    good: list[tuple[int, bytes, datetime]] = []
    rejects: list[Reject] = []
    for row, line in lines:
        try:
            message, at = _read(line, reader, loading.at)
            good.append((row, message, at))
        except Refused as error:
            rejects.append(Reject(row, error.field or MESSAGE, error.code, str(error.message)))
    loading.read += len(lines)
    if rejects:
        frame = pl.DataFrame(
            {ROW: [row for row, _line in lines], MESSAGE: [line.decode("utf-8", "replace") for _row, line in lines]},
            schema={ROW: pl.Int64, MESSAGE: pl.String},
        )
        bad = {each.row for each in rejects}
        clear = {row: seen for row, line in lines if row in bad and (seen := _shown(line))}
        loading.rejects.add(rejects, frame, FIELDS, clear)
        for each in rejects:
            example = _("row %(row)s: %(words)s") % {"row": each.row, "words": each.reason}
            loading.findings.add("rejected", 1, column=each.column, examples=[example])
    schema: dict[str, pl.DataType] = {ROW: pl.Int64(), MESSAGE: pl.Binary(), "at": pl.Datetime("us", "UTC")}
    loading.staging.add("messages", pl.DataFrame(good, schema=schema, orient="row"))


def write(loading: Loading) -> None:
    """Accept every staged message as the tracking API would. In the caller's transaction."""
    if not loading.staging.has("messages"):
        return
    first, last = (
        loading.staging.scan("messages")
        .select(pl.col("at").min().alias("a"), pl.col("at").max().alias("b"))
        .collect()
        .row(0)
    )
    partitions.ensure_months(first.date(), last.date())
    for frame in loading.staging.parts("messages"):
        waiting = len(connection.run_on_commit)
        accepted = tracking.accept(
            loading.shop.pk, frame[MESSAGE].to_list(), door=loading.format, trusted=True, historic=True
        )
        # What follows each request (visitors' last products) is for the present, and would keep all messages of the
        # file in memory until the commit.
        del connection.run_on_commit[waiting:]
        loading.wrote("events", accepted.stored, 0, accepted.duplicates)
        loading.duplicates += accepted.duplicates
        loading.findings.add("events_duplicate", accepted.duplicates)
        loading.progress.advance(frame.height)
    transaction.on_commit(tasks.wake, robust=True)


def _read(line: bytes, reader: Reader, now: datetime) -> tuple[bytes, datetime]:
    """The message to store, and its instant. Raises Refused."""
    if len(line) > MOST_EVENT_BYTES:
        words = _("an event has at most %(kb)s KB, this one has %(bytes)s bytes")
        raise Refused("event_too_large", "", words % {"kb": MOST_EVENT_BYTES >> 10, "bytes": len(line)})
    try:
        message = json.loads(tidy(line))
    except (ValueError, RecursionError):
        raise Refused(
            "invalid", "", _("the line is not one JSON object: it is cut off, or holds something else")
        ) from None
    if not isinstance(message, dict):
        raise Refused("invalid", "", _("the line is not one JSON object"))
    for name in _SENT:
        message.pop(name, None)
    said = message.pop("originalTimestamp", None) or message.get("timestamp")
    at = parse_instant(said) if said is not None else None
    if at is None:
        raise Refused("missing" if said is None else "invalid", "timestamp", _("a timestamp is needed, ISO 8601"))
    if not datetime(1995, 1, 1, tzinfo=UTC) <= at <= now:
        raise Refused("range", "timestamp", _("the timestamp lies in the future, or before 1995"))
    message["timestamp"] = at.isoformat()
    if not message.get("messageId"):
        digest = hashlib.sha256(json.dumps(message, sort_keys=True).encode()).hexdigest()
        message["messageId"] = f"file-{digest[:32]}"
    encoded = msgspec.json.encode(message)
    reader.read(encoded)
    return encoded, at


def _shown(line: bytes) -> dict[str, str]:
    """What may be seen of a message that was turned away: nothing of one that can't be read."""
    if len(line) > MOST_EVENT_BYTES:
        return {}
    try:
        return {MESSAGE: json.dumps(personal.clean(json.loads(tidy(line))), ensure_ascii=False)}
    except (ValueError, RecursionError):
        return {}


def _lines(file: BinaryIO, source: Source) -> Iterator[tuple[int, bytes]]:
    row = 0
    while line := file.readline(_LONGEST_LINE + 1):
        row += 1
        if row == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if len(line) > _LONGEST_LINE:
            words = _("the line is longer than %(limit)s KB: is the file one JSON message a line?")
            raise FileError(words % {"limit": _LONGEST_LINE >> 10}, file=source.name, row=row)
        if line.strip():
            try:
                line.decode(source.encoding)
            except UnicodeDecodeError:
                raise FileError(_("the line is not UTF-8 text"), file=source.name, row=row) from None
            if not line.endswith(b"\n") and not line.rstrip().endswith(b"}"):
                raise FileError(_("the file ends within this message: it is truncated"), file=source.name, row=row)
            yield row, line.strip()


def _chunks(lines: Iterator[tuple[int, bytes]], size: int) -> Iterator[list[tuple[int, bytes]]]:
    chunk: list[tuple[int, bytes]] = []
    for line in lines:
        chunk.append(line)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def message_of(values: dict[str, Any]) -> bytes:
    """The JSON of a quarantined message: as a file's line, or as the tracking API put its parts down."""
    if set(values) == {MESSAGE}:
        return str(values[MESSAGE]).encode()
    return json.dumps(values, ensure_ascii=False).encode()
