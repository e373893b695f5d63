"""`manage.py train`: a queued run (what the trainer starts as a child), or a learner on a shop, here and now."""

from __future__ import annotations

import ctypes
import os
import signal
import uuid
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from commerce_ai import registry
from commerce_ai.learning import leases
from commerce_ai.learning.attempt import Heartbeat, execute
from commerce_ai.learning.models import Run
from commerce_ai.learning.params import ParamError
from commerce_ai.learning.runs import request_run
from commerce_ai.shop.models import Shop

_PR_SET_PDEATHSIG = 1


class Command(BaseCommand):
    help = "Train a learner on a shop and send it live if the gate lets it: train --shop demo recommendation.popularity"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", help="a learner's name, or the number of a queued run")
        parser.add_argument("--shop", help="short name of the shop to train on")
        parser.add_argument(
            "--set", action="append", default=[], metavar="NAME=VALUE", help="a hyper-parameter; repeatable"
        )
        parser.add_argument("--seed", type=int, help="seed of the fit")
        parser.add_argument("--claim", type=uuid.UUID, help="for the trainer: the claim under which it holds the run")
        parser.add_argument("--parent", type=int, help="for the trainer: its process, without which the run stops")

    def handle(self, **options: Any) -> None:
        if options["claim"] is not None:
            self._as_child(int(options["what"]), options["claim"], options["parent"])
            return
        run = self._execute_here(self._claim(options))
        said = f"{run.learner} #{run.pk}: {run.get_state_display()} after {run.seconds or 0:.1f} s. {run.reason}"
        if run.state in (Run.State.FAILED, Run.State.CANCELLED):
            raise CommandError(said)
        self.stdout.write(said)

    def _as_child(self, run_id: int, claim: uuid.UUID, parent: int | None) -> None:
        if parent is not None:
            _die_with(parent)
        run = Run.objects.select_related("shop").filter(pk=run_id, claim=claim, state=Run.State.RUNNING).first()
        if run is None:
            raise CommandError(f"run {run_id} is no longer held under this claim")
        execute(run)

    def _claim(self, options: dict[str, Any]) -> Run:
        what = options["what"]
        if what.isdigit():
            run = leases.claim(leases.name_of_this_process(), int(what))
            if run is None:
                raise CommandError(f"run {what} is not queued")
            return run
        shop = Shop.objects.filter(slug=options["shop"]).first() if options["shop"] else None
        if shop is None:
            there = ", ".join(Shop.objects.order_by("slug").values_list("slug", flat=True)) or "none"
            raise CommandError(f"--shop must name a shop; there are: {there}")
        values = dict(_pair(each) for each in options["set"])
        try:
            # Made and claimed in one transaction, so that no trainer takes it in between.
            with transaction.atomic():
                new = request_run(
                    shop,
                    what,
                    values or None,
                    reason="manage.py train",
                    seed=options["seed"],
                    max_attempts=1,
                    wake=False,
                )
                run = leases.claim(leases.name_of_this_process(), new.pk)
        except (registry.Unknown, ParamError) as error:
            raise CommandError(str(error)) from error
        assert run is not None
        return run

    def _execute_here(self, run: Run) -> Run:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        bars = Progress(
            TextColumn("{task.description:<40}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(),
            console=Console(stderr=True),
        )  # fmt: skip
        with bars, Heartbeat(run):
            bar = bars.add_task(run.learner, total=1.0)
            ended = execute(
                run, lambda stage, share: bars.update(bar, completed=share, description=f"{run.learner}  {stage}"[:60])
            )
            bars.update(bar, completed=ended.progress, description=f"{run.learner}  {ended.get_state_display()}")
            return ended


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise CommandError(f"--set {text}: write NAME=VALUE")
    return name, value


def _die_with(parent: int) -> None:
    """Don't train on when the trainer is gone: the kernel ends this process with it (Linux), else the lease does."""
    try:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):
        pass
    if os.getppid() != parent:
        raise CommandError("the trainer that started this is gone")
