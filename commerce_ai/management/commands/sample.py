"""`manage.py sample`: a made-up shop of any size, on any of its days."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import fields, replace
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


class Command(BaseCommand):
    help = "Make a sample shop up, the same for the same seed, and load it. `visit` sends it visitors."

    def add_arguments(self, parser: ArgumentParser) -> None:
        from commerce_ai.sample.generate import PRESETS

        parser.add_argument("--shop", default="sample", help="name of the shop (default: %(default)s)")
        parser.add_argument("--preset", choices=sorted(PRESETS), default="demo", help="its size (default: %(default)s)")
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--until", type=date.fromisoformat, help="the day it stands on (default: today)")
        for name, what, kind in (
            ("products", "how many products, 48 at least", int), ("customers", "how many customers", int),
            ("days", "days of history", int), ("visits-each", "visits of an average customer over all days", float),
            ("day", "as it stood when so many of its days were over: 0 is a shop that opens today", int),
        ):  # fmt: skip
            parser.add_argument(f"--{name}", type=kind, help=what)

    def handle(self, **options: Any) -> None:
        from commerce_ai.sample.generate import PRESETS, Size
        from commerce_ai.sample.load import NotASample, load_sample
        from commerce_ai.shop.models import Event, Order, Product

        given = {each.name: options[each.name] for each in fields(Size) if options[each.name] is not None}
        try:
            size = replace(PRESETS[options["preset"]], **given)
            with Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()) as bars:
                bar = bars.add_task("Sample shop", total=1.0)
                shop = load_sample(
                    options["shop"], options["seed"], size, until=options["until"],
                    progress=lambda share, what: bars.update(bar, completed=share, description=what.capitalize()),
                )  # fmt: skip
        except (ValueError, NotASample) as error:
            raise CommandError(str(error)) from error
        counts = {model: model.objects.of(shop).count() for model in (Product, Order, Event)}
        said = ", ".join(f"{n:,} {model._meta.verbose_name_plural}" for model, n in counts.items())
        self.stdout.write(f"Shop {shop.slug}: {said}. Switch plugins on for it in the console.")
