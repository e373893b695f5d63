"""Whoever withdrew from the training of models is in no frame of any learner of any installed plugin.

A third of the sample shop's customers are marked: everything that is theirs gets numbers that nothing else has and texts
that begin with a canary. Then every cell of every frame is looked at, whatever its column is called, so that a plugin
that is installed tomorrow is looked at, too.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from datetime import UTC, date, datetime

import pytest
from django.apps import apps
from django.db import connection, models

from commerce_ai import registry
from commerce_ai.learning.learner import NotEnoughData, Window
from commerce_ai.sample.generate import TINY
from commerce_ai.sample.load import load_sample
from commerce_ai.shop import consent
from commerce_ai.shop.consent import Purpose
from commerce_ai.shop.models import Customer, Identity, ShopModel

UNTIL, END = date(2026, 3, 1), datetime(2026, 3, 1, tzinfo=UTC)
OFFSET, CANARY = 7_700_000_000, "canary77"
MARKED = re.compile(rf"\b77\d{{8}}\b|{CANARY}")


@pytest.fixture
def shop(db, settings, tmp_path):
    settings.VAR_DIR = tmp_path
    return load_sample("tiny", 1, TINY, until=UNTIL)


@pytest.fixture
def _little_is_enough(monkeypatch):
    """How much a learner asks for is not the question here."""
    for plugin in registry.plugins():
        for found in pkgutil.iter_modules(importlib.import_module(plugin.name).__path__, f"{plugin.name}."):
            if found.name.rpartition(".")[2] in ("queries", "learner", "valuing"):
                module = importlib.import_module(found.name)
                for name in dir(module):
                    if name.startswith("LEAST_") and isinstance(getattr(module, name), int):
                        monkeypatch.setattr(module, name, 0)


def run(sql, *params):
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall() if cursor.description else []


def pointing_at(model):
    """The foreign keys to a table, nameless ones too."""
    return [
        each for each in model._meta.get_fields(include_hidden=True)
        if each.auto_created and not each.concrete and (each.one_to_many or each.one_to_one)
    ]  # fmt: skip


def mark(shop):
    """Number and name everything anew that belongs to a third of the customers; those customers' new numbers."""
    whose = {Customer: [pk for pk in Customer.objects.of(shop).values_list("pk", flat=True) if pk % 3 == 0]}
    devices = list(
        Identity.objects.of(shop).filter(customer__in=whose[Customer]).values_list("anonymous_id", flat=True)
    )
    found = [Customer]
    for model in found:
        for relation in pointing_at(model):
            child = relation.related_model
            column = relation.field.column
            rows = run(
                f"SELECT {child._meta.pk.column} FROM {child._meta.db_table} WHERE {column} = ANY(%s)", whose[model]
            )
            if rows and isinstance(child._meta.pk, models.BigAutoField) and issubclass(child, ShopModel):
                if child not in whose:
                    found.append(child)
                whose[child] = sorted({*whose.get(child, ()), *(pk for (pk,) in rows)})
    for model, numbers in whose.items():
        texts = [
            f"{each.column} = left('{CANARY}-' || id || ' ' || {each.column}, {each.max_length or 5000})"
            for each in model._meta.concrete_fields
            if each.name in model.personal and isinstance(each, (models.CharField, models.TextField))
            and not each.choices and (each.max_length or 5000) > 100 and type(each).__module__.startswith("django")
            and each.name != "anonymous_id"
        ]  # fmt: skip
        run(
            f"UPDATE {model._meta.db_table} SET {', '.join([*texts, 'id = id + %s'])} WHERE id = ANY(%s)",
            OFFSET,
            numbers,
        )
        for relation in pointing_at(model):
            table, column = relation.related_model._meta.db_table, relation.field.column
            run(f"UPDATE {table} SET {column} = {column} + %s WHERE {column} = ANY(%s)", OFFSET, numbers)
        run(
            "UPDATE shop_label SET subject_id = subject_id + %s WHERE subject_type = %s AND subject_id = ANY(%s)",
            OFFSET, model._meta.model_name, numbers,
        )  # fmt: skip
    for model in apps.get_models():
        if any(each.name == "anonymous_id" for each in model._meta.concrete_fields):
            run(
                f"UPDATE {model._meta.db_table} SET anonymous_id = '{CANARY}-' || anonymous_id WHERE anonymous_id = ANY(%s)",
                devices,
            )
    unnamed = run(
        "SELECT (-1 - (hashtextextended(each, 0) & 9223372036854775806))::text FROM unnest(%s::text[]) AS each",
        [f"{CANARY}-{each}" for each in devices],
    )
    return [each + OFFSET for each in whose[Customer]], {number for (number,) in unnamed}


def hits(shop, learner, unnamed):
    """How many cells of the learner's frames are of a marked customer; None where it has too little to begin."""
    try:
        frames = learner.frames(shop, Window(None, END))
    except NotEnoughData:
        return None
    count = 0
    for frame in frames.values():
        for column in frame.iter_columns():
            for value in column.to_list():
                if value is not None and not isinstance(value, (float, bool)):
                    text = str(value)
                    count += bool(MARKED.search(text)) or text in unnamed
    return count


@pytest.mark.usefixtures("_little_is_enough")
def test_who_withdrew_is_in_no_frame_of_any_learner(shop):
    customers, unnamed = mark(shop)
    learners = {name: each for name, each in registry.learners().items() if each.slot.partition(".")[0] != "dummy"}
    before = {name: hits(shop, each, unnamed) for name, each in learners.items()}
    of_people = {name for name, count in before.items() if count}
    assert {"recommendation.collaborative", "recommendation.popularity"} <= of_people and len(of_people) >= 3, before

    consent.set_silences(shop, {Purpose.MODEL_TRAINING: "opt_in"})
    asked_first = {name: hits(shop, learners[name], unnamed) for name in of_people}
    assert not any(asked_first.values()), asked_first

    consent.set_silences(shop, {Purpose.MODEL_TRAINING: "opt_out"})
    for each in customers:
        consent.record(shop, customer=each, purpose=Purpose.MODEL_TRAINING, granted=False, source="test")
    refused = {name: hits(shop, learners[name], unnamed) for name in of_people}
    assert not any(refused.values()), refused
    # The others are still there: a learner that finds nobody at all would pass what stands above.
    assert {name for name, count in refused.items() if count is None} == set(), refused


@pytest.mark.django_db
@pytest.mark.parametrize("alias", ["r", "c", "i", "a"])
def test_the_table_of_a_query_may_be_called_anything(shop, alias):
    known = list(Customer.objects.of(shop).order_by("pk")[:2])
    consent.record(shop, customer=known[0], purpose=Purpose.MODEL_TRAINING, granted=False, source="test")
    spared = consent.spared_sql(f"{alias}.id", "NULL::text")
    sql = f"WITH {consent.refused_sql(Purpose.MODEL_TRAINING)} SELECT {alias}.id FROM shop_customer {alias} WHERE {spared}"
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} AND {alias}.shop_id = %(shop)s", {"shop": shop.pk})
        found = {key for (key,) in cursor.fetchall()}
    assert known[0].pk not in found and known[1].pk in found
    assert len(found) == Customer.objects.of(shop).count() - 1
