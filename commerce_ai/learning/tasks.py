"""Celery's jobs of this room: wake a trainer, put lost runs back, publish a version."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from celery import shared_task
from celery.signals import worker_ready, worker_shutdown, worker_shutting_down
from django.conf import settings
from django.db.models import Q
from django.utils import timezone
from kombu.exceptions import OperationalError

from commerce_ai.learning import leases, trainer, versions
from commerce_ai.learning.models import Run, Version

logger = logging.getLogger(__name__)
WAKE_EXPIRES_S = 300
WEEK_S = 7 * 24 * 3600
STOP_WAIT_S = 15.0
PUBLISH_AGAIN_AFTER = timedelta(minutes=10)


# The message only wakes: it is acked at once, and the lease on the run's row is what counts. The limits are for a
# worker that was started by hand on this queue and trains within the job.
@shared_task(
    name="learning.train_queued", queue=settings.QUEUE_PREFIX + "training", acks_late=False,
    expires=WAKE_EXPIRES_S, time_limit=WEEK_S, soft_time_limit=WEEK_S,
)  # fmt: skip
def train_queued() -> None:
    trainer.wake()


@shared_task(name="learning.reap")
def reap() -> None:
    """Every minute: give back what nobody holds, wake trainers for what waits, publish what failed to be published."""
    leases.reap()
    if Run.objects.filter(state=Run.State.QUEUED).exists():
        wake_trainers()
    now = timezone.now()
    unpublished = Version.objects.filter(
        Q(publish_tried_at=None) | Q(publish_tried_at__lt=now - PUBLISH_AGAIN_AFTER),
        state=Version.State.LIVE, published_at=None, went_live_at__lt=now - PUBLISH_AGAIN_AFTER,
    )  # fmt: skip
    for pk in unpublished.values_list("pk", flat=True):
        send_publish(pk)


@shared_task(name="learning.publish")
def publish(version_id: int) -> None:
    """Write the rows of a version, if it is still live."""
    version = Version.objects.filter(pk=version_id, state=Version.State.LIVE).first()
    if version is not None:
        versions.publish(version)


def wake_trainers() -> None:
    _send(train_queued)


def send_publish(version_id: int) -> None:
    _send(publish, version_id)


def _send(task: Any, *arguments: Any) -> None:
    """Without Redis nothing is lost: rows say what is to be done, and the reaper sends it again."""
    try:
        task.apply_async(arguments, retry=False)
    except OperationalError:
        logger.warning("%s could not be sent; it will be by the reaper", task.name, exc_info=True)


@worker_ready.connect
def _start_training(**_details: Any) -> None:
    if settings.PROCESS == "trainer":
        trainer.start()


@worker_shutting_down.connect
def _stop_training(**_details: Any) -> None:
    trainer.stop()


@worker_shutdown.connect
def _wait_for_training(**_details: Any) -> None:
    trainer.stop(wait_s=STOP_WAIT_S)
