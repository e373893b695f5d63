"""What can be wrong with a file as a whole: one sentence that names the file, the row and the column."""

from __future__ import annotations

from django.utils.translation import gettext as _

ROW = "_row"  # the row's number in the file, from 1, header not counted


class FileError(ValueError):
    """The file is refused and nothing of it was written.

    `row` counts from 1 and leaves the header out; `row` and `column` are None where the whole file is meant.
    """

    def __init__(self, reason: str, *, file: str, row: int | None = None, column: str | None = None) -> None:
        self.reason, self.file, self.row, self.column = reason, file, row, column
        where = [file]
        if row is not None:
            where.append(_("row %(row)s") % {"row": f"{row:,}"})
        if column is not None:
            where.append(_("column “%(column)s”") % {"column": column})
        super().__init__(f"{', '.join(where)}: {reason}")


class MissingColumn(FileError):
    """A column that has to be there is not."""

    def __init__(self, column: str, have: list[str], *, file: str) -> None:
        columns = ", ".join(have) or _("none")
        super().__init__(
            _("the column is missing; the file has: %(columns)s") % {"columns": columns}, file=file, column=column
        )


def shown(value: object, length: int = 60) -> str:
    """A value as it may be quoted in a message: short, on one line, without what can't be printed."""
    text = "".join(each if each.isprintable() else " " for each in str(value))
    return f"“{text}”" if len(text) <= length else f"“{text[:length]}…”"


def check_header(columns: list[str], name: str) -> None:
    """Raise FileError unless every column has a name of its own, and leaves our row number's name to us."""
    for position, column in enumerate(columns, 1):
        if not column.strip():
            raise FileError(_("column %(position)s has no name in the header") % {"position": position}, file=name)
        if column == ROW:
            raise FileError(_("no column may have this name"), file=name, column=column)
    seen: set[str] = set()
    for column in columns:
        if column in seen:
            raise FileError(_("the header names this column twice"), file=name, column=column)
        seen.add(column)
