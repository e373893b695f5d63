"""What the doors keep besides the facts: batches to project, their working memory, webhooks, file loads, quarantine."""

from commerce_ai.ingest.models.batches import CustomerTraits, DailyVisitor, IngestBatch, TrackedOrder
from commerce_ai.ingest.models.quarantine import CleaningReport, FileLoad, QuarantineRow
from commerce_ai.ingest.models.webhooks import WebhookDelivery, WebhookSource

__all__ = [
    "CleaningReport",
    "CustomerTraits",
    "DailyVisitor",
    "FileLoad",
    "IngestBatch",
    "QuarantineRow",
    "TrackedOrder",
    "WebhookDelivery",
    "WebhookSource",
]
