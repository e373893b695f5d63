"""Schedules of plugins: due by the last success, caught up once, never doubled."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from commerce_ai import jobs, registry, tasks
from commerce_ai.celery import app
from commerce_ai.models import ScheduleState
from commerce_ai.shop.models import Shop
from commerce_ai.shop.revision import refresher

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> Shop:
    made = Shop.objects.create(slug="scheduled", name="Scheduled", currency="EUR", timezone="Asia/Tokyo")
    registry.switch(made, "dummy", on=True)
    refresher.poll()
    return made


@pytest.fixture
def sent(monkeypatch) -> list[int]:
    """What the sweep sends, instead of sending it."""
    ids: list[int] = []
    monkeypatch.setattr(tasks.run_schedule, "delay", ids.append)
    return ids


def state_of(shop: Shop, name: str) -> ScheduleState:
    return ScheduleState.objects.select_related("periodic_task").get(shop=shop, name=name)


def test_the_time_is_the_shops(shop):
    crontab = state_of(shop, "retrain").periodic_task.crontab
    assert (crontab.hour, crontab.minute, str(crontab.timezone)) == ("2", "0", "Asia/Tokyo")


def test_a_missed_time_is_caught_up_once(shop, sent):
    assert tasks.sweep_schedules() == 0, "nothing is due yet"
    missed = state_of(shop, "count")
    ScheduleState.objects.filter(pk=missed.pk).update(succeeded_at=timezone.now() - timedelta(hours=30))
    assert tasks.sweep_schedules() == 1 and sent == [missed.pk]
    tasks.run_schedule(missed.pk)
    assert state_of(shop, "count").succeeded_at > missed.succeeded_at
    assert tasks.sweep_schedules() == 0, "thirty missed times are one job"


def test_a_job_runs_and_what_it_wrote_is_there(shop):
    from commerce_ai_dummy.models import ReviewCount

    tasks.run_schedule(state_of(shop, "count").pk)
    assert ReviewCount.objects.of(shop).count() == 1


def test_a_failure_is_kept_and_not_tried_again_at_once(shop, sent, monkeypatch):
    state = state_of(shop, "count")
    ScheduleState.objects.filter(pk=state.pk).update(succeeded_at=timezone.now() - timedelta(hours=3))
    monkeypatch.setattr("commerce_ai_dummy.tasks.count_reviews", lambda shop_id: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tasks.run_schedule(state.pk)
    assert "ZeroDivisionError" in state_of(shop, "count").error
    assert tasks.sweep_schedules() == 0
    ScheduleState.objects.filter(pk=state.pk).update(started_at=timezone.now() - timedelta(hours=1))
    assert tasks.sweep_schedules() == 1
    monkeypatch.undo()
    tasks.run_schedule(state.pk)
    assert state_of(shop, "count").error == ""


def test_what_runs_is_not_started_twice_and_what_died_is(shop, sent):
    from commerce_ai_dummy.models import ReviewCount

    state = state_of(shop, "count")
    long_ago = timezone.now() - timedelta(hours=3)
    ScheduleState.objects.filter(pk=state.pk).update(succeeded_at=long_ago, started_at=timezone.now())
    tasks.run_schedule(state.pk)
    assert tasks.sweep_schedules() == 0 and not ReviewCount.objects.of(shop).exists()
    ScheduleState.objects.filter(pk=state.pk).update(started_at=timezone.now() - timedelta(hours=1))
    assert tasks.sweep_schedules() == 1


def test_a_plugin_that_is_off_rests(shop, sent):
    from commerce_ai_dummy.models import ReviewCount

    state = state_of(shop, "count")
    ScheduleState.objects.filter(pk=state.pk).update(succeeded_at=timezone.now() - timedelta(hours=3))
    registry.switch(shop, "dummy", on=False)
    refresher.poll()
    assert tasks.sweep_schedules() == 0
    tasks.run_schedule(state.pk)
    assert not ReviewCount.objects.of(shop).exists()


def test_every_core_job_is_a_task_that_a_worker_knows_and_is_made_once():
    from django_celery_beat.models import PeriodicTask

    app.loader.import_default_modules()
    for task, _every, _title in jobs.CORE_JOBS:
        assert task in app.tasks
    assert "commerce_ai.run_schedule" in app.tasks
    names = PeriodicTask.objects.filter(name__startswith="core: ")
    assert names.count() == len(jobs.CORE_JOBS)
    names.filter(name__contains="reap").update(enabled=False)
    jobs.ensure()
    assert names.count() == len(jobs.CORE_JOBS) and names.filter(enabled=False).count() == 1
