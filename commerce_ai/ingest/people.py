"""Who is who, from events: ties of anonymous ids to customers, and what `identify` said of a customer.

Both give the same rows in whatever order events come: a tie's last word by `at` counts, a trait's last word by the
instant it was said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from django.db import connection

from commerce_ai.ingest import customers
from commerce_ai.ingest.models import CustomerTraits
from commerce_ai.ingest.personal import Contact
from commerce_ai.shop.models import Consent, Customer

_CONTACT = ("email", "phone", "name", "address", "country", "birth_year")
_OTHER_DOOR = "@other door"
_GENDERS = {
    "f": "female", "female": "female", "woman": "female", "m": "male", "male": "male", "man": "male", "other": "other",
    "nonbinary": "other", "non-binary": "other", "diverse": "other", "d": "other", "x": "other",
}  # fmt: skip


class Tie(msgspec.Struct, frozen=True, order=True):
    """An anonymous id seen with a user id: proven if `customer_id` is known, else only claimed."""

    anonymous_id: str
    at: datetime
    user_id: str
    customer_id: int | None = None


class Said(msgspec.Struct, frozen=True):
    """What one `identify` said of a proven customer."""

    customer_id: int
    at: datetime
    traits: dict[str, Any]
    contact: Contact


def tie(shop_id: int, ties: Iterable[Tie]) -> bool:
    """Write the last tie of each anonymous id, proven and claimed apart. Whether somebody who answered for consent has
    a device more: their answer holds there too."""
    last: dict[tuple[str, bool], Tie] = {}
    for each in ties:
        key = (each.anonymous_id, each.customer_id is not None)
        if key not in last or (each.at, each.user_id) > (last[key].at, last[key].user_id):
            last[key] = each
    if not last:
        return False
    claimed = {each.user_id for each in last.values() if each.customer_id is None}
    known = customers.resolve(shop_id, claimed) if claimed else {}
    rows = [
        (anonymous_id, known.get(each.user_id, each.customer_id), proven, each.at)
        for (anonymous_id, proven), each in sorted(last.items())
    ]
    with connection.cursor() as cursor:
        cursor.execute(_TIE, {"shop": shop_id, **dict(zip("acpt", map(list, zip(*rows, strict=True)), strict=True))})
        tied = {customer_id for customer_id, is_new in cursor.fetchall() if is_new}
    return bool(tied) and Consent.objects.of(shop_id).filter(customer_id__in=tied).exists()


# Joined with the customers, as one may have been erased since the event came.
_TIE = """
    INSERT INTO shop_identity AS old (shop_id, anonymous_id, customer_id, proven, at)
    SELECT %(shop)s, new.anonymous_id, c.id, new.proven, new.at
    FROM unnest(%(a)s::text[], %(c)s::bigint[], %(p)s::boolean[], %(t)s::timestamptz[])
        AS new(anonymous_id, customer_id, proven, at)
    JOIN shop_customer c ON c.id = new.customer_id AND c.shop_id = %(shop)s
    ORDER BY new.anonymous_id, new.proven
    ON CONFLICT (shop_id, anonymous_id, proven) DO UPDATE SET customer_id = EXCLUDED.customer_id, at = EXCLUDED.at
    WHERE (EXCLUDED.at, (SELECT external_id FROM shop_customer WHERE id = EXCLUDED.customer_id))
        > (old.at, (SELECT external_id FROM shop_customer WHERE id = old.customer_id))
    RETURNING customer_id, xmax = 0
"""


def describe(shop_id: int, words: Iterable[Said]) -> int:
    """Write traits and contacts to the customers; how many customers changed."""
    by_customer: dict[int, list[Said]] = defaultdict(list)
    for each in words:
        by_customer[each.customer_id].append(each)
    if not by_customer:
        return 0
    rows = Customer.objects.of(shop_id).select_for_update().filter(pk__in=by_customer).order_by("pk")
    said_at = {each.customer_id: each for each in CustomerTraits.objects.of(shop_id).filter(customer__in=by_customer)}
    changed = 0
    for customer in rows:
        memory = said_at.get(customer.pk) or _new_memory(customer)
        before, known = _fields(customer), dict(memory.said_at)
        for each in by_customer[customer.pk]:
            _apply(customer, memory.said_at, each)
        if memory.said_at != known:
            memory.save()
        if (after := _fields(customer)) != before:
            # save() keeps the hashes of e-mail and phone with them.
            customer.save(update_fields=[*(name for name in after if after[name] != before[name]), "updated_at"])
            changed += 1
    return changed


def _new_memory(customer: Customer) -> CustomerTraits:
    """What another door wrote before tracking said its first word stays unless tracking speaks of a later time."""
    by_other_door = customer.source != customers.SOURCE
    said_at = {_OTHER_DOOR: _milliseconds(customer.updated_at)} if by_other_door else {}
    return CustomerTraits(shop_id=customer.shop_id, customer=customer, said_at=said_at)


def _apply(customer: Customer, said_at: dict[str, int], said: Said) -> None:
    ms = _milliseconds(said.at)
    for name in _CONTACT:
        if value := getattr(said.contact, name):
            current = getattr(customer, name) or ""
            if _counts(said_at, f"@{name}", ms, value, current):
                setattr(customer, name, value)
    for name, value in said.traits.items():
        if name == "gender" and isinstance(value, str):
            value = _GENDERS.get(value.lower(), "")
            if value and _counts(said_at, "@gender", ms, value, customer.gender):
                customer.gender = value
        elif _counts(said_at, name, ms, value, customer.attributes.get(name)):
            attributes = {**customer.attributes, name: value}
            customer.attributes = {key: each for key, each in attributes.items() if each is not None}


def _counts(said_at: dict[str, int], name: str, ms: int, value: Any, current: Any) -> bool:
    """Whether a word of the instant `ms` is the last one about `name`; if so it is noted. Of two of the same
    instant the greater one by its JSON counts, so that their order makes no difference."""
    last = said_at.get(name)
    if last is None:
        if current not in ("", None, 0) and ms <= said_at.get(_OTHER_DOOR, ms - 1):
            return False
    elif (ms, _order(value)) <= (last, _order(current)):
        return False
    said_at[name] = ms
    return True


def _order(value: Any) -> bytes:
    return msgspec.json.encode(value, order="deterministic")


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _fields(customer: Customer) -> dict[str, Any]:
    return {name: getattr(customer, name) for name in (*_CONTACT, "gender", "attributes")}
