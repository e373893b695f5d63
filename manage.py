#!/usr/bin/env python
"""The command line. Starts the embedded Postgres and Redis for the commands that need them."""

import os
import sys

# Commands that touch neither Postgres nor Redis, so that they start at once and write nothing under var/.
WITHOUT_SERVICES = {
    "",
    "benchmark",
    "check",
    "collectstatic",
    "compilemessages",
    "demo",
    "diffsettings",
    "help",
    "lab",
    "makemessages",
    "makemigrations",
    "spectacular",
    "startapp",
    "up",
    "version",
    "--help",
    "-h",
    "--version",
}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "commerce_ai.settings")
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    asks_for_help = "--help" in sys.argv or "-h" in sys.argv
    if command not in WITHOUT_SERVICES and not asks_for_help:
        from commerce_ai import embedded

        embedded.hold_for_this_process()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
