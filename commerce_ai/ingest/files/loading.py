"""One load under way: what every step of the pipeline shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

import polars as pl

from commerce_ai.ingest.files.rejects import Rejects
from commerce_ai.ingest.files.report import Findings
from commerce_ai.ingest.files.staging import Staging
from commerce_ai.shop.models import Shop


class Progress(Protocol):
    """Told what is being done. `total` is in rows, or None where it is not known."""

    def start(self, step: str, total: int | None) -> None: ...

    def advance(self, rows: int) -> None: ...


class Silent:
    """Nobody watches."""

    def start(self, step: str, total: int | None) -> None:
        pass

    def advance(self, rows: int) -> None:
        pass


@dataclass
class Written:
    """Rows of one table of ours."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0


@dataclass
class Loading:
    """`at` is the instant the load began. `retried`: the rows come back from quarantine, not out of a file."""

    shop: Shop
    format: str
    table: str
    file: str
    staging: Staging
    rejects: Rejects
    at: datetime
    findings: Findings = field(default_factory=Findings)
    progress: Progress = field(default_factory=Silent)
    retried: bool = False
    read: int = 0
    duplicates: int = 0
    left_out: int = 0
    written: dict[str, Written] = field(default_factory=dict)
    days: set[date] = field(default_factory=set)  # shop days whose orders are to be counted anew

    def wrote(self, table: str, inserted: int, updated: int, unchanged: int) -> None:
        each = self.written.setdefault(table, Written())
        each.inserted += inserted
        each.updated += updated
        each.unchanged += unchanged

    def settled(self, table: str, rows: int) -> None:
        """Rows of `table` that followed from others; new ones among them are no updates."""
        each = self.written.setdefault(table, Written())
        updated = max(0, rows - each.inserted)
        each.updated += updated
        each.unchanged = max(0, each.unchanged - updated)

    def touch_days(self, instants: pl.Series) -> None:
        """Orders were placed, or were thought to be, at these instants."""
        self.days.update(instants.drop_nulls().dt.convert_time_zone(self.shop.timezone).dt.date().unique())

    @property
    def changed(self) -> bool:
        return any(each.inserted or each.updated for each in self.written.values())
