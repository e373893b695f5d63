"""What analysts see of people: rows with their direct identifiers masked, in every list, page, column and choice.

One rule, from what each model declares personal (`commerce_ai.shop.personal`): masked are addresses of the internet,
free text that a person wrote or that was written about one, and columns that name or point at a single person. Ids that
only tell people apart stay, and so does JSON, without whatever in it names, has the shape of an identifier or reads as
a sentence. Encrypted columns are masked for everybody (`shop_admin`). Rows are masked as they are read, so
that no column, title or choice made of them can show more; and nothing masked can be searched, sorted or filtered by.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from django.core.exceptions import FieldDoesNotExist, PermissionDenied
from django.db import models
from django.db.models.query import ModelIterable

from commerce_ai.crypto import EncryptedTextField
from commerce_ai.ingest import personal

MASK = "••••••"
_FREE_TEXT = 500  # characters: a column as wide holds sentences
_SENTENCE = 40
# Columns of single words that lead to one person, wherever they are declared personal.
_NAMES = re.compile(
    r"(^|_)(e?mail|phone|name|address|street|ip|author|reason|device_id|fingerprint|tracking_number|url)($|_)"
)
_NO_NAMES = frozenset({"ip_country"})
_NOT_OF_PEOPLE = frozenset({"shop.Event.name"})  # what was done (Product Viewed), declared for the pages it may name


@cache
def identifiers(model: type[models.Model]) -> frozenset[str]:
    """The columns of a model that analysts see masked; of JSON what is harmless stays."""
    declared = getattr(model, "personal", {})
    return frozenset(
        each.name
        for each in model._meta.concrete_fields
        if each.name in declared and str(each) not in _NOT_OF_PEOPLE and _identifies(each)
    )  # fmt: skip


def masked(queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
    """The same rows, masked as they are read, with the rows that were joined to them. They can't be saved."""
    queryset = queryset.all()
    queryset._iterable_class = _Masked  # type: ignore[attr-defined]
    return queryset


def mask(row: models.Model, *, with_related: bool = False) -> models.Model:
    """Mask a row in place, and those it points to: the ones that are there, or (`with_related`) all of them."""
    if getattr(row, "_is_masked", False):
        return row
    row._is_masked = True  # type: ignore[attr-defined]
    row.save = _refuse  # type: ignore[method-assign,assignment]
    deferred = row.get_deferred_fields()
    for field in row._meta.concrete_fields:
        if field.name in identifiers(type(row)):
            if isinstance(field, models.JSONField):
                setattr(row, field.attname, shown(getattr(row, field.attname)))
            elif field.attname in deferred or getattr(row, field.attname):
                setattr(row, field.attname, MASK)
        elif isinstance(field, models.ForeignKey) and (with_related or field.is_cached(row)):
            related = getattr(row, field.name)
            if hasattr(related, "personal"):
                mask(related)
    return row


def shown(value: Any) -> Any:
    """JSON for analysts: without what names a person, and without sentences."""
    return _shorn(personal.clean(value))


def touches(model: type[models.Model], lookup: str) -> bool:
    """Whether a lookup as in ``conversation__subject__icontains`` reads a masked or an encrypted column."""
    for name in lookup.lstrip("-=^@").split("__"):
        try:
            field = model._meta.get_field(name)
        except FieldDoesNotExist:
            return False  # a transform, or a comparison
        if _is_secret(model, field):
            return True
        if (related := field.related_model) is None or isinstance(related, str):
            return False
        model = related
    return False


class _Masked(ModelIterable):
    def __iter__(self) -> Iterator[Any]:
        for row in super().__iter__():
            yield mask(row)


def _identifies(field: Any) -> bool:
    if isinstance(field, (EncryptedTextField, models.BinaryField)):
        return False  # never shown
    if isinstance(field, (models.TextField, models.JSONField, models.GenericIPAddressField)):
        return True
    if not isinstance(field, models.CharField):
        return False
    return (field.max_length or 0) >= _FREE_TEXT or (
        field.name not in _NO_NAMES and _NAMES.search(field.name) is not None
    )


def _is_secret(model: type[models.Model], field: Any) -> bool:
    is_hash = isinstance(field, models.BinaryField) and field.name in getattr(model, "personal", {})
    return is_hash or isinstance(field, EncryptedTextField) or field.name in identifiers(model)


def _shorn(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shorn(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_shorn(each) for each in value]
    return MASK if isinstance(value, str) and len(value) > _SENTENCE and " " in value else value


def _refuse(*_args: Any, **_options: Any) -> None:
    raise PermissionDenied("a masked row can't be saved")
