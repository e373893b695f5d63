"""What privacy costs, each figure beside the same work without it, in one run.

Every suite has an embedded pair of its own in a temporary folder (`house`), so that no shop of the install is touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from commerce_ai.privacy.bench_keys import ingest_cost, rotation

if TYPE_CHECKING:
    from commerce_ai.learning.bench import Bench

ROOT = Path(__file__).resolve().parent.parent.parent
Ask = Callable[[str], str]


def consent(bench: Bench) -> None:
    """Frames and answers with 100,000 answers to consent, beside the same without."""
    bench.note(
        "1,000,000 events of 300,000 visitors and customers, 100,000 of whom said something of the training of models; "
        "each query three times in turn with and without, the median; then the warm answer with a million refusals"
    )
    with house() as ask:
        for line in ask("from commerce_ai.privacy import bench_consent; bench_consent.measure()").splitlines():
            found = msgspec.json.decode(line, type=Figures)
            bench.row(found.name, found.figures, seconds=found.seconds)


def erase(bench: Bench) -> None:
    """One customer out of a shop of 250,000 and one of 1,000,000 events: the bar is a minute."""
    bench.note(
        "ten events and an order a customer, the one has 2,000 events more; 5,000 encrypted rows in quarantine; "
        "everything that an erasure does, and the sweep that follows it"
    )
    with house() as ask:
        for line in ask("from commerce_ai.privacy import bench_erase; bench_erase.measure()").splitlines():
            found = msgspec.json.decode(line, type=Figures)
            bench.row(found.name, found.figures, seconds=found.seconds)


class Figures(msgspec.Struct):
    """One line that a measuring process prints."""

    name: str
    figures: dict[str, float]
    seconds: float | None = None


@contextmanager
def house(prepare: bool = True) -> Iterator[Ask]:
    """A migrated database and a Redis of one's own; ``ask(code)`` runs Python with Django set up there: its output."""
    from commerce_ai import embedded

    folder = Path(tempfile.mkdtemp(prefix="cai-bench-"))
    folder.chmod(0o755)
    where = embedded.paths(folder / "var")
    environment = {
        **{name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")},
        "COMMERCE_AI_VAR": str(folder / "var"), "DJANGO_SETTINGS_MODULE": "commerce_ai.settings", "HTTPS": "0",
        "PYTHONPATH": str(ROOT),
    }  # fmt: skip

    def ask(code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", f"import django; django.setup()\n{code}"], env=environment, cwd=ROOT,
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    try:
        embedded.acquire(where)
        if prepare:
            ask("from django.core.management import call_command; call_command('migrate', verbosity=0)")
        yield ask
    finally:
        embedded.release(where)
        for left in (folder, where.sockets):
            shutil.rmtree(left, ignore_errors=True)


ingest_cost.needs_services = rotation.needs_services = False  # type: ignore[attr-defined]
consent.needs_services = False  # type: ignore[attr-defined]
erase.needs_services = False  # type: ignore[attr-defined]
SUITES = {"consent": consent, "erase": erase, "ingest-cost": ingest_cost, "rotation": rotation}
