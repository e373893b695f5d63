"""`manage.py visit`: simulated visitors come to a running sample shop, over its public API."""

from __future__ import annotations

import secrets
import signal
import sys
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

STOPPED = 130


class Command(BaseCommand):
    help = (
        "Send simulated visitors to a running sample shop. They use its public API as a storefront would, react to "
        "what they are shown, and are marked as simulated. Ctrl-C ends it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        from commerce_ai.sample.choice import MODELS

        parser.add_argument("--shop", default="demo", help="which sample shop (default: %(default)s)")
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="where it runs (default: %(default)s)")
        parser.add_argument("--rate", type=float, default=2.0, help="visits a second (default: %(default)s)")
        parser.add_argument("--minutes", type=float, default=1.0, help="for how long; 0: until it is stopped")
        parser.add_argument("--seed", type=int, help="of the visitors (default: others every time)")
        parser.add_argument("--model", choices=sorted(MODELS), default="logit", help="how they choose")

    def handle(self, **options: Any) -> None:
        from commerce_ai.sample.choice import MODELS
        from commerce_ai.sample.load import MARK
        from commerce_ai.sample.regenerate import sample_of
        from commerce_ai.sample.storefront import Api, Range, Unanswered
        from commerce_ai.sample.traffic import Town, drive
        from commerce_ai.shop.models import Shop

        if options["rate"] <= 0 or options["minutes"] < 0:
            raise CommandError("--rate must be above 0, --minutes not below it")
        shop = Shop.objects.filter(slug=options["shop"]).first()
        if shop is None or MARK not in shop.settings:
            raise CommandError(f"there is no sample shop {options['shop']!r}: `make demo` makes one")
        sample, truth = sample_of(shop)
        seed = secrets.randbelow(2**31) if options["seed"] is None else options["seed"]
        town = Town(Range(sample), truth, MODELS[options["model"]], seed)
        stop = threading.Event()
        with _stopping(stop), keys_for_visitors(shop) as keys:
            try:
                api = Api(options["url"], keys)
                api.wait_for_keys()
            except (ValueError, Unanswered) as error:
                raise CommandError(f"the shop can't be reached: {error}") from error
            with _bar() as tell:
                tally = drive(
                    api, town, rate=options["rate"], seconds=60 * options["minutes"] or None, stop=stop, tell=tell
                )
        self.stdout.write(in_words(tally, seed))
        if tally.troubles and sum(tally.troubles.values()) == tally.visits:
            raise CommandError("every visit failed")
        if stop.is_set():
            sys.exit(STOPPED)


def in_words(tally: Any, seed: int) -> str:
    """What the visitors did, and every trouble that they met."""
    rate = tally.visits / tally.seconds if tally.seconds else 0.0
    said = [
        f"{tally.visits:,} simulated visits (seed {seed}, {rate:.1f} a second): {tally.views:,} products looked at, "
        f"{tally.clicks:,} of them from lists, {tally.carts:,} into carts, {tally.orders:,} orders "
        f"({100 * tally.conversion:.2f} %) for {tally.revenue:,.2f}; {tally.refused:,} payments refused, "
        f"{tally.chats:,} questions asked",
    ]
    if tally.troubles:
        said.append(f"{sum(tally.troubles.values()):,} visits ended by an error; the first: {tally.first_trouble}")
        said += [f"  {count:>6,}  {which}" for which, count in tally.troubles.most_common()]
    return "\n".join(said)


@contextmanager
def keys_for_visitors(shop: Any) -> Iterator[Any]:
    """A publishable and a secret key that are gone afterwards, and the shop's signing secret."""
    from commerce_ai.api.keys import create_key, signing_secret
    from commerce_ai.sample.storefront import Keys

    browser, publishable = create_key(shop, "Simulated visitors, browser", "publishable", origins=["*"])
    server, secret = create_key(shop, "Simulated visitors, server", "secret", scopes=["decide", "catalogue:read"])
    try:
        yield Keys(publishable, secret, signing_secret(shop))
    finally:
        browser.delete()
        server.delete()


@contextmanager
def _stopping(stop: threading.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM let the running visits end, and no new ones begin."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _bar() -> Iterator[Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console()) as bars:
        bar = bars.add_task("Simulated visitors", total=1.0, said="")

        def tell(tally: Any, share: float) -> None:
            said = f"{tally.visits:,} visits, {tally.orders:,} orders"
            if errors := sum(tally.troubles.values()):
                said += f", {errors:,} errors"
            bars.update(bar, completed=share, said=said)

        yield tell
