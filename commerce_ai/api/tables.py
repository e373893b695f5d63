"""Resources that are one table with an `external_id`: rows are compared with what is there, then upserted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from commerce_ai.api.errors import FieldError
from commerce_ai.api.resources import How, Outcome, Resource, failed
from commerce_ai.shop import bulk
from commerce_ai.shop.models import Shop

SOURCE = "api"


class Change:
    """One row on its way: what was given, the row that is there (or None), and the columns it will have."""

    def __init__(self, at: int, row: dict[str, Any], old: Any) -> None:
        self.at, self.row, self.old = at, row, old
        self.values: dict[str, Any] = {}

    @property
    def external_id(self) -> str:
        return self.row["external_id"]

    def differs(self, *columns: str) -> bool:
        return self.old is None or any(getattr(self.old, name) != self.values[name] for name in columns)


class TableResource(Resource):
    model: ClassVar[Any]
    columns: ClassVar[tuple[str, ...]]  # fields of the same name outside and in the table

    def write(self, shop: Shop, rows: Sequence[dict[str, Any]], how: How) -> list[Outcome]:
        outcomes: list[Outcome] = [Outcome("unchanged")] * len(rows)
        known = self.lock(shop, [row["external_id"] for row in rows])
        changes = []
        for at, row in enumerate(rows):
            change = Change(at, row, known.get(row["external_id"]))
            if refusal := self.refusal(change, how):
                outcomes[at] = refusal
                continue
            change.values = {name: self.value(name, change, shop) for name in self.columns}
            changes.append(change)
        changes, refused = self.complete(shop, changes)
        outcomes = [refused.get(at, outcome) for at, outcome in enumerate(outcomes)]
        moved = [change for change in changes if self.has_moved(change)]
        self.save(shop, moved)
        for change in moved:
            outcomes[change.at] = Outcome("updated" if change.old else "created")
        return outcomes

    def lock(self, shop: Shop, external_ids: list[str]) -> dict[str, Any]:
        """The rows that are there, held until the transaction ends: nobody changes what we compare with."""
        rows = self.model.objects.of(shop).filter(external_id__in=external_ids)
        return {row.external_id: row for row in rows.order_by("pk").select_for_update()}

    def refusal(self, change: Change, how: How) -> Outcome | None:
        if how is How.CREATE and change.old is not None:
            return Outcome("exists", (FieldError("external_id", str(_("There is a row with this id."))),))
        if how is How.CHANGE and change.old is None:
            return Outcome("missing")
        if change.old is None:
            for name in self.required:
                if change.row.get(name) is None:
                    return failed(_("This field is required."), name)
        return None

    def value(self, name: str, change: Change, shop: Shop) -> Any:
        """What a column will hold: what was given, else what is there, else its default."""
        if name in change.row:
            return change.row[name]
        if change.old is not None:
            return getattr(change.old, name)
        return self.model._meta.get_field(name).get_default()

    def complete(self, shop: Shop, changes: list[Change]) -> tuple[list[Change], dict[int, Outcome]]:
        """Fill in what names other rows; those that can't be written, with why."""
        return changes, {}

    def has_moved(self, change: Change) -> bool:
        return change.differs(*change.values)

    def save(self, shop: Shop, changes: list[Change]) -> None:
        """Upsert the rows that moved."""
        self.upsert(shop, changes)

    def upsert(self, shop: Shop, changes: list[Change], **options: Any) -> None:
        if not changes:
            return
        names = list(changes[0].values)
        rows = [(shop.pk, change.external_id, SOURCE, *(change.values[name] for name in names)) for change in changes]
        columns = ["shop", "external_id", "source", *names]
        bulk.upsert(self.model, columns, rows, key=("shop", "external_id"), update=names, **options)


def resolve_or_make(model: type[models.Model], shop: Shop, external_ids: set[str]) -> dict[str, int]:
    """Our ids; rows that are not there yet are made with nothing but their id."""
    rows = [(shop.pk, each, SOURCE) for each in sorted(external_ids)]
    if rows:
        bulk.upsert(model, ["shop", "external_id", "source"], rows, key=("shop", "external_id"), update=())
    return bulk.resolve(model, shop, external_ids)
