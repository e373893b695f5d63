"""A migrated database and a Redis of one's own for a benchmark, so that no shop of the install is touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from commerce_ai.learning.bench import Bench

ROOT = Path(__file__).resolve().parent.parent.parent


class Figures(msgspec.Struct):
    """One line that a measuring process prints."""

    name: str
    figures: dict[str, bool | float]
    seconds: float | None = None


@dataclass(frozen=True)
class House:
    """The embedded pair of a benchmark (`where`) and the environment of processes that work in it."""

    where: Any
    environment: dict[str, str]

    @property
    def dsn(self) -> str:
        from commerce_ai import embedded

        at = f"host={self.where.sockets} port={embedded.POSTGRES_PORT}"
        return f"{at} user={embedded.POSTGRES_USER} dbname=commerce_ai"

    def python(self, code: str) -> str:
        """What Python prints with Django set up."""
        command = [sys.executable, "-c", f"import django; django.setup()\n{code}"]
        done = subprocess.run(
            command, env=self.environment, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
        )  # fmt: skip
        return done.stdout

    def show(self, bench: Bench, code: str) -> None:
        """Run Python with Django set up; each line that it prints is a row, as soon as it comes."""
        command = [sys.executable, "-c", f"import django; django.setup()\n{code}"]
        with subprocess.Popen(command, env=self.environment, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout or ():
                found = msgspec.json.decode(line, type=Figures)
                bench.row(found.name, found.figures, seconds=found.seconds)
        if process.returncode:
            raise RuntimeError("the measuring process failed")


def say(name: str, figures: Mapping[str, float], seconds: float | None = None) -> None:
    """In the measuring process: a row."""
    sys.stdout.write(msgspec.json.encode(Figures(name, dict(figures), seconds)).decode() + "\n")
    sys.stdout.flush()


@contextmanager
def house() -> Iterator[House]:
    """Up, migrated, and gone afterwards."""
    from commerce_ai import embedded

    folder = Path(tempfile.mkdtemp(prefix="cai-bench-"))
    folder.chmod(0o755)
    where = embedded.paths(folder / "var")
    environment = {
        **{name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")},
        "COMMERCE_AI_VAR": str(folder / "var"), "DJANGO_SETTINGS_MODULE": "commerce_ai.settings", "HTTPS": "0",
        "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    code = "import django; django.setup()\nfrom django.core.management import call_command"
    try:
        embedded.acquire(where)
        migrate = [sys.executable, "-c", f"{code}; call_command('migrate', verbosity=0)"]
        subprocess.run(migrate, env=environment, cwd=ROOT, check=True)
        yield House(where, environment)
    finally:
        embedded.release(where)
        for left in (folder, where.sockets):
            shutil.rmtree(left, ignore_errors=True)
