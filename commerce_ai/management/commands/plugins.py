"""`manage.py plugins`: what is on in a shop; switches plugins on and off."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils.translation import gettext as _

from commerce_ai import registry
from commerce_ai.models import PluginState
from commerce_ai.shop.models import Shop

WRONG = 2  # exit status when what was asked can't be done


class Command(BaseCommand):
    help = "Which plugins are on in a shop; switch some on or off: plugins --shop mine --on recommendation fraud"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--shop", required=True, help="the shop's short name")
        parser.add_argument("--on", nargs="+", default=[], metavar="PLUGIN", help="switch on, with their schedules")
        parser.add_argument("--off", nargs="+", default=[], metavar="PLUGIN", help="switch off; what they keep stays")

    def handle(self, **options: Any) -> None:
        shop = Shop.objects.filter(slug=options["shop"]).first()
        if shop is None:
            there = ", ".join(Shop.objects.order_by("slug").values_list("slug", flat=True)[:20]) or _("none")
            words = _("there is no shop “%(slug)s”; there are: %(there)s")
            raise CommandError(words % {"slug": options["shop"], "there": there}, returncode=WRONG)
        wanted = {slug: on for on in (True, False) for slug in options["on" if on else "off"]}
        known = [each.slug for each in registry.plugins()]
        if strange := [slug for slug in wanted if slug not in known]:
            words = _("there is no plugin “%(slug)s”; there are: %(known)s")
            raise CommandError(words % {"slug": strange[0], "known": ", ".join(known)}, returncode=WRONG)
        if both := set(options["on"]) & set(options["off"]):
            words = _("%(slugs)s can't be switched on and off at once")
            raise CommandError(words % {"slugs": ", ".join(sorted(both))}, returncode=WRONG)
        with transaction.atomic():
            for slug, on in wanted.items():
                registry.switch(shop, slug, on)
        states = dict(PluginState.objects.filter(shop=shop).values_list("plugin", "on"))
        for each in registry.plugins():
            self.stdout.write(f"{_('on') if states.get(each.slug) else _('off'):4} {each.slug:16} {each.verbose_name}")
