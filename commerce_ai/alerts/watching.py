"""The shop's own rules on daily figures: each finished day is judged once, and what is usual again is resolved."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as say

from commerce_ai.alerts import raising, rules, usual
from commerce_ai.alerts.models import Alert, AlertRule, Severity
from commerce_ai.alerts.usual import Bounds, Seen
from commerce_ai.shop.models import DailyMetric, Shop

SOURCE = "rules"
COUNTED_BY = timedelta(hours=2)  # after midnight: what came late is in the figures then
Figures = dict[date, float]


def watch(shop: Shop, now: datetime | None = None) -> int:
    """Judge the last finished day by every rule that did not yet; how many found something."""
    now = now or timezone.now()
    day = (now - COUNTED_BY).astimezone(shop.tz).date() - timedelta(days=1)
    due = [each for each in rules.metric_rules(shop) if each.checked_day is None or each.checked_day < day]
    figures, open_keys, found = _figures(shop, due, day), _unresolved(shop), 0
    for rule in due:
        seen = usual.judge(figures[rule.metric, rule.dimension], day, _bounds(rule))
        with transaction.atomic():
            if not _take(shop, rule, day):
                continue
            if seen is not None:
                raising.raise_alert(shop.pk, _said(rule, day, seen), at=now)
                found += 1
            elif _key(rule) in open_keys:
                raising.resolve(shop.pk, SOURCE, _key(rule), at=now)
    return found


def _take(shop: Shop, rule: AlertRule, day: date) -> bool:
    """Be the one who judges this day, together with what comes of it; False where the rule is gone or off by now."""
    mine = AlertRule.objects.of(shop).filter(Q(checked_day=None) | Q(checked_day__lt=day), pk=rule.pk, on=True)
    return mine.update(checked_day=day) == 1


def spoken(shop: Shop, rule: AlertRule, now: datetime | None = None, days: int = 90) -> list[date]:
    """On which of the last `days` finished days the rule would have spoken: what a person sees before they trust it."""
    last = (now or timezone.now()).astimezone(shop.tz).date() - timedelta(days=1)
    rows = DailyMetric.objects.of(shop).filter(
        name=rule.metric, dimension=rule.dimension, day__lte=last,
        day__gt=last - timedelta(days=days + 7 * usual.WEEKS + rule.window_days),
    )  # fmt: skip
    figures, bounds = dict(rows.values_list("day", "value")), _bounds(rule)
    found = []
    for day in (last - timedelta(days=back) for back in range(days)):
        earliest = day - timedelta(days=7 * usual.WEEKS + rule.window_days)
        known = {each: value for each, value in figures.items() if earliest < each <= day}
        if usual.judge(known, day, bounds) is not None:
            found.append(day)
    return found


def forget(rule: AlertRule) -> None:
    """A rule that is deleted, changed or off: what it said is over."""
    raising.resolve(rule.shop_id, SOURCE, _key(rule))


def _figures(shop: Shop, due: list[AlertRule], day: date) -> dict[tuple[str, str], Figures]:
    """The figures of all rules, in one query."""
    found: dict[tuple[str, str], Figures] = defaultdict(dict)
    if not due:
        return found
    wanted = Q()
    for name, dimension in {(rule.metric, rule.dimension) for rule in due}:
        wanted |= Q(name=name, dimension=dimension)
    longest = max(rule.window_days for rule in due)
    rows = DailyMetric.objects.of(shop).filter(
        wanted, day__lte=day, day__gt=day - timedelta(days=7 * usual.WEEKS + longest)
    )
    for name, dimension, each, value in rows.values_list("name", "dimension", "day", "value"):
        found[name, dimension][each] = value
    return found


def _unresolved(shop: Shop) -> set[str]:
    rows = Alert.objects.of(shop).filter(source=SOURCE).exclude(state=Alert.State.RESOLVED)
    return set(rows.values_list("key", flat=True))


def _bounds(rule: AlertRule) -> Bounds:
    return Bounds(rule.comparison, rule.threshold or 0.0, rule.direction, rule.window_days)


def _key(rule: AlertRule) -> str:
    return f"metric:{rule.pk}"


def _said(rule: AlertRule, day: date, seen: Seen) -> raising.Said:
    said = {"figure": str(rule), "value": _number(seen.value), "day": day.isoformat()}
    if seen.expected is None:
        said["bound"] = _number(rule.threshold or 0.0)
        above = rule.comparison == AlertRule.Comparison.ABOVE
        words = (
            say("%(figure)s is %(value)s, above %(bound)s")
            if above
            else say("%(figure)s is %(value)s, below %(bound)s")
        )
        detail = say("On %(day)s.") % said
    else:
        said["usual"] = _number(seen.expected)
        words = say("%(figure)s is %(value)s where %(usual)s is usual")
        detail = say("On %(day)s, beside the same weekday of the weeks before.") % said
    return raising.Said(
        SOURCE, _key(rule), Severity(rule.severity).name.lower(), words % said, detail, _page(rule), _stake(rule, seen)
    )


def _stake(rule: AlertRule, seen: Seen) -> Decimal | None:
    """What is missing of a revenue is the money at stake."""
    if rule.metric != "revenue" or seen.expected is None or seen.value >= seen.expected:
        return None
    return Decimal(seen.expected - seen.value) * rule.window_days


def _page(rule: AlertRule) -> str:
    return f"{reverse('admin:shop_dailymetric_changelist')}?q={rule.metric}"


def _number(value: float) -> str:
    short = round(value, 2)
    return number_format(int(short) if short.is_integer() else short, use_l10n=True, force_grouping=True)
