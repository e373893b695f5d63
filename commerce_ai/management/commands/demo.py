"""`manage.py demo`: from an empty folder to a shop that recommends, in one command."""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.request
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from commerce_ai.management.commands.up import add_place_options, restart_with_place, running, start
from commerce_ai.supervisor import Supervisor

SHOP = "demo"
READY_TIMEOUT_S = 120
TRAINING_TIMEOUT_S = 1200
VISITORS = 0.5  # simulated visits a second
HELD_OUT = 0.05
BURST, BURST_RATE = 60, 10.0  # visits before the first page is looked at, and how many a second


class Command(BaseCommand):
    help = "Run the platform on a demo shop: load it, train, serve. Running it again keeps the data."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_place_options(parser)
        parser.add_argument("--once", action="store_true", help="check a served recommendation, then stop and exit 0")
        parser.add_argument("--seed", type=int, default=1, help="of the generated shop (default: %(default)s)")
        parser.add_argument(
            "--visitors", type=float, default=VISITORS, metavar="RATE",
            help="simulated visits a second while it runs; 0 for none (default: %(default)s)",
        )  # fmt: skip

    def handle(self, **options: Any) -> None:
        restart_with_place(options)
        console = Console()
        began = time.monotonic()
        bars = Progress(
            TextColumn("{task.description:<34}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        address = f"http://{options['host']}:{options['port']}"
        with bars, running_with_bar(bars, options) as supervisor:
            shop = self._load(bars, options)
            remembered = _remember(shop)
            bar = bars.add_task("Starting web, worker, trainer, beat", total=1)
            start(supervisor)
            _wait_until_ready(supervisor, address)
            bars.update(bar, completed=1)
            _train(supervisor, bars, shop)
            bar = bars.add_task("Asking for a recommendation", total=1)
            from commerce_ai.sample.visit_check import check_recommendation

            try:
                check_recommendation(address, remembered["secret_key"])
            except Exception as error:
                raise CommandError(f"the recommendation was not served: {error}") from error
            bars.update(bar, completed=1)
            self._live(bars, address, remembered, shop)
            _experiment(shop)
            if options["visitors"] > 0:
                trouble = _burst(bars, address, shop)
                if trouble and options["once"]:
                    raise CommandError(trouble)
                if trouble:
                    self.stderr.write(trouble)
                if not options["once"]:
                    supervisor.add("visitors", _visit_command(address, options["visitors"]))
            bars.stop()
            self.stdout.write(_welcome(address, remembered, time.monotonic() - began))
            if not options["once"]:
                supervisor.watch()
                self.stdout.write("Stopping …")

    def _live(self, bars: Progress, address: str, remembered: dict[str, str], shop: Any) -> None:
        """Ask every plugin something, once, so that its board has what to show."""
        from commerce_ai.sample.first_day import Refused, live_through
        from commerce_ai.sample.regenerate import sample_of

        if remembered.get("lived"):
            return
        bar = bars.add_task("A few hours in the shop", total=1.0)
        try:
            live_through(
                address,
                remembered["secret_key"],
                sample_of(shop)[0],
                lambda share: bars.update(bar, completed=share),
            )
        except Refused as error:
            raise CommandError(str(error)) from error
        _keep({**remembered, "lived": "yes"})

    def _load(self, bars: Progress, options: dict[str, Any]) -> Any:
        from commerce_ai.sample.load import load_sample

        bar = bars.add_task("Loading the demo shop", total=1.0)
        shop = load_sample(SHOP, seed=options["seed"], progress=lambda share, what: bars.update(bar, completed=share))
        bars.update(bar, completed=1.0)
        return shop


class running_with_bar:
    """`running`, with a bar over starting Postgres and Redis and migrating."""

    def __init__(self, bars: Progress, options: dict[str, Any]) -> None:
        self.bars, self.inner = bars, running(options)

    def __enter__(self) -> Supervisor:
        bar = self.bars.add_task("Starting Postgres and Redis, migrating", total=1)
        supervisor = self.inner.__enter__()
        self.bars.update(bar, completed=1)
        return supervisor

    def __exit__(self, *details: Any) -> bool | None:
        return self.inner.__exit__(*details)


def _remember(shop: Any) -> dict[str, str]:
    """The operator and the keys of the demo, made once and kept readable for this user only, to be printed again."""
    from django.conf import settings
    from django.contrib.auth import get_user_model

    from commerce_ai.api.keys import create_key
    from commerce_ai.registry import is_on, plugins, switch
    from commerce_ai.shop.models import ShopMember

    path = Path(settings.VAR_DIR) / "demo.json"
    for plugin in plugins():
        if not is_on(shop.pk, plugin.slug):
            switch(shop, plugin.slug, on=True)
    users = get_user_model().objects
    if path.exists() and users.filter(username="operator").exists():
        return json.loads(path.read_text())
    remembered = {"operator": "operator", "password": secrets.token_urlsafe(9)}
    operator, _ = users.update_or_create(username="operator", defaults={"is_staff": True, "is_superuser": True})
    operator.set_password(remembered["password"])
    operator.save()
    ShopMember.objects.get_or_create(shop=shop, user=operator, defaults={"role": "owner"})
    _, remembered["publishable_key"] = create_key(shop, name="Demo storefront", kind="publishable", origins=["*"])
    _, remembered["secret_key"] = create_key(shop, name="Demo server", kind="secret")
    _keep(remembered)
    return remembered


def _keep(remembered: dict[str, str]) -> None:
    from django.conf import settings

    path = Path(settings.VAR_DIR) / "demo.json"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(remembered, file)


def _wait_until_ready(supervisor: Supervisor, address: str) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while True:
        try:
            with urllib.request.urlopen(f"{address}/readyz", timeout=2):  # noqa: S310  (our own address)
                return
        except (urllib.error.URLError, OSError) as error:
            if time.monotonic() > deadline:
                raise CommandError(
                    f"the web process was not ready after {READY_TIMEOUT_S} s: {error}; see var/log"
                ) from error
        supervisor.watch(until=lambda: True)
        if supervisor.stopping:
            raise CommandError("stopped")
        time.sleep(0.2)


def _train(supervisor: Supervisor, bars: Progress, shop: Any) -> None:
    """Queue a run for every learner that has no live version, and follow them as the trainer works."""
    from commerce_ai import registry
    from commerce_ai.learning.models import Run, Version
    from commerce_ai.learning.runs import request_run

    followed = {}
    for plugin in registry.plugins():
        for name in registry.learners_of(plugin.slug):
            if Version.objects.of(shop).filter(learner=name, state="live").exists():
                continue
            run = request_run(shop, name, by=None, reason="demo")
            followed[run.pk] = bars.add_task(f"Training {name}", total=1.0)
    deadline = time.monotonic() + TRAINING_TIMEOUT_S
    open_runs = set(followed)
    while open_runs:
        for run in Run.objects.of(shop).filter(pk__in=open_runs):
            bars.update(followed[run.pk], completed=run.progress)
            if run.ended_at is None:
                continue
            open_runs.discard(run.pk)
            bars.update(followed[run.pk], completed=1.0, description=f"Training {run.learner}: {run.state}")
            if run.state == "failed":
                raise CommandError(f"training {run.learner} failed: {run.reason}; see var/log/trainer.log")
        supervisor.watch(until=lambda: True)
        if supervisor.stopping:
            raise CommandError("stopped")
        if time.monotonic() > deadline:
            raise CommandError(f"the training did not end within {TRAINING_TIMEOUT_S} s; see var/log/trainer.log")
        time.sleep(0.3)


def _experiment(shop: Any) -> None:
    """Something for the visitors to decide: recommendations against bestsellers, and some who see no AI at all."""
    from django.utils.translation import gettext as say

    from commerce_ai.decisions.experiments import lifecycle
    from commerce_ai.decisions.experiments.models import Experiment

    if Experiment.objects.of(shop).exists():
        return
    arms = [{"name": say("bestsellers"), "config": {"source": "bestsellers"}}, {"name": say("recommender")}]
    made = Experiment.objects.create(
        shop=shop, name=say("Recommendations against bestsellers"), plugin="recommendation", arms=arms,
        hypothesis=say("Lists that follow what a visitor looked at sell more. Visitors are simulated."),
    )  # fmt: skip
    lifecycle.start(made)
    lifecycle.set_holdout(shop, HELD_OUT)


def _burst(bars: Progress, address: str, shop: Any) -> str:
    """Some visits at once, so that the first page has figures of today; in words what went wrong, if anything did."""
    from commerce_ai.management.commands.visit import in_words, keys_for_visitors
    from commerce_ai.sample.choice import MODELS
    from commerce_ai.sample.regenerate import sample_of
    from commerce_ai.sample.storefront import Api, Range, Unanswered
    from commerce_ai.sample.traffic import Town, drive

    bar = bars.add_task("Simulated visitors", total=1.0)
    sample, truth = sample_of(shop)
    town = Town(Range(sample), truth, MODELS["logit"], secrets.randbelow(2**31))
    with keys_for_visitors(shop) as keys:
        api = Api(address, keys)
        try:
            api.wait_for_keys()
        except Unanswered as error:
            raise CommandError(str(error)) from error
        told = lambda tally, share: bars.update(bar, completed=share)  # noqa: E731
        tally = drive(api, town, rate=BURST_RATE, most=BURST, tell=told)
    return in_words(tally, town.seed) if tally.troubles else ""


def _visit_command(address: str, rate: float) -> list[str]:
    manage = str(Path(sys.argv[0]).resolve())
    return [sys.executable, manage, "visit", "--shop", SHOP, "--url", address, "--rate", str(rate), "--minutes", "0"]


def _welcome(address: str, remembered: dict[str, str], seconds: float) -> str:
    return (
        f"\nReady after {seconds:.0f} s.\n\n"
        f"  Console          {address}/console/\n"
        f"  Operator         {remembered['operator']}  password  {remembered['password']}\n"
        f"  API              {address}/api/v1/docs\n"
        f"  Publishable key  {remembered['publishable_key']}\n"
        f"  Secret key       {remembered['secret_key']}\n\n"
        f"  curl -H 'Authorization: Bearer {remembered['secret_key']}' \\\n"
        f"    '{address}/api/v1/recommendations?placement=home'\n"
    )
