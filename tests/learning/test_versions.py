"""Which version answers: promote, roll back, and what Postgres itself refuses."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from commerce_ai.learning import runs
from commerce_ai.learning.models import ArtifactFile, Version
from commerce_ai.learning.runs import NoVersion
from commerce_ai.shop.models import Revision
from tests.learning import toy


def live_of(shop, slot="dummy.rating") -> list[int]:
    return list(Version.objects.of(shop).filter(slot=slot, state="live").values_list("pk", flat=True))


def moves(shop) -> int:
    return Revision.objects.filter(topic="versions", shop=shop).values_list("n", flat=True).first() or 0


def test_postgres_refuses_a_second_live_version(shop, train) -> None:
    train(), train()
    with pytest.raises(IntegrityError), transaction.atomic():
        Version.objects.of(shop).update(state="live")
    assert len(live_of(shop)) == 1


def test_the_same_slot_of_another_shop_is_another_place(shop, train, db) -> None:
    other = toy.stock("others")
    train(), train(shop=other)
    assert len(live_of(shop)) == len(live_of(other)) == 1


def test_roll_back_moves_live_to_the_version_before_step_by_step(shop, train, django_user_model) -> None:
    person = django_user_model.objects.create_user("operator")
    one, two, three = (train().versions.get().pk for _ in range(3))
    before = moves(shop)

    assert runs.roll_back(shop, "dummy.rating", by=person).pk == two
    assert live_of(shop) == [two] and Version.objects.get(pk=three).state == "retired"
    assert Version.objects.get(pk=two).changed_by == person
    assert runs.roll_back(shop, "dummy.rating").pk == one
    with pytest.raises(NoVersion, match="is the first version"):
        runs.roll_back(shop, "dummy.rating")
    assert live_of(shop) == [one] and moves(shop) == before + 2

    # A retrain goes on from what is live now.
    four = train().versions.get()
    assert four.replaced_id == one and runs.roll_back(shop, "dummy.rating").pk == one


def test_roll_back_needs_the_learner_where_the_slot_takes_many(shop, train) -> None:
    first = train("toy.many").versions.get()
    train("toy.many")
    with pytest.raises(NoVersion, match="say which"):
        runs.roll_back(shop, "recommendation.candidates")
    assert runs.roll_back(shop, "recommendation.candidates", "toy.many") == first
    with pytest.raises(NoVersion, match="Nothing is live"):
        runs.roll_back(shop, "recommendation.candidates", "toy.mean")


def test_a_person_may_promote_what_the_gate_rejected_and_take_it_back(shop, train) -> None:
    good = train().versions.get()
    bad = train(params={"noise": 0.4}).versions.get()

    assert runs.promote(bad).state == "live" and live_of(shop) == [bad.pk]
    assert runs.promote(bad).went_live_at == Version.objects.get(pk=bad.pk).went_live_at  # already live: nothing moves
    assert runs.roll_back(shop, "dummy.rating") == good


def test_after_a_move_the_versions_rows_are_published_again(
    shop, train, django_capture_on_commit_callbacks, monkeypatch
) -> None:
    sent = []
    monkeypatch.setattr("commerce_ai.learning.tasks.send_publish", sent.append)
    first = train().versions.get()
    train()
    with django_capture_on_commit_callbacks(execute=True):
        runs.roll_back(shop, "dummy.rating")
    assert sent == [first.pk]
    assert Version.objects.get(pk=first.pk).published_at is None


def test_old_files_are_let_go_but_never_the_live_ones_nor_the_way_back(shop, train, settings) -> None:
    settings.ARTIFACTS_KEPT = 1
    made = [train().versions.get().pk for _ in range(5)]

    kept = set(ArtifactFile.objects.values_list("version_id", flat=True))
    assert kept == set(made[1:])  # live, two ways back, and one more
    with pytest.raises(NoVersion, match="were let go"):
        runs.promote(Version.objects.get(pk=made[0]))
    assert live_of(shop) == [made[-1]]
    assert runs.roll_back(shop, "dummy.rating").pk == made[3]
    assert runs.roll_back(shop, "dummy.rating").pk == made[2]


def test_a_live_version_has_files(shop, train) -> None:
    version = train().versions.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        Version.objects.filter(pk=version.pk).update(manifest="")
