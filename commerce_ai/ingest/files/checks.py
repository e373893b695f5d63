"""The database's own check constraints, tried on a whole batch before any row goes there.

A model's `CheckConstraint` is a Q: it is turned into an expression here, so that the one row that breaks a rule
goes to quarantine with the rule in words, where Postgres would refuse all of them together. As in SQL, a rule whose
answer is unknown (a null in it) holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import polars as pl
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext as _


@dataclass(frozen=True)
class Rule:
    """`holds` is null or true where a row keeps the rule; `column` is the file's column to look at first."""

    name: str
    holds: pl.Expr
    words: str
    columns: tuple[str, ...]


class _Untranslatable(Exception):
    pass


def rules_of(model: type[models.Model], columns: dict[str, pl.DataType]) -> list[Rule]:
    """The constraints of `model` that only look at `columns` (the database's names) and that we can say."""
    rules = []
    for constraint in model._meta.constraints:
        if not isinstance(constraint, models.CheckConstraint):
            continue
        try:
            holds = _expression(constraint.condition, model, columns)
            words, used = _words(constraint.condition), tuple(_used(constraint.condition))
        except _Untranslatable:
            continue  # Postgres still keeps it
        rules.append(Rule(constraint.name, holds, words, used))
    return rules


def _expression(q: Any, model: type[models.Model], columns: dict[str, pl.DataType]) -> pl.Expr:
    parts = []
    for child in q.children:
        part = (
            _expression(child, model, columns) if isinstance(child, Q) else _lookup(child[0], child[1], model, columns)
        )
        parts.append(part)
    whole = parts[0]
    for part in parts[1:]:
        whole = whole & part if q.connector == Q.AND else whole | part
    return ~whole if q.negated else whole


def _lookup(path: str, value: Any, model: type[models.Model], columns: dict[str, pl.DataType]) -> pl.Expr:
    name, _sep, lookup = path.partition("__")
    left, right = _column(name, model, columns), value
    if isinstance(value, F):
        right = _column(_named(value), model, columns)
    elif isinstance(value, Decimal):
        right = float(value)
    match lookup or "exact":
        case "exact":
            return left == right
        case "gte":
            return left >= right
        case "gt":
            return left > right
        case "lte":
            return left <= right
        case "lt":
            return left < right
        case "in":
            return left.is_in(list(right))
        case "isnull":
            return left.is_null() if right else left.is_not_null()
        case "regex":
            return left.str.contains(right)
    raise _Untranslatable


def _column(name: str, model: type[models.Model], columns: dict[str, pl.DataType]) -> pl.Expr:
    try:
        column = str(getattr(model._meta.get_field(name), "column", None))
    except FieldDoesNotExist:
        raise _Untranslatable from None
    if column not in columns:
        raise _Untranslatable
    dtype = columns[column]
    # A Decimal compared with 0.5 must not be cut to 0.
    return pl.col(column).cast(pl.Float64) if dtype.is_decimal() else pl.col(column)


def _named(f: Any) -> str:
    return str(f.name)


def _used(q: Any) -> Iterator[str]:
    for child in q.children:
        if isinstance(child, Q):
            yield from _used(child)
        else:
            yield child[0].partition("__")[0]
            if isinstance(child[1], F):
                yield _named(child[1])


_SIGNS = {"exact": "=", "gte": "≥", "gt": ">", "lte": "≤", "lt": "<"}


def _words(q: Any) -> str:
    if q.negated and len(q.children) == 1 and not isinstance(q.children[0], Q):
        path, value = q.children[0]
        name, _sep, lookup = path.partition("__")
        if not lookup:
            shown = _named(value) if isinstance(value, F) else value
            return _("%(column)s is not empty") % {"column": name} if shown == "" else f"{name} ≠ {shown}"
    joint = _(" and ") if q.connector == Q.AND else _(" or ")
    parts = [_words(each) if isinstance(each, Q) else _said(*each) for each in q.children]
    whole = joint.join(parts)
    if q.negated:
        return _("not (%(rule)s)") % {"rule": whole}
    return f"({whole})" if len(parts) > 1 and q.connector == Q.OR else whole


def _said(path: str, value: Any) -> str:
    name, _sep, lookup = path.partition("__")
    shown = _named(value) if isinstance(value, F) else value
    if lookup == "isnull":
        words = _("%(column)s is empty") if value else _("%(column)s is given")
        return words % {"column": name}
    if lookup == "in":
        return _("%(column)s is one of %(values)s") % {
            "column": name,
            "values": ", ".join(str(each) for each in value if each != ""),
        }
    if lookup == "regex":
        return _("%(column)s is of the form %(form)s") % {"column": name, "form": value}
    return f"{name} {_SIGNS.get(lookup or 'exact', lookup)} {shown}"
