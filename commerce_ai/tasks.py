"""The jobs that run plugins' schedules: when beat wakes them, and when a sweep finds that their time was missed."""

from __future__ import annotations

from celery import shared_task
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from commerce_ai import registry
from commerce_ai.schedules import is_due, is_running, rests


@shared_task(name="commerce_ai.run_schedule")
def run_schedule(state_id: int) -> None:
    """Run one schedule's job, unless it is running, its plugin is off, or it is gone."""
    from commerce_ai.models import ScheduleState

    now = timezone.now()
    with transaction.atomic():
        state = ScheduleState.objects.select_for_update(of=("self",)).select_related("shop").filter(pk=state_id).first()
        if state is None or is_running(state, now) or not registry.is_on(state.shop_id, state.plugin):
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
        if is_due(state) and not is_running(state, now) and not rests(state, now):
            run_schedule.delay(state.pk)
            sent += 1
    return sent
