"""Schedules of plugins: one periodic task per shop, plugin and schedule, the operator's after it was made.

Beat only wakes. Whether a job is due is computed from its last *success*, so a tick that was missed, or a job
that died, is caught up once by the sweep (`commerce_ai.tasks`).
"""

from __future__ import annotations

import json
import zoneinfo
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.utils import timezone

from commerce_ai.plugin import Plugin, Schedule

if TYPE_CHECKING:
    from commerce_ai.models import ScheduleState
    from commerce_ai.shop.models import Shop

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


def is_due(state: ScheduleState) -> bool:
    """Whether its timing asked for a run between the last success and a grace before now that beat had to itself."""
    grace = timedelta(minutes=2)
    last = state.succeeded_at
    if last is None:
        return True
    task = state.periodic_task
    remaining = task.schedule.remaining_estimate(last)
    return remaining <= -grace if remaining is not None else False


def is_running(state: ScheduleState, now: datetime) -> bool:
    """Whether its job began and has ended neither well nor badly, as far as living and dead jobs can be told apart."""
    if state.started_at is None or state.error or now - state.started_at >= RETRY_AFTER:
        return False
    return state.succeeded_at is None or state.succeeded_at < state.started_at


def rests(state: ScheduleState, now: datetime) -> bool:
    """Whether its job failed a short while ago: the sweep does not try it again at once."""
    return bool(state.error and state.started_at and now - state.started_at < RETRY_AFTER)
