"""How much a shop wants to be told: one budget for the platform and all plugins, kept in `Shop.settings`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction

from commerce_ai.shop.models import Shop

KEY: Final = "alerts"  # in `Shop.settings`


@dataclass(frozen=True, slots=True)
class Budget:
    """`most_a_day` incidents reach a channel at once; half of them are kept for what is critical. What is left over
    goes into the digest at `digest_hour` (of the shop's day)."""

    most_a_day: int = 10
    digest_hour: int = 8

    @property
    def for_warnings(self) -> int:
        return (self.most_a_day + 1) // 2


def budget_of(shop: Shop) -> Budget:
    """The shop's budget; what can't be one counts as not set."""
    said = shop.settings.get(KEY)
    said = said if isinstance(said, dict) else {}
    return Budget(_within(said.get("most_a_day"), 0, 100, 10), _within(said.get("digest_hour"), 0, 23, 8))


@transaction.atomic
def set_budget(shop: Shop, budget: Budget) -> None:
    row = Shop.objects.select_for_update().get(pk=shop.pk)
    row.settings = {**row.settings, KEY: dataclasses.asdict(budget)}
    row.save(update_fields=["settings"])
    shop.settings = row.settings


def _within(value: Any, low: int, high: int, default: int) -> int:
    return value if type(value) is int and low <= value <= high else default
