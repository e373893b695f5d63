"""The one question of every door: was this person erased?

A tombstone holds a keyed hash of an id, of one shop. Doors that make customers ask the table itself (`erased`,
`without_erased`), as they must never be wrong; the door of events asks what its process keeps warm (`barred`), which
follows the table within two seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from django.db.models import Model

from commerce_ai.crypto import keyed_hash
from commerce_ai.shop import contact
from commerce_ai.shop.models import Tombstone
from commerce_ai.shop.revision import Warm

Kind = Tombstone.Kind
Barred = Callable[[str, str], bool]
EMPTIED = "row"  # of no person, but of a row that was one's
_KEYS = {"customerid", "customer", "userid", "user", "anonymousid", "previousid", "externalid", "clientid"}
_TELLING = 8  # characters: an id as long as that is no quantity and no size
_LONGEST = 500


def hash_of(shop_id: int, kind: str, value: str) -> bytes | None:
    """The 32 bytes that a tombstone keeps of an id; None where there is nothing to keep."""
    if kind == Kind.EMAIL:
        value = contact.normal_email(value)
    elif kind == Kind.PHONE:
        value = contact.normal_phone(value)
    return keyed_hash(f"{shop_id}\0{value}", purpose=f"erased {kind}") if value else None


def erased(shop_id: int, external_ids: Iterable[str], kind: str = Kind.CUSTOMER, *, using: str = "default") -> set[str]:
    """Those of the ids under which somebody was erased, as the table says now."""
    rows = Tombstone.objects.using(using).of(shop_id).filter(kind=kind)
    if not rows.exists():
        return set()
    named = {each: hash_of(shop_id, kind, each) for each in set(external_ids)}  # spellings of one address share one
    found = rows.filter(hash__in=[each for each in named.values() if each]).values_list("hash", flat=True)
    known = {bytes(each) for each in found}
    return {each for each, hashed in named.items() if hashed in known}


def without_erased(columns: Sequence[str], rows: Any, *, using: str = "default") -> Any:
    """Rows of customers, in the order of `columns`, without the erased ones. A frame may come out as tuples."""
    known = set(
        Tombstone.objects.using(using).filter(kind=Kind.CUSTOMER).values_list("shop_id", "hash")  # of whichever shop
    )
    if not known:
        return rows
    hashes = {(shop_id, bytes(each)) for shop_id, each in known}
    names = [name.removesuffix("_id") if name == "shop_id" else name for name in columns]
    shop_at, id_at = names.index("shop"), names.index("external_id")
    tuples = rows.select(columns).iter_rows() if hasattr(rows, "iter_rows") else rows
    return _kept(tuples, hashes, shop_at, id_at)


def _kept(rows: Iterable[Sequence[Any]], hashes: set[tuple[int, bytes]], shop_at: int, id_at: int) -> Iterator[Any]:
    for row in rows:
        shop_id = getattr(row[shop_at], "pk", row[shop_at])
        hashed = hash_of(shop_id, Kind.CUSTOMER, row[id_at])
        if (shop_id, hashed) not in hashes:
            yield row


def emptied(shop_id: int, model: type[Model], external_ids: Iterable[str]) -> set[str]:
    """Those of the ids under which a row was emptied as its person was erased: what hangs on it is nobody's."""
    named = {hash_of(shop_id, EMPTIED, f"{model.__name__} {each}"): each for each in set(external_ids)}
    rows = Tombstone.objects.of(shop_id).filter(kind=EMPTIED)
    found = rows.filter(hash__in=list(named)).values_list("hash", flat=True) if rows.exists() else ()
    return {named[bytes(each)] for each in found}


def note_emptied(shop_id: int, model: type[Model], external_ids: Iterable[str]) -> None:
    """Keep in mind which orders, conversations, reviews … stay without their person."""
    hashes = (hash_of(shop_id, EMPTIED, f"{model.__name__} {each}") for each in external_ids)
    rows = [Tombstone(shop_id=shop_id, kind=EMPTIED, hash=each) for each in hashes if each]
    Tombstone.objects.bulk_create(rows, ignore_conflicts=True)


def barred(shop_id: int) -> Barred | None:
    """Says of (kind, value) whether it is erased; None where nobody is. Reads nothing from Postgres once warm."""
    hashes = _hashes.get(shop_id)
    return partial(_is_barred, shop_id, hashes) if hashes else None


def names_erased(shop_id: int, value: Any, is_barred: Barred | None = None) -> bool:
    """Whether any text or number in a JSON value is an id, an e-mail or a phone number of somebody erased."""
    is_barred = is_barred or barred(shop_id)
    return is_barred is not None and any(
        is_barred(kind, text)
        for key, text in texts_of(value)
        for kind in Kind.values
        if len(text) <= _LONGEST and (kind in (Kind.EMAIL, Kind.PHONE) or may_name(key, text))
    )


def may_name(key: str, text: str) -> bool:
    """Whether a text under this key may be somebody's id: a bare 7 is one as `customer_id`, not as `quantity`."""
    return len(text) >= _TELLING or key.lower().replace("_", "") in _KEYS


def texts_of(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text and number in a JSON value, as text, with the key it stands under."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from texts_of(each, str(name))
    elif isinstance(value, list):
        for each in value:
            yield from texts_of(each, key)
    elif value is not None and value != "" and not isinstance(value, bool):
        yield key, str(value)


def _is_barred(shop_id: int, hashes: frozenset[tuple[str, bytes]], kind: str, value: str) -> bool:
    hashed = hash_of(shop_id, kind, value) if value else None
    return hashed is not None and (str(kind), hashed) in hashes


def _load(shop_id: int) -> frozenset[tuple[str, bytes]]:
    rows = Tombstone.objects.of(shop_id).exclude(kind=EMPTIED)
    return frozenset((kind, bytes(each)) for kind, each in rows.values_list("kind", "hash"))


_hashes: Warm[frozenset[tuple[str, bytes]]] = Warm("customers", _load)
