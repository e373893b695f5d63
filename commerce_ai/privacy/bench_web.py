"""The web process without what privacy does to what comes in: for `benchmark privacy ingest-cost`, and nothing else.

It refuses to start outside the benchmark's own folder. The product has no such switch.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

if not any(part.startswith("cai-bench-") for part in Path(os.environ["COMMERCE_AI_VAR"]).parts):
    raise RuntimeError("this process is a benchmark's")

from commerce_ai.wsgi import application


def _let_everything_through() -> None:
    import msgspec

    from commerce_ai.ingest import personal

    encode = msgspec.json.Encoder().encode

    def keep(value: Any) -> Any:
        return value

    personal.encode_properties = personal.encode_traits = encode
    personal.clean_text = personal.clean = personal.clean_known = keep  # type: ignore[assignment]
    personal.may_have_shape = lambda raw: False
    personal.contact_of = lambda said: None  # type: ignore[assignment,return-value]


_let_everything_through()
__all__ = ["application"]
