"""From suggesting to acting: a plugin's proposals are approved by its schedule once people have accepted enough.

A plugin starts in *suggest* mode. *Automatic* has to be chosen in its settings and to be earned: as many of its
proposals accepted by people as the settings say, and of the last ones that people decided at least four of five. What
is undone counts against it, so that it falls back to suggesting by itself. Each plugin says what its guard-rails let
through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, time, timedelta
from itertools import islice
from typing import Any, ClassVar

from django import forms
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from commerce_ai.decisions.proposals import Outcome, Proposal, State, approve_together
from commerce_ai.plugin import Mode
from commerce_ai.shop.models import Shop

SUGGEST, AUTOMATIC = "suggest", "automatic"
REST = timedelta(days=28)  # a product on which a person said no is left to people for so long
BY_PEOPLE = Q(decided_by__isnull=False) | Q(decided_by_key__isnull=False)  # themselves, or a program with their key
TRIED_AT_ONCE = 1000  # open proposals that are looked at for those that fit

Fits = Callable[[Any], bool]


class ModeForm(forms.Form):
    """What a plugin with proposals can set: inherit its settings form from this one."""

    mode = forms.ChoiceField(
        label=_("Mode"), initial=SUGGEST, required=False,
        choices=[(SUGGEST, _("suggest: people decide")), (AUTOMATIC, _("automatic, once it is earned"))],
        help_text=_("Automatic approves within the guard-rails, shows what it did, and everything can be undone."),
    )  # fmt: skip
    earned_after = forms.IntegerField(
        label=_("Accepted proposals that earn automatic"), min_value=1, max_value=1000, initial=50,
        help_text=_("By people; and of as many decided last at least 80 % have to be accepted."),
    )  # fmt: skip
    most_a_day = forms.IntegerField(
        label=_("Most automatic approvals a day"), min_value=1, max_value=1000, initial=20,
    )  # fmt: skip

    MODE_FIELDS: ClassVar = ("mode", "earned_after", "most_a_day")

    def clean_mode(self) -> str:
        return self.cleaned_data["mode"] or SUGGEST


def standing(model: type[Proposal], shop: Shop, settings: Any, url: str = "") -> Mode:
    """What the shop chose for the plugin of these proposals, and whether that is earned."""
    wanted = int(settings.earned_after)
    mine = model._default_manager.filter(shop=shop)
    by_people = mine.filter(BY_PEOPLE)
    accepted = by_people.filter(state=State.APPROVED).values("pk")[:wanted].count()
    last = by_people.filter(state__in=(State.APPROVED, State.REJECTED, State.UNDONE)).order_by("-decided_at")
    states = list(last.values_list("state", flat=True)[:wanted])
    share = states.count(State.APPROVED) / len(states) if states else 0.0
    chosen = settings.mode == AUTOMATIC
    found = Mode(automatic=False, chosen=chosen, accepted=accepted, wanted=wanted, share=share, url=url)
    return Mode(chosen and found.earned, chosen, accepted, wanted, share, url)


def approve_due(
    model: type[Proposal], shop: Shop, settings: Any, fits: Fits, act: Callable[[Any], Any] | None = None
) -> Outcome:
    """Approve the open proposals that fit, the largest gain first, up to the day's most; nothing unless earned."""
    if not standing(model, shop, settings).automatic:
        return Outcome()
    mine = model._default_manager.filter(shop=shop)
    left = int(settings.most_a_day) - mine.filter(automatic=True, decided_at__gte=_midnight(shop)).count()
    if left <= 0:
        return Outcome()
    said_no = mine.filter(BY_PEOPLE, state__in=(State.REJECTED, State.UNDONE), decided_at__gt=timezone.now() - REST)
    resting = set(said_no.values_list("product_id", flat=True))
    waiting: Iterable[Any] = model._default_manager.filter(shop=shop).open()[:TRIED_AT_ONCE]  # type: ignore[attr-defined]
    chosen = islice((each for each in waiting if each.product_id not in resting and fits(each)), left)
    outcome, _batch = approve_together(chosen, None, act=act, automatic=True)
    return outcome


def _midnight(shop: Shop) -> datetime:
    return datetime.combine(timezone.now().astimezone(shop.tz).date(), time.min, shop.tz)
