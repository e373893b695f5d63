"""What is held on a person, found from the models themselves: a plugin's tables are covered without being named.

A row is the person's when it points at their customer (a foreign key, or a plain `customer_id`), stands under their
proven anonymous ids or the user id that events name them by, or has the hash of their e-mail or phone; and whatever
points at such a row is theirs too: lines and payments of an order, messages of a conversation. Rows that name people
only within JSON (quarantine, answers kept for a repeated write) are searched, encrypted ones in clear.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from django.apps import apps
from django.db import models
from django.db.models import F, Func, IntegerField, Q, Value
from django.db.models.lookups import GreaterThan

from commerce_ai.crypto import EncryptedTextField
from commerce_ai.ingest.models import TrackedOrder
from commerce_ai.shop import contact, tombstones
from commerce_ai.shop.models import Customer, Identity, Shop

Model: TypeAlias = type[models.Model]
Kind = tombstones.Kind
_PAGE = 2000


@dataclass(frozen=True)
class Person:
    """Everything that names somebody in one shop. `customer_id` is 0 where there is no such customer (any more)."""

    shop_id: int
    customer_id: int
    external_id: str
    anonymous_ids: tuple[str, ...] = ()
    email: str = ""
    phone: str = ""

    @property
    def names(self) -> dict[str, set[str]]:
        """Ids by kind, in the form that a tombstone hashes."""
        return {
            Kind.CUSTOMER: {self.external_id},
            Kind.ANONYMOUS: set(self.anonymous_ids),
            Kind.EMAIL: {contact.normal_email(self.email)} - {""},
            Kind.PHONE: {contact.normal_phone(self.phone)} - {""},
        }

    def part_of(self, value: Any) -> Any:
        """What of a JSON value is about this person: the innermost objects that name them, in their places."""
        if isinstance(value, list):
            return [self.part_of(each) for each in value if self.is_named_in(each)]
        if isinstance(value, dict) and not self.is_named_in(
            {key: each for key, each in value.items() if not isinstance(each, dict | list)}
        ):
            return {key: self.part_of(each) for key, each in value.items() if self.is_named_in(each)}
        return value

    def is_named_in(self, value: Any) -> bool:
        """Whether a JSON value holds one of the person's ids, their e-mail or their phone number."""
        ids = self.names[Kind.CUSTOMER] | self.names[Kind.ANONYMOUS]
        for key, text in tombstones.texts_of(value):
            if text in ids and tombstones.may_name(key, text):
                return True
            if self.email and contact.normal_email(text) in self.names[Kind.EMAIL]:
                return True
            if self.phone and contact.normal_phone(text) in self.names[Kind.PHONE]:
                return True
        return False


def person_of(shop: Shop, customer: Customer | str) -> Person:
    """The person behind a customer, or behind the outside id of one who may be gone already."""
    if isinstance(customer, str):
        found = Customer.objects.of(shop).filter(external_id=customer).first()
        if found is None:
            return Person(shop.pk, 0, customer)
        customer = found
    if customer.shop_id != shop.pk:
        raise ValueError("the customer is of another shop")
    ties = Identity.objects.of(shop).filter(customer=customer, proven=True).order_by("anonymous_id")
    return Person(
        shop.pk, customer.pk, customer.external_id, tuple(ties.values_list("anonymous_id", flat=True)),
        customer.email, customer.phone,
    )  # fmt: skip


def held(person: Person) -> dict[Model, set[Any]]:
    """Primary keys of the person's rows by model, the customer's own row and searched tables aside."""
    found: dict[Model, set[Any]] = {}
    for model in _tables():
        if (whose := _whose(model, person)) is not None:
            keys = set(model._base_manager.filter(whose).values_list("pk", flat=True))
            if keys:
                found[model] = keys
    fresh = {model: set(keys) for model, keys in found.items()}
    while fresh:
        following: dict[Model, set[Any]] = {}
        for model in _tables():
            pointers = [each for each in _pointers(model) if each.related_model in fresh]
            if not pointers:
                continue
            to = Q()
            for each in pointers:
                to |= Q(**{f"{each.attname}__in": fresh[each.related_model]})
            rows = model._base_manager.filter(to)
            # Somebody else's row may point at ours, and stays somebody else's.
            for each in _owners(model):
                rows = rows.filter(Q(**{f"{each.attname}__isnull": True}) | Q(**{each.attname: person.customer_id}))
            if keys := set(rows.values_list("pk", flat=True)) - found.get(model, set()):
                following[model] = keys
                found.setdefault(model, set()).update(keys)
        fresh = following
    return found


def searched(person: Person) -> Iterator[tuple[models.Model, dict[str, Any]]]:
    """Rows that tell of the person in JSON or in an encrypted column, of tables that name no customer; with the
    columns searched, cut down to what is about the person, as such a row may tell of others too."""
    for model in _tables():
        columns = _searched_columns(model)
        if not columns:
            continue
        rows = model._base_manager.filter(shop_id=person.shop_id).order_by("pk")
        if all(isinstance(each, EncryptedTextField) for each in columns):  # mostly empty ones, as in the outbox
            length = (Func(F(each.name), function="octet_length", output_field=IntegerField()) for each in columns)
            rows = rows.filter(GreaterThan(sum(length, start=Value(0)), 0))
        for row in rows.iterator(chunk_size=_PAGE):
            said = {each.attname: value_of(getattr(row, each.attname)) for each in columns}
            if person.is_named_in(list(said.values())):
                yield row, {name: person.part_of(value) for name, value in said.items()}


def is_owner(field: Any) -> bool:
    """Whether the column says whose row it is."""
    return field.related_model is Customer or (field.name == "customer_id" and not field.is_relation)


def _owners(model: Model) -> list[Any]:
    return [each for each in model._meta.concrete_fields if is_owner(each)]


def _tables() -> list[Model]:
    return [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed
        and not model._meta.proxy
        and model._meta.app_label != "privacy"  # what was asked for and what was erased names nobody
        and model is not Customer
        and not isinstance(model._meta.pk, models.CompositePrimaryKey)
        and ("shop" in _columns(model) or _owners(model))
    ]


def _whose(model: Model, person: Person) -> Q | None:
    if model is TrackedOrder:
        return _tracked(person)
    columns, owners, whose = _columns(model), _owners(model), Q()
    if person.customer_id:
        for each in owners:
            whose |= Q(**{each.attname: person.customer_id})
    if "shop" in columns:
        nobodys = Q()
        for each in owners:
            nobodys &= Q(**{f"{each.attname}__isnull": True}) | Q(**{each.attname: person.customer_id})
        named = Q()
        if "user_id" in columns and isinstance(columns["user_id"], models.CharField):
            named |= Q(user_id=person.external_id)
        if "anonymous_id" in columns and person.anonymous_ids and (not owners or owners[0].null):
            visits = Q(anonymous_id__in=person.anonymous_ids)
            if "user_id" in columns and isinstance(columns["user_id"], models.CharField):
                visits &= Q(user_id__in=["", person.external_id])
            named |= visits & nobodys
        for column, hashed in (
            ("email_hash", contact.email_hash(person.email)), ("phone_hash", contact.phone_hash(person.phone)),
        ):  # fmt: skip
            if hashed and column in columns:
                named |= Q(**{column: hashed}) & nobodys
        if named:
            whose |= Q(shop_id=person.shop_id) & named
    return whose or None


def _tracked(person: Person) -> Q:
    """Orders as tracking tells them name our number of the customer, within JSON."""
    named = Q(content__customer_id=person.customer_id) | Q(content__anonymous_id__in=person.anonymous_ids)
    if hashed := contact.email_hash(person.email):
        named |= Q(content__email_hash=hashed.hex())
    return Q(shop_id=person.shop_id) & named


def _pointers(model: Model) -> list[Any]:
    return [
        each
        for each in model._meta.concrete_fields
        if each.is_relation and each.related_model not in (Customer, Shop, model)
    ]


def _searched_columns(model: Model) -> list[Any]:
    columns = _columns(model)
    if model is TrackedOrder or "shop" not in columns or _owners(model) or "anonymous_id" in columns:
        return []
    personal = getattr(model, "personal", {})
    return [
        each
        for name, each in columns.items()
        if name in personal and isinstance(each, (EncryptedTextField, models.JSONField))
    ]


def _columns(model: Model) -> dict[str, Any]:
    return {each.name: each for each in model._meta.concrete_fields}


def value_of(value: Any) -> Any:
    """JSON that was kept as text, read; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
