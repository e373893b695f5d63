"""manage.py lab: learners on files, with no database. See `commerce_ai.lab`."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import polars as pl
from django.core.management.base import BaseCommand, CommandError

from commerce_ai import lab
from commerce_ai.learning.files import write_frame

WRONG = 2  # exit status when what was asked can't be done


class Command(BaseCommand):
    help = "Fit, try and look at learners on files. Starts neither Postgres nor Redis."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="verb")
        each = verbs.add_parser("fit", help="learn from files; writes an artifact folder")
        each.add_argument("learner", help="as in: recommendation.collaborative")
        _inputs(each)
        each.add_argument("--artifact", required=True, type=Path, metavar="FOLDER", help="the only place written to")
        each.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter")
        each = verbs.add_parser("predict", help="answer request frames from an artifact")
        each.add_argument("artifact", type=Path)
        _inputs(each)
        each.add_argument("--output", required=True, type=Path, metavar="FILE", help=".csv or .parquet")
        each = verbs.add_parser("evaluate", help="judge an artifact on later rows, beside its baseline")
        each.add_argument("artifact", type=Path)
        _inputs(each)
        each = verbs.add_parser("compare", help="two artifacts on the same later rows, by a paired bootstrap")
        each.add_argument("artifact", type=Path)
        each.add_argument("other", type=Path)
        _inputs(each)
        each = verbs.add_parser("explain", help="what an artifact goes by")
        each.add_argument("artifact", type=Path)
        each.add_argument("--output", type=Path, metavar="FILE", help=".csv or .parquet; printed without it")
        each = verbs.add_parser("schema", help="a learner's frames and parameters; all learners without a name")
        each.add_argument("learner", nargs="?")
        each = verbs.add_parser("adopt", help="enter a shop's gate as a version (needs the database)")
        each.add_argument("artifact", type=Path)
        each.add_argument("--shop", required=True, help="the shop's slug")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, options["verb"])(options)
        except lab.LabError as error:
            raise CommandError(str(error), returncode=WRONG) from None
        except KeyboardInterrupt:
            raise CommandError("stopped; the same command goes on where it was", returncode=130) from None

    def fit(self, options: dict[str, Any]) -> None:
        done = lab.fit(
            options["learner"],
            _pairs(options["input"], "--input"),
            artifact=options["artifact"],
            params=_pairs(options["set"], "--set"),
            mapping=_pairs(options["map"], "--map"),
            say=self._say,
        )
        self._say(f"{done.folder}: {done.learner}, {done.seconds:.1f} s in all; {json.dumps(done.params)}")

    def predict(self, options: dict[str, Any]) -> None:
        answer = lab.predict(
            options["artifact"],
            _pairs(options["input"], "--input"),
            mapping=_pairs(options["map"], "--map"),
            output=options["output"],
        )
        self._say(f"{options['output']}: {answer.height} rows")

    def evaluate(self, options: dict[str, Any]) -> None:
        result = lab.evaluate(
            options["artifact"], _pairs(options["input"], "--input"), mapping=_pairs(options["map"], "--map")
        )
        width = max(map(len, result.metrics), default=0)
        self._say(f"{'':{width}}  {'artifact':>10}  {'baseline':>10}")
        for name, value in result.metrics.items():
            beside = result.baseline.get(name)
            self._say(f"{name:{width}}  {value:10.4f}  {'' if beside is None else f'{beside:10.4f}'}")
        for note in result.notes:
            self._say(note)

    def compare(self, options: dict[str, Any]) -> None:
        found = lab.compare(
            options["artifact"],
            options["other"],
            _pairs(options["input"], "--input"),
            mapping=_pairs(options["map"], "--map"),
        )
        low, high = found.interval
        self._say(f"{options['artifact']} {found.candidate:.4f}, {options['other']} {found.other:.4f}")
        self._say(
            f"difference {found.difference:+.4f} (90% of resamples: {low:+.4f} to {high:+.4f}), better in "
            f"{found.win_share:.0%}, worse in {found.loss_share:.0%} of the resamples, {found.units} units"
        )

    def explain(self, options: dict[str, Any]) -> None:
        found = lab.explain(options["artifact"])
        if found is None:
            self._say("this learner can't say what it goes by")
        elif options["output"]:
            write_frame(found, options["output"])
        else:
            with pl.Config(
                tbl_rows=30, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True, fmt_str_lengths=60
            ):
                self._say(str(found))

    def schema(self, options: dict[str, Any]) -> None:
        if options["learner"]:
            self._say(lab.schema(options["learner"]))
            return
        from commerce_ai import registry

        for name, learner in registry.learners().items():
            self._say(f"{name:40} {learner.slot}")

    def adopt(self, options: dict[str, Any]) -> None:
        lab.about(options["artifact"])  # a wrong folder is said before anything is started
        _start_services()
        from commerce_ai.learning.adopt import AdoptError, adopt
        from commerce_ai.learning.learner import NotEnoughData
        from commerce_ai.shop.models import Shop

        try:
            version = adopt(options["artifact"], Shop.objects.get(slug=options["shop"]))
        except Shop.DoesNotExist:
            there = ", ".join(Shop.objects.values_list("slug", flat=True)) or "none"
            raise lab.LabError(f"there is no shop {options['shop']!r}; there are: {there}") from None
        except (AdoptError, NotEnoughData) as error:
            raise lab.LabError(str(error)) from None
        self._say(f"{version}: {version.reason}")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _inputs(parser: ArgumentParser) -> None:
    parser.add_argument("--input", action="append", default=[], metavar="FRAME=FILE", help="CSV or Parquet")
    parser.add_argument(
        "--map", action="append", default=[], metavar="COLUMN=NAME", help="what the files call a column of ours"
    )


def _pairs(given: list[str], option: str) -> dict[str, str]:
    pairs = {}
    for each in given:
        name, sign, value = each.partition("=")
        if not sign or not name or not value:
            raise lab.LabError(f"{option} {each}: it must be name=value")
        if name in pairs:
            raise lab.LabError(f"{option} {name}: it is given twice")
        pairs[name] = value
    return pairs


def _start_services() -> None:
    """The one verb that needs them; a test or an outer process may hold them already."""
    if os.environ.get("COMMERCE_AI_TESTS"):
        return
    from commerce_ai import embedded

    embedded.hold_for_this_process()
