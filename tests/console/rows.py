"""A row of every table that the console shows, in one shop."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import Model

from commerce_ai import registry
from commerce_ai.api.keys import create_key, new_signing_secret
from commerce_ai.console.models import AuditEntry
from commerce_ai.decisions.models import Decision
from commerce_ai.ids import uuid7
from commerce_ai.ingest.models import (
    CleaningReport,
    FileLoad,
    IngestBatch,
    QuarantineRow,
    WebhookDelivery,
    WebhookSource,
)
from commerce_ai.learning.models import ArtifactFile, Run, RunLog, RunPoint, Version
from commerce_ai.privacy import requests
from commerce_ai.privacy.models import ErasureLog
from commerce_ai.shop.models import Shop
from tests import factories, plugin_factories  # noqa: F401  (whose rows are made, too)

NOW = datetime.now(UTC)
METRICS = {"ndcg_at_20": 0.084, "recall_at_20": 0.151}
BASELINE = {"ndcg_at_20": 0.06, "recall_at_20": 0.12}


def fill(shop: Shop) -> None:
    """One row a table, made by the factories or here."""
    for each in _factories(factories.InShop):
        if each._meta.model is not factories.models.ShopMember:
            each(shop=shop)
    run = make_run(shop, state="succeeded", metrics=METRICS, baseline=BASELINE, progress=1.0)
    make_version(shop, run=run, state="live")
    make_decision(shop)
    IngestBatch.objects.create(shop=shop, events=3)
    load = make_load(shop)
    CleaningReport.objects.create(
        shop=shop, load=load, findings=[{"code": "duplicate_rows", "column": "", "count": 2, "examples": []}]
    )
    make_quarantined(shop, load)
    create_key(shop, "storefront", "publishable")
    requests.ask(shop, "export", "somebody")
    source = WebhookSource.objects.create(shop=shop, domain=f"{shop.slug}.myshopify.com", secret="hush")
    WebhookDelivery.objects.create(shop=shop, platform=source.platform, delivery_id="1", topic="products/update")
    ErasureLog.objects.create(shop=shop, person=b"x" * 32, done_at=NOW)
    new_signing_secret(shop)
    registry.switch(shop, "recommendation", on=True)
    [entry] = LogEntry.objects.log_actions(factories.UserFactory().pk, [shop], CHANGE, "Looked after.")
    AuditEntry.objects.create(shop=shop, entry=entry)


def _factories(parent: Any) -> Iterator[Any]:
    for each in parent.__subclasses__():
        if not each._meta.abstract:
            yield each
        yield from _factories(each)


def make_run(shop: Shop, learner: str = "recommendation.popularity", **columns: Any) -> Run:
    if columns.get("state") == "running":
        columns = {"claim": uuid4(), "lease_until": NOW + timedelta(minutes=1), "started_at": NOW, **columns}
    run = Run.objects.create(
        shop=shop,
        learner=learner,
        slot="recommendation.candidates",
        recipe="abc",
        params={"half_life_days": 30},
        **columns,
    )
    RunPoint.objects.bulk_create(
        RunPoint(run=run, name=f"{stage}/loss", step=step, value=1 / (step + 1))
        for stage in ("fit", "refit")
        for step in range(5)
    )
    RunLog.objects.create(run=run, text="fit: reading rows")
    return run


def make_version(shop: Shop, learner: str = "recommendation.popularity", **columns: Any) -> Version:
    version = Version.objects.create(
        **{
            "shop": shop, "slot": "recommendation.candidates", "learner": learner, "recipe": "abc",
            "manifest": "0" * 64,
            "exclusive_key": f"recommendation.candidates/{learner}", "metrics": METRICS, "baseline": BASELINE,
            "size": 2048,
            "reason": "First version.", "trained_until": NOW, "verdict": {"chosen": {"half_life_days": 30}}, **columns,
        }
    )  # fmt: skip
    ArtifactFile.objects.create(version=version, path="scores.npy", sha256="0" * 64, size=2048)
    return version


def make_decision(shop: Shop, **columns: Any) -> Decision:
    return Decision.objects.create(
        **{
            "id": uuid7(), "shop": shop, "plugin": "recommendation", "kind": "recommendations", "placement": "home",
            "anonymous_id": "visitor", "latency_ms": 1.25, **columns,
        }
    )  # fmt: skip


def make_load(shop: Shop) -> FileLoad:
    return FileLoad.objects.create(
        shop=shop, format="csv", table="products", file_name="products.csv", rows_read=3, rows_loaded=2, rows_rejected=1
    )


def make_quarantined(shop: Shop, load: FileLoad | None = None, **columns: Any) -> QuarantineRow:
    return QuarantineRow.objects.create(
        **{
            "shop": shop, "load": load, "format": "csv", "table": "products", "row_number": 2, "column": "price",
            "reason": "not_a_number", "message": "“cheap” is not a number",
            "values": {"external_id": "P9", "title": "Lamp", "price": "cheap"},
            "fingerprint": uuid7().bytes * 2, **columns,
        }
    )  # fmt: skip


def first_row(model: type[Model], shop: Shop, path: str = "shop") -> Model | None:
    return model._default_manager.filter(**{path: shop}).order_by("pk").first()
