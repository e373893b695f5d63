"""The file door: one pipeline for every format. `load_file` is the way in, `retry` the way back from quarantine."""

from commerce_ai.ingest.files.pipeline import FORMATS, MOST_REJECTED, Loaded, load_file
from commerce_ai.ingest.files.problems import FileError
from commerce_ai.ingest.files.quarantine import Retried, retry
from commerce_ai.ingest.files.report import words
from commerce_ai.ingest.files.tables import tables

__all__ = ["FORMATS", "MOST_REJECTED", "FileError", "Loaded", "Retried", "load_file", "retry", "tables", "words"]
