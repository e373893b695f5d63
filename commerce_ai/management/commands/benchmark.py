"""manage.py benchmark: a public protocol, ours beside the published figures. See `commerce_ai.learning.bench`."""

from __future__ import annotations

import os
import signal
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from commerce_ai import registry
from commerce_ai.learning.bench import Bench, BenchError

WRONG = 2


class Command(BaseCommand):
    help = "Run a benchmark suite of a plugin or a room; without a suite, list them."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("owner", nargs="?", help="plugin or room")
        parser.add_argument("suite", nargs="?")
        parser.add_argument("--learner", help="run only this one")
        parser.add_argument("--data", type=Path, default=settings.BASE_DIR.parent / "shared" / "data", metavar="DIR")
        parser.add_argument("--seeds", type=int, default=1, metavar="N")
        parser.add_argument("--json", type=Path, metavar="FILE", help="keeps the figures, each as it comes")

    def handle(self, *args: Any, **options: Any) -> None:
        suites = registry.suites()
        name = f"{options['owner']} {options['suite']}"
        if options["suite"] is None:
            mine = [each for each in sorted(suites) if options["owner"] in (None, each.split()[0])]
            self.stdout.write("\n".join(mine) or "there are no suites")
            return
        if name not in suites:
            raise CommandError(f"there is no suite {name!r}; there are: {', '.join(sorted(suites))}", returncode=WRONG)
        if options["seeds"] < 1:
            raise CommandError("--seeds must be at least 1", returncode=WRONG)
        suite = suites[name]
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what a suite started ends with it
        if getattr(suite, "needs_services", False) and not os.environ.get("COMMERCE_AI_TESTS"):
            from commerce_ai import embedded

            embedded.hold_for_this_process()
        try:
            bench = Bench(
                name, data=options["data"], learner=options["learner"], seeds=options["seeds"],
                json_file=options["json"], write=self._write,
            )  # fmt: skip
            suite(bench)
        except BenchError as error:
            raise CommandError(str(error), returncode=WRONG) from None
        except KeyboardInterrupt:
            raise CommandError("stopped", returncode=130) from None
        bench.finish()

    def _write(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
