#!/usr/bin/env python
"""The command line. Starts the embedded Postgres and Redis for the commands that need them."""

import os
import sys

# Commands that touch neither Postgres nor Redis by themselves, so that they start at once.
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
    "status",
    "startapp",
    "up",
    "version",
    "--help",
    "-h",
    "--version",
}


# Of these, the ones that leave no trace under var/ either.
WRITES_NOTHING = WITHOUT_SERVICES - {"benchmark", "collectstatic", "demo", "up"}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "commerce_ai.settings")
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    asks_for_help = "--help" in sys.argv or "-h" in sys.argv
    if command in WRITES_NOTHING or asks_for_help:
        os.environ["COMMERCE_AI_WRITES_NOTHING"] = "1"
    if command not in WITHOUT_SERVICES and not asks_for_help:
        from commerce_ai import embedded

        embedded.hold_for_this_process()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
