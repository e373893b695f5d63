"""The register of personal data: every column that holds some, what for, on which legal basis and for how long.

It is made of what the models say of themselves (`commerce_ai.shop.personal`), so that a plugin's tables stand in it
without being named here. `undeclared` finds what nobody answered for: each column of ours or of a plugin that could
hold words of or about a person must be declared personal, or be listed as not personal with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from django.apps import apps
from django.conf import settings
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from commerce_ai.crypto import EncryptedTextField
from commerce_ai.plugin import Plugin
from commerce_ai.privacy.listed import HANDLED_HERE, NOT_PERSONAL
from commerce_ai.shop.models import ShopModel
from commerce_ai.shop.personal import Basis, Handling, Keep, Personal

Model: TypeAlias = type[models.Model]
Form: TypeAlias = Literal["encrypted", "hashed", "plain"]

# Types that hold no words; whatever else a model gains, somebody has to answer for.
_WORDLESS = frozenset({
    "AutoField", "BigAutoField", "SmallAutoField", "IntegerField", "BigIntegerField", "SmallIntegerField",
    "PositiveIntegerField", "PositiveBigIntegerField", "PositiveSmallIntegerField", "FloatField", "DecimalField",
    "BooleanField", "DateField", "DateTimeField", "TimeField", "DurationField", "UUIDField", "ForeignKey",
    "OneToOneField", "CompositePrimaryKey",
})  # fmt: skip


class Undeclared(LookupError):
    """A model has personal columns and does not say on which legal basis, or names columns that it has not."""


@dataclass(frozen=True)
class Entry:
    """One personal column, or one path in its JSON (empty: the whole column). Basis and retention are in words."""

    model: str
    column: str
    path: str
    purpose: str
    basis: str
    retention: str
    form: Form
    table: str


def entries() -> list[Entry]:
    """Everything personal in this install, by model and in the order of its columns. Raises Undeclared."""
    return [entry for model in _all_models() for entry in entries_of(model)]


def entries_of(model: Model) -> list[Entry]:
    """What is personal in one model. Raises Undeclared."""
    handling, personal = _said(model)
    columns = {field.name: field for field in model._meta.concrete_fields}
    if unknown := personal.keys() - columns.keys():
        raise Undeclared(f"{model._meta.label} has no {', '.join(sorted(unknown))}")
    return [
        entry
        for name, field in columns.items()
        if name in personal
        for entry in _entries_of_column(model, field, personal[name], handling)
    ]


def undeclared() -> list[str]:
    """``app.Model.column`` of every column that could hold words of a person and that nobody answered for."""
    return [f"{model._meta.label}.{name}" for model in our_models() for name in undeclared_of(model)]


def undeclared_of(model: Model) -> list[str]:
    """The same of one model, by name of the column."""
    answered = {*_said(model)[1], *not_personal(model)}
    return [
        field.name for field in model._meta.concrete_fields if field.name not in answered and _may_hold_words(field)
    ]


def not_personal(model: Model) -> dict[str, str]:
    """Column → why it holds nothing personal: as the model says, and as it is listed here."""
    listed = {
        name: reason
        for reason, tables in NOT_PERSONAL.items()
        for name in tables.get(model._meta.label, "").split()
    }  # fmt: skip
    return {**listed, **getattr(model, "not_personal", {})}


def our_models() -> Iterator[Model]:
    """Every installed model of the platform and of plugins, third parties' too."""
    for model in apps.get_models(include_auto_created=True):
        app = model._meta.app_config
        ours = isinstance(app, Plugin) or app.name.partition(".")[0] == "commerce_ai"
        if ours or issubclass(model, ShopModel):
            yield model


def _all_models() -> Iterator[Model]:
    yield from our_models()
    seen = set(our_models())
    yield from (each for each in apps.get_models() if each not in seen and each._meta.label in HANDLED_HERE)


def _said(model: Model) -> tuple[Handling | None, Mapping[str, str | Personal]]:
    """What the model says, else what is said here for it."""
    personal = getattr(model, "personal", {})
    if not personal and model._meta.label in HANDLED_HERE:
        return HANDLED_HERE[model._meta.label]
    return getattr(model, "handling", None), personal


def _entries_of_column(
    model: Model, field: models.Field[Any, Any], said: str | Personal, handling: Handling | None
) -> Iterator[Entry]:
    said = said if isinstance(said, Personal) else Personal(said)
    basis, keep = said.basis or (handling and handling.basis), said.keep or (handling and handling.keep)
    if not (said.purpose and basis and keep):
        raise Undeclared(f"{model._meta.label}.{field.name} says no purpose, legal basis or retention")
    for path in said.paths or ("",):
        yield Entry(
            model=model._meta.label,
            column=field.name,
            path=path,
            purpose=said.purpose,
            basis=str(Basis(basis).label),
            retention=_retention(Keep(keep)),
            form=_form(field, said),
            table=str(model._meta.verbose_name_plural),
        )


def _form(field: models.Field[Any, Any], said: Personal) -> Form:
    if isinstance(field, EncryptedTextField):
        return "encrypted"
    return "hashed" if said.hashed or field.name.endswith("_hash") else "plain"


def _retention(keep: Keep) -> str:
    if keep is not Keep.MONTHS:
        return str(keep.label)
    months = settings.EVENT_KEEP_MONTHS
    if not months:
        return _("until the person is erased; no month is dropped while EVENT_KEEP_MONTHS is 0")
    return ngettext("%(n)d month", "%(n)d months", months) % {"n": months}


def _may_hold_words(field: models.Field[Any, Any]) -> bool:
    if field.is_relation or field.choices:
        return False  # choices: a closed vocabulary
    base = getattr(field, "base_field", None)
    if base is not None:
        return _may_hold_words(base)
    return field.get_internal_type() not in _WORDLESS
