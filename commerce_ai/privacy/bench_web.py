"""The web process without what privacy does to what comes in: for `benchmark privacy ingest-cost`, and nothing else.

It refuses to start outside the benchmark's own folder. The product has no such switch.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

if not any(part.startswith("cai-bench-") for part in Path(os.environ["COMMERCE_AI_VAR"]).parts):
    raise RuntimeError("this process is a benchmark's")


def keep_in_clear() -> None:
    """Contacts as they are where they else lie encrypted or hashed."""
    from commerce_ai import crypto
    from commerce_ai.shop import bulk, contact, copying

    def write(value: str, *, context: str, row: str = "") -> bytes:
        return value.encode()

    def read(value: bytes, *, context: str) -> str:
        return bytes(value).decode()

    crypto.encrypt = bulk.encrypt = copying.encrypt = write  # type: ignore[assignment]
    crypto.decrypt = read  # type: ignore[assignment]
    contact.keyed_hash = lambda value, *, purpose: value.encode()[:32]  # type: ignore[assignment]


def _let_everything_through() -> None:
    import msgspec

    from commerce_ai.ingest import personal

    encode = msgspec.json.Encoder().encode

    def keep(value: Any) -> Any:
        return value

    keep_in_clear()
    personal.encode_properties = personal.encode_traits = encode  # type: ignore[assignment]
    personal.clean_text = personal.clean = personal.clean_known = keep  # type: ignore[assignment]
    personal.may_have_shape = lambda raw: False
    if os.environ["BENCH_MODE"] == "bare":
        personal.contact_of = lambda said: None  # type: ignore[assignment,return-value]


if "BENCH_MODE" in os.environ:
    from commerce_ai.wsgi import application

    _let_everything_through()
    __all__ = ["application"]
