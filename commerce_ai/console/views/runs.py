"""What the pages of runs say: progress, curves, figures beside the baseline, the verdict in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from commerce_ai import registry
from commerce_ai.console.charts import Chart, Series
from commerce_ai.console.scope import scope_of
from commerce_ai.console.templatetags.console import duration, figure
from commerce_ai.learning import runs
from commerce_ai.learning.curves import curves_of
from commerce_ai.learning.learner import Metric
from commerce_ai.learning.models import Run, Version

LOG_LINES = 200
MOST_COMPARED = 8


def may_train(request: HttpRequest) -> bool:
    """Whether the person may start and stop trainings and move versions."""
    return scope_of(request).may("operator")


def context(request: HttpRequest, run: Run) -> dict[str, Any]:
    log = list(run.log.order_by("-pk")[:LOG_LINES])[::-1]
    return {
        "title": str(run), "run": run, "log": log, "may_train": may_train(request), "metrics": metrics_table(run),
        "charts": charts([run]), "versions": list(run.versions.order_by("pk")), "percent": round(run.progress * 100),
        "elapsed": took(run), "metric": metric_of(run.learner),
        "poll": reverse("admin:learning_run_progress", args=[run.pk]) if run.is_open else "",
    }  # fmt: skip


def metrics_table(row: Run | Version) -> list[dict[str, Any]]:
    """A line a figure: ours, the baseline's, and whether ours is better where the direction is known."""
    own = metric_of(row.learner)
    lines = []
    for name in sorted(row.metrics, key=lambda each: (own is None or each != own.name, each)):
        ours, theirs = row.metrics[name], row.baseline.get(name)
        numbers = isinstance(ours, (int, float)) and isinstance(theirs, (int, float))
        judged = own is not None and name == own.name and numbers
        lines.append({
            "name": name, "ours": ours, "baseline": theirs, "own": own is not None and name == own.name,
            "better": own.better(ours, theirs) if judged and own and ours != theirs else None,
            "change": ours / theirs - 1 if numbers and theirs else None,
        })  # fmt: skip
    return lines


def charts(of: Sequence[Run]) -> list[Chart]:
    """One run: a chart a figure, with a line a stage. Several runs: a chart a curve, with a line a run."""
    lines: dict[str, list[Series]] = {}
    for run in of:
        for name, points in curves_of(run).items():
            stage, _slash, scalar = name.rpartition("/")
            title, label = (scalar, stage or scalar) if len(of) == 1 else (name, str(run))
            steps, values = zip(*points, strict=True)
            lines.setdefault(title, []).append(Series(label, values, x=steps))
    first = {"loss": 0}
    return [
        Chart(title, series=series, x_title=_("step"), height=240, table=False, legend=len(of) > 1)
        for title, series in sorted(lines.items(), key=lambda each: (first.get(each[0].rpartition("/")[2], 1), each[0]))
    ]


def compared(chosen: Sequence[Run]) -> dict[str, Any]:
    """Some runs of the shop side by side."""
    found = runs.compare(chosen) if chosen else None
    groups: dict[str, list[runs.Row]] = {}
    for row in found.rows if found else ():
        groups.setdefault(row.group, []).append(row)
    words = {"run": _("Run"), "params": _("Hyper-parameters"), "metrics": _("Figures"), "baseline": _("Baseline")}
    return {
        "title": _("Compare runs"), "runs": found.runs if found else (), "charts": charts(found.runs) if found else [],
        "groups": [(words.get(name, name), rows, name in ("run", "params")) for name, rows in groups.items()],
    }  # fmt: skip


def in_short(row: Run | Version) -> str | None:
    """The learner's own metric beside its baseline, for a list."""
    if (own := metric_of(row.learner)) is None or row.metrics.get(own.name) is None:
        return None
    ours, theirs = row.metrics[own.name], row.baseline.get(own.name)
    return f"{own.name} {figure(ours)}" + (f" ({_('baseline')} {figure(theirs)})" if theirs is not None else "")


def metric_of(learner: str) -> Metric | None:
    try:
        return registry.learner(learner).metric
    except registry.Unknown:
        return None


def took(run: Run) -> str | None:
    """How long it took, or has taken so far."""
    if run.seconds is not None:
        return duration(run.seconds)
    if run.started_at is None:
        return None
    return duration(((run.ended_at or timezone.now()) - run.started_at).total_seconds())
