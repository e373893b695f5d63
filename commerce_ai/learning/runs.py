"""Runs as people and schedules see them: ask for one, cancel it, compare some; promote a version, roll back."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from commerce_ai import registry
from commerce_ai.learning import leases
from commerce_ai.learning.engine import default_name, engine
from commerce_ai.learning.models import Run
from commerce_ai.learning.params import params_json
from commerce_ai.learning.recipe import recipe_of
from commerce_ai.learning.versions import NoVersion, live_row, promote, roll_back
from commerce_ai.shop.models import Shop

__all__ = [
    "Comparison", "NoVersion", "Row", "cancel", "compare", "promote", "request_run", "retrain_plugin", "roll_back",
]  # fmt: skip

logger = logging.getLogger(__name__)


def request_run(
    shop: Shop,
    learner: str,
    params: Mapping[str, Any] | None = None,
    by: Any = None,
    reason: str = "",
    *,
    seed: int | None = None,
    time_limit_s: int | None = None,
    max_attempts: int = 3,
    wake: bool = True,
) -> Run:
    """Queue a training; a trainer is woken when the caller's transaction commits.

    Without `params` the live version's recipe is trained again, or the learner's defaults where it has none.
    Raises `registry.Unknown` and `ParamError` (naming the parameter) before anything is queued.
    """
    chosen = registry.learner(learner)
    engine(default_name())
    if params is None:
        live = live_row(shop, chosen.slot, chosen.name)
        if live is not None and live.learner == chosen.name:
            params, seed = live.params, live.seed if seed is None else seed
    recipe = recipe_of(chosen, params or {}, seed)
    run = Run.objects.create(
        shop=shop, learner=chosen.name, slot=chosen.slot, params=params_json(recipe.params), seed=recipe.seed,
        recipe=recipe.fingerprint, engine=default_name(), cause=reason[:200], requested_by=by,
        max_attempts=max_attempts,
        time_limit_s=time_limit_s or int(getattr(settings, "TRAINING_TIME_LIMIT_S", 6 * 3600)),
    )  # fmt: skip
    if wake:
        from commerce_ai.learning.tasks import wake_trainers

        transaction.on_commit(wake_trainers)
    return run


def cancel(run: Run) -> Run:
    """A queued run is cancelled at once; a running one stops at its next report, or is stopped soon after."""
    with transaction.atomic():
        run = Run.objects.select_for_update(of=("self",)).get(pk=run.pk)
        if run.state == Run.State.QUEUED:
            run.state, run.reason, run.ended_at = Run.State.CANCELLED, _("Cancelled before it began."), timezone.now()
        if run.is_open or run.state == Run.State.CANCELLED:
            run.cancel_requested = True
        run.save(update_fields=["state", "reason", "ended_at", "cancel_requested"])
    if not run.is_open:
        leases.forget_checkpoints(run)
    return run


def retrain_plugin(shop_id: int, plugin: str, by: Any = None) -> list[int]:
    """Queue a run for every learner of the plugin's slots, and return their ids; one that is open is not doubled.

    `by` is the user who asked; None: the schedule did.
    """
    shop = Shop.objects.get(pk=shop_id)
    slots = {slot.name for slot in registry.plugin(plugin).slots}
    queued = []
    for name in sorted(registry.learner_paths()):
        try:
            slot = registry.learner(name).slot
        except Exception:  # whatever a third party's import raises; the others learn all the same
            logger.exception("learner %s can't be imported; it is left out", name)
            continue
        if slot in slots and not Run.objects.of(shop).filter(learner=name, state__in=Run.OPEN).exists():
            queued.append(request_run(shop, name, by=by, reason=_("console") if by else _("schedule")).pk)
    return queued


@dataclass(frozen=True)
class Row:
    """One line of a comparison: what it is about, its value in each run, whether they differ, and which is best."""

    group: str  # run, params, metrics, baseline
    name: str
    values: tuple[Any, ...]
    differs: bool
    best: int | None = None


@dataclass(frozen=True)
class Comparison:
    """Runs side by side, oldest first: the columns; `rows` in the order in which a page shows them."""

    runs: tuple[Run, ...]
    rows: tuple[Row, ...]


def compare(runs: Sequence[Run]) -> Comparison:
    """Recipe, data, cost and figures of some runs of one shop, side by side."""
    if len({run.shop_id for run in runs}) > 1:
        raise ValueError("runs of different shops are not compared")
    ordered = tuple(sorted(runs, key=lambda run: (run.queued_at, run.pk)))
    facts = {
        "learner": lambda run: run.learner, "state": lambda run: run.get_state_display(), "seed": lambda run: run.seed,
        "data": lambda run: run.data_fingerprint[:12], "code": lambda run: run.code_version,
        "device": lambda run: run.device, "seconds": lambda run: run.seconds, "cost": lambda run: run.cost,
    }  # fmt: skip
    rows = [_row("run", name, [read(run) for run in ordered]) for name, read in facts.items()]
    for group in ("params", "metrics", "baseline"):
        names = dict.fromkeys(name for run in ordered for name in getattr(run, group))
        for name in names:
            values = [getattr(run, group).get(name) for run in ordered]
            rows.append(_row(group, name, values, _best(ordered, name, values) if group == "metrics" else None))
    return Comparison(ordered, tuple(rows))


def _row(group: str, name: str, values: list[Any], best: int | None = None) -> Row:
    distinct = {json.dumps(value, sort_keys=True, default=str) for value in values}
    return Row(group, name, tuple(values), len(distinct) > 1, best)


def _best(runs: Sequence[Run], name: str, values: list[Any]) -> int | None:
    """Which run is best by a figure, where its direction is known: the figure is every run's learner's own metric."""
    directions = set()
    for run in runs:
        try:
            metric = registry.learner(run.learner).metric
        except registry.Unknown:
            return None
        directions.add(metric.direction if metric.name == name else None)
    known = [(value, place) for place, value in enumerate(values) if isinstance(value, (int, float))]
    if len(known) < 2 or len(directions) != 1 or None in directions:
        return None
    return (max if directions == {"max"} else min)(known)[1]
