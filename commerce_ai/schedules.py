"""Schedules of plugins: one periodic task per shop, plugin and schedule, the operator's after it was made.

Beat only wakes. Whether a job is due is computed from its last *success*, so a tick that was missed, or a job
that died, is caught up once by the sweep.
"""

from __future__ import annotations

import json
import logging
import zoneinfo
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from celery import shared_task
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from commerce_ai import registry
from commerce_ai.plugin import Plugin, Schedule

if TYPE_CHECKING:
    from commerce_ai.models import ScheduleState
    from commerce_ai.shop.models import Shop

logger = logging.getLogger(__name__)
RETRY_AFTER = timedelta(minutes=15)  # a job that started and neither ended well nor badly is tried again after this


def arrange(shop: Shop, plugin: Plugin, on: bool) -> None:
    """Make what is missing and wake or rest what is there; an operator's timing is never overwritten."""
    from django_celery_beat.models import PeriodicTask

    from commerce_ai.models import ScheduleState

    for schedule in plugin.schedules:
        state = ScheduleState.objects.filter(shop=shop, plugin=plugin.slug, name=schedule.name).first()
        if state is not None:
            task = state.periodic_task
            task.enabled = on
            task.save()  # save, not update: beat hears of it
            continue
        task = PeriodicTask.objects.create(
            name=f"{shop.slug}: {plugin.slug}.{schedule.name}",
            task="commerce_ai.run_schedule",
            enabled=on,
            description=str(schedule.title),
            **_timing(schedule, shop),
        )
        state = ScheduleState.objects.create(
            shop=shop, plugin=plugin.slug, name=schedule.name, periodic_task=task, succeeded_at=timezone.now()
        )
        task.args = json.dumps([state.pk])
        task.save()


def _timing(schedule: Schedule, shop: Shop) -> dict[str, object]:
    from django_celery_beat.models import CrontabSchedule, IntervalSchedule

    if schedule.every is not None:
        interval, _ = IntervalSchedule.objects.get_or_create(
            every=int(schedule.every.total_seconds()), period=IntervalSchedule.SECONDS
        )
        return {"interval": interval}
    if schedule.at is None:
        raise ValueError(f"schedule {schedule.name!r} says neither `at` nor `every`")
    hour, minute = schedule.at.split(":")
    crontab, _ = CrontabSchedule.objects.get_or_create(
        hour=str(int(hour)),
        minute=str(int(minute)),
        day_of_week="*",
        day_of_month="*",
        month_of_year="*",
        timezone=zoneinfo.ZoneInfo(str(shop.timezone)),
    )
    return {"crontab": crontab}


@shared_task(name="commerce_ai.run_schedule")
def run_schedule(state_id: int) -> None:
    """Run one schedule's job, unless it is running, its plugin is off, or it is gone."""
    from commerce_ai.models import ScheduleState

    now = timezone.now()
    with transaction.atomic():
        state = ScheduleState.objects.select_for_update(of=("self",)).select_related("shop").filter(pk=state_id).first()
        if state is None or _runs(state, now) or not registry.is_on(state.shop_id, state.plugin):
            return
        state.started_at, state.error = now, ""
        state.save(update_fields=["started_at", "error"])
    try:
        schedule = next(each for each in registry.plugin(state.plugin).schedules if each.name == state.name)
        import_string(schedule.job)(state.shop_id, **schedule.arguments)
    except Exception as error:
        ScheduleState.objects.filter(pk=state_id).update(error=f"{type(error).__name__}: {error}"[:2000])
        raise
    ScheduleState.objects.filter(pk=state_id).update(succeeded_at=timezone.now(), error="")


@shared_task(name="commerce_ai.sweep_schedules")
def sweep_schedules() -> int:
    """Send what became due after its last success and was missed; returns how many were sent."""
    from commerce_ai.models import ScheduleState

    now = timezone.now()
    sent = 0
    for state in ScheduleState.objects.select_related("periodic_task", "shop").filter(periodic_task__enabled=True):
        if is_due(state, now) and not _runs(state, now):
            run_schedule.delay(state.pk)
            sent += 1
    return sent


def is_due(state: ScheduleState, now: datetime) -> bool:
    """Whether its timing asked for a run between the last success and a grace before now that beat had to itself."""
    grace = timedelta(minutes=2)
    last = state.succeeded_at
    if last is None:
        return True
    task = state.periodic_task
    remaining = task.schedule.remaining_estimate(last)
    return remaining <= -grace if remaining is not None else False


def _runs(state: ScheduleState, now: datetime) -> bool:
    if state.started_at is None or (state.succeeded_at and state.succeeded_at >= state.started_at) or state.error:
        # A failed job waits for its next tick or the sweep, but not for less than the retry time.
        return bool(state.error and state.started_at and now - state.started_at < RETRY_AFTER)
    return now - state.started_at < RETRY_AFTER
