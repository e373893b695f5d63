"""What the doors keep besides the facts: batches to project, their working memory, file loads and quarantine."""

from commerce_ai.ingest.models.batches import CustomerTraits, DailyVisitor, IngestBatch, TrackedOrder
from commerce_ai.ingest.models.quarantine import CleaningReport, FileLoad, QuarantineRow

__all__ = [
    "CleaningReport",
    "CustomerTraits",
    "DailyVisitor",
    "FileLoad",
    "IngestBatch",
    "QuarantineRow",
    "TrackedOrder",
]
