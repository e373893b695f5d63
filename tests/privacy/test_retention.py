"""Each promise of the register on how long something is kept has code that keeps it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from commerce_ai.api import keys
from commerce_ai.api import tasks as api_tasks
from commerce_ai.api.models import ApiKey, IdempotentWrite
from commerce_ai.ingest import memory, metrics, tasks
from commerce_ai.ingest.models import DailyVisitor, IngestBatch, WebhookDelivery
from commerce_ai.jobs import CORE_JOBS
from commerce_ai.shop import catalogue
from commerce_ai.shop.models import Product, Shop
from commerce_ai.shop.personal import Keep

# What lets go of what is kept for a while, by job; the rest goes with the person, or with their account.
JOBS = {
    Keep.MONTHS: {"shop.maintain_partitions"},
    Keep.PROJECTED: {"ingest.sweep", "commerce_ai.api.apply_webhooks"},
    Keep.SWEPT: {"privacy.sweep"},
    Keep.DAY: {"commerce_ai.api.forget_answers", "privacy.sweep"},
    Keep.WEEKS: {"ingest.sweep"},
}
BY_OTHER_MEANS = {Keep.ERASED, Keep.ALWAYS, Keep.ACCOUNT}


@pytest.fixture
def shop(db: None) -> Shop:
    return Shop.objects.create(slug="north", name="North", currency="EUR")


def test_every_period_has_a_job_that_runs() -> None:
    from commerce_ai.celery import app

    app.loader.import_default_modules()
    assert set(JOBS) | BY_OTHER_MEANS == set(Keep)
    scheduled = {task for task, _every, _title in CORE_JOBS}
    for period, jobs in JOBS.items():
        assert jobs <= scheduled, period
        assert jobs <= set(app.tasks), period


def test_answers_of_writes_go_after_a_day(shop: Shop) -> None:
    key: ApiKey = keys.create_key(shop, "server", "secret")[0]
    for name, hours in (("young", 23), ("old", 25)):
        IdempotentWrite.objects.create(
            shop=shop, api_key=key, name=name, request_hash=b"", status=200, body="{}",
            created_at=timezone.now() - timedelta(hours=hours),
        )  # fmt: skip
    api_tasks.forget_answers()
    assert [each.name for each in IdempotentWrite.objects.all()] == ["young"]


def test_visitors_go_after_40_days_and_batches_after_a_week(shop: Shop) -> None:
    today = timezone.now().date()
    metrics.count_visitors(shop.pk, [(today - timedelta(days=days), 1) for days in (39, 41)])
    for days in (6, 8):
        at = timezone.now() - timedelta(days=days)
        IngestBatch.objects.create(shop=shop, received_at=at, projected_at=at)
        WebhookDelivery.objects.create(
            shop=shop, platform="shopify", delivery_id=str(days), topic="t", state="applied", done_at=at
        )
    tasks.sweep()
    assert [each.day for each in DailyVisitor.objects.all()] == [today - timedelta(days=39)]
    assert IngestBatch.objects.count() == WebhookDelivery.objects.count() == 1


def test_contacts_of_a_batch_that_was_set_aside_go_after_40_days(shop: Shop) -> None:
    for days in (39, 41):
        at = timezone.now() - timedelta(days=days)
        IngestBatch.objects.create(shop=shop, received_at=at, set_aside_at=at, contacts='{"a": {"name": "Ada"}}')
    tasks.sweep()
    assert [bool(each.contacts) for each in IngestBatch.objects.order_by("pk")] == [True, False]


def test_everything_in_redis_ends_by_itself(
    shop: Shop, client: Client, django_capture_on_commit_callbacks: Any
) -> None:
    Product.objects.create(shop=shop, external_id="p1", title="Mug", price=1)
    catalogue.catalogue_of(shop.pk)
    key = keys.create_key(shop, "server", "secret")[1]
    said = {"type": "track", "event": "Product Viewed", "anonymousId": "a1", "userId": "c1", "messageId": "m1",
            "properties": {"product_id": "p1"}}  # fmt: skip
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(
            "/v1/batch", json.dumps({"batch": [said]}), "application/json", headers={"Authorization": f"Bearer {key}"}
        )
    assert answer.status_code == 200
    redis = memory.client()
    names = {name: redis.ttl(name) for name in redis.keys(memory.prefixed("*")) if b"visitor" in name}
    assert len(names) == 2
    assert all(0 < seconds <= 30 * 24 * 3600 for seconds in names.values()), names
