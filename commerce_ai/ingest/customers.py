"""Our ids of the customers that messages name, made where they are not known yet."""

from __future__ import annotations

import time
from collections.abc import Iterable

from django.db import transaction

from commerce_ai.shop import tombstones
from commerce_ai.shop.models import Customer
from commerce_ai.shop.revision import Warm

MOST_KEPT = 50_000  # customers of a shop that a process keeps in mind
KEPT_S = 600  # and for how long at most: who deletes a customer may not say so
SOURCE = "tracking"


class _Known(dict[str, int]):
    """External id → our id, of one shop."""

    def __init__(self) -> None:
        super().__init__()
        self.until = time.monotonic() + KEPT_S

    def remember(self, fresh: dict[str, int]) -> None:
        if len(self) + len(fresh) > MOST_KEPT:
            self.clear()
        self.update(fresh)

    def forget_if_old(self) -> None:
        if (now := time.monotonic()) > self.until:
            self.clear()
            self.until = now + KEPT_S


# Made anew when the topic moves: whoever deletes or merges customers bumps "customers".
_known: Warm[_Known] = Warm("customers", lambda _shop_id: _Known())


def resolve(shop_id: int, external_ids: Iterable[str]) -> dict[str, int]:
    """External id → our id; unknown customers are made, with nothing but their id. Erased ones are left out."""
    known = _known.get(shop_id)
    known.forget_if_old()
    wanted = set(external_ids)
    found = {each: pk for each in wanted if (pk := known.get(each)) is not None}
    # Sorted, so that two processes that make the same customers never wait for each other in a ring.
    missing = sorted(wanted - found.keys())
    if not missing:
        return found
    fresh = _read(shop_id, missing)
    unknown = [each for each in missing if each not in fresh]
    if unknown and (gone := tombstones.erased(shop_id, unknown)):
        unknown = [each for each in unknown if each not in gone]
    if unknown:
        Customer.objects.bulk_create(
            [Customer(shop_id=shop_id, external_id=each, source=SOURCE) for each in unknown], ignore_conflicts=True
        )
        fresh |= _read(shop_id, unknown)
    transaction.on_commit(lambda: known.remember(fresh))  # what is rolled back was never there
    return found | fresh


def _read(shop_id: int, external_ids: list[str]) -> dict[str, int]:
    rows = Customer.objects.of(shop_id).filter(external_id__in=external_ids)
    return dict(rows.values_list("external_id", "pk"))
