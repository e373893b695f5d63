"""`manage.py load`: a file into a shop, with progress, a cleaning report and the quarantine counted."""

from __future__ import annotations

import resource
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from commerce_ai.shop.models import Shop

REFUSED = 2  # exit status: the file was refused and nothing was written


class Command(BaseCommand):
    help = "Load a file into a shop. What each table's columns are: docs/loading.md"

    def add_arguments(self, parser: ArgumentParser) -> None:
        from commerce_ai.ingest.files import FORMATS, MOST_REJECTED, tables

        parser.add_argument("format", choices=FORMATS)
        parser.add_argument("file", type=Path)
        parser.add_argument("--shop", required=True, help="the shop's short name")
        parser.add_argument("--table", default="", choices=["", *tables()], metavar="TABLE", help=", ".join(tables()))
        parser.add_argument("--encoding", default="", help="of a CSV file that is not UTF-8, as in latin-1")
        parser.add_argument(
            "--most-rejected", type=float, default=MOST_REJECTED, metavar="SHARE",
            help="refuse the file if more of its rows can't be taken (default: %(default)s)",
        )  # fmt: skip
        parser.add_argument("--again", action="store_true", help="even if the same content was loaded before")
        parser.add_argument("--create", action="store_true", help="make the shop if it is not there")
        parser.add_argument("--name", default="", help="with --create: the shop's name")
        parser.add_argument("--currency", default="", help="with --create (default: GBP)")
        parser.add_argument("--timezone", default="", help="with --create (default: Europe/London)")

    def handle(self, **options: Any) -> None:
        from commerce_ai.ingest.files import FileError, load_file

        began = time.monotonic()
        console = Console(file=getattr(self.stdout, "_out", None))
        if options["format"] in ("csv", "parquet") and not options["table"]:
            raise CommandError(_("--table is needed: say which table the rows are of"), returncode=REFUSED)
        shop = _shop(options)
        bars = _Bars(console)
        try:
            with bars:
                loaded = load_file(
                    shop, options["file"], format=options["format"], table=options["table"],
                    encoding=options["encoding"], most_rejected=options["most_rejected"], again=options["again"],
                    progress=bars,
                )  # fmt: skip
        except FileError as error:
            raise CommandError(str(error), returncode=REFUSED) from None
        if loaded.already:
            words = _(
                "The same content was loaded on %(at)s as %(name)s: nothing to do (--again loads it nevertheless)."
            )
            console.print(words % {"at": f"{loaded.load.started_at:%Y-%m-%d %H:%M} UTC", "name": loaded.load.file_name})
            return
        _show(console, loaded)
        seconds = time.monotonic() - began
        # Of this process; Linux says it in kilobytes.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        words = _("%(rows)s rows in %(seconds)s s (%(rate)s rows/s), peak memory %(peak)s MB")
        rows = loaded.load.rows_read
        console.print(
            words
            % {
                "rows": f"{rows:,}",
                "seconds": f"{seconds:.1f}",
                "rate": f"{rows / seconds:,.0f}",
                "peak": f"{peak:,.0f}",
            }
        )


def _shop(options: dict[str, Any]) -> Shop:
    slug = options["shop"]
    shop = Shop.objects.filter(slug=slug).first()
    if shop is not None:
        return shop
    if not options["create"]:
        known = ", ".join(Shop.objects.order_by("slug").values_list("slug", flat=True)[:20]) or _("none")
        words = _("there is no shop “%(slug)s” (there are: %(known)s); --create makes it")
        raise CommandError(words % {"slug": slug, "known": known}, returncode=REFUSED)
    shop = Shop(
        slug=slug, name=options["name"] or slug, currency=options["currency"] or "GBP",
        timezone=options["timezone"] or "Europe/London",
    )  # fmt: skip
    try:
        shop.full_clean()
    except ValidationError as error:
        raise CommandError("; ".join(error.messages), returncode=REFUSED) from None
    shop.save()
    return shop


def _show(console: Console, loaded: Any) -> None:
    from commerce_ai.ingest.files import words

    load = loaded.load
    report = Table(title=_("Cleaning report: %(file)s") % {"file": load.file_name}, title_justify="left")
    for heading, justify in ((_("rows"), "right"), (_("what was found, and done"), "left"), (_("such as"), "left")):
        report.add_column(heading, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for finding in loaded.findings:
        report.add_row(f"{finding['count']:,}", Text(words(finding)), Text(", ".join(finding["examples"])))
    if loaded.findings:
        console.print(report)
    written = Table(title=_("Written"), title_justify="left")
    for heading in (_("table"), _("inserted"), _("updated"), _("unchanged")):
        written.add_column(heading, justify="left" if not written.columns else "right")
    for name, counts in loaded.written.items():
        written.add_row(name, *(f"{each:,}" for each in (counts.inserted, counts.updated, counts.unchanged)))
    if loaded.written:
        console.print(written)
    sums = _(
        "%(read)s rows read = %(loaded)s loaded + %(duplicate)s duplicates"
        " + %(left_out)s left out + %(rejected)s in quarantine"
    )
    console.print(
        sums
        % {
            name: f"{getattr(load, f'rows_{name}'):,}"
            for name in ("read", "loaded", "duplicate", "left_out", "rejected")
        }
    )


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} rows/s" if speed else "")


class _Bars:
    """Progress bars for the steps of a load."""

    def __init__(self, console: Console) -> None:
        self._bars = Progress(
            TextColumn("{task.description:<10}"), BarColumn(), TextColumn("{task.completed:,.0f}"), _Rate(),
            TimeElapsedColumn(), console=console, transient=not console.is_terminal,
        )  # fmt: skip
        self._task: Any = None

    def __enter__(self) -> _Bars:
        self._bars.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._bars.__exit__(*error)

    def start(self, step: str, total: int | None) -> None:
        self._task = self._bars.add_task(step, total=total)

    def advance(self, rows: int) -> None:
        self._bars.advance(self._task, rows)
