"""What AI adds, as the first page says it: proved by the holdout, tried by experiments, and merely influenced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from commerce_ai import registry
from commerce_ai.console import figures
from commerce_ai.console.filters import span_of
from commerce_ai.console.money import money
from commerce_ai.decisions.experiments import lifecycle, results
from commerce_ai.decisions.experiments.models import Experiment
from commerce_ai.decisions.experiments.verdict import percent, verdict
from commerce_ai.shop.models import Shop

MOST_RUNNING = 6
Tone = Literal["", "good", "warn", "bad"]


@dataclass(frozen=True)
class Proof:
    """An experiment in one line: its lift with the interval, or what stands in the way of one."""

    name: str
    url: str
    lift: str
    interval: str
    said: str
    tone: Tone
    metric: Any = ""
    visitors: int = 0
    low: float | None = None
    high: float | None = None
    value: float | None = None


def proof(shop: Shop) -> Proof | None:
    """AI on against the holdout; None while nobody is held out."""
    holdout = lifecycle.holdout_of(shop)
    return None if holdout is None else _proof(holdout)


def running(shop: Shop) -> list[Proof]:
    """The experiments that run, the newest first; the holdout is not among them."""
    rows = Experiment.objects.of(shop).filter(state=Experiment.State.RUNNING, holdout=False).select_related("shop")
    return [_proof(each) for each in rows.order_by("-pk")[:MOST_RUNNING]]


def by_plugin(shop: Shop, found: figures.Figures) -> list[dict[str, Any]]:
    """Revenue that each plugin's decisions had a part in, and its share of all; links to the days it is summed from."""
    listed = f"{reverse('admin:shop_dailymetric_changelist')}?during={span_of(found.first, found.last)}"
    known = {each.slug: each for each in registry.plugins()}
    total = found.total[figures.REVENUE]
    rows = []
    for each in figures.read_influence(shop, found.first, found.last):
        share = f"{number_format(100 * each.revenue / total, 1)} %" if total else ""
        plugin = known.get(each.plugin)
        rows.append({
            "name": plugin.verbose_name if plugin else each.plugin, "icon": plugin.icon if plugin else "extension",
            "revenue": money(each.revenue, shop.currency, rounded=True), "share": share,
            "orders": number_format(round(each.orders), 0, use_l10n=True, force_grouping=True),
            "url": f"{listed}&q=influenced_revenue+{each.plugin}",
        })  # fmt: skip
    return rows


def _proof(experiment: Experiment) -> Proof:
    found = results.summary(experiment)
    url = reverse("console:experiment", args=[experiment.pk])
    best = found.best if found else None
    visitors = sum(each.units for each in found.arms) if found else 0
    shown = found is not None and not found.blocked and best is not None and best.lift is not None
    tone: Tone = "bad" if found is not None and found.blocked else ""
    lift = interval = ""
    value = low = high = None
    if shown and best is not None and best.lift is not None:
        value, low, high = best.lift
        lift = percent(value)
        interval = _("95 %% interval %(low)s to %(high)s") % {"low": percent(low), "high": percent(high)}
        tone = "good" if low > 0 else "bad" if high < 0 else ""
    said = " ".join(verdict(experiment, found)[-1:] if shown else verdict(experiment, found)[:2])
    return Proof(
        experiment.name, url, lift, interval, said, tone, experiment.get_metric_display(), visitors, low, high, value
    )
