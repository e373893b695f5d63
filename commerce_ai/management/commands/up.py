"""`manage.py up`: migrate, then run web, worker, trainer and beat until Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from commerce_ai import embedded
from commerce_ai.supervisor import PortTaken, Supervisor, refuse_taken_port


def add_place_options(parser: ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on (default: %(default)s)")
    parser.add_argument("--var", default=None, help="data folder (default: var/, or COMMERCE_AI_VAR)")


def restart_with_place(options: dict[str, Any]) -> None:
    """The settings were read before the options were: where they differ, begin again with the right ones."""
    from django.conf import settings

    wanted = Path(options["var"]).resolve() if options["var"] else settings.VAR_DIR
    loopback = options["host"] in ("127.0.0.1", "localhost", "::1")
    environment = dict(os.environ, COMMERCE_AI_VAR=str(wanted))
    if loopback and "HTTPS" not in os.environ:
        environment["HTTPS"] = "0"  # no TLS on one machine's loopback
    if environment != dict(os.environ):
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)  # noqa: S606


@contextmanager
def running(options: dict[str, Any]) -> Iterator[Supervisor]:
    """Services started and migrated, and a supervisor that stops on a signal; everything is stopped afterwards."""
    from django.conf import settings

    try:
        refuse_taken_port(options["host"], options["port"])
        embedded.hold_for_this_process()
    except (PortTaken, embedded.EmbeddedError) as error:
        raise CommandError(str(error)) from error
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
    call_command("migrate", interactive=False, verbosity=0)
    supervisor = Supervisor(
        settings.VAR_DIR, options["host"], options["port"], web_threads=settings.WEB_THREADS,
        mend=embedded.mend_for_this_process,
    )  # fmt: skip
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: setattr(supervisor, "stopping", True))
    try:
        yield supervisor
    finally:
        supervisor.stop()


def start(supervisor: Supervisor) -> None:
    try:
        supervisor.start()
    except RuntimeError as error:  # the port was taken meanwhile, or another supervisor runs on this folder
        raise CommandError(str(error)) from error


class Command(BaseCommand):
    help = "Run the platform: web, worker, trainer and beat under one supervisor, until Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_place_options(parser)

    def handle(self, **options: Any) -> None:
        restart_with_place(options)
        from django.conf import settings

        with running(options) as supervisor:
            start(supervisor)
            address = f"http://{options['host']}:{options['port']}"
            self.stdout.write(
                f"Console: {address}/console/\nAPI:     {address}/api/v1/docs\n"
                f"Logs:    {settings.VAR_DIR / 'log'}\nCtrl-C stops."
            )
            supervisor.watch()
            self.stdout.write("Stopping …")
