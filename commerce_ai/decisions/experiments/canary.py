"""Versions in arms: a share of the visitors is answered by one that is not live, as if it were.

A version stands in the place of the live one of its slot; where the slot takes many, of the live one of its learner,
and is asked in the turn that its own figures give it. One that can't be loaded leaves the live one answering. Who was
drawn into its arm stays there, as whoever leaves out those that it failed would flatter it; the answer is a fallback
that says why, and its decision is flagged ``stand_in``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as say

from commerce_ai import registry
from commerce_ai.decisions.experiments.arms import Arm, asking
from commerce_ai.learning import runs
from commerce_ai.learning.models import Version
from commerce_ai.learning.versions import live_row

FILES_KEPT = timedelta(days=28)  # of the arms of a stopped experiment, which may still be shipped
MOST_OFFERED = 50


class Moved(ValueError):
    """What is live can't be moved, or was moved by somebody else; the message says which."""


def check_versions(arms: Sequence[Arm], shop_id: int, plugin: str) -> None:
    """Raise ValidationError for a version that can't answer in the arm that names it."""
    draws, slots = asking().get(plugin), set()
    for arm in arms:
        if arm.version is None:
            continue
        if draws is None or not draws.tries:
            words = (draws and str(draws.untried)) or say("The plugin answers by its live versions only.")
            raise ValidationError(words)
        said = {"arm": arm.name, "id": arm.version}
        row = Version.objects.of(shop_id).filter(pk=arm.version).first()
        if row is None:
            raise ValidationError(say("Arm %(arm)s: the shop has no version v%(id)d.") % said)
        if row.slot not in draws.tries:
            said |= {"slot": row.slot, "slots": ", ".join(draws.tries)}
            raise ValidationError(say("Arm %(arm)s: v%(id)d is of %(slot)s, not of %(slots)s.") % said)
        if not row.manifest:
            raise ValidationError(say("Arm %(arm)s: the files of v%(id)d were let go; train again.") % said)
        if draws.emergency and arm.config.get(draws.emergency):
            words = say("Arm %(arm)s: with %(name)s no version answers.")
            raise ValidationError(words % (said | {"name": draws.emergency}))
        slots.add(row.slot)
    if len(slots) > 1:
        raise ValidationError(say("Versions of two slots in one experiment: nobody could tell which did it."))


def may_try(version: Version) -> bool:
    """Whether an arm could name it: not live, with files, of a plugin that answers visitors by its slot."""
    return version.state != Version.State.LIVE and bool(version.manifest) and plugin_of(version) is not None


def plugin_of(version: Version) -> str | None:
    """The plugin that would draw visitors for it."""
    return next((slug for slug, draws in asking().items() if version.slot in draws.tries), None)


def offered(shop_id: int) -> list[Version]:
    """What an arm may name, newest first."""
    slots = {slot for draws in asking().values() for slot in draws.tries}
    rows = Version.objects.of(shop_id).filter(slot__in=slots).exclude(manifest="")
    return list(rows.order_by("-created_at", "-pk")[:MOST_OFFERED])


def on_trial(shop_id: int) -> set[int]:
    """Versions whose files experiments, or the shadow, still need."""
    from commerce_ai.decisions.experiments.models import Experiment
    from commerce_ai.decisions.experiments.shadow_models import Shadow

    State = Experiment.State
    rows = Experiment.objects.of(shop_id).filter(holdout=False)
    open_ones = rows.filter(state__in=(State.DRAFT, State.RUNNING))
    stopped = rows.filter(state=State.STOPPED, stops_at__gt=timezone.now() - FILES_KEPT)
    shadows = Shadow.objects.of(shop_id).filter(until=None).values_list("version_id", flat=True)
    return {arm.version for each in (*open_ones, *stopped) for arm in each.parsed_arms if arm.version} | set(shadows)


def notes(shop_id: int, arms: Sequence[Arm]) -> list[str]:
    """Which of the versions in arms do not answer, and why; in words."""
    rows = Version.objects.of(shop_id).in_bulk([arm.version for arm in arms if arm.version])
    said = []
    for arm in arms:
        row = rows.get(arm.version or 0)
        if arm.version is None or (row is not None and row.manifest and not row.load_error):
            continue
        why = say("its files were let go") if row is None or not row.manifest else row.load_error
        words = say(
            "%(arm)s: v%(id)d can't be loaded (%(why)s). The live version answers in its place, its visitors stay in "
            "the arm, and every such answer is flagged."
        )
        said.append(words % {"arm": arm.name, "id": arm.version, "why": why})
    return said


def send_live(shop_id: int, version_id: int, by: Any = None) -> int | None:
    """Promote the version of an arm, and return the id of what was live before it. Raises `Moved`."""
    row = Version.objects.of(shop_id).filter(pk=version_id).first()
    if row is None or row.slot not in registry.slots():
        raise Moved(say("The shop has no version v%(id)d any more.") % {"id": version_id})
    before = live_row(shop_id, row.slot, row.learner)
    try:
        runs.promote(row, by)
    except runs.NoVersion as error:
        raise Moved(str(error)) from None
    return before.pk if before else None


def take_back(shop_id: int, version_id: int, before: int | None, by: Any = None) -> None:
    """Send live again what was so before `send_live`. Raises `Moved` where something else went live since."""
    row = Version.objects.of(shop_id).filter(pk=version_id).first()
    if row is None or row.slot not in registry.slots():
        raise Moved(say("The shop has no version v%(id)d any more.") % {"id": version_id})
    now = live_row(shop_id, row.slot, row.learner)
    if now is None or now.pk != version_id:
        words = say("%(now)s is live since then. Choose by hand, on the page of the version that you want.")
        raise Moved(words % {"now": now or "–"})
    if before == version_id:
        return
    back = Version.objects.of(shop_id).filter(pk=before or 0).first()
    if back is None:
        raise Moved(say("Before %(version)s none was live: there is none to go back to.") % {"version": row})
    try:
        runs.roll_back(row.shop, row.slot, row.learner, by)
    except runs.NoVersion as error:
        raise Moved(str(error)) from None
