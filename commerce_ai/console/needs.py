"""What needs a person: one list over all plugins and the platform, ranked by expected money and its deadline.

At most fifteen rows. What two plugins propose of the same product and can't both be right is taken out of their rows
and shown as one that names both; approving all of a row leaves those products alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.timesince import timeuntil
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from commerce_ai.console.health import Survey, models_of
from commerce_ai.console.money import money
from commerce_ai.decisions import losses
from commerce_ai.ingest.models import QuarantineRow
from commerce_ai.plugin import Mode, Need, Plugin
from commerce_ai.privacy import requests
from commerce_ai.shop.models import Product, Shop

logger = logging.getLogger(__name__)

MOST = 15
KEPT_FOR_OTHERS = 5  # rows that nobody can put money on keep so many places, where there are as many
SOON = timedelta(days=1)
MANY = 1000  # rows of quarantine that are counted; beyond, "more than"


@dataclass(frozen=True)
class Row:
    """A line of the list. `apart` are products that approving all leaves alone; `links` are words with addresses."""

    need: Need
    icon: str
    owner: Any
    title: str
    count: int
    gain: Decimal | None
    gain_words: str = ""
    apart: tuple[int, ...] = ()
    links: list[tuple[Any, str]] = field(default_factory=list)

    @property
    def overdue(self) -> bool:
        return self.need.deadline is not None and self.need.deadline < timezone.now()

    @property
    def soon(self) -> bool:
        return self.need.deadline is not None and self.need.deadline < timezone.now() + SOON

    @property
    def due(self) -> str:
        """As in: 3 days."""
        if self.need.deadline is None:
            return ""
        days = (self.need.deadline - timezone.now()).days
        return _("%(n)d days") % {"n": days} if days > 1 else timeuntil(self.need.deadline, depth=1)

    @property
    def rank(self) -> tuple[Any, ...]:
        """Money first, twice as much worth where it is due within a day; then what is overdue, then by deadline."""
        worth = float(self.gain or 0) * (2 if self.soon else 1)
        deadline = self.need.deadline or datetime.max.replace(tzinfo=timezone.get_default_timezone())
        tone = {"bad": 0, "warn": 1}.get(self.need.tone, 2)
        return (-worth, not self.overdue, tone, deadline)


@dataclass(frozen=True)
class Listed:
    """The rows that are shown, and how many more there are."""

    rows: list[Row]
    more: int


def ranked(shop: Shop, plugins: Sequence[Plugin], seen: Survey, modes: Mapping[str, Mode] | None = None) -> Listed:
    """The list of a shop for these plugins, which are on there; `modes` are those that act or may earn to, by slug."""
    known = modes_of(shop, plugins) if modes is None else modes
    asked = [(plugin, need) for plugin in plugins for need in _asked(plugin, shop, known.get(plugin.slug))]
    rows = [*_reconciled(shop, asked), *_of_models(plugins, seen), *_of_platform(shop)]
    with_money = sorted((row for row in rows if row.gain), key=lambda row: row.rank)
    others = sorted((row for row in rows if not row.gain), key=lambda row: row.rank)
    room = MOST - min(len(others), KEPT_FOR_OTHERS)
    shown = with_money[:room]
    shown += others[: MOST - len(shown)]
    return Listed(shown, len(rows) - len(shown))


def modes_of(shop: Shop, plugins: Iterable[Plugin]) -> dict[str, Mode]:
    """Suggest or automatic, of the plugins that propose something to decide."""
    found = {}
    for plugin in plugins:
        try:
            mode = plugin.mode(shop)
        except Exception:  # a third party's code must not take the page with it
            logger.exception("mode() of the plugin %s failed", plugin.slug)
            continue
        if mode is not None:
            found[plugin.slug] = mode
    return found


def _asked(plugin: Plugin, shop: Shop, mode: Mode | None) -> list[Need]:
    try:
        found = list(plugin.needs(shop))
    except Exception as error:  # a third party's code must not take the page with it
        logger.exception("needs() of the plugin %s failed", plugin.slug)
        words = _("What waits in %(plugin)s can't be said: %(error)s") % {"plugin": plugin.verbose_name, "error": error}
        return [Need("failed", words, url=reverse("console:plugin", args=[plugin.slug]), tone="bad")]
    if mode is not None and mode.earned and not mode.chosen:
        words = _("%(plugin)s has earned automatic mode") % {"plugin": plugin.verbose_name}
        detail = _("%(share).0f %% of its last proposals were accepted; switch it on in its settings, or leave it")
        found.append(Need("automatic", words, detail % {"share": 100 * mode.share}, url=_settings(plugin), tone="good"))
    elif mode is not None and mode.chosen and not mode.earned and mode.accepted >= mode.wanted:
        words = _("%(plugin)s only suggests again") % {"plugin": plugin.verbose_name}
        detail = _("only %(share).0f %% of its last proposals were accepted") % {"share": 100 * mode.share}
        found.append(Need("automatic", words, detail, url=_settings(plugin), tone="warn"))
    return found


# --- what disagrees ---------------------------------------------------------------------------------------


def _reconciled(shop: Shop, asked: list[tuple[Plugin, Need]]) -> list[Row]:
    """A row a need, without the products on which it disagrees with another, and one row for each two that do."""
    apart: dict[int, set[int]] = {}
    pairs: dict[tuple[str, str], list[tuple[int, int, set[int]]]] = {}
    for i, (_plugin, one) in enumerate(asked):
        for j, (_other, two) in enumerate(asked):
            if i == j or two.kind not in one.against:
                continue
            if both := set(one.product_ids) & set(two.product_ids):
                apart.setdefault(i, set()).update(both)
                apart.setdefault(j, set()).update(both)
                pairs.setdefault((one.kind, two.kind), []).append((i, j, both))
    rows = [_row(shop, plugin, need, apart.get(i, set())) for i, (plugin, need) in enumerate(asked)]
    return [row for row in rows if row.count] + [_against(shop, asked, found) for found in pairs.values()]


def _row(shop: Shop, plugin: Plugin, need: Need, apart: set[int]) -> Row:
    left = need.count - sum(product in apart for product in need.product_ids)
    gain = need.gain
    if apart and need.gains:
        worth = zip(need.product_ids, need.gains, strict=True)
        gain = sum((each for product, each in worth if each is not None and product not in apart), Decimal(0))
    links = [(_("look"), need.url)] if need.url else []
    return Row(
        need, plugin.icon, plugin.verbose_name, need.words(left), left, gain, _gain(shop, gain, need),
        tuple(sorted(apart)), links,
    )  # fmt: skip


def _against(shop: Shop, asked: list[tuple[Plugin, Need]], found: list[tuple[int, int, set[int]]]) -> Row:
    """One row for all products on which two kinds disagree; there is nothing to approve, only to look at both."""
    products = set().union(*(both for _i, _j, both in found))
    (plugin, one), (_other, two) = asked[found[0][0]], asked[found[0][1]]
    gains = [
        gain
        for place in dict.fromkeys(at for i, j, _both in found for at in (i, j))
        for product, gain in zip(asked[place][1].product_ids, asked[place][1].gains, strict=False)
        if product in products and gain is not None
    ]
    names = list(Product.objects.of(shop).filter(pk__in=sorted(products)[:3]).values_list("title", flat=True))
    words = ngettext(
        "%(one)s and %(two)s disagree on %(n)d product", "%(one)s and %(two)s disagree on %(n)d products",
        len(products),
    )  # fmt: skip
    said = words % {"one": str(one.about), "two": str(two.about), "n": len(products)}
    links = {need.url: need.about for i, j, _both in found for need in (asked[i][1], asked[j][1])}
    deadlines = [need.deadline for i, j, _both in found for need in (asked[i][1], asked[j][1]) if need.deadline]
    # Only one of the two will be done: what is at stake is the larger.
    stake = max(gains, default=None) if len(products) == 1 else sum(gains, Decimal(0)) / 2 if gains else None
    need = Need(
        "disagree", said, ", ".join(names), gain=stake, deadline=min(deadlines, default=None),
        product_ids=tuple(sorted(products)), count=len(products), tone="warn",
    )  # fmt: skip
    title = said[:1].upper() + said[1:]
    return Row(
        need, "call_split", plugin.verbose_name, title, len(products), stake, _gain(shop, stake, need),
        links=[(words, url) for url, words in links.items() if url],
    )  # fmt: skip


# --- the platform's own -----------------------------------------------------------------------------------


def _of_models(plugins: Iterable[Plugin], seen: Survey) -> list[Row]:
    found = []
    for plugin in plugins:
        for model in models_of(plugin, seen):
            if model.level == "bad":
                place = model.run or model.version
                url = reverse(f"admin:learning_{place._meta.model_name}_change", args=[place.pk]) if place else ""
                words = _("%(learner)s needs mending") % {"learner": model.learner}
                found.append(_plain("model", "model_training", words, model.said, url, "bad", plugin.verbose_name))
    return found


def _of_platform(shop: Shop) -> list[Row]:
    """Decisions that could not be kept, rows in quarantine, people's requests that are late, plugins left out."""
    found = []
    if lost := losses.losses(shop.pk):
        by = ", ".join(f"{plugin} {count}" for plugin, count in sorted(lost.items()))
        url = reverse("admin:decisions_decision_changelist")
        number = sum(lost.values())
        words = ngettext(
            "%(n)s decision was answered but not kept", "%(n)s decisions were answered but not kept", number
        )
        found.append(_plain("loss", "leak_remove", words % {"n": _whole(number)}, by, url, "bad", count=number))
    waiting = QuarantineRow.objects.of(shop).filter(state=QuarantineRow.State.OPEN).values("pk")[: MANY + 1].count()
    if waiting:
        number_words = _whole(waiting) if waiting <= MANY else _("more than %(many)s") % {"many": _whole(MANY)}
        words = ngettext("%(n)s row is in quarantine", "%(n)s rows are in quarantine", waiting) % {"n": number_words}
        url = f"{reverse('admin:ingest_quarantinerow_changelist')}?state__exact=open"
        found.append(_plain("quarantine", "report", words, _("correct and try again"), url, "warn", count=waiting))
    found += _people_waiting(shop)
    if broken := [each.name for each in settings.THIRD_PARTY if each.error]:
        words = ngettext("%(n)d plugin was left out", "%(n)d plugins were left out", len(broken)) % {"n": len(broken)}
        found.append(_plain("left-out", "extension_off", words, ", ".join(broken), reverse("console:plugins"), "bad"))
    return found


def _people_waiting(shop: Shop) -> list[Row]:
    """Exports and erasures that people have a right to and did not get."""
    late, failed = requests.troubles(shop)
    url = reverse("admin:privacy_privacyrequest_changelist")
    found = []
    if late:
        words = ngettext("%(n)d privacy request is late", "%(n)d privacy requests are late", late) % {"n": late}
        detail = _("open for more than an hour: see whether a worker runs")
        found.append(_plain("privacy-late", "person_alert", words, detail, url, "bad", count=late))
    if failed:
        words = ngettext("%(n)d privacy request failed", "%(n)d privacy requests failed", failed) % {"n": failed}
        detail = _("given up after %(attempts)s attempts: ask anew") % {"attempts": requests.MOST_ATTEMPTS}
        failures = f"{url}?state__exact=failed"
        found.append(_plain("privacy-failed", "person_alert", words, detail, failures, "bad", count=failed))
    return found


def _plain(kind: str, icon: str, words: str, detail: Any, url: str, tone: Any, owner: Any = "", count: int = 1) -> Row:
    need = Need(kind, words, detail, url=url, count=count, tone=tone)
    return Row(need, icon, owner, words, count, None, links=[(_("look"), url)] if url else [])


def _gain(shop: Shop, gain: Decimal | None, need: Need) -> str:
    if not gain:
        return ""
    amount = money(gain, shop.currency, rounded=abs(gain) >= 10)
    if need.kind.startswith("fraud"):
        return _("%(money)s at stake") % {"money": amount}
    return _("+%(money)s a week") % {"money": amount} if gain > 0 else _("%(money)s a week") % {"money": amount}


def _settings(plugin: Plugin) -> str:
    return reverse("console:plugin", args=[plugin.slug])


def _whole(value: float) -> str:
    return number_format(round(value), 0, use_l10n=True, force_grouping=True)
