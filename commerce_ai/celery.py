"""Celery: `worker` answers the queues default and ingest, `trainer` the queue training, `beat` wakes both."""

import os
from typing import Any

from celery import Celery
from celery.signals import task_prerun

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "commerce_ai.settings")

app = Celery("commerce_ai")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@task_prerun.connect
def _see_what_moved(**_: Any) -> None:
    """A worker has no refresher thread: it looks once before each job, so that a job never acts on old switches."""
    from commerce_ai.shop.revision import refresher

    refresher.poll()
