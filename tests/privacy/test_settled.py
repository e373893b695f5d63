"""Versions that knew an erased person: unknown to answers at once, trained again, and their files let go."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from commerce_ai.api.callers import Caller
from commerce_ai.ids import uuid7
from commerce_ai.learning import artifacts
from commerce_ai.learning.models import Run, Version
from commerce_ai.privacy import retrain
from commerce_ai.privacy.erase import erase
from commerce_ai.privacy.models import ErasureLog
from commerce_ai.shop.models import Customer, Event, Shop
from commerce_ai.shop.revision import refresher
from tests.factories import CustomerFactory, IdentityFactory

pytestmark = pytest.mark.django_db
LEARNER = "recommendation.popularity"


@pytest.fixture
def ann(settings: Any, tmp_path: Path) -> Customer:
    settings.VAR_DIR = tmp_path
    ann = CustomerFactory(external_id="C-1")
    IdentityFactory(shop=ann.shop, customer=ann, anonymous_id="anon-of-ann", proven=True)
    now = timezone.now()
    Event.objects.create(
        id=uuid7(now), shop=ann.shop, customer=ann, user_id="C-1", name="Product Viewed", message_id="m1",
        occurred_at=now, received_at=now,
    )  # fmt: skip
    return ann


def version(shop: Shop, folder: Path, state: str, run: Run | None = None) -> Version:
    made = Version.objects.create(
        shop=shop, slot="recommendation.candidates", learner=LEARNER, recipe="r", state="retired", run=run,
        exclusive_key=f"recommendation.candidates/{LEARNER}",
    )  # fmt: skip
    files = folder / f"of-{made.pk}"
    files.mkdir()
    (files / "scorer.json").write_text(str(made.pk))
    artifacts.store(made, files)
    if state == "live":
        Version.objects.of(shop).filter(state="live").update(state="retired")
        Version.objects.of(shop).filter(pk=made.pk).update(state="live")
    return made


def a_day_later(log: ErasureLog, days: int = 2) -> None:
    ErasureLog.objects.filter(pk=log.pk).update(done_at=timezone.now() - timedelta(days=days))


def test_a_version_is_trained_again_and_its_files_go_when_the_new_one_is_live(ann: Customer, tmp_path: Path) -> None:
    shop = ann.shop
    old, live = version(shop, tmp_path, "retired"), version(shop, tmp_path, "live")
    assert set(erase(shop, "C-1").versions) == {old.pk, live.pk}
    log = ErasureLog.objects.of(shop).get()
    assert retrain.settle() == 0 and not Run.objects.of(shop).exists()  # its schedule comes
    assert "roll-back" in retrain.said_of(old) and "next training" in retrain.said_of(Version.objects.get(pk=live.pk))
    a_day_later(log)
    assert retrain.settle() == 0 and retrain.settle() == 0
    assert [run.cause for run in Run.objects.of(shop)] == ["erasure"]  # it did not come, and is asked for once

    run = Run.objects.of(shop).get()
    Run.objects.of(shop).update(state="succeeded", started_at=timezone.now())
    run.refresh_from_db()
    fresh = version(shop, tmp_path, "live", run)
    assert retrain.settle() == 1
    assert {each.pk for each in Version.objects.of(shop).exclude(manifest="")} == {fresh.pk}
    assert "let go" in retrain.said_of(Version.objects.get(pk=live.pk)) and retrain.said_of(fresh) == ""
    log.refresh_from_db()
    assert log.settled_at is not None and retrain.settle() == 0


def test_files_of_what_is_not_live_go_after_thirty_days_whatever_happens(ann: Customer, tmp_path: Path) -> None:
    old, live = version(ann.shop, tmp_path, "retired"), version(ann.shop, tmp_path, "live")
    erase(ann.shop, "C-1")
    a_day_later(ErasureLog.objects.of(ann.shop).get(), 31)
    retrain.settle()
    assert [each.pk for each in Version.objects.of(ann.shop).exclude(manifest="")] == [live.pk]
    assert not Version.objects.get(pk=old.pk).files.exists()


def test_what_was_being_trained_meanwhile_is_listed_too(ann: Customer, tmp_path: Path) -> None:
    shop = ann.shop
    version(shop, tmp_path, "live")
    run = Run.objects.create(shop=shop, learner=LEARNER, slot="recommendation.candidates", recipe="r",
                             started_at=timezone.now() - timedelta(minutes=5), state="succeeded")  # fmt: skip
    erase(shop, "C-1")
    late = version(shop, tmp_path, "live", run)
    retrain.settle()
    assert late.pk in ErasureLog.objects.of(shop).get().versions


def test_an_install_may_want_it_at_once(ann: Customer, tmp_path: Path, settings: Any) -> None:
    settings.RETRAIN_AFTER_ERASURE = "at once"
    version(ann.shop, tmp_path, "live")
    erase(ann.shop, "C-1")
    assert Run.objects.of(ann.shop).get().learner == LEARNER


def test_nobody_answers_for_the_person_any_more(ann: Customer) -> None:
    caller = Caller(ann.shop_id, 1, "secret", frozenset())
    asked = {"customer_id": "C-1", "anonymous_id": "anon-of-ann", "session_id": "s1"}
    assert caller.subject(**asked).proven
    erase(ann.shop, "C-1")
    refresher.poll()
    for names in (asked, {**asked, "customer_id": None}, {**asked, "anonymous_id": None}):
        found = caller.subject(**names)
        assert (found.customer_external_id, found.anonymous_id, found.session_id, found.proven) == (
            None, None, None, False,
        )  # fmt: skip
    assert caller.subject(customer_id="C-2").proven


def test_copies_of_files_that_no_version_has_are_deleted_here(ann: Customer, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(retrain, "_CACHED_S", -1.0)
    kept = version(ann.shop, tmp_path, "live")
    there = artifacts.fetch(kept)
    gone = there.with_name("0" * 64)
    gone.mkdir()
    retrain.settle()
    assert there.is_dir() and not gone.exists()
