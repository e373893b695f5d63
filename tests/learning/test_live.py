"""What answers: swapped at the next poll, kept when the new one can't be loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest
from django.conf import settings

from commerce_ai.learning import runs
from commerce_ai.learning.live import live
from commerce_ai.learning.models import ArtifactChunk, Version
from commerce_ai.shop.revision import refresher
from tests.learning import toy

SLOT = "dummy.rating"


def test_nothing_is_live_at_first_and_a_new_version_answers_after_one_poll(shop, train) -> None:
    assert live(shop.pk, SLOT) == ()
    version = train().versions.get()
    assert live(shop.pk, SLOT) == ()
    refresher.poll()

    (found,) = live(shop.pk, SLOT)
    assert (found.version_id, found.learner.name, found.metrics) == (version.pk, "toy.mean", version.metrics)
    assert found.trained_until == version.trained_until and (found.artifact_folder / "toy.json").exists()
    assert 1 <= found.scorer.mean <= 5


def test_once_loaded_it_reads_nothing(shop, train, django_assert_num_queries) -> None:
    train()
    live(shop.pk, SLOT)
    with django_assert_num_queries(0):
        live(shop.pk, SLOT)


def test_refresh_and_roll_back_swap_the_scorer(shop, train) -> None:
    first = train().versions.get()
    before = live(shop.pk, SLOT)
    second = train().versions.get()
    refresher.poll()
    assert live(shop.pk, SLOT)[0].version_id == second.pk and before[0].version_id == first.pk

    runs.roll_back(shop, SLOT)
    refresher.poll()
    assert live(shop.pk, SLOT)[0].version_id == first.pk


def test_what_did_not_move_is_not_loaded_again(shop, train) -> None:
    train("toy.many"), train("toy.mean")
    many = live(shop.pk, "recommendation.candidates")[0].scorer
    assert live(shop.pk, SLOT)
    train("toy.mean")
    refresher.poll()
    assert live(shop.pk, "recommendation.candidates")[0].scorer is many


def test_another_shop_sees_nothing_of_it(shop, train) -> None:
    train()
    assert live(toy.stock("others").pk, SLOT) == ()


def test_a_version_that_cannot_be_loaded_leaves_the_old_one_answering_and_says_so(shop, train) -> None:
    old = train().versions.get()
    assert live(shop.pk, SLOT)[0].version_id == old.pk
    new = train(params={"shrinkage": 1.5}).versions.get()
    runs.promote(new)
    ArtifactChunk.objects.filter(file__version=new).update(data=b"broken")
    _forget_cached(new)
    refresher.poll()

    assert live(shop.pk, SLOT)[0].version_id == old.pk
    assert "is damaged in the database" in Version.objects.get(pk=new.pk).load_error
    newer = train().versions.get()
    refresher.poll()
    assert live(shop.pk, SLOT)[0].version_id == newer.pk


def test_a_process_that_never_had_another_answers_without_it(shop, train) -> None:
    version = train().versions.get()
    ArtifactChunk.objects.update(data=b"broken")
    _forget_cached(version)
    assert live(shop.pk, SLOT) == ()
    assert Version.objects.get(pk=version.pk).load_error


def test_the_best_by_metric_comes_first(shop, train) -> None:
    worse = train("toy.many").versions.get()
    twin = Version.objects.get(pk=worse.pk)
    twin.pk, twin.learner, twin.exclusive_key = None, "toy.mean", "recommendation.candidates/toy.mean"
    twin.state, twin.metrics = "candidate", {"mean_absolute_error": worse.metrics["mean_absolute_error"] / 2}
    twin.manifest = ""
    twin.save()
    from commerce_ai.learning import artifacts

    artifacts.store(twin, artifacts.fetch(worse))
    runs.promote(twin)
    assert [each.version_id for each in live(shop.pk, "recommendation.candidates")] == [twin.pk, worse.pk]


@pytest.mark.process
@pytest.mark.xdist_group("process")
def test_answering_imports_nothing_that_learns() -> None:
    code = (
        "import django; django.setup()\n"
        "import commerce_ai.learning.live, commerce_ai.learning.artifacts, commerce_ai.learning.runs\n"
        "import commerce_ai.learning.tasks, commerce_ai.learning.trainer, sys\n"
        "print([name for name in ('torch', 'transformers', 'xgboost', 'sklearn', 'implicit') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _forget_cached(version: Version) -> None:
    for path in (settings.VAR_DIR / "artifacts" / version.manifest).rglob("*.json"):
        path.unlink()
