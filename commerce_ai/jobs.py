"""The core's own periodic jobs, made after a migration; an operator may retime them, so they are made only once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _

CORE_JOBS = (
    # (task, every, title)
    ("commerce_ai.sweep_schedules", timedelta(minutes=5), _("Catch up schedules that missed their time")),
    ("learning.reap", timedelta(minutes=1), _("Re-queue training runs whose trainer died")),
    ("shop.maintain_partitions", timedelta(hours=12), _("Make the months ahead, drop those past retention")),
    ("commerce_ai.api.note_last_used", timedelta(minutes=5), _("Note when keys were last used")),
    ("commerce_ai.api.forget_answers", timedelta(hours=6), _("Forget answers kept for idempotent retries")),
    ("privacy.rotate_keys", timedelta(minutes=15), _("Bring rows under the newest key of encrypted fields")),
    ("privacy.sweep", timedelta(seconds=10), _("Carry out privacy requests, look again after erasures")),
    ("privacy.settle", timedelta(hours=1), _("Train again what knew somebody who was erased")),
    ("commerce_ai.api.apply_webhooks", timedelta(seconds=5), _("Apply webhooks that were not applied yet")),
    ("decisions.attribute", timedelta(seconds=30), _("Count what came of decisions")),
    ("decisions.recount", timedelta(days=1), _("Count the outcomes of the last days anew")),
    ("decisions.refresh_experiments", timedelta(hours=1), _("Make the figures of experiments anew")),
    ("decisions.ask_in_shadow", timedelta(minutes=10), _("Ask versions in the shadow what visitors asked")),
    ("alerts.sweep", timedelta(seconds=20), _("Tell of alerts, send messages that wait")),
    ("alerts.check_health", timedelta(minutes=5), _("Look at health, raise and resolve alerts")),
    ("alerts.watch", timedelta(hours=1), _("Judge the finished day by the rules of alerts")),
    ("alerts.forget", timedelta(days=1), _("Forget messages and alerts that are over for long")),
    ("ingest.count_funnel", timedelta(minutes=5), _("Count how far visitors came")),
    ("console.renew_behaviour", timedelta(minutes=10), _("Count who comes back and what follows what")),
    ("ingest.sweep", timedelta(seconds=5), _("Project batches that were not projected yet")),
)


def ensure(**signal: Any) -> None:
    """Make each job that is not there. A job that the operator switched off stays off."""
    from django_celery_beat.models import IntervalSchedule, PeriodicTask

    for task, every, title in CORE_JOBS:
        interval, _created = IntervalSchedule.objects.get_or_create(
            every=int(every.total_seconds()), period=IntervalSchedule.SECONDS
        )
        PeriodicTask.objects.get_or_create(
            name=f"core: {task}", defaults={"task": task, "interval": interval, "description": str(title)}
        )
