"""How long an experiment would take, told before it starts: from whom the plugin answered lately, and what they did."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as say
from django.utils.translation import ngettext

from commerce_ai.decisions.experiments import measures, queries, results
from commerce_ai.decisions.experiments.models import Experiment
from commerce_ai.decisions.experiments.verdict import worth
from commerce_ai.shop.kept import Kept
from commerce_ai.shop.models import Shop

LOOKED_AT = timedelta(days=14)
KEPT_S = 600
LONG = 2 * 365


@dataclass(frozen=True)
class Traffic:
    """What one day brings, and the metric of one unit with its variance."""

    units_a_day: float
    value: float
    variance: float


@dataclass(frozen=True)
class Outlook:
    """`needed` units over all arms, and the days until they are there, at today's pace."""

    traffic: Traffic
    needed: int
    days: int


def outlook(experiment: Experiment) -> Outlook | None:
    """Until +10 % can be seen; None where nobody was answered lately, or nobody did what is measured."""
    asked = "" if experiment.holdout else experiment.plugin, experiment.placement, experiment.metric, experiment.unit
    found = _traffic.get(experiment.shop_id, *asked)
    if found is None or found.value <= 0 or len(experiment.arms) < 2:
        return None
    needed = results.needed(experiment, found.value, found.variance)
    return Outlook(found, math.ceil(needed), max(math.ceil(needed / (found.units_a_day * experiment.traffic)), 1))


def in_words(experiment: Experiment, found: Outlook | None) -> str:
    """For the page of a draft."""
    if found is None:
        return say(
            "How long it takes can't be told yet: nobody was answered there in the last two weeks, or nobody did what "
            "is measured."
        )
    said = {
        "units": f"{found.traffic.units_a_day:,.0f}", "now": worth(experiment, found.traffic.value),
        "metric": experiment.get_metric_display(), "needed": f"{found.needed:,}", "days": f"{found.days:,}",
    }  # fmt: skip
    pace = say("%(units)s visitors a day, %(metric)s now %(now)s.") % said
    if found.days > LONG:
        return " ".join(
            [pace, say("A lift of 10 %% would take %(needed)s visitors: years. Try something bolder.") % said]
        )
    words = ngettext(
        "A lift of 10 %% can be seen after about %(days)s day (%(needed)s visitors).",
        "A lift of 10 %% can be seen after about %(days)s days (%(needed)s visitors).",
        found.days,
    )
    return " ".join([pace, words % said])


def forget() -> None:
    """Let go of what is kept (between tests)."""
    _traffic.forget()


def _read(shop_id: int, plugin: str, placement: str, metric: str, unit: str) -> Traffic | None:
    now = timezone.now()
    like = Experiment(
        shop=Shop.objects.get(pk=shop_id), plugin=plugin, placement=placement, metric=metric, unit=unit,
        holdout=not plugin, starts_at=now - LOOKED_AT,
    )  # fmt: skip
    shown = queries.answered(like, now)
    if not shown.height:
        return None
    units = measures.units_of(shown, unit)
    rows = results.rows_of(like, units, shown, now)
    day = timezone.localtime(now, like.shop.tz).date()
    # The second arm, which nobody is in, is there because a point is a comparison.
    last = [each for each in measures.points(units, rows, metric, ["", "-"], 1, day) if not each.arm][-1]
    days = max((now - min(shown["at"].to_list())) / timedelta(days=1), 1.0)
    return Traffic(units.first.height / days, float(last.sample.mean), float(last.sample.variance))


_traffic: Kept[Traffic | None] = Kept(_read, KEPT_S, None, most=1000)
