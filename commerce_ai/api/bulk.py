"""A batch of rows as it comes in: which of them are valid, and what is answered about each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from commerce_ai.api import errors
from commerce_ai.api.errors import ApiError, FieldError
from commerce_ai.api.resources import STATUSES, Outcome, Resource, failed, invalid

MOST_ROWS = 1000


def rows_of(data: Any) -> list[Any]:
    rows = data.get("rows") if isinstance(data, dict) else None
    if not isinstance(rows, list):
        raise invalid([FieldError("rows", str(_("A list of rows is needed.")))])
    if len(rows) > MOST_ROWS:
        message = _("At most %(most)s rows at once.") % {"most": MOST_ROWS}
        raise ApiError("too_many_rows", message, 413, [FieldError("rows", str(message))])
    return rows


def validate(resource: Resource, rows: list[Any]) -> tuple[dict[int, dict[str, Any]], list[Outcome]]:
    """The valid rows by index, and an outcome for each row (failed, until it is written)."""
    one = resource.serializer(partial=True)
    good: dict[int, dict[str, Any]] = {}
    seen: dict[Any, int] = {}
    outcomes = []
    for at, row in enumerate(rows):
        outcome = Outcome("failed")
        try:
            valid = dict(one.run_validation(row))
        except serializers.ValidationError as error:
            outcome = Outcome("failed", tuple(errors.flatten(error.detail)))
        else:
            lacking = [name for name in resource.key_fields if name not in valid and name in _needed(resource)]
            key = tuple(valid.get(name) for name in resource.key_fields)
            if lacking:
                outcome = failed(_("This field is required."), lacking[0])
            elif key in seen:
                message = _("Row %(row)s has the same id.") % {"row": seen[key]}
                outcome = failed(message, resource.key_fields[0])
            else:
                seen[key], good[at] = at, valid
        outcomes.append(outcome)
    return good, outcomes


def _needed(resource: Resource) -> set[str]:
    return {name for name, each in resource.serializer().fields.items() if each.required}


def refuse_failed(outcomes: Sequence[Outcome]) -> None:
    found = [
        FieldError(f"rows.{at}.{each.field}".rstrip("."), each.message)
        for at, outcome in enumerate(outcomes)
        for each in outcome.errors
    ]
    if found:
        raise invalid(found[:MOST_ROWS])


def summary(resource: Resource, rows: list[Any], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    counts = dict.fromkeys(STATUSES, 0)
    results = []
    for at, outcome in enumerate(outcomes):
        counts[outcome.status] += 1
        name = rows[at].get(resource.id_field) if isinstance(rows[at], dict) else None
        found = [{"field": each.field, "message": each.message} for each in outcome.errors]
        results.append({"index": at, resource.id_field: name, "status": outcome.status, "errors": found})
    return {**counts, "results": results}
