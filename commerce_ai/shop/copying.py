"""COPY … FROM STDIN in Postgres' text format: how each kind of column is written, and the stream itself.

Text that Postgres can't hold is mended, not refused: NUL characters go, halves of surrogate pairs become `?`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from itertools import islice
from json import loads
from typing import Any
from uuid import UUID

import msgspec
from django.contrib.postgres.fields import ArrayField
from django.db import DataError, connections, models
from django.utils.translation import gettext as _

from commerce_ai.crypto import EncryptedTextField, encrypt

NULL = "".join(("\\", "N"))  # an object of its own: compared by identity, it is no text that a row could bring

Cell = Callable[[Any], str]

_TO_ESCAPE = re.compile(r"[\\\t\n\r\0]")
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r", "\0": None})
_LINES_AT_ONCE = 2000


class BadValue(ValueError):
    """A value that its column can't hold; `column` and `row` (1 is the first of the batch) say where."""

    def __init__(self, message: str, column: str = "", row: int | None = None) -> None:
        where = ", ".join(
            [_("column %s") % column] * bool(column) + [_("row %s") % row] * bool(row)  # either may be unknown
        )
        super().__init__(f"{where}: {message}" if where else message)
        self.message, self.column, self.row = message, column, row


def copy_in(statement: str, lines: Iterable[str], *, using: str = "default") -> int:
    """Send `lines` (each ends with a line feed), return the number of rows. Raises BadValue or django.db.Error."""
    connection = connections[using]
    try:
        with connection.cursor() as cursor, connection.wrap_database_errors:
            with cursor.copy(statement) as copy:
                for line in lines:
                    copy.write(line.encode("utf-8", "replace"))
            return cursor.rowcount
    except DataError as error:
        diagnosis = getattr(error.__cause__, "diag", None)
        where = re.search(r"line (\d+), column (\w+)", getattr(diagnosis, "context", None) or "")
        if not where or diagnosis is None:
            raise
        raise BadValue(diagnosis.message_primary or str(error), where[2], int(where[1])) from error


def lines(cells: Sequence[tuple[str, Cell]], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """The rows as text, some thousand at once. `cells` are the columns' names and writers, in the rows' order."""
    writers = [cell for _name, cell in cells]
    rows, done = iter(rows), 0
    while chunk := list(islice(rows, _LINES_AT_ONCE)):
        try:
            text = [
                "\t".join([NULL if v is None else write(v) for write, v in zip(writers, row, strict=True)])
                for row in chunk
            ]
        except (ValueError, TypeError, AttributeError, InvalidOperation):
            for at, row in enumerate(chunk, done + 1):
                _explain(cells, row, at)
            raise
        done += len(chunk)
        yield "\n".join(text) + "\n"


def cell_of(field: models.Field[Any, Any]) -> Cell:
    """What writes a (not empty) value of this column. JSON comes as text, bytes or an object."""
    if isinstance(field, EncryptedTextField):
        context = field.context
        return lambda value: _bytes(value if isinstance(value, bytes) else encrypt(value, context=context))
    if isinstance(field, ArrayField):
        return _array
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    for kind, write in _CELLS.items():
        if isinstance(field, kind):
            return write
    return escape


def escape(value: Any) -> str:
    text = value if type(value) is str else str(value)
    return text.translate(_ESCAPES) if _TO_ESCAPE.search(text) else text


def clean_json(value: str | bytes | Mapping[str, Any] | Sequence[Any]) -> str:
    """JSON text that Postgres can hold: no NUL characters, no halves of surrogate pairs. Raises ValueError."""
    if isinstance(value, (str, bytes)):
        text = value if isinstance(value, str) else value.decode("utf-8", "replace")
    else:
        try:
            text = msgspec.json.encode(value, enc_hook=str).decode()
        except UnicodeEncodeError:
            text = msgspec.json.encode(_mend(value), enc_hook=str).decode()
    if "\\u" in text:
        text = msgspec.json.encode(_mend(loads(text))).decode()
    return text


def _mend(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_mend(key): _mend(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_mend(each) for each in value]
    return value


def _json(value: Any) -> str:
    return escape(clean_json(value))


def _bytes(value: Any) -> str:
    return r"\\x" + bytes(value).hex()


def _boolean(value: Any) -> str:
    if value is True or value is False:
        return "t" if value else "f"
    if value in (0, 1):
        return "t" if value == 1 else "f"
    raise ValueError(_("%r is neither true nor false") % (value,))


def _decimal(value: Any) -> str:
    number = value if type(value) is Decimal else Decimal(str(value))
    if not number.is_finite():
        raise ValueError(_("%r is not a number") % (value,))
    return str(number)


def _integer(value: Any) -> str:
    if int(value) != value:
        raise ValueError(_("%r is not a whole number") % (value,))
    return str(int(value))


def _float(value: Any) -> str:
    return repr(float(value))


def _instant(value: Any) -> str:
    if value.tzinfo is None:
        raise ValueError(_("%s has no time zone") % (value,))
    return value.astimezone(UTC).isoformat()


def _date(value: Any) -> str:
    if isinstance(value, datetime) or not isinstance(value, date):
        raise ValueError(_("%r is not a date") % (value,))
    return value.isoformat()


def _uuid(value: Any) -> str:
    return (value if isinstance(value, UUID) else UUID(str(value))).hex


def _array(value: Any) -> str:
    if isinstance(value, str):
        raise ValueError(_("%r is not a list") % (value,))
    quoted = ('"' + str(each).replace("\\", "\\\\").replace('"', '\\"') + '"' for each in value)
    return escape("{" + ",".join(quoted) + "}")


_CELLS: dict[type[models.Field[Any, Any]], Cell] = {
    models.JSONField: _json,
    models.BinaryField: _bytes,
    models.BooleanField: _boolean,
    models.DecimalField: _decimal,
    models.IntegerField: _integer,
    models.FloatField: _float,
    models.DateTimeField: _instant,
    models.DateField: _date,
    models.UUIDField: _uuid,
}


def _explain(cells: Sequence[tuple[str, Cell]], row: Sequence[Any], at: int) -> None:
    if len(row) != len(cells):
        raise BadValue(
            _("%(values)s values for %(columns)s columns") % {"values": len(row), "columns": len(cells)}, row=at
        )
    for (name, write), value in zip(cells, row, strict=True):
        try:
            if value is not None:
                write(value)
        except (ValueError, TypeError, AttributeError, InvalidOperation) as error:
            reason = str(error) if isinstance(error, ValueError) else _("%r does not fit") % (value,)
            raise BadValue(reason, name, at) from error
