"""`allows`: may this person's data serve this purpose? Warm: hot paths ask it of every request.

Held for each shop and purpose are those who refused and, where the shop takes silence for a no, those who agreed: 8
bytes of hash for each way to name them (our id, the outside id, each device), as sorted numbers. Postgres makes the
hashes, so that a million are loaded without holding up the answers of the process. What is said later comes as a small
dictionary over them, read by the rows' numbers; all is loaded anew when that has grown, or when it is due (`_REST`).
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from django.db import Error, connection
from django.db.models import Max

from commerce_ai.shop.models import Consent, Customer, Identity, Shop
from commerce_ai.shop.purposes import Purpose, Silence, silences_of
from commerce_ai.shop.revision import Warm

logger = logging.getLogger(__name__)

TOPIC = "consent"
CUSTOMER, OUTSIDE, DEVICE = "i", "c", "a"  # by our id, by the outside id, by the anonymous id

_MOST_LATER = 50_000  # people whose answers came after the load
_REST = 20  # times as long as a load takes, until the next one that nothing but ties of devices asks for
_LATE_S = 30.0  # a transaction may commit as long after its rows were numbered
_LATE_ROWS = 2_000  # and so many numbers after, where no earlier load says more

Said = dict[str, bool]  # purpose → granted; not in it: nothing was said


def allows(
    shop_id: int,
    purpose: Purpose | str,
    *,
    customer_external_id: str | None = None,
    customer_id: int | None = None,
    anonymous_id: str | None = None,
) -> bool:
    """Whether the shop may use a person's data for `purpose`: nobody named refused, and where the shop takes silence
    for a no, one of them agreed. Follows the table within two seconds. Until Postgres was asked once, no.
    """
    try:
        answers = _answers.get(shop_id)
    except Error:
        logger.warning("consent of shop %s can't be read: nothing is allowed", shop_id, exc_info=True)
        return False
    purpose, agreed = Purpose(purpose).value, False
    for kind, who in ((OUTSIDE, customer_external_id), (CUSTOMER, customer_id), (DEVICE, anonymous_id)):
        if who:
            granted = answers.of(purpose, number_of(kind, who))
            if granted is False:
                return False
            agreed = agreed or granted is True
    return agreed or purpose not in answers.asks_first


def allows_all(shop_id: int, purpose: Purpose | str) -> bool:
    """Whether nobody refused and silence allows: then nobody needs to be asked about."""
    try:
        answers = _answers.get(shop_id)
    except Error:
        return False
    purpose = Purpose(purpose).value
    return (
        purpose not in answers.asks_first
        and (purpose, False) not in answers.held
        and not any(said.get(purpose) is False for said in list(answers.later.values()))
    )


def load_all() -> None:
    """Load every shop's answers, so that no visitor waits for a million: a web process does so when it starts."""
    for shop_id in Consent.objects.order_by("shop_id").values_list("shop_id", flat=True).distinct():  # every shop's
        _answers.get(shop_id)


def number_of(kind: str, who: str | int) -> int:
    return int.from_bytes(hashlib.sha256(f"{kind}{who}".encode("utf-8", "replace")).digest()[:8], "big")


_NOBODY: npt.NDArray[np.uint64] = np.empty(0, np.uint64)


@dataclass
class Answers:
    """What the people of a shop said. `marks`: the highest numbers of consents and identities, by when."""

    asks_first: frozenset[str]
    held: dict[tuple[str, bool], npt.NDArray[np.uint64]]  # (purpose, granted) → sorted hashes
    loaded_at: float
    took_s: float
    marks: list[tuple[float, int, int]]
    later: dict[int, Said] = field(default_factory=dict)

    def of(self, purpose: str, number: int) -> bool | None:
        if (said := self.later.get(number)) is not None:
            return said.get(purpose)
        for granted in (False, True):
            numbers = self.held.get((purpose, granted), _NOBODY)
            if len(numbers):
                place = int(numbers.searchsorted(np.uint64(number)))
                if place < len(numbers) and int(numbers[place]) == number:
                    return granted
        return None

    @property
    def bytes(self) -> int:
        return sum(each.nbytes for each in self.held.values())


def _load(shop_id: int, marks: list[tuple[float, int, int]] | None = None) -> Answers:
    started = time.monotonic()
    marks = marks or []
    mark = _mark(shop_id)
    marks = [*marks, mark] if marks else [(0.0, mark[1] - _LATE_ROWS, mark[2] - _LATE_ROWS), mark]
    asks_first = _asks_first(shop_id)
    with connection.cursor() as cursor:
        cursor.execute(_HELD, {"shop": shop_id, "asks_first": sorted(asks_first)})
        rows = cursor.fetchall()
    held = {
        (purpose, granted): np.sort(np.frombuffer(data, ">u8").astype(np.uint64)) for purpose, granted, data in rows
    }
    return Answers(asks_first, held, started, time.monotonic() - started, _fresh(marks))


def _reload(shop_id: int, old: Answers) -> Answers:
    """The last answers and what was said since; all of it anew where that is due."""
    is_due = time.monotonic() - old.loaded_at > _REST * old.took_s
    if is_due or old.asks_first != _asks_first(shop_id):
        return _load(shop_id, old.marks)
    marks = _fresh([*old.marks, _mark(shop_id)])
    later = {**old.later, **_said_since(shop_id, *marks[0][1:])}
    if len(later) > _MOST_LATER:
        return _load(shop_id, old.marks)
    return Answers(old.asks_first, old.held, old.loaded_at, old.took_s, marks, later)


def _said_since(shop_id: int, consent_id: int, identity_id: int) -> dict[int, Said]:
    """What those say now who said something, or were tied to a device, since these numbers."""
    consents, identities = Consent.objects.of(shop_id), Identity.objects.of(shop_id)
    customers: set[int] = set()
    devices: set[str] = set()
    for customer_id, anonymous_id in consents.filter(pk__gt=consent_id).values_list("customer_id", "anonymous_id"):
        customers.add(customer_id)
        devices.add(anonymous_id)
    for customer_id, anonymous_id in identities.filter(pk__gt=identity_id).values_list("customer_id", "anonymous_id"):
        customers.add(customer_id)
        devices.add(anonymous_id)
    customers.discard(None)  # type: ignore[arg-type]
    devices.discard("")
    if not customers and not devices:
        return {}
    # Whoever is tied to them is touched as well: a customer by a proven device, a device by any customer.
    customers |= set(identities.filter(anonymous_id__in=devices).values_list("customer_id", flat=True))
    ties = list(identities.filter(customer_id__in=customers).values_list("anonymous_id", "customer_id", "proven"))
    devices |= {device for device, _customer, _proven in ties}
    proven = defaultdict(list)
    for device, customer, is_proven in ties:
        if is_proven:
            proven[device].append(customer)
    of_customer: dict[int, Said] = defaultdict(dict)
    of_device: dict[str, Said] = defaultdict(dict)
    known = Purpose.values
    by_customer = consents.filter(customer_id__in=customers, purpose__in=known)
    by_device = consents.filter(anonymous_id__in=devices, purpose__in=known)
    columns = ("at", "granted", "customer_id", "anonymous_id", "purpose", "pk")
    # Oldest first, of one instant the refusal last: the last one written is the one that counts.
    rows = sorted(
        {*by_customer.values_list(*columns), *by_device.values_list(*columns)}, key=lambda row: (row[0], not row[1])
    )
    for _at, granted, customer_id, anonymous_id, purpose, _pk in rows:
        for each in [customer_id] if customer_id is not None else proven.get(anonymous_id, ()):
            of_customer[each][purpose] = granted
        if anonymous_id:
            of_device[anonymous_id][purpose] = granted
    for device, customer, is_proven in ties:
        for purpose, granted in of_customer[customer].items():
            if not granted:
                of_device[device][purpose] = False
            elif is_proven:
                of_device[device].setdefault(purpose, True)
    names = dict(Customer.objects.of(shop_id).filter(pk__in=customers).values_list("pk", "external_id"))
    found = {number_of(DEVICE, each): dict(of_device[each]) for each in devices}
    for pk in customers:
        found[number_of(CUSTOMER, pk)] = said = dict(of_customer[pk])
        if pk in names:
            found[number_of(OUTSIDE, names[pk])] = said
    return found


def _asks_first(shop_id: int) -> frozenset[str]:
    settings = Shop.objects.filter(pk=shop_id).values_list("settings", flat=True).first() or {}
    return frozenset(each.value for each, silence in silences_of(settings).items() if silence == Silence.OPT_IN)


def _mark(shop_id: int) -> tuple[float, int, int]:
    numbers = (each.objects.aggregate(most=Max("pk"))["most"] or 0 for each in (Consent, Identity))
    return (time.monotonic(), *numbers)  # type: ignore[return-value]


def _fresh(marks: list[tuple[float, int, int]]) -> list[tuple[float, int, int]]:
    """From the latest mark on that is old enough for all rows below it to be there."""
    limit = time.monotonic() - _LATE_S
    old = [place for place, mark in enumerate(marks) if mark[0] <= limit]
    return marks[old[-1] if old else 0 :]


_HELD = f"""
    WITH said_customer AS MATERIALIZED (
        SELECT DISTINCT ON (coalesce(c.customer_id, i.customer_id), c.purpose)
            coalesce(c.customer_id, i.customer_id) AS id, c.purpose, c.granted
        FROM {Consent._meta.db_table} c
        LEFT JOIN {Identity._meta.db_table} i
            ON c.customer_id IS NULL AND i.shop_id = c.shop_id AND i.anonymous_id = c.anonymous_id AND i.proven
        WHERE c.shop_id = %(shop)s AND coalesce(c.customer_id, i.customer_id) IS NOT NULL
        ORDER BY coalesce(c.customer_id, i.customer_id), c.purpose, c.at DESC, c.granted
    ), said AS (
        SELECT '{CUSTOMER}' || id AS who, purpose, granted FROM said_customer
        UNION ALL
        SELECT '{OUTSIDE}' || c.external_id, s.purpose, s.granted
        FROM said_customer s JOIN {Customer._meta.db_table} c ON c.id = s.id
        UNION ALL
        SELECT '{DEVICE}' || anonymous_id, purpose, granted FROM (
            SELECT DISTINCT ON (anonymous_id, purpose) anonymous_id, purpose, granted
            FROM {Consent._meta.db_table} WHERE shop_id = %(shop)s AND anonymous_id <> ''
            ORDER BY anonymous_id, purpose, at DESC, granted
        ) device
        UNION ALL
        SELECT '{DEVICE}' || i.anonymous_id, s.purpose, s.granted
        FROM said_customer s JOIN {Identity._meta.db_table} i ON i.customer_id = s.id
        WHERE i.shop_id = %(shop)s AND (i.proven OR NOT s.granted)
    )
    SELECT purpose, granted, string_agg(substr(sha256(convert_to(who, 'UTF8')), 1, 8), ''::bytea)
    FROM said WHERE NOT granted OR purpose = ANY(%(asks_first)s)
    GROUP BY purpose, granted
"""  # noqa: S608  (names of our own tables, and letters)

_answers: Warm[Answers] = Warm(TOPIC, _load, reload=_reload)
