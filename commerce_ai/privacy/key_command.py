"""`manage.py privacy keys | rotate | remove-key`: what the verbs say and do."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from commerce_ai import crypto
from commerce_ai.privacy import keys

VERBS = ("keys", "rotate", "remove-key")


def add_verbs(verbs: Any) -> None:
    verbs.add_parser("keys", help="the keys of encrypted fields, and how many rows are under each")
    rotate: ArgumentParser = verbs.add_parser(
        "rotate", help="a new key for encrypted fields, and every row under it, while everything runs"
    )
    rotate.add_argument("--batch", type=int, default=1000, metavar="ROWS", help="rows a transaction (default: 1000)")
    remove: ArgumentParser = verbs.add_parser("remove-key", help="take an old key out that no row uses")
    remove.add_argument("key", help="its id, as `privacy keys` lists it")


def handle(options: dict[str, Any], write: Callable[[str], Any]) -> None:
    try:
        if options["verb"] == "keys":
            _list(write)
        elif options["verb"] == "rotate":
            _rotate(max(1, options["batch"]), write)
        else:
            keys.remove(options["key"])
            write(_("%(key)s is gone.") % {"key": options["key"]})
    except keys.Refused as error:
        raise CommandError(str(error)) from None


def _list(write: Callable[[str], Any]) -> None:
    known, current = crypto.field_keys(), crypto.current_key_id()
    for key, tables in keys.usage().items():
        rows = ", ".join(f"{table}: {count:,}" for table, count in sorted(tables.items())) or _("no rows")
        state = _("encrypts") if key == current else _("decrypts") if key in known else _("is missing")
        write(f"{key} ({state}): {rows}")


def _rotate(batch: int, write: Callable[[str], Any]) -> None:
    if keys.is_under_way():
        write(_("A rotation was begun and not ended: it goes on under %(key)s.") % {"key": crypto.current_key_id()})
    else:
        write(_("New rows are encrypted under %(key)s.") % {"key": keys.add()})
        time.sleep(2 * crypto.LOOKS_EVERY_S)  # until every process has looked
    shown = time.monotonic()

    def progress(table: str, done: int, of: int) -> None:
        nonlocal shown
        if done >= of or time.monotonic() - shown > 2:
            shown = time.monotonic()
            write(_("%(table)s: %(done)s of %(of)s rows") % {"table": table, "done": f"{done:,}", "of": f"{of:,}"})

    found = keys.rotate(batch=batch, progress=progress)
    figures = {"rows": f"{found.rows:,}", "key": found.key, "s": f"{found.seconds:.1f}"}
    write(_("%(rows)s rows brought under %(key)s in %(s)s s.") % figures)
    if found.left:
        raise CommandError(
            _("%(left)s rows are left, held by others or not to be decrypted (see the log): run it again.")
            % {"left": f"{found.left:,}"}
        )
