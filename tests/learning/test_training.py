"""From facts to a live version: each way a run may end, and what it leaves behind."""

from __future__ import annotations

import pytest
from django.conf import settings

from commerce_ai.learning import leases, runs
from commerce_ai.learning.attempt import execute
from commerce_ai.learning.curves import curves_of
from commerce_ai.learning.models import Run, Version
from tests.learning import toy


def test_a_first_version_goes_live_with_all_that_is_known_of_it(shop, train) -> None:
    run = train("toy.mean", params={"epochs": 4}, reason="by hand")

    assert (run.state, run.progress, run.attempts) == ("succeeded", 1.0, 1)
    assert run.reason.startswith("First version: mean_absolute_error is")
    assert run.metrics["mean_absolute_error"] < run.baseline["mean_absolute_error"]
    assert run.seconds > 0 and run.cost == 0 and run.device and run.host and run.worker
    assert len(run.data_fingerprint) == 64 and run.code_version and run.window_end is not None
    assert run.lease_until is None and run.claim is None

    version = run.versions.get()
    assert (version.state, version.slot, version.learner) == ("live", "dummy.rating", "toy.mean")
    assert version.params["epochs"] == 4 and version.metrics == run.metrics
    assert version.verdict["against"] == "the shop's mean rating" and len(version.verdict["interval"]) == 2
    assert version.trained_until == run.window_end and version.went_live_at and version.published_at
    assert toy.Toy.published == [version.pk]


def test_curves_are_rows_and_tensorboard_files(shop, train) -> None:
    run = train(params={"epochs": 5})

    curves = curves_of(run)
    assert [step for step, _loss in curves["fit/loss"]] == [0, 1, 2, 3, 4]
    assert curves["refit/loss"][0] == (0, 1.0)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(settings.VAR_DIR / "tensorboard" / str(run.pk)))
    board.Reload()
    assert [each.value for each in board.Scalars("fit/loss")] == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4, 1 / 5])
    assert "fit: averaging" in run.log.values_list("text", flat=True)


def test_a_refresh_of_the_live_recipe_goes_live_without_a_contest(shop, train) -> None:
    first, second = train().versions.get(), train().versions.get()

    first.refresh_from_db()
    assert (first.state, second.state) == ("retired", "live")
    assert first.recipe == second.recipe and second.replaced == first
    assert second.reason.startswith("Refresh: ")


def test_a_worse_recipe_is_rejected_in_words_and_the_live_one_stays(shop, train) -> None:
    good = train().versions.get()
    run = train(params={"noise": 0.4})

    assert run.state == "rejected" and "the live recipe on the same data" in run.reason
    bad = run.versions.get()
    assert (bad.state, bad.reason) == ("rejected", run.reason)
    assert bad.verdict["against"] == "live" and bad.verdict["win_share"] < 0.9
    good.refresh_from_db()
    assert good.state == "live"


def test_a_recipe_worse_than_the_baseline_never_goes_live(shop, train) -> None:
    run = train(params={"noise": 3.0})

    assert run.state == "rejected" and "worse than the shop's mean rating" in run.reason
    assert not Version.objects.of(shop).filter(state="live").exists()


def test_a_better_recipe_of_another_learner_takes_over_a_single_slot(shop, train) -> None:
    poor = train("dummy.mean" if False else "toy.mean", params={"noise": 0.5}).versions.get()
    assert poor.state == "live"
    better = train("toy.other").versions.get()

    assert better.state == "live" and better.verdict["against"] == "live"
    # The other way round: the live learner reads more than the candidate, so it reads its own frames.
    assert train("toy.mean", params={"noise": 0.5}).state == "rejected"
    assert Version.objects.of(shop).filter(state="live").count() == 1


def test_where_the_slot_takes_many_each_learner_has_its_own_live_version(shop, train) -> None:
    train("toy.mean"), train("toy.many")

    assert set(Version.objects.of(shop).filter(state="live").values_list("exclusive_key", flat=True)) == {
        "dummy.rating",
        "recommendation.candidates/toy.many",
    }


def test_too_few_facts_skip_the_run_and_say_how_many_there_are(toys, db, train) -> None:
    poor = toy.stock("poor", ratings=12)
    run = train(shop=poor)

    assert (run.state, run.reason) == ("skipped", "20 ratings are needed; there are 12")
    assert not run.versions.exists()


def test_what_a_learner_raises_fails_the_run_with_its_words_and_trace(shop, train) -> None:
    run = train(params={"fail": "the toy is broken"})

    assert (run.state, run.reason, run.attempts) == ("failed", "ValueError: the toy is broken", 1)
    assert "Traceback" in run.log.get(level="error").text


def test_a_run_is_cancelled_in_the_middle(shop, monkeypatch) -> None:
    monkeypatch.setattr("commerce_ai.learning.report.EVERY_S", 0.0)
    run = leases.claim("test", runs.request_run(shop, "toy.mean", {"epochs": 100}, wake=False).pk)

    def at_the_tenth_epoch(stage: str, share: float) -> None:
        if stage == "fit: averaging" and share > 0.08:
            Run.objects.filter(pk=run.pk).update(cancel_requested=True)

    ended = execute(run, at_the_tenth_epoch)
    assert (ended.state, ended.reason) == ("cancelled", "Cancelled.")
    assert 0 < ended.points.filter(name="fit/loss").count() < 100
    assert not ended.versions.exists()
    assert not (leases.folder_of(run) / "checkpoints").exists()


def test_whoever_lost_the_lease_writes_nothing_more(shop, monkeypatch) -> None:
    monkeypatch.setattr("commerce_ai.learning.report.EVERY_S", 0.0)
    run = leases.claim("one", runs.request_run(shop, "toy.mean", {"epochs": 20}, wake=False).pk)
    others = []

    def somebody_else_claims(stage: str, share: float) -> None:
        if stage == "fit: averaging" and not others:
            Run.objects.filter(pk=run.pk).update(lease_until="2020-01-01T00:00Z")
            assert leases.reap() == (1, 0)
            others.append(leases.claim("two", run.pk))

    ended = execute(run, somebody_else_claims)
    assert (ended.state, ended.worker, ended.attempts) == ("running", "two", 2)
    assert not Version.objects.of(shop).exists()
    assert execute(others[0]).state == "succeeded"


def test_a_run_that_died_after_its_version_was_made_only_publishes(shop, train) -> None:
    run = train()
    Version.objects.update(published_at=None)
    Run.objects.filter(pk=run.pk).update(state="queued", ended_at=None)

    assert execute(leases.claim("test", run.pk)).state == "succeeded"
    assert run.versions.get().published_at and len(toy.Toy.published) == 2


def test_a_failed_publish_is_said_and_tried_again(shop, train, django_capture_on_commit_callbacks) -> None:
    from commerce_ai.learning import tasks

    run = train(params={"fail_publish": True})
    version = run.versions.get()
    assert run.state == "succeeded" and "publishing failed" in run.reason
    assert version.state == "live" and version.publish_error == "RuntimeError: the table is not there"
    tasks.publish(version.pk)
    version.refresh_from_db()
    assert version.published_at is None


def test_the_same_rows_have_the_same_fingerprint_whatever_their_order(shop, train) -> None:
    from commerce_ai.learning.provenance import of_frames

    frames = toy.Toy().frames(shop, type("W", (), {"end": "2100-01-01T00:00Z"}))
    reversed_ = {"ratings": frames["ratings"].reverse()}
    fewer = {"ratings": frames["ratings"][1:]}
    assert of_frames(frames) == of_frames(reversed_) != of_frames(fewer)
    assert train().data_fingerprint == train().data_fingerprint


def test_a_version_that_was_raced_by_another_recipe_waits_for_a_person(shop, train, monkeypatch) -> None:
    from commerce_ai.learning import training

    first = train().versions.get()
    refit, raced = training.refit, []

    def slow_refit(*args, **options):
        if not raced:
            raced.append(True)
            raced.append(train("toy.mean", params={"shrinkage": 0.0, "noise": 0.0}))
            runs.promote(raced[1].versions.get())
        refit(*args, **options)

    monkeypatch.setattr(training, "refit", slow_refit)
    run = train()
    assert run.state == "rejected" and "went live while this was judged" in run.reason
    assert run.versions.get().state == "candidate"
    assert runs.promote(run.versions.get()).state == "live"
    first.refresh_from_db()
    assert first.state == "retired"
