"""What a kind of row looks like outside, and how it is written: the contract of products, customers and their like.

Only outside ids are spoken. All writes are upserts of validated rows: a single row is a batch of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar

from django.db import IntegrityError
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.response import Response

from commerce_ai.api import errors
from commerce_ai.api.errors import ApiError, FieldError
from commerce_ai.api.fields import OutsideSerializer
from commerce_ai.shop.copying import BadValue
from commerce_ai.shop.models import Shop
from commerce_ai.shop.revision import bump

STATUSES = ("created", "updated", "unchanged", "stale", "failed")


class How(Enum):
    """What a write does with a row that is there, and with fields that are not given."""

    CREATE = "create"  # refuse a row that is there
    REPLACE = "replace"  # fields that are not given get their defaults
    CHANGE = "change"  # refuse a row that is not there; fields that are not given stay
    MERGE = "merge"  # either; fields that are not given stay


@dataclass(frozen=True)
class Outcome:
    """What became of one row."""

    status: str  # one of STATUSES; of a single row also: exists, missing
    errors: Sequence[FieldError] = field(default=())


class Resource:
    """One kind of row. Subclasses are stateless; `write` gets validated rows of distinct ids, in a transaction."""

    name: ClassVar[str]
    id_field: ClassVar[str] = "external_id"
    serializer: ClassVar[type[OutsideSerializer]]
    shown: ClassVar[type[serializers.Serializer[Any]] | None] = None  # one row, where it looks unlike its list's
    read_scope: ClassVar[str]
    write_scope: ClassVar[str]
    topics: ClassVar[tuple[str, ...]] = ()  # what is bumped when rows moved
    deleted: ClassVar[type[serializers.Serializer[Any]] | None] = None  # what a deletion answers with 202
    single: ClassVar[tuple[str, ...]] = ("GET", "PUT", "PATCH", "DELETE")
    required: ClassVar[tuple[str, ...]] = ()  # fields that a new row needs besides its id
    key_fields: ClassVar[tuple[str, ...]] = ("external_id",)

    def rows(self, shop_id: int) -> QuerySet[Any]:
        """The shop's rows with everything that the serializer shows."""
        raise NotImplementedError

    def find(self, shop_id: int, external_id: str) -> Any:
        """One row. Raises 404."""
        found = self.rows(shop_id).filter(external_id=external_id).first()
        if found is None:
            raise errors.not_found()
        return found

    def show(self, found: Any) -> Any:
        return (self.shown or self.serializer)(found).data

    def write(self, shop: Shop, rows: Sequence[dict[str, Any]], how: How) -> list[Outcome]:
        """Write the rows; one outcome each, in their order."""
        raise NotImplementedError

    def delete(self, shop: Shop, external_id: str, parameters: Mapping[str, str]) -> None:
        """Raises 404."""
        self.find(shop.pk, external_id).delete()

    def delete_answer(self, view: Any, external_id: str, parameters: Mapping[str, str]) -> Response:
        """Delete one row and say so. Raises 404."""
        self.delete(view.shop, external_id, parameters)
        bump_topics(self, view.shop)
        return Response(status=204)


def write(resource: Resource, shop: Shop, rows: Sequence[dict[str, Any]], how: How) -> list[Outcome]:
    """Write validated rows and tell those who keep them warm. Raises ApiError 409 for what the database refuses."""
    if not rows:
        return []
    try:
        outcomes = resource.write(shop, rows, how)
    except BadValue as error:
        where = ".".join(str(part) for part in (error.row and error.row - 1, error.column) if part not in (None, ""))
        raise invalid([FieldError(where, error.message)]) from error
    except IntegrityError as error:
        raise ApiError("conflict", _("Another row stands in the way of this one."), 409) from error
    if any(outcome.status in ("created", "updated") for outcome in outcomes):
        bump_topics(resource, shop)
    return outcomes


def failed(message: Any, where: str = "") -> Outcome:
    return Outcome("failed", (FieldError(where, str(message)),))


def bump_topics(resource: Resource, shop: Shop) -> None:
    for topic in resource.topics:
        bump(topic, shop)


def raise_failed(outcome: Outcome) -> None:
    if outcome.status == "stale":
        raise ApiError("stale", _("A later state of this row is known already."), 409)
    if outcome.status == "exists":
        raise ApiError("exists", _("There is such a row already."), 409, outcome.errors)
    if outcome.status == "missing":
        raise errors.not_found()
    if outcome.status == "failed":
        raise invalid(outcome.errors)


def invalid(found: Iterable[FieldError]) -> ApiError:
    return ApiError("invalid", _("Some values are not valid."), 400, list(found))
