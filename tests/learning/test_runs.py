"""Runs as people and schedules ask for them: what is queued, what is not, and what they can be told afterwards."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.learning import leases, runs
from commerce_ai.learning.models import Run
from commerce_ai.learning.params import ParamError
from tests.learning import toy


def test_a_wish_is_queued_with_its_whole_recipe(shop, django_user_model) -> None:
    person = django_user_model.objects.create_user("operator")
    run = runs.request_run(shop, "toy.mean", {"epochs": "7"}, by=person, reason="try seven", seed=3)

    assert (run.state, run.slot, run.params["epochs"], run.seed) == ("queued", "dummy.rating", 7, 3)
    assert run.params["seed"] == 3 and run.params["shrinkage"] == 1.0
    assert (run.requested_by, run.cause, run.engine) == (person, "try seven", "local")


def test_wrong_wishes_are_refused_before_anything_is_queued(shop) -> None:
    with pytest.raises(registry.Unknown, match=r"toy\.mean"):
        runs.request_run(shop, "toy.meen")
    with pytest.raises(ParamError, match="epochs"):
        runs.request_run(shop, "toy.mean", {"epochs": "many"})
    with pytest.raises(ParamError, match="did you mean 'epochs'"):
        runs.request_run(shop, "toy.mean", {"epoch": 1})
    assert not Run.objects.exists()


def test_a_trainer_is_woken_when_the_wish_is_committed(shop, monkeypatch, django_capture_on_commit_callbacks) -> None:
    woken = []
    monkeypatch.setattr("commerce_ai.learning.tasks.wake_trainers", lambda: woken.append(True))
    with django_capture_on_commit_callbacks(execute=True):
        runs.request_run(shop, "toy.mean")
        assert not woken
    assert woken == [True]


def test_without_redis_the_wish_stays_queued(shop, monkeypatch, django_capture_on_commit_callbacks) -> None:
    from kombu.exceptions import OperationalError

    from commerce_ai.learning import tasks

    def unreachable(*_args, **_options):
        raise OperationalError("no broker")

    monkeypatch.setattr(tasks.train_queued, "apply_async", unreachable)
    with django_capture_on_commit_callbacks(execute=True):
        run = runs.request_run(shop, "toy.mean")
    assert Run.objects.get(pk=run.pk).state == "queued"


def test_a_queued_run_is_cancelled_at_once_and_an_ended_one_stays_as_it_is(shop, train) -> None:
    run = runs.cancel(runs.request_run(shop, "toy.mean"))
    assert (run.state, run.reason) == ("cancelled", "Cancelled before it began.") and run.ended_at
    assert leases.claim("test", run.pk) is None
    ended = train()
    assert runs.cancel(ended).state == "succeeded"


def test_the_schedule_queues_each_learner_of_the_plugin_once(shop) -> None:
    first = runs.retrain_plugin(shop.pk, "recommendation")
    learners = set(Run.objects.filter(pk__in=first).values_list("learner", flat=True))
    assert "toy.many" in learners and "recommendation.popularity" in learners and "toy.mean" not in learners
    assert all(registry.learner(name).slot == "recommendation.candidates" for name in learners)
    assert runs.retrain_plugin(shop.pk, "recommendation") == []

    leases.claim("test", first[0])
    assert runs.retrain_plugin(shop.pk, "recommendation") == []
    Run.objects.update(state="failed")
    assert len(runs.retrain_plugin(shop.pk, "recommendation")) == len(first)


def test_a_retrain_repeats_the_live_recipe_not_the_defaults(shop, train) -> None:
    train("toy.many", params={"shrinkage": 0.5}, seed=11)
    runs.retrain_plugin(shop.pk, "recommendation")
    run = Run.objects.of(shop).get(learner="toy.many", state="queued")
    assert (run.params["shrinkage"], run.seed) == (0.5, 11)
    assert run.recipe == Run.objects.of(shop).get(learner="toy.many", state="succeeded").recipe


def test_each_run_is_claimed_once_oldest_first(shop) -> None:
    ids = [runs.request_run(shop, "toy.mean", {"epochs": epochs}).pk for epochs in (1, 2, 3)]
    claimed = [leases.claim(f"trainer {number}") for number in range(4)]
    assert [each and each.pk for each in claimed] == [*ids, None]


@pytest.mark.django_db(transaction=True)
def test_two_trainers_at_once_never_get_the_same_run(toys, var) -> None:
    from concurrent.futures import ThreadPoolExecutor

    shop = toy.stock()
    wanted = {runs.request_run(shop, "toy.mean", wake=False).pk for _ in range(12)}

    def claim_all(number: int) -> list[int]:
        try:
            return [run.pk for run in iter(lambda: leases.claim(f"trainer {number}"), None)]
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        claimed = [pk for found in pool.map(claim_all, range(4)) for pk in found]
    assert len(claimed) == 12 and set(claimed) == wanted


def test_a_lease_that_ran_out_is_queued_again_until_its_attempts_are_spent(shop) -> None:
    run = runs.request_run(shop, "toy.mean", max_attempts=2)
    for attempt, expected in ((1, "queued"), (2, "failed")):
        claimed = leases.claim("gone", run.pk)
        assert claimed.attempts == attempt
        assert leases.reap() == (0, 0)
        Run.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
        leases.reap()
        run.refresh_from_db()
        assert run.state == expected
    assert "went away. It was tried 2 times." in run.reason and run.ended_at
    assert run.log.filter(level="warning").count() == 2
    assert claimed.window_end == run.window_end


def test_a_cancelled_run_whose_trainer_is_gone_ends_cancelled(shop) -> None:
    run = leases.claim("gone", runs.request_run(shop, "toy.mean").pk)
    runs.cancel(run)
    Run.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    leases.reap()
    run.refresh_from_db()
    assert run.state == "cancelled"


def test_runs_are_compared_side_by_side(shop, train) -> None:
    poor, good = train(params={"noise": 0.3}), train(params={"noise": 0.0})
    found = runs.compare([good, poor])

    assert found.runs == (poor, good)
    rows = {(row.group, row.name): row for row in found.rows}
    assert rows["params", "noise"].values == (0.3, 0.0) and rows["params", "noise"].differs
    assert not rows["params", "epochs"].differs and not rows["run", "data"].differs
    assert rows["metrics", "mean_absolute_error"].best == 1
    assert rows["baseline", "mean_absolute_error"].best is None
    with pytest.raises(ValueError, match="different shops"):
        runs.compare([good, train(shop=toy.stock("others"))])


def test_cost_is_time_on_the_device(shop, train, settings) -> None:
    settings.TRAINING_COST_PER_DEVICE_HOUR = 3600
    run = train(params={"pause_s": 0.01})
    assert float(run.cost) == pytest.approx(run.seconds, abs=0.01)


class Remote:
    """An engine of somebody else's, known by its dotted path."""

    name = "tests.learning.test_runs.Remote"

    def train(self, run, report):
        report.say("far away")
        from commerce_ai.learning.training import train as train_here

        return train_here(run, report)


def test_another_engine_joins_by_its_name(shop, train, settings) -> None:
    settings.TRAINING_ENGINE = Remote.name
    run = train()
    assert (run.state, run.engine) == ("succeeded", Remote.name)
    assert run.log.filter(text="far away").exists()
    settings.TRAINING_ENGINE = "abacus"
    with pytest.raises(ImportError, match="there is no training engine 'abacus'; there are: local"):
        runs.request_run(shop, "toy.mean")
