"""An experiment's life: started, stopped, shipped; and the holdout, which is one of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as say

from commerce_ai import registry
from commerce_ai.decisions.experiments import canary
from commerce_ai.decisions.experiments.arms import HOLDOUT, REST, Arm, settings_of
from commerce_ai.decisions.experiments.models import Experiment
from commerce_ai.models import PluginState
from commerce_ai.shop.models import Shop

State = Experiment.State
MOST_HELD_OUT = 0.5


class CannotBe(ValueError):
    """The step can't be taken; the message says why, in words for a person."""


def start(experiment: Experiment, at: datetime | None = None) -> Experiment:
    """Begin to draw units. Raises CannotBe where another experiment decides over the same visitors already."""
    with _held(experiment) as row:
        if row.state != State.DRAFT:
            raise CannotBe(say("Only a draft can be started."))
        try:
            row.full_clean()
        except ValidationError as error:
            raise CannotBe(" ".join(error.messages)) from None
        running = list(_running(row))
        for other in running:
            same = other.plugin == row.plugin and (not row.placement or other.placement in ("", row.placement))
            if same and not (row.group and other.group == row.group):
                words = say("%(other)s runs there already. Stop it, or put both into one exclusive group.")
                raise CannotBe(words % {"other": other.name})
        row.place = _free_place(row, [each for each in running if row.group and each.group == row.group])
        row.state, row.starts_at = State.RUNNING, row.starts_at or at or timezone.now()
        row.save()
    return row


def stop(experiment: Experiment, at: datetime | None = None) -> Experiment:
    """Draw nobody from now on; the figures of who was drawn go on coming in for what they do later."""
    with _held(experiment) as row:
        if row.state != State.RUNNING:
            raise CannotBe(say("It is not running."))
        row.state, row.stops_at = State.STOPPED, at or timezone.now()
        row.save()
    return row


def ship(experiment: Experiment, arm: str, by: Any = None) -> Experiment:
    """Give everybody what an arm got: its settings become the plugin's, its version live. Stops what is running;
    `unship` undoes it."""
    with _held(experiment) as row:
        if row.holdout or row.state not in (State.RUNNING, State.STOPPED):
            raise CannotBe(say("Only an experiment that runs or was stopped can be shipped."))
        chosen = next((each for each in row.parsed_arms if each.name == arm), None)
        if chosen is None:
            raise CannotBe(say("There is no arm %(arm)s.") % {"arm": arm})
        row.replaced_version = None
        if chosen.version is not None:
            with _said():
                row.replaced_version = canary.send_live(row.shop_id, chosen.version, by)
        if chosen.config:
            now, shipped = _settings(row), settings_of(chosen, row.plugin)
            row.replaced = {name: _plain(now[name]) for name in shipped}
            registry.save_settings(row.shop, row.plugin, now | shipped, by=by)
        if row.state == State.RUNNING:
            row.stops_at = timezone.now()
        row.state, row.shipped_arm = State.SHIPPED, arm
        row.save()
    return row


def unship(experiment: Experiment, by: Any = None) -> Experiment:
    """Give the plugin the settings and the live version that it had before the arm was shipped. Raises CannotBe where
    somebody has changed one of them since."""
    with _held(experiment) as row:
        if row.state != State.SHIPPED:
            raise CannotBe(say("Nothing of it was shipped."))
        shipped = next((each for each in row.parsed_arms if each.name == row.shipped_arm), None)
        now, theirs = _settings(row), settings_of(shipped, row.plugin) if shipped else {}
        if moved := sorted(name for name in row.replaced if name in now and now[name] != theirs.get(name)):
            words = say("Changed since then: %(names)s. Set what you want in the plugin's own settings.")
            raise CannotBe(words % {"names": ", ".join(moved)})
        if shipped is not None and shipped.version is not None:
            with _said():
                canary.take_back(row.shop_id, shipped.version, row.replaced_version, by)
        before = settings_of(Arm(row.shipped_arm, config=row.replaced), row.plugin)
        if before:
            registry.save_settings(row.shop, row.plugin, now | before, by=by)
        row.state, row.shipped_arm, row.replaced, row.replaced_version = State.STOPPED, "", {}, None
        row.save()
    return row


def set_holdout(shop: Shop, share: float) -> Experiment | None:
    """From now on `share` of all visitors see no AI, to measure what it is worth; 0 ends it.

    Another share is another experiment: figures of both would not belong together. Who is held out by the smaller of
    two shares is also held out by the larger. Raises CannotBe.
    """
    if not 0 <= share <= MOST_HELD_OUT:
        raise CannotBe(say("A share from 0 to %(most)g.") % {"most": MOST_HELD_OUT})
    with transaction.atomic():
        Shop.objects.select_for_update().get(pk=shop.pk)
        old = Experiment.objects.of(shop).filter(holdout=True, state=State.RUNNING).first()
        if old is not None:
            if old.parsed_arms[0].weight == share:
                return old
            stop(old)
        if share == 0:
            return None
        return Experiment.objects.create(
            shop=shop, name=say("All AI against none"), holdout=True, unit=Experiment.Unit.CUSTOMER,
            arms=[{"name": HOLDOUT, "weight": share}, {"name": REST, "weight": 1 - share}],
            state=State.RUNNING, starts_at=timezone.now(), salt=f"holdout:{shop.pk}", minimum_days=28, planned=100_000,
        )  # fmt: skip


def holdout_of(shop: Shop | int) -> Experiment | None:
    """The running holdout, else the last one."""
    rows = Experiment.objects.of(shop).filter(holdout=True)
    return rows.filter(state=State.RUNNING).first() or rows.order_by("-pk").first()


class _held:
    """The row, locked until the step is done; what was given sees the change too."""

    def __init__(self, experiment: Experiment) -> None:
        self._given = experiment
        self._atomic = transaction.atomic()

    def __enter__(self) -> Experiment:
        self._atomic.__enter__()
        # The shop first: two experiments that start at once would not see each other.
        Shop.objects.select_for_update().get(pk=self._given.shop_id)
        return Experiment.objects.of(self._given.shop_id).get(pk=self._given.pk)

    def __exit__(self, *error: Any) -> None:
        self._atomic.__exit__(*error)
        if error[0] is None:
            self._given.refresh_from_db()


@contextmanager
def _said() -> Iterator[None]:
    """What a version can't do, as what the experiment can't be."""
    try:
        yield
    except canary.Moved as error:
        raise CannotBe(str(error)) from None


def _settings(row: Experiment) -> dict[str, Any]:
    """What the plugin is set to, read from its row: what is warm may be two seconds old."""
    form = registry.plugin(row.plugin).settings_form_class()
    state = PluginState.objects.select_for_update().filter(shop=row.shop_id, plugin=row.plugin).first()
    kept = state.read_settings(form) if state else {}
    default = registry.default_settings(row.plugin)
    return {name: kept.get(name, getattr(default, name)) for name in (form.base_fields if form else ())}


def _plain(value: Any) -> Any:
    """As JSON holds it, and as the form's field reads it again."""
    return json.loads(json.dumps(value, default=str))


def _running(row: Experiment) -> Any:
    rows = Experiment.objects.of(row.shop_id).filter(state=State.RUNNING, holdout=False).exclude(pk=row.pk)
    return rows.exclude(stops_at__lte=timezone.now())


def _free_place(row: Experiment, others: list[Experiment]) -> float:
    """Where a share as large as the experiment's is left between those of its group."""
    place = 0.0
    for each in sorted(others, key=lambda each: each.place):
        if each.place - place >= row.traffic - 1e-9:
            return place
        place = each.place + each.traffic
    if place + row.traffic > 1 + 1e-9:
        words = say(
            "The group %(group)s has %(left).0f %% of its visitors left, the experiment asks for %(asked).0f %%."
        )
        raise CannotBe(words % {"group": row.group, "left": 100 * max(1 - place, 0), "asked": 100 * row.traffic})
    return place
