"""What a shop counts as come of a decision: a frozen setting, checked when it is made, kept in `Shop.settings`.

An order line is credited to what its buyer did with a decision before: to the last click within `click_days`, else to
the last view within `view_hours`, else to a touch in the very session of the order.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from commerce_ai.shop.models import Shop

KEY: Final = "attribution"  # in `Shop.settings`
MOST_NAMES = 50
EQUAL, LAST = "equal", "last"
_DOMAIN = re.compile(r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")


class BadRule(ValueError):
    """A rule that can't hold: the field, and why."""

    def __init__(self, field: str, message: Any) -> None:
        super().__init__(f"{field}: {message}")
        self.field, self.message = field, message


@dataclass(frozen=True, slots=True)
class Rules:
    """`click_days`, `view_hours` 0: that way does not count. `sharing`: of several plugins whose touches qualify for
    one line each gets an equal part (`equal`), or the last touch of all takes it (`last`).

    A touch with a product counts for that product and its variants; one without (a list that was seen, a banner) for
    what its decision showed, and where that was no product, for every line. `any_product` lifts this.

    Left out are visitors whose browser's name holds one of `bot_words` or who touch more than `bot_touches_a_day`
    times on a (UTC) day, and customers with one of `staff_tags` (in `attributes.tags`) or an e-mail address at one of
    `staff_domains`.
    """

    click_days: int = 7
    view_hours: int = 24
    same_session: bool = True
    any_product: bool = False
    sharing: str = EQUAL
    impressions: tuple[str, ...] = ("Product List Viewed", "Promotion Viewed", "Recommendation Viewed")
    clicks: tuple[str, ...] = ("Product Clicked", "Product Viewed", "Promotion Clicked", "Recommendation Clicked")
    carts: tuple[str, ...] = ("Product Added",)
    bot_words: tuple[str, ...] = (
        "+http", "bot/", "bot;", "crawler", "spider", "slurp", "headless", "phantomjs", "python-requests", "curl/",
        "wget/", "httpclient", "lighthouse",
    )  # fmt: skip
    bot_touches_a_day: int = 1000
    staff_tags: tuple[str, ...] = ("staff",)
    staff_domains: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, most in (("click_days", 90), ("view_hours", 24 * 90), ("bot_touches_a_day", 1_000_000)):
            value = getattr(self, name)
            if type(value) is not int or not (name == "bot_touches_a_day") <= value <= most:
                raise BadRule(name, _("A whole number of at most %(most)d.") % {"most": most})
        if self.sharing not in (EQUAL, LAST):
            raise BadRule("sharing", _("equal or last."))
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(field.default, bool) and not isinstance(value, bool):
                raise BadRule(field.name, _("true or false."))
            if isinstance(field.default, tuple):
                _check_names(field.name, value)
        if (
            twice := (set(self.clicks) & set(self.impressions))
            | (set(self.clicks) & set(self.carts))
            | (set(self.impressions) & set(self.carts))
        ):
            raise BadRule("clicks", _("%(name)s stands in two lists.") % {"name": sorted(twice)[0]})
        if wrong := [each for each in self.staff_domains if not _DOMAIN.match(each)]:
            raise BadRule("staff_domains", _("%(name)s is no domain, as shop.example is.") % {"name": wrong[0]})

    @property
    def reach(self) -> timedelta:
        """How long before an order the first touch that can count for it."""
        session = timedelta(days=1) if self.same_session else timedelta()
        return max(timedelta(days=self.click_days), timedelta(hours=self.view_hours), session)

    @property
    def bot_pattern(self) -> str:
        """A regular expression for a browser's name in small letters; one that matches nothing where no word is."""
        return "|".join(re.escape(word.lower()) for word in self.bot_words) or "$^"


def rules_of(shop: Shop) -> Rules:
    """The shop's rules; a value that is no longer accepted falls to its default, and so do unknown names."""
    given = shop.settings.get(KEY)
    return _read(given) if isinstance(given, Mapping) else Rules()


def save_rules(shop: Shop, rules: Rules) -> bool:
    """Keep the rules; whether they are others than before. Everything is then counted anew."""
    from commerce_ai.decisions.marks import recount

    with transaction.atomic():
        row = Shop.objects.select_for_update().get(pk=shop.pk)
        if rules_of(row) == rules:
            return False
        row.settings = {**row.settings, KEY: dataclasses.asdict(rules)}
        row.save(update_fields=["settings"])
        shop.settings = row.settings
        recount(row)
    return True


def _read(given: Mapping[str, Any]) -> Rules:
    known = [field.name for field in dataclasses.fields(Rules) if field.name in given]
    said: dict[str, Any] = {
        name: tuple(given[name]) if isinstance(given[name], list) else given[name] for name in known
    }
    try:
        return Rules(**said)  # together: a name may have moved from one list to another
    except (BadRule, TypeError):
        rules = Rules()
    for name, value in said.items():
        change: dict[str, Any] = {name: value}
        try:
            rules = dataclasses.replace(rules, **change)
        except (BadRule, TypeError):
            continue
    return rules


def _check_names(field: str, names: Any) -> None:
    if not isinstance(names, tuple) or not all(isinstance(each, str) for each in names):
        raise BadRule(field, _("A list of names."))
    if len(names) > MOST_NAMES or len(set(names)) < len(names) or not all(0 < len(each) <= 255 for each in names):
        raise BadRule(field, _("At most %(n)d different names, none of them empty.") % {"n": MOST_NAMES})
