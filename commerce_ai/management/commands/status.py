"""`manage.py status`: which processes of this install run, since when, and what memory they hold."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from commerce_ai.embedded import postgres, redis


class Command(BaseCommand):
    help = "List the processes of this install with their memory (Linux)."

    def handle(self, **options: Any) -> None:
        if not Path("/proc/self/smaps_rollup").exists():
            raise CommandError("this system does not tell about its processes under /proc")
        family = _children()
        table = Table("process", "pid", "processes", "up", "own MB (PSS)", "resident MB")
        total = 0.0
        for name, pid in _roots(family).items():
            pids = [pid] if name == "supervisor" else list(_tree(pid, family))
            sizes = [_memory(each) for each in pids]
            share, resident = (sum(each) / 1024 for each in zip(*sizes, strict=True))
            total += share if name != "trainer" else 0
            table.add_row(name, str(pid), str(len(pids)), _age(pid), f"{share:,.0f}", f"{resident:,.0f}")
        if not table.rows:
            raise CommandError(f"nothing runs on {settings.VAR_DIR}; start it with: manage.py up")
        console = Console()
        console.print(table)
        console.print(f"All but the trainer: {total:,.0f} MB (shared pages counted once).")


def _roots(family: dict[int, list[int]]) -> dict[str, int]:
    """Name → pid of the supervisor, its children and the embedded pair, as far as they run."""
    found = {}
    parents = {child: parent for parent, children in family.items() for child in children}
    for record in sorted((settings.VAR_DIR / "run").glob("*.json")):
        pid = int(json.loads(record.read_text())["pid"])
        if pid in parents:
            found[record.stem] = pid
            found.setdefault("supervisor", parents[pid])
    for name, each in (("postgres", postgres.pid(settings.EMBEDDED)), ("redis", redis.pid(settings.EMBEDDED))):
        if each is not None and each in parents:
            found[name] = each
    return found


def _children() -> dict[int, list[int]]:
    family: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it ended meanwhile
            family.setdefault(parent, []).append(int(entry.name))
    return family


def _tree(pid: int, family: dict[int, list[int]]) -> Iterator[int]:
    yield pid
    for child in family.get(pid, ()):
        yield from _tree(child, family)


def _memory(pid: int) -> tuple[int, int]:
    """Proportional and resident size in kB."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0, 0
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:] if line.endswith("kB")}
    return sizes.get("Pss", 0), sizes.get("Rss", 0)


def _age(pid: int) -> str:
    started = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    seconds = int(time.clock_gettime(time.CLOCK_BOOTTIME) - started)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
