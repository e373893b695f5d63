"""Experiments of the chosen shop: the list with the holdout, one page each with its verdict, and what may be done."""

from __future__ import annotations

from typing import Any, Literal

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from commerce_ai import registry
from commerce_ai.console import audit
from commerce_ai.console.charts import Chart, Series
from commerce_ai.console.dress import dress
from commerce_ai.console.experiments_form import ExperimentForm, HoldoutForm, settings_of
from commerce_ai.console.money import money
from commerce_ai.console.pages import page
from commerce_ai.console.scope import may
from commerce_ai.decisions.experiments import canary, lifecycle, measures, outlook, results
from commerce_ai.decisions.experiments.arms import HOLDOUT, REST, Arm, asking
from commerce_ai.decisions.experiments.headline import Headline, headline
from commerce_ai.decisions.experiments.models import Experiment, ExperimentPoint
from commerce_ai.decisions.experiments.results import ArmResult, Summary
from commerce_ai.decisions.experiments.verdict import left_out, name_of, percent, verdict, worth
from commerce_ai.learning.models import Version
from commerce_ai.plugin import Card
from commerce_ai.shop.models import Shop

MOST = 200
USUAL = 0.05  # of the visitors, held out
State = Experiment.State


@page(template="console/experiments.html")
def overview(request: Any) -> dict[str, Any] | HttpResponse:
    """What all AI is worth, from the holdout; then every experiment, the newest first."""
    if request.method == "POST":
        return _set_holdout(request)
    found = headline(request.shop)
    rows = Experiment.objects.of(request.shop).filter(holdout=False).order_by("-pk")[:MOST]
    share = found.holdout.parsed_arms[0].weight if found.holdout and found.running else 0.0
    share = USUAL if found.holdout is None else share
    return {
        "title": _("Experiments"),
        "experiments": [(each, _where(each), _in_short(each)) for each in rows],
        "headline": found,
        "cards": _headline_cards(found),
        "outlook": "" if found.running else _holdout_outlook(request.shop),
        "influenced": money(found.influenced, request.shop.currency) if found.influenced else "",
        "form": dress(HoldoutForm(initial={"percent": f"{100 * share:g}"})),
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
        "charts": [] if experiment.state == State.DRAFT else charts_of(experiment, bool(found and found.blocked)),
        "arms": _lines(experiment, found), "notes": _notes(experiment), "facts": _facts(experiment),
        "adjusted": experiment.metric not in measures.RATIOS, "left_out": left_out(experiment),
        "may_write": may(request, "operator"),
    }  # fmt: skip


def charts_of(experiment: Experiment, blocked: bool = False) -> list[Chart]:
    """The lift of each arm over time with the band that holds at every look, and the metric of every arm.

    Days whose band is so wide that it would flatten all others are left out; a blocked experiment has no lift.
    """
    points = list(ExperimentPoint.objects.of(experiment.shop_id).filter(experiment=experiment).order_by("day"))
    days = sorted({each.day for each in points})
    by_arm = {arm.name: {each.day: each for each in points if each.arm == arm.name} for arm in experiment.parsed_arms}

    def series(name: str, *columns: str) -> list[list[float | None]]:
        return [[getattr(by_arm[name].get(day), column, None) for day in days] for column in columns]

    lifts = []
    for name in list(by_arm)[1:]:
        values, low, high = _readable(*series(name, "lift", "low", "high"))
        lifts.append(Series(name_of(experiment, name), values, low=low, high=high))
    money = experiment.metric in (Experiment.Metric.REVENUE, Experiment.Metric.MARGIN)
    share = experiment.metric in (Experiment.Metric.CONVERSION, Experiment.Metric.CLICKS)
    control = name_of(experiment, next(iter(by_arm), ""))
    return [
        Chart(
            _("Lift against %(arm)s, with an interval that holds however often you look") % {"arm": control},
            days, [] if blocked else lifts, unit="percent", legend=True,
            empty=_("No lift is shown while the arms are not as large as they were meant to be.") if blocked
            else _("No arm has enough visitors and sales for an interval yet."),
        ),
        Chart(
            capfirst(experiment.get_metric_display()), days,
            [Series(name_of(experiment, name), series(name, "value")[0]) for name in by_arm],
            unit=experiment.shop.currency if money else "percent" if share else "",
            empty=_("Nobody has been drawn yet."),
        ),
    ]  # fmt: skip


def _readable(*columns: list[float | None]) -> tuple[list[float | None], ...]:
    """Value, low and high, from the first day on whose band is at most six times as wide as the last."""
    _values, low, high = columns
    widths = [None if a is None or b is None else b - a for a, b in zip(low, high, strict=True)]
    last = next((each for each in reversed(widths) if each is not None), 0.0)
    start = next((at for at, each in enumerate(widths) if each is not None and each <= 6 * last), 0)
    blank: list[float | None] = [None] * start
    return tuple(blank + column[start:] for column in columns)


def _headline_cards(found: Headline) -> list[Card]:
    if found.lift is None or found.with_ai is None or found.without is None or found.holdout is None:
        return _days_card(found.days_left) if found.running else []
    estimate, low, high = found.lift
    with_ai, without = (worth(found.holdout, each) for each in (found.with_ai, found.without))
    return [
        Card(_("AI on against the holdout"), percent(estimate), _interval(low, high), tone=_tone(low, high)),
        Card(capfirst(found.holdout.get_metric_display()), with_ai, _("held out: %(without)s") % {"without": without}),
        *(_days_card(found.days_left) if found.running else ()),
    ]


def _days_card(days: int | None) -> list[Card]:
    return [Card(_("Until +10 % can be seen"), ngettext("%(n)d day", "%(n)d days", days) % {"n": days})] if days else []


def _holdout_outlook(shop: Shop) -> str:
    """How long the usual holdout takes to say something, before it is set."""
    weights = ((HOLDOUT, USUAL), (REST, 1 - USUAL))
    like = Experiment(
        shop=shop, holdout=True, unit=Experiment.Unit.CUSTOMER,
        arms=[{"name": name, "weight": weight} for name, weight in weights],
    )  # fmt: skip
    found = outlook.outlook(like)
    words = outlook.in_words(like, found)
    return _("With %(share).0f %% held out: %(words)s") % {"share": 100 * USUAL, "words": words} if found else words


def _edit(request: Any, experiment: Experiment) -> dict[str, Any] | HttpResponse:
    plugin, number = request.GET.get("plugin", ""), request.GET.get("version", "")
    offered = {str(each.pk): each for each in canary.offered(request.shop.pk)} if number else {}
    form = ExperimentForm(request.POST or None, instance=experiment, plugin=plugin, version=offered.get(number))
    if request.method == "POST" and form.is_valid():
        kept = form.save()
        _write_down(request, kept, _("Planned."))
        messages.success(request, _("Kept as a draft. Start it when you are ready."))
        return HttpResponseRedirect(_address(kept))
    chosen = form["plugin"].value() or ""
    return {
        "title": experiment.name or _("New experiment"), "form": dress(form), "experiment": experiment,
        "plugins": [(slug, registry.plugin(slug).verbose_name) for slug in asking()], "plugin": chosen,
        "settings": settings_of(chosen),
    }  # fmt: skip


def _act(request: HttpRequest, experiment: Experiment) -> HttpResponse:
    if not may(request, "operator"):
        raise PermissionDenied
    action = request.POST.get("action", "")
    try:
        if action == "start":
            lifecycle.start(experiment)
            _write_down(request, experiment, _("Started."))
            messages.success(request, _("Started: visitors are drawn within two seconds."))
        elif action == "stop":
            lifecycle.stop(experiment)
            _write_down(request, experiment, _("Stopped."))
            messages.success(request, _("Stopped. What its visitors do counts for another week."))
        elif action == "ship":
            found = results.summary(experiment)
            if found is not None and found.blocked:
                raise lifecycle.CannotBe(_("Its arms are not of the size they were meant to have."))
            lifecycle.ship(experiment, request.POST.get("arm", ""), by=request.user)
            said = {"arm": experiment.shipped_arm}
            _write_down(request, experiment, _("Shipped the arm %(arm)s.") % said)
            _write_down_settings(request, experiment, _("Shipped the arm %(arm)s.") % said)
            _write_down_version(request, experiment, experiment.shipped_arm, _("Shipped the arm %(arm)s.") % said)
            messages.success(request, _("%(arm)s is now what everybody gets.") % said)
        elif action == "unship":
            arm = experiment.shipped_arm
            lifecycle.unship(experiment, by=request.user)
            _write_down_version(request, experiment, arm, _("Took the shipping back."))
            _write_down(request, experiment, _("Took the shipping back."))
            _write_down_settings(request, experiment, _("Took the shipping back."))
            messages.success(request, _("What answered before answers again."))
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
        if (holdout := lifecycle.holdout_of(request.shop)) is not None:
            _write_down(request, holdout, _("Set the holdout to %(percent)g %%.") % form.cleaned_data)
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
        estimate, low, high = best.lift
        title = _("Lift of %(arm)s") % {"arm": name_of(experiment, best.name)}
        cards.append(Card(title, percent(estimate), _interval(low, high), tone=_tone(low, high)))
    if experiment.state == State.RUNNING:
        cards += _days_card(found.days_left)
    return cards


def _interval(low: float, high: float) -> str:
    return _("95 %% interval %(low)s to %(high)s") % {"low": percent(low), "high": percent(high)}


def _tone(low: float, high: float) -> Literal["", "good", "bad"]:
    return "good" if low > 0 else "bad" if high < 0 else ""


def _notes(experiment: Experiment) -> list[str]:
    """What an operator should know of it as it stands."""
    notes = []
    if experiment.state == State.DRAFT:
        notes.append(outlook.in_words(experiment, outlook.outlook(experiment)))
        notes.append(_("Once it is started it can't be changed, only stopped."))
    if not experiment.holdout and not registry.is_on(experiment.shop_id, experiment.plugin):
        words = _("%(plugin)s is switched off in this shop: nobody is drawn.")
        notes.append(words % {"plugin": _plugin_name(experiment)})
    if experiment.state in (State.DRAFT, State.RUNNING):
        notes += canary.notes(experiment.shop_id, experiment.parsed_arms)
    return notes


def _where(experiment: Experiment) -> str:
    if experiment.holdout:
        return _("all plugins that answer visitors")
    return ", ".join(filter(None, [_plugin_name(experiment), experiment.placement]))


def _plugin_name(experiment: Experiment) -> str:
    """Its slug alone where it is not installed any more."""
    installed = {each.slug: each.verbose_name for each in registry.plugins()}
    return str(installed.get(experiment.plugin, experiment.plugin))


def _facts(experiment: Experiment) -> list[tuple[Any, Any]]:
    """Where it runs, and among whom."""
    share = f"{100 * experiment.traffic:g} %" + (f", {experiment.group}" if experiment.group else "")
    audience = experiment.parsed_audience
    who = {True: _("signed-in customers"), False: _("visitors who are not signed in"), None: _("everybody")}
    spans = [each and date_format(timezone.localtime(each, experiment.shop.tz), "DATETIME_FORMAT") for each in (
        experiment.starts_at, experiment.stops_at
    )]  # fmt: skip
    return [
        (_("Where"), _where(experiment)), (_("Unit"), experiment.get_unit_display()), (_("Share"), share),
        (_("Who"), ", ".join([str(who[audience.known]), *audience.countries])),
        (_("Start"), spans[0] or "–"), (_("Stop"), spans[1] or "–"),
        (_("Runs at least"), _("%(n)d days") % {"n": experiment.minimum_days}),
        (_("Planned visitors"), f"{experiment.planned:,}"),
    ]  # fmt: skip


def _settings(experiment: Experiment, arm: Arm) -> str:
    """An arm's settings by the labels that the plugin's form gives them, and the version that answers in it."""
    installed = {each.slug: each for each in registry.plugins()}
    form = installed[experiment.plugin].settings_form_class() if experiment.plugin in installed else None
    fields = form.base_fields if form else {}
    said = {True: _("yes"), False: _("no")}
    words = [
        f"{fields[name].label if name in fields else name}: {said[value] if isinstance(value, bool) else value}"
        for name, value in arm.config.items()
    ]
    return ", ".join([*words, *([_("version v%(id)d") % {"id": arm.version}] if arm.version else ())])


def _write_down(request: Any, experiment: Experiment, message: str) -> None:
    audit.write(request, Experiment.objects.of(request.shop).filter(pk=experiment.pk), message)


def _write_down_settings(request: Any, experiment: Experiment, message: str) -> None:
    """The same at the plugin whose settings it was."""
    audit.write_of_plugin(request, experiment.plugin, f"{experiment.name}: {message}")


def _write_down_version(request: Any, experiment: Experiment, arm: str, message: str) -> None:
    """The same at the version that it sent live, or took off."""
    versions = [each.version for each in experiment.parsed_arms if each.name == arm and each.version]
    if versions:
        audit.write(request, Version.objects.of(request.shop).filter(pk__in=versions), f"{experiment.name}: {message}")


def _lines(experiment: Experiment, found: Summary | None) -> list[dict[str, Any]]:
    """One row an arm, before the first figures too."""
    known: dict[str, ArmResult] = {each.name: each for each in found.arms} if found else {}
    lines = []
    for arm in experiment.parsed_arms:
        one = known.get(arm.name)
        lift = one.lift if one and found and not found.blocked else None
        lines.append({
            "arm": arm, "name": name_of(experiment, arm.name), "units": one.units if one else 0,
            "value": worth(experiment, one.value) if one else "–",
            "lift": f"{percent(lift[0])} ({percent(lift[1])} … {percent(lift[2])})" if lift else "–",
            "shipped": experiment.shipped_arm == arm.name, "settings": _settings(experiment, arm),
        })  # fmt: skip
    return lines


def _address(experiment: Experiment) -> str:
    return reverse("console:experiment", args=[experiment.pk])
