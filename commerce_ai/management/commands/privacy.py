"""`manage.py privacy`: the record of processing, what is held on a customer, and their erasure."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.module_loading import import_string, module_has_submodule
from django.utils.translation import gettext as _

from commerce_ai import privacy
from commerce_ai.privacy import key_command
from commerce_ai.shop.models import Shop


class Command(BaseCommand):
    help = "The record of processing as Markdown; what is held on a customer, as JSON; the erasure of a customer"

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        record = verbs.add_parser("record", help="print the record of processing (Markdown)")
        record.add_argument("--output", type=Path, help="write to this file instead")
        if module_has_submodule(privacy, "export"):
            export = _of_customer(verbs.add_parser("export", help="print all that is held on a customer (JSON)"))
            export.add_argument("--output", type=Path, help="write to this file instead")
        if module_has_submodule(privacy, "erase"):
            erase = _of_customer(verbs.add_parser("erase", help="erase a customer; there is no way back"))
            erase.add_argument("--reason", default="", help="kept in the record of erasures: name nobody in it")

        key_command.add_verbs(verbs)

    def handle(self, **options: Any) -> None:
        if options["verb"] in key_command.VERBS:
            key_command.handle(options, self.stdout.write)
        elif options["verb"] == "record":
            from commerce_ai.privacy.record import markdown

            self._write(markdown(), options["output"])
        elif options["verb"] == "export":
            held = import_string("commerce_ai.privacy.export.export")(_shop(options["shop"]), options["customer"])
            self._write(json.dumps(held, ensure_ascii=False, indent=2) + "\n", options["output"])
        else:
            shop = _shop(options["shop"])
            erased = import_string("commerce_ai.privacy.erase.erase")(
                shop, options["customer"], reason=options["reason"]
            )
            for table, rows in sorted(erased.counts.items()):
                self.stdout.write(f"{table}: {rows:,}")
            versions = ", ".join(f"v{each}" for each in erased.versions) or _("none")
            self.stdout.write(_("Trained on the customer, to be trained again: %(versions)s") % {"versions": versions})

    def _write(self, text: str, file: Path | None) -> None:
        if file is None:
            self.stdout.write(text, ending="")
            return
        # What is held on a person is for its reader alone.
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")


def _of_customer(parser: ArgumentParser) -> ArgumentParser:
    parser.add_argument("customer", help="the customer's id in the shop's own system")
    parser.add_argument("--shop", required=True, help="the shop's short name")
    return parser


def _shop(slug: str) -> Shop:
    shop = Shop.objects.filter(slug=slug).first()
    if shop is None:
        raise CommandError(_("there is no shop “%(slug)s”") % {"slug": slug})
    return shop
