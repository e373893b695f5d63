"""Experiments of the chosen shop: the list with the holdout, one page each with its verdict, and what may be done."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from commerce_ai.console.charts import Chart, Series
from commerce_ai.console.dress import dress
from commerce_ai.console.experiments_form import ExperimentForm, HoldoutForm
from commerce_ai.console.pages import page
from commerce_ai.console.scope import may
from commerce_ai.decisions.experiments import lifecycle, results
from commerce_ai.decisions.experiments.models import Experiment, ExperimentPoint
from commerce_ai.decisions.experiments.results import ArmResult, Summary
from commerce_ai.decisions.experiments.verdict import percent, verdict, worth
from commerce_ai.decisions.models import Outcome
from commerce_ai.plugin import Card
from commerce_ai.shop.models import Shop

MOST = 200
INFLUENCED_DAYS = 28
State = Experiment.State


@page(template="console/experiments.html")
def overview(request: Any) -> dict[str, Any] | HttpResponse:
    """What all AI is worth, from the holdout; then every experiment, the newest first."""
    if request.method == "POST":
        return _set_holdout(request)
    holdout = lifecycle.holdout_of(request.shop)
    found = results.summary(holdout) if holdout else None
    rows = Experiment.objects.of(request.shop).filter(holdout=False).order_by("-pk")[:MOST]
    running = holdout is not None and holdout.state == State.RUNNING
    share = holdout.parsed_arms[0].weight if holdout and running else 0.0
    return {
        "title": _("Experiments"),
        "experiments": [(each, _in_short(each)) for each in rows],
        "holdout": holdout,
        "holdout_runs": running,
        "verdict": verdict(holdout, found) if holdout else [],
        "blocked": bool(found and found.blocked),
        "influenced": _influenced(request.shop),
        "form": dress(HoldoutForm(initial={"percent": 100 * share})),
        "may_write": may(request, "operator"),
    }


@page(template="console/experiment_form.html", permission="operator")
def add(request: Any) -> dict[str, Any] | HttpResponse:
    return _edit(request, Experiment(shop=request.shop))


@page(template="console/experiment_form.html", permission="operator")
def change(request: Any, pk: int) -> dict[str, Any] | HttpResponse:
    """Drafts only: what was drawn by other rules can't be told apart afterwards."""
    return _edit(request, get_object_or_404(Experiment.objects.of(request.shop), pk=pk, state=State.DRAFT))


@page(template="console/experiment.html")
def detail(request: Any, pk: int) -> dict[str, Any] | HttpResponse:
    """Arms and their sizes, the metric with its interval over time, the verdict, and the next step."""
    experiment = get_object_or_404(Experiment.objects.of(request.shop), pk=pk)
    if request.method == "POST":
        return _act(request, experiment)
    found = results.summary(experiment)
    return {
        "title": experiment.name, "experiment": experiment, "cards": _cards(experiment, found),
        "verdict": verdict(experiment, found), "blocked": bool(found and found.blocked),
        "charts": charts_of(experiment), "arms": _lines(experiment, found),
        "may_write": may(request, "operator"),
    }  # fmt: skip


def charts_of(experiment: Experiment) -> list[Chart]:
    """The lift of each arm over time with the band that holds at every look, and the metric of every arm."""
    points = list(ExperimentPoint.objects.of(experiment.shop_id).filter(experiment=experiment).order_by("day"))
    days = sorted({each.day for each in points})
    by_arm = {arm.name: {each.day: each for each in points if each.arm == arm.name} for arm in experiment.parsed_arms}

    def series(name: str, *columns: str) -> list[list[float | None]]:
        return [[getattr(by_arm[name].get(day), column, None) for day in days] for column in columns]

    lifts = []
    for name in list(by_arm)[1:]:
        values, low, high = series(name, "lift", "low", "high")
        lifts.append(Series(name, values, low=low, high=high))
    money = experiment.metric in (Experiment.Metric.REVENUE, Experiment.Metric.MARGIN)
    share = experiment.metric in (Experiment.Metric.CONVERSION, Experiment.Metric.CLICKS)
    return [
        Chart(
            _("Lift against %(arm)s, with an interval that holds however often you look")
            % {"arm": next(iter(by_arm), "")},
            days, lifts, unit="percent", legend=True,
            empty=_("No arm has enough visitors and sales for an interval yet."),
        ),
        Chart(
            experiment.get_metric_display(), days, [Series(name, series(name, "value")[0]) for name in by_arm],
            unit=experiment.shop.currency if money else "percent" if share else "",
            empty=_("Nobody has been drawn yet."),
        ),
    ]  # fmt: skip


def _influenced(shop: Shop) -> str:
    """What was attributed to decisions lately: it would have come in part without them, so it is never the headline."""
    lately = Outcome.objects.of(shop).filter(made_at__gte=timezone.now() - timedelta(days=INFLUENCED_DAYS))
    revenue = lately.aggregate(sum=Sum("revenue"))["sum"]
    return f"{revenue:,.2f} {shop.currency}" if revenue else ""


def _edit(request: Any, experiment: Experiment) -> dict[str, Any] | HttpResponse:
    form = ExperimentForm(request.POST or None, instance=experiment)
    if request.method == "POST" and form.is_valid():
        kept = form.save()
        messages.success(request, _("Kept as a draft. Start it when you are ready."))
        return HttpResponseRedirect(_address(kept))
    return {"title": experiment.name or _("New experiment"), "form": dress(form), "experiment": experiment}


def _act(request: HttpRequest, experiment: Experiment) -> HttpResponse:
    if not may(request, "operator"):
        raise PermissionDenied
    action = request.POST.get("action", "")
    try:
        if action == "start":
            lifecycle.start(experiment)
            messages.success(request, _("Started: visitors are drawn within two seconds."))
        elif action == "stop":
            lifecycle.stop(experiment)
            messages.success(request, _("Stopped. What its visitors do counts for another week."))
        elif action == "ship":
            found = results.summary(experiment)
            if found is not None and found.blocked:
                raise lifecycle.CannotBe(_("Its arms are not of the size they were meant to have."))
            lifecycle.ship(experiment, request.POST.get("arm", ""), by=request.user)
            said = {"arm": experiment.shipped_arm}
            messages.success(request, _("%(arm)s is now what everybody gets.") % said)
        elif action == "refresh":
            results.refresh(experiment)
    except lifecycle.CannotBe as error:
        messages.error(request, str(error))
    return HttpResponseRedirect(_address(experiment))


def _set_holdout(request: Any) -> HttpResponse:
    if not may(request, "operator"):
        raise PermissionDenied
    form = HoldoutForm(request.POST)
    if form.is_valid():
        lifecycle.set_holdout(request.shop, form.cleaned_data["percent"] / 100)
        messages.success(request, _("The holdout was changed; it acts within two seconds."))
    else:
        messages.error(request, " ".join(str(each) for errors in form.errors.values() for each in errors))
    return HttpResponseRedirect(reverse("console:experiments"))


def _in_short(experiment: Experiment) -> str:
    if experiment.state == State.DRAFT:
        return _("Not started.")
    return verdict(experiment, results.summary(experiment))[0]


def _cards(experiment: Experiment, found: Summary | None) -> list[Card]:
    if found is None:
        return []
    best, units = found.best, sum(each.units for each in found.arms)
    cards = [Card(_("Visitors drawn"), f"{units:,}", experiment.get_state_display())]
    if best is not None and best.lift is not None and not found.blocked:
        _estimate, low, high = best.lift
        tone: Literal["", "good", "bad"] = "good" if low > 0 else "bad" if high < 0 else ""
        interval = _("95 %% interval %(low)s to %(high)s") % {"low": percent(low), "high": percent(high)}
        cards.append(Card(_("Lift of %(arm)s") % {"arm": best.name}, percent(best.lift[0]), interval, tone=tone))
    if found.days_left and experiment.state == State.RUNNING:
        cards.append(Card(_("Until +10 % can be seen"), _("%(n)d days") % {"n": found.days_left}))
    return cards


def _lines(experiment: Experiment, found: Summary | None) -> list[dict[str, Any]]:
    """One row an arm, before the first figures too."""
    known: dict[str, ArmResult] = {each.name: each for each in found.arms} if found else {}
    lines = []
    for arm in experiment.parsed_arms:
        one = known.get(arm.name)
        lift = one.lift if one and found and not found.blocked else None
        lines.append({
            "arm": arm, "units": one.units if one else 0,
            "value": worth(experiment, one.value) if one else "–",
            "lift": f"{percent(lift[0])} ({percent(lift[1])} … {percent(lift[2])})" if lift else "–",
            "shipped": experiment.shipped_arm == arm.name,
        })  # fmt: skip
    return lines


def _address(experiment: Experiment) -> str:
    return reverse("console:experiment", args=[experiment.pk])
