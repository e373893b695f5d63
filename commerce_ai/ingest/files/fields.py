"""One column of a table as a file may give it: what it is called, what may stand in it, and how it is read.

Fields come from the model itself (`field_of`), so that a new column of a table can be loaded, checked and is
documented the moment it exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from commerce_ai.crypto import EncryptedTextField

Kind = Literal[
    "text",
    "secret",
    "reference",
    "decimal",
    "number",
    "integer",
    "boolean",
    "instant",
    "date",
    "json",
    "list",
    "ip",
    "uuid",
]
KINDS: dict[str, Promise] = {
    "text": _("text"),
    "secret": _("text, stored encrypted"),
    "reference": _("external id"),
    "decimal": _("number"),
    "number": _("number"),
    "integer": _("whole number"),
    "boolean": _("true or false"),
    "instant": _("date and time"),
    "date": _("date"),
    "json": _("JSON"),
    "list": _("texts, separated by |"),
    "ip": _("IP address"),
    "uuid": _("UUID"),
}


@dataclass(frozen=True)
class Field:
    """`name` in the file, `column` in the database. `required`: a value in every row; else empty means `default`.

    `personal` values never stand in quarantine in clear. `refers` is the table that a reference points into.
    """

    name: str
    column: str
    kind: Kind
    title: Any = ""
    doc: Any = ""
    required: bool = False
    nullable: bool = False
    default: Any = None
    personal: bool = False
    max_length: int | None = None
    places: int = 0
    digits: int = 0
    choices: tuple[str, ...] = ()
    lowest: int | None = None
    highest: int | None = None
    pattern: str = ""
    refers: type[models.Model] | None = None

    def default_value(self) -> Any:
        return self.default() if callable(self.default) else self.default


def field_of(column: models.Field[Any, Any]) -> Field | None:
    """How a file may give this column; None for what no file gives (keys of ours, hashes, instants of writing)."""
    if column.primary_key or column.name == "shop" or column.name.endswith("_hash"):
        return None
    if getattr(column, "auto_now", False) or not column.editable:
        return None
    if isinstance(column, models.ForeignKey):
        return _reference(column)
    kind = _kind(column)
    if kind is None:
        return None
    text = kind in ("text", "secret")
    default = column.default if column.has_default() else "" if text and column.blank else None
    personal = set(getattr(column.model, "personal", {})) - {"external_id"}
    return Field(
        name=column.name,
        column=str(column.column),
        kind=kind,
        title=column.verbose_name,
        doc=column.help_text,
        required=default is None and not column.null,
        nullable=column.null,
        default=default,
        personal=kind == "secret" or column.name in personal,
        max_length=column.max_length if text else None,
        places=getattr(column, "decimal_places", None) or 0,
        digits=getattr(column, "max_digits", None) or 0,
        choices=tuple(str(value) for value, _label in column.flatchoices) if column.choices else (),
        lowest=_BOUNDS.get(column.get_internal_type(), (None, None))[0],
        highest=_BOUNDS.get(column.get_internal_type(), (None, None))[1],
        pattern=next((each.regex.pattern for each in column.validators if hasattr(each, "regex")), ""),
    )


def _reference(column: models.ForeignKey[Any, Any]) -> Field | None:
    target = column.related_model
    names = {each.name for each in target._meta.get_fields()}  # type: ignore[union-attr]
    if "external_id" not in names:
        return None
    return Field(
        name=f"{column.name}_id",
        column=column.column,
        kind="reference",
        title=column.verbose_name,
        doc=column.help_text,
        required=not column.null,
        nullable=column.null,
        max_length=255,
        refers=column.model if target == "self" else target,  # type: ignore[arg-type]
    )


_KINDS: dict[str, Kind] = {
    "CharField": "text",
    "TextField": "text",
    "SlugField": "text",
    "DecimalField": "decimal",
    "FloatField": "number",
    "IntegerField": "integer",
    "BigIntegerField": "integer",
    "PositiveIntegerField": "integer",
    "PositiveSmallIntegerField": "integer",
    "SmallIntegerField": "integer",
    "BooleanField": "boolean",
    "DateTimeField": "instant",
    "DateField": "date",
    "JSONField": "json",
    "GenericIPAddressField": "ip",
    "UUIDField": "uuid",
}
_BOUNDS: dict[str, tuple[int, int]] = {
    "SmallIntegerField": (-(2**15), 2**15 - 1),
    "PositiveSmallIntegerField": (0, 2**15 - 1),
    "IntegerField": (-(2**31), 2**31 - 1),
    "PositiveIntegerField": (0, 2**31 - 1),
    "BigIntegerField": (-(2**63), 2**63 - 1),
}


def _kind(column: models.Field[Any, Any]) -> Kind | None:
    if isinstance(column, EncryptedTextField):
        return "secret"
    if isinstance(column, ArrayField):
        return "list"
    return _KINDS.get(column.get_internal_type())
