"""What an experiment says, in words for somebody who is no statistician."""

from __future__ import annotations

from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from commerce_ai.decisions.experiments.arms import HOLDOUT, REST
from commerce_ai.decisions.experiments.models import Experiment
from commerce_ai.decisions.experiments.results import ArmResult, Summary

Metric = Experiment.Metric
_SENTENCES = {
    Metric.CONVERSION: _("%(arm)s converts %(value)s against %(control)s"),
    Metric.REVENUE: _("%(arm)s earns %(value)s a visitor against %(control)s"),
    Metric.MARGIN: _("%(arm)s leaves a margin of %(value)s a visitor against %(control)s"),
    Metric.CLICKS: _("%(arm)s is clicked in %(value)s of its answers against %(control)s"),
    Metric.SATISFACTION: _("%(arm)s is rated %(value)s against %(control)s"),
}


def verdict(experiment: Experiment, found: Summary | None) -> list[str]:
    """One sentence a compared arm, after what stands in the way of a judgement, and before what to do."""
    if found is None:
        return [say("Nobody has been drawn yet.")]
    if found.blocked:
        return [blocked(experiment, found)]
    compared = [each for each in found.arms[1:] if each.lift is not None]
    if not compared:
        return [say("Too few visitors or sales in an arm to say anything yet."), *_how_long(found)]
    lines = [sentence(experiment, found.control, each) for each in compared]
    if found.waits and experiment.state == Experiment.State.RUNNING:
        words = ngettext(
            "Don't judge before its minimum run is over, in %(n)d day: weekdays differ.",
            "Don't judge before its minimum run is over, in %(n)d days: weekdays differ.",
            found.waits,
        )
        return [*lines, words % {"n": found.waits}]
    return [*lines, _advice(experiment, found, compared)]


def left_out(experiment: Experiment) -> str:
    """Whose figures are not counted, as in: Not counted: 8 programs, 3 of the shop's staff. Empty for nobody."""
    told = (
        ("programs", ngettext("%(n)d program", "%(n)d programs", experiment.left_out.get("programs", 0))),
        ("busy", say("%(n)d busier than people are")),
        ("staff", say("%(n)d of the shop's staff")),
    )
    parts = [words % {"n": n} for why, words in told if (n := experiment.left_out.get(why))]
    return say("Not counted: %(parts)s.") % {"parts": ", ".join(parts)} if parts else ""


def sentence(experiment: Experiment, control: ArmResult, arm: ArmResult) -> str:
    """As in: B converts 3.9 % against 3.2 %: +22 % (95 % interval +9 % to +36 %)."""
    lift, low, high = arm.lift or (0.0, 0.0, 0.0)
    told = str(_SENTENCES[Metric(experiment.metric)]) % {
        "arm": name_of(experiment, arm.name), "value": worth(experiment, arm.value),
        "control": worth(experiment, control.value),
    }  # fmt: skip
    return say("%(told)s: %(lift)s (95 %% interval %(low)s to %(high)s)") % {
        "told": told, "lift": percent(lift), "low": percent(low), "high": percent(high),
    }  # fmt: skip


def name_of(experiment: Experiment, arm: str) -> str:
    """An arm by the name that a person gave it; those of the holdout nobody named."""
    if not experiment.holdout:
        return arm
    return {HOLDOUT: say("holdout"), REST: say("AI on")}.get(arm, arm)


def blocked(experiment: Experiment, found: Summary) -> str:
    sizes = ", ".join(f"{name_of(experiment, each.name)} {each.units:,}" for each in found.arms)
    words = say(
        "The arms are not as large as they were meant to be (%(sizes)s; p = %(p).1g): something loses or doubles "
        "visitors of one arm. No figure of this experiment counts until that is found."
    )
    return words % {"sizes": sizes, "p": found.mismatch}


def worth(experiment: Experiment, value: float) -> str:
    """A value of the metric with its unit."""
    if experiment.metric in (Metric.REVENUE, Metric.MARGIN):
        return f"{value:,.2f} {experiment.shop.currency}"
    return f"{value:.2f}" if experiment.metric == Metric.SATISFACTION else f"{100 * value:.1f} %"


def percent(share: float) -> str:
    """``+22 %``."""
    return f"{'+' if share >= 0 else '−'}{100 * abs(share):.0f} %"


def _advice(experiment: Experiment, found: Summary, compared: list[ArmResult]) -> str:
    better = [each for each in compared if each.lift and each.lift[1] > 0]
    worse = [each for each in compared if each.lift and each.lift[2] < 0]
    if experiment.holdout and better:
        return say("All AI together is worth it.")
    if experiment.holdout and worse:
        return say("All AI together does harm: compare plugin by plugin, and switch off what does.")
    if better:
        best = max(better, key=lambda each: each.lift[0] if each.lift else 0.0)
        return say("%(arm)s is better than %(control)s.") % {"arm": best.name, "control": found.control.name}
    if len(worse) == len(compared):
        return say("%(control)s is better: keep it.") % {"control": found.control.name}
    return " ".join([say("No difference is shown so far."), *_how_long(found)])


def _how_long(found: Summary) -> list[str]:
    if found.days_left is None:
        return []
    if not found.days_left:
        return [say("A lift of 10 % would probably have been seen by now.")]
    words = ngettext(
        "At this pace a lift of 10 %% can be seen in %(n)d day.",
        "At this pace a lift of 10 %% can be seen in %(n)d days.",
        found.days_left,
    )
    return [words % {"n": found.days_left}]
