"""Celery: `worker` answers the queues default and ingest, `trainer` the queue training, `beat` wakes both."""

import logging
import os
from typing import Any

from celery import Celery
from celery.signals import task_prerun

logger = logging.getLogger(__name__)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "commerce_ai.settings")

app = Celery("commerce_ai")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@task_prerun.connect
def _see_what_moved(**_: Any) -> None:
    """A worker has no refresher thread: it looks once before each job, so that a job never acts on old switches."""
    from commerce_ai.shop.revision import refresher

    refresher.poll()


def wake(job: Any, what: str) -> None:
    """Have a worker run `job` soon, as `what` waits; never fails: without Redis the sweep finds it."""
    try:
        job.apply_async(retry=False, expires=60)
    except Exception as error:  # whatever the broker raises
        logger.warning("no worker was woken for %s (%s); the sweep will come", what, type(error).__name__)
