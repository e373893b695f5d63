"""What the page of a version says, and what it asks before it moves *live*."""

from __future__ import annotations

from typing import Any

import msgspec
from django.http import HttpRequest
from django.utils.translation import gettext as _

from commerce_ai import registry
from commerce_ai.console.charts import Chart, Series
from commerce_ai.console.scope import may
from commerce_ai.console.views.runs import in_short, may_train, metric_of, metrics_table
from commerce_ai.decisions.experiments import canary, shadow
from commerce_ai.learning.explaining import Explanation
from commerce_ai.learning.models import Version
from commerce_ai.learning.versions import live_row
from commerce_ai.privacy import retrain


def context(request: HttpRequest, version: Version) -> dict[str, Any]:
    live = live_row(version.shop_id, version.slot, version.learner) if _known(version) else None
    verdict = version.verdict or {}
    return {
        "title": str(version), "version": version, "metric": metric_of(version.learner),
        "metrics": metrics_table(version),
        "files": list(version.files.order_by("path")), "may_train": may_train(request), "now_live": live,
        **_explained(version), "chosen": verdict.get("chosen") or {}, "notes": _notes(version, verdict),
        "verdict": verdict,
        "may_promote": version.state != Version.State.LIVE and bool(version.manifest) and _known(version),
        "may_try": canary.may_try(version) and may(request, "operator"),
        "shadow": (trial := shadow.last_of(version)), "shadowed": shadow.in_words(trial) if trial else [],
        "may_shadow": may(request, "operator") and shadow.may_shadow(version), "unasked": shadow.why_not(version),
        "may_roll_back": version.state == Version.State.LIVE and version.replaced_id is not None,
    }  # fmt: skip


def promotion(version: Version) -> dict[str, Any]:
    live = live_row(version.shop_id, version.slot, version.learner)
    warning = ""
    if version.state == Version.State.REJECTED:
        warning = _("The gate turned it down: %(reason)s") % {"reason": version.reason}
    return {
        "title": _("Send %(version)s live?") % {"version": version}, "version": version, "other": live,
        "warning": warning,
        "ours": in_short(version), "theirs": in_short(live) if live else None, "button": _("Send live"),
        "words": _("Every answer of %(slot)s comes from it within two seconds. The present version retires and can be "
                   "brought back by a roll-back.") % {"slot": version.exclusive_key},
    }  # fmt: skip


def roll_back(version: Version) -> dict[str, Any]:
    back = version.replaced
    return {
        "title": _("Roll back %(version)s?") % {"version": version}, "version": version, "other": back, "warning": "",
        "ours": in_short(version), "theirs": in_short(back) if back else None, "button": _("Roll back"),
        "words": _("%(before)s answers again within two seconds; %(version)s retires.")
                 % {"before": back, "version": version},
    }  # fmt: skip


def _explained(version: Version) -> dict[str, Any]:
    """What it goes by: a chart of weights, one of each curve, and the twin."""
    try:
        found = msgspec.convert(version.explanation, Explanation)
    except msgspec.ValidationError:  # of an earlier install
        return {}
    weights = Chart(
        _("What it goes by"), [name for name, _weight in found.weights],
        [Series(_("weight"), [weight for _name, weight in found.weights])], kind="bar",
    )  # fmt: skip
    curves = [
        Chart(
            _("With %(feature)s set to …") % {"feature": each.name},
            series=[Series(_("mean answer"), each.mean, x=each.at)], x_title=each.name, height=200, table=False,
        )
        for each in found.curves
    ]  # fmt: skip
    untold = "" if curves or found.twin else _untold(version)
    return {"weights": weights if found.weights else None, "curves": curves, "twin": found.twin, "untold": untold}


def _untold(version: Version) -> str:
    """Why there are neither curves nor a twin."""
    try:
        said = registry.learner(version.learner).no_table()
    except registry.Unknown:
        return ""
    return said or _("Too few rows were held out to show how its answers move.")


def _notes(version: Version, verdict: dict[str, Any]) -> list[str]:
    said = retrain.said_of(version)
    return [*(verdict.get("notes") or ()), *([said] if said else ())]


def _known(version: Version) -> bool:
    """Whether the version's slot is still there: its plugin may be gone."""
    return version.slot in registry.slots()
