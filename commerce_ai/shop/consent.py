"""Consent by purpose: what a person last said, and who said no.

The latest answer of a person to a purpose counts; of two at one instant the refusal. A customer also speaks through
the anonymous ids that are *proven* theirs. A refusal reaches further than a yes: it holds for every anonymous id that
is linked to the customer, even by a mere claim, because leaving out a stranger's visit does no harm and keeping
theirs does. Who never answered has neither agreed nor refused: what that means is the shop's to say, purpose by purpose
(`set_silences`); without a word of the shop's, silence allows.

This stands in `shop`, the lowest room that has people, because all above it need it: tracking and REST to record,
the queries of plugins to leave people out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from commerce_ai.shop import purposes
from commerce_ai.shop.allowed import TOPIC, allows, allows_all
from commerce_ai.shop.models import Consent, Customer, Identity, Shop
from commerce_ai.shop.purposes import Purpose, Silence, silences_of
from commerce_ai.shop.revision import bump

__all__ = [
    "Answer", "Purpose", "Silence", "allows", "allows_all", "of", "record", "record_many", "refused_sql", "rows_of",
    "set_silences", "silences_of", "spared_sql",
]  # fmt: skip


class Answer(msgspec.Struct, frozen=True):
    """One yes or no, to be recorded: of a customer, of a visitor, or (both named) of a customer on a device."""

    purpose: str
    granted: bool
    at: datetime
    customer_id: int | None = None
    anonymous_id: str = ""


def record(
    shop: Shop | int,
    *,
    customer: Customer | int | None = None,
    anonymous_id: str = "",
    purpose: str,
    granted: bool,
    at: datetime | None = None,
    source: str,
    evidence: str = "",
) -> Consent:
    """Keep one answer of a customer, a visitor or both; said twice, it is kept once.

    `at` is when it was said (now), `source` the door that it came by, `evidence` the wording or form shown. Answers
    that contradict each other at one instant leave the refusal. Raises ValueError for nobody, for a purpose that is
    not a `Purpose`, and for a customer of another shop.
    """
    shop_id, customer_id = _key(shop), None if customer is None else _key(customer)
    if customer_id is None and not anonymous_id:
        raise ValueError("consent is given by a customer or by a visitor with an anonymous id")
    if customer_id is not None and not Customer.objects.of(shop_id).filter(pk=customer_id).exists():
        raise ValueError("the customer is not one of this shop")
    with transaction.atomic():
        said: dict[str, Any] = {
            "shop_id": shop_id, "customer_id": customer_id, "anonymous_id": anonymous_id,
            "purpose": Purpose(purpose).value, "at": at or timezone.now(),
        }  # fmt: skip
        proof = {"granted": granted, "source": source, "evidence": evidence}
        row, made = Consent.objects.of(shop_id).get_or_create(**said, defaults=proof)
        if row.granted and not granted:
            row.delete()  # what is warm follows the table by its numbers, so that the refusal needs a new one
            row, made = Consent.objects.create(**said, **proof), True
        if made:
            bump(TOPIC, shop_id)
    return row


def record_many(shop: Shop | int, answers: Sequence[Answer], *, source: str) -> int:
    """Keep many answers at once, as `record` does; how many rows were written. Of customers who are gone, none."""
    shop_id, once = _key(shop), {}
    for each in answers:
        key = (each.customer_id, each.anonymous_id, Purpose(each.purpose).value, each.at)
        once[key] = each.granted and once.get(key, True)
    if not once:
        return 0
    customers, devices, purposes, instants = (list(column) for column in zip(*once, strict=True))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            _RECORD,
            {
                "shop": shop_id, "source": source, "c": customers, "a": devices, "p": purposes, "t": instants,
                "g": list(once.values()),
            },
        )  # fmt: skip
        if written := cursor.rowcount:
            bump(TOPIC, shop_id)
    return written


def set_silences(shop: Shop, given: Mapping[str, str]) -> None:
    """Say what silence means: purpose → opt_in or opt_out. Purposes not named stay. Raises ValueError."""
    checked = purposes.check_silences(given)
    with transaction.atomic():
        row = Shop.objects.select_for_update().get(pk=shop.pk)
        known = row.settings.get(purposes.KEY)
        row.settings = {**row.settings, purposes.KEY: {**(known if isinstance(known, dict) else {}), **checked}}
        row.save(update_fields=["settings"])
        shop.settings = row.settings
        bump(TOPIC, shop)


def of(
    shop: Shop | int, *, customer: Customer | int | None = None, anonymous_id: str = ""
) -> dict[Purpose, bool | None]:
    """What a customer, a visitor, or a customer on a visitor's device agrees to; None where nothing was said.

    With both, a refusal of either counts.
    """
    shop_id = _key(shop)
    answers = dict.fromkeys(Purpose)
    if customer is not None:
        answers = _customers(shop_id, _key(customer))
    if anonymous_id:
        answers = _stricter(answers, _visitors(shop_id, anonymous_id))
    return answers


def rows_of(shop: Shop | int, customer: Customer | int) -> dict[Purpose, Consent]:
    """The rows that hold what a customer agrees to now, with their time, source and evidence."""
    shop_id = _key(shop)
    return {Purpose(each.purpose): each for each in _latest_rows(shop_id, _voices_of(shop_id, _key(customer)))}


def refused_sql(purpose: Purpose) -> str:
    """Common table expressions, to stand after WITH: who refused `purpose` in the shop ``%(shop)s``, and who agreed.

    ``refused_customer(id)`` and ``refused_visitor(anonymous_id)``; ``agreed_…`` are read only where the shop takes
    silence for a no (``asks_first(yes)``). A query leaves out whom it must not use by `spared_sql`.
    """
    return f"""
    asks_first AS MATERIALIZED (
        SELECT coalesce(
            (SELECT settings->'{purposes.KEY}'->>'{purpose.value}' = '{Silence.OPT_IN.value}'
             FROM {Shop._meta.db_table} WHERE id = %(shop)s), false
        ) AS yes
    ),
    said_customer AS MATERIALIZED (
        SELECT DISTINCT ON (coalesce(c.customer_id, i.customer_id))
            coalesce(c.customer_id, i.customer_id) AS id, c.granted
        FROM {Consent._meta.db_table} c
        LEFT JOIN {Identity._meta.db_table} i
            ON c.customer_id IS NULL AND i.shop_id = c.shop_id AND i.anonymous_id = c.anonymous_id AND i.proven
        WHERE c.shop_id = %(shop)s AND c.purpose = '{purpose.value}'
            AND coalesce(c.customer_id, i.customer_id) IS NOT NULL
        ORDER BY coalesce(c.customer_id, i.customer_id), c.at DESC, c.granted
    ),
    said_visitor AS MATERIALIZED (
        SELECT DISTINCT ON (anonymous_id) anonymous_id, granted
        FROM {Consent._meta.db_table}
        WHERE shop_id = %(shop)s AND purpose = '{purpose.value}' AND anonymous_id <> ''
        ORDER BY anonymous_id, at DESC, granted
    ),
    refused_customer AS MATERIALIZED (SELECT id FROM said_customer WHERE NOT granted),
    refused_visitor AS MATERIALIZED (
        SELECT anonymous_id FROM said_visitor WHERE NOT granted
        UNION
        SELECT i.anonymous_id FROM {Identity._meta.db_table} i JOIN refused_customer r ON r.id = i.customer_id
        WHERE i.shop_id = %(shop)s
    ),
    agreed_customer AS MATERIALIZED (SELECT id FROM said_customer WHERE granted),
    agreed_visitor AS MATERIALIZED (
        SELECT anonymous_id FROM said_visitor WHERE granted
        UNION
        SELECT i.anonymous_id FROM {Identity._meta.db_table} i JOIN agreed_customer a ON a.id = i.customer_id
        WHERE i.shop_id = %(shop)s AND i.proven
    )"""  # noqa: S608  (names of our own tables, and values of Purpose)


def spared_sql(customer_id: str, anonymous_id: str) -> str:
    """A condition for WHERE: neither the customer nor the visitor in these columns refused (see `refused_sql`), and
    where the shop takes silence for a no, one of them agreed."""
    return (
        # The columns' table may well be called r: no alias of ours stands before it.
        f"NOT EXISTS (SELECT FROM refused_customer WHERE refused_customer.id = {customer_id})"  # noqa: S608  (by name)
        f" AND NOT EXISTS (SELECT FROM refused_visitor WHERE refused_visitor.anonymous_id = {anonymous_id})"
        " AND (NOT (SELECT yes FROM asks_first)"
        f" OR {customer_id} IN (SELECT id FROM agreed_customer)"
        f" OR {anonymous_id} IN (SELECT anonymous_id FROM agreed_visitor))"
    )


# An answer that turns into a refusal gets a new number, as in `record`.
_RECORD = """
    INSERT INTO shop_consent AS old (shop_id, customer_id, anonymous_id, purpose, granted, at, evidence, source)
    SELECT %(shop)s, new.customer_id, new.anonymous_id, new.purpose, new.granted, new.at, '', %(source)s
    FROM unnest(%(c)s::bigint[], %(a)s::text[], %(p)s::text[], %(t)s::timestamptz[], %(g)s::boolean[])
        AS new(customer_id, anonymous_id, purpose, at, granted)
    WHERE new.customer_id IS NULL
        OR EXISTS (SELECT FROM shop_customer WHERE id = new.customer_id AND shop_id = %(shop)s)
    ORDER BY new.anonymous_id, new.customer_id, new.purpose, new.at
    ON CONFLICT (shop_id, customer_id, anonymous_id, purpose, at) DO UPDATE
        SET granted = false, source = EXCLUDED.source, evidence = '', id = EXCLUDED.id
        WHERE old.granted AND NOT EXCLUDED.granted
"""


def _customers(shop_id: int, customer_id: int) -> dict[Purpose, bool | None]:
    return _latest(shop_id, _voices_of(shop_id, customer_id))


def _voices_of(shop_id: int, customer_id: int) -> Q:
    devices = Identity.objects.of(shop_id).filter(customer_id=customer_id, proven=True).values("anonymous_id")
    return Q(customer_id=customer_id) | Q(customer_id=None, anonymous_id__in=devices)


def _visitors(shop_id: int, anonymous_id: str) -> dict[Purpose, bool | None]:
    answers = _latest(shop_id, Q(anonymous_id=anonymous_id))
    linked = Identity.objects.of(shop_id).filter(anonymous_id=anonymous_id).values_list("customer_id", "proven")
    for customer_id, proven in linked:
        theirs = _customers(shop_id, customer_id)
        # A claim proves nothing, so that it may take consent away but not give it.
        answers = _stricter(answers, {key: said if proven or said is False else None for key, said in theirs.items()})
    return answers


def _latest(shop_id: int, who: Q) -> dict[Purpose, bool | None]:
    said = dict(_latest_rows(shop_id, who).values_list("purpose", "granted"))
    return {each: said.get(each.value) for each in Purpose}


def _latest_rows(shop_id: int, who: Q) -> Any:
    rows = Consent.objects.of(shop_id).filter(who, purpose__in=Purpose.values)
    return rows.order_by("purpose", "-at", "granted").distinct("purpose")


def _stricter(one: dict[Purpose, bool | None], other: dict[Purpose, bool | None]) -> dict[Purpose, bool | None]:
    return {
        each: False if False in (one[each], other[each]) else (one[each] or other[each] or None) for each in Purpose
    }


def _key(row: Shop | Customer | int) -> int:
    return row if isinstance(row, int) else row.pk
