"""Celery: `worker` answers the queues default and ingest, `trainer` the queue training, `beat` wakes both."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "commerce_ai.settings")

app = Celery("commerce_ai")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
