"""What is learned from a person: no word of theirs in an artifact, and after erasure and training no number either."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.api import keys
from commerce_ai.ingest import project
from commerce_ai.learning import artifacts, leases
from commerce_ai.learning.attempt import execute
from commerce_ai.learning.models import ArtifactChunk, Run, Version
from commerce_ai.learning.runs import request_run
from commerce_ai.privacy import retrain
from commerce_ai.privacy.erase import erase
from commerce_ai.shop.models import Customer, Product, Shop
from commerce_ai.shop.revision import refresher
from plugins.advertising import audiences, hashing
from plugins.advertising.models import Audience, AudienceExport, AudienceMember
from tests.privacy import places
from tests.recommendation.test_end_to_end import PRODUCTS, messages

pytestmark = pytest.mark.django_db
WHO, DEVICE, WORD, EMAIL = "canary-customer-77", "canary-device-77", "canary-word-77", "canary77@shop.example"


@pytest.fixture
def shop(db: None, settings: Any, tmp_path: Path) -> Shop:
    settings.VAR_DIR = tmp_path
    made = Shop.objects.create(slug="deli", name="Deli", currency="EUR", timezone="Europe/Berlin")
    for slug in ("recommendation", "advertising"):
        registry.switch(made, slug, True)
    for name, shelf in PRODUCTS.items():
        Product.objects.create(shop=made, external_id=name, title=f"{shelf} {name}", price=5)
    return made


@pytest.fixture
def canary(shop: Shop) -> Customer:
    """One of sixty visitors, by tracking."""
    told = json.dumps(list(messages())).replace('"c7"', f'"{WHO}"').replace('"a7"', f'"{DEVICE}"')
    told = told.replace('"userId": "' + WHO + '"', f'"userId": "{WHO}", "name": "{WORD}"')
    sent, key, client = json.loads(told), keys.create_key(shop, "server", "secret")[1], Client()
    refresher.poll()
    for start in range(0, len(sent), 500):
        answer = client.post(
            "/v1/batch", json.dumps({"batch": sent[start : start + 500]}), "application/json",
            headers={"Authorization": f"Bearer {key}"},
        )  # fmt: skip
        assert answer.json()["rejected"] == 0, answer.content
    project.run()
    return Customer.objects.of(shop).get(external_id=WHO)


def train(shop: Shop, learner: str) -> tuple[Version, Path]:
    run = execute(leases.claim("test", request_run(shop, learner, wake=False).pk))
    assert run.state == Run.State.SUCCEEDED, run.reason
    made = Version.objects.of(shop).get(run=run)
    return made, artifacts.fetch(made)


def said_in(folder: Path) -> set[bytes]:
    wanted = {each for text in (WHO, DEVICE, WORD, EMAIL) for each in places.disguises(text)}
    kept = [bytes(each) for each in ArtifactChunk.objects.values_list("data", flat=True)]
    kept += [file.read_bytes() for file in folder.rglob("*") if file.is_file()]
    assert len(kept) > 2
    return {each for each in wanted if any(each in content for content in kept)}


@pytest.mark.parametrize("learner", ["recommendation.collaborative"])
def test_a_model_knows_a_person_by_number_and_not_even_so_after_the_next_training(
    shop: Shop, canary: Customer, learner: str, settings: Any
) -> None:
    old, folder = train(shop, learner)
    known = np.load(next(folder.rglob("customer_ids.npy")))
    assert canary.pk in known and said_in(Path(settings.VAR_DIR)) == set()
    assert old.pk in erase(shop, canary).versions

    new, folder = train(shop, learner)
    known = np.load(next(folder.rglob("customer_ids.npy")))
    assert len(known) >= 59 and canary.pk not in known and said_in(Path(settings.VAR_DIR)) == set()
    old.refresh_from_db()
    if old.state != "live":
        assert new.state == "live" and retrain.settle() == 1
        old.refresh_from_db()
        assert old.manifest == "" and not ArtifactChunk.objects.filter(file__version=old).exists()


def test_an_audience_that_left_the_house_names_nobody_who_was_erased(shop: Shop) -> None:
    people = [
        Customer.objects.create(
            shop=shop, external_id=f"c{n}" if n else WHO, email=f"person{n}@shop.example" if n else EMAIL
        )
        for n in range(12)
    ]  # fmt: skip
    audience = Audience.objects.create(shop=shop, name="All", built_at=timezone.now())
    audience.fill([each.pk for each in people], None, None)
    file, mark = audiences.export(audience, "meta"), hashing.hashed_email(EMAIL)
    assert mark in file.decode()
    held = AudienceMember.objects.of(shop).filter(customer=people[0])
    assert held.count() == 1 and AudienceExport.objects.of(shop).get().rows == 12
    erase(shop, WHO)
    members = AudienceMember.objects.of(shop).values_list("customer_id", flat=True)
    assert set(members) == {each.pk for each in people[1:]}
    with connection.cursor() as cursor:
        for table in ("advertising_audience", "advertising_audiencemember", "advertising_audienceexport"):
            cursor.execute(f'SELECT coalesce(string_agg(t::text, chr(10)), $$$$) FROM "{table}" t')
            (text,) = cursor.fetchone()
            assert text and not any(each in text for each in (WHO, EMAIL, mark))
    assert AudienceExport.objects.of(shop).get().rows == 12  # the record of what left the house stays: it is a count
    assert mark not in audiences.export(audience, "meta").decode()
