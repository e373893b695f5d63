"""How a shop's models are: which versions are live, how old, and what the last runs came to."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from commerce_ai import registry
from commerce_ai.alerts.health import Finding
from commerce_ai.alerts.models import AlertRule
from commerce_ai.learning.models import Run, Version
from commerce_ai.plugin import Health, Plugin
from commerce_ai.shop.models import Shop

logger = logging.getLogger(__name__)
STALE_AFTER = timedelta(days=7)  # facts that the live version knows end this long ago
WORST = {"ok": 0, "warn": 1, "bad": 2}


@dataclass(frozen=True)
class Survey:
    """Live versions by slot and last runs by learner, read in two queries for all plugins together."""

    live: dict[str, list[Version]]
    last: dict[str, Run]
    now: datetime


@dataclass(frozen=True)
class Model:
    """One learner's line in the table of model health."""

    learner: str
    slot: str
    version: Version | None
    run: Run | None
    level: str
    said: str

    @property
    def known_until(self) -> datetime | None:
        return (self.version.trained_until or self.version.created_at) if self.version else None


def survey(shop: Shop) -> Survey:
    live: dict[str, list[Version]] = {}
    for version in Version.objects.of(shop).filter(state=Version.State.LIVE).order_by("slot", "learner"):
        live.setdefault(version.slot, []).append(version)
    newest = Run.objects.of(shop).order_by("learner", "-queued_at", "-pk").distinct("learner")
    return Survey(live, {run.learner: run for run in newest}, timezone.now())


def models_of(plugin: Plugin, seen: Survey) -> list[Model]:
    """A line for each learner that is live or was tried, slots of the plugin only."""
    lines = []
    for slot in plugin.slots:
        live = {version.learner: version for version in seen.live.get(slot.name, ())}
        tried = {run.learner: run for run in seen.last.values() if run.slot == slot.name}
        for learner in sorted(live.keys() | tried.keys()):
            lines.append(_line(learner, slot.name, live.get(learner), tried.get(learner), seen.now))
    return lines


def findings(plugin: Plugin, shop: Shop, seen: Survey) -> list[Health]:
    """What is to be said of a plugin that is on: the core's findings, then its own. The worst first."""
    found = []
    for slot in plugin.slots:
        if not seen.live.get(slot.name):
            words = _("Nothing is live in %(slot)s. %(fallback)s") % {"slot": slot.name, "fallback": plugin.fallback}
            found.append(Health("warn", words, f"{reverse('admin:learning_run_add')}?slot={slot.name}"))
    for model in models_of(plugin, seen):
        if model.level != "ok":
            url = _url(model.run) if model.run and model.level == "bad" else _url(model.version) or _url(model.run)
            found.append(Health(model.level, f"{model.learner}: {model.said}", url))  # type: ignore[arg-type]
    try:
        found += plugin.health(shop)
    except Exception as error:  # a third party's code must not take the page with it
        logger.exception("health() of the plugin %s failed", plugin.slug)
        found.append(Health("bad", _("Its own health check failed: %(error)s") % {"error": error}))
    found.sort(key=lambda each: -WORST[each.level])
    return found or [Health("ok", _("All is well."))]


# --- as alerts ----------------------------------------------------------------------------------------------


def stale(shop: Shop, rule: AlertRule) -> list[Finding]:
    """Live versions that know nothing of the last `rule.threshold` days."""
    after = timedelta(days=rule.threshold) if rule.threshold is not None else STALE_AFTER
    found = []
    for model in _models(shop):
        until = model.known_until
        if until is not None and (age := timezone.now() - until) > after:
            title = _("%(learner)s knows nothing of the last %(days)d days")
            said = {"learner": model.learner, "days": age.days}
            found.append(Finding(model.learner, title % said, url=_url(model.version), level="warn"))
    return found


def drifting(shop: Shop, rule: AlertRule) -> list[Finding]:
    """Live versions whose own recipe the gate kept from going live since: on newer facts it does worse than it did,
    or than its baseline."""
    live = {model.version.recipe: model.version for model in _models(shop) if model.version is not None}
    refused = Version.objects.of(shop).filter(state=Version.State.REJECTED, recipe__in=live)
    found = []
    for last in refused.order_by("recipe", "-created_at", "-pk").distinct("recipe"):
        version = live[last.recipe]
        if last.created_at > (version.went_live_at or version.created_at):
            title = _("%(learner)s does worse on newer facts") % {"learner": version.learner}
            found.append(Finding(version.learner, title, last.reason, _url(last), level="warn"))
    return found


def failed(shop: Shop, rule: AlertRule) -> list[Finding]:
    """Last runs that failed, live versions that can't be loaded or published."""
    bad = [model for model in _models(shop) if model.level == "bad"]
    return [
        Finding(model.learner, _("%(learner)s failed") % {"learner": model.learner}, model.said,
                _url(model.run) or _url(model.version))
        for model in bad
    ]  # fmt: skip


def _models(shop: Shop) -> list[Model]:
    seen = survey(shop)
    on = [plugin for plugin in registry.plugins() if registry.is_on(shop.pk, plugin.slug)]
    return [model for plugin in on for model in models_of(plugin, seen)]


def _line(learner: str, slot: str, version: Version | None, run: Run | None, now: datetime) -> Model:
    level, said = "ok", ""
    until = version and (version.trained_until or version.created_at)
    if until and now - until > STALE_AFTER:
        level, said = "warn", _("it knows nothing of the last %(days)d days") % {"days": (now - until).days}
    if version and version.load_error:
        level, said = "bad", _("it can't be loaded: %(error)s") % {"error": version.load_error}
    elif version and version.publish_error:
        level, said = "bad", _("publishing failed: %(error)s") % {"error": version.publish_error}
    elif run and run.state == Run.State.FAILED:
        level, said = "bad", _("the last run failed: %(reason)s") % {"reason": run.reason}
    elif run and run.state == Run.State.SKIPPED and version is None:
        level, said = "warn", run.reason
    return Model(learner, slot, version, run, level, said)


def _url(row: Run | Version | None) -> str:
    return reverse(f"admin:learning_{row._meta.model_name}_change", args=[row.pk]) if row else ""
