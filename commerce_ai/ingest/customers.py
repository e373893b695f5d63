"""Our ids of the customers that messages name, made where they are not known yet."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from commerce_ai.shop.models import Customer
from commerce_ai.shop.revision import Warm

MOST_KEPT = 200_000  # customers of a shop that a process keeps in mind
SOURCE = "tracking"

# Emptied when the topic moves: whoever deletes or merges customers bumps "customers".
_known: Warm[dict[str, int]] = Warm("customers", lambda _shop_id: {})


def resolve(shop_id: int, external_ids: Iterable[str]) -> dict[str, int]:
    """External id → our id, for every one of them; unknown customers are made, with nothing but their id."""
    known = _known.get(shop_id)
    found = {each: known[each] for each in set(external_ids) if each in known}
    # Sorted, so that two processes that make the same customers never wait for each other in a ring.
    missing = sorted(set(external_ids) - found.keys())
    if not missing:
        return found
    fresh = _read(shop_id, missing)
    if unknown := [each for each in missing if each not in fresh]:
        Customer.objects.bulk_create(
            [Customer(shop_id=shop_id, external_id=each, source=SOURCE) for each in unknown], ignore_conflicts=True
        )
        fresh |= _read(shop_id, unknown)

    def remember() -> None:
        if len(known) + len(fresh) > MOST_KEPT:
            known.clear()
        known.update(fresh)

    transaction.on_commit(remember)  # what is rolled back was never there
    return found | fresh


def _read(shop_id: int, external_ids: list[str]) -> dict[str, int]:
    rows = Customer.objects.of(shop_id).filter(external_id__in=external_ids)
    return dict(rows.values_list("external_id", "pk"))
