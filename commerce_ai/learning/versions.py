"""Which version answers: made, sent live, promoted, rolled back, published."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from commerce_ai import registry
from commerce_ai.learning import artifacts, keeping, leases
from commerce_ai.learning.learner import Cancelled, Evaluation, Window
from commerce_ai.learning.models import Run, Version
from commerce_ai.learning.params import params_json
from commerce_ai.learning.recipe import Recipe
from commerce_ai.shop.models import Shop
from commerce_ai.shop.revision import bump

logger = logging.getLogger(__name__)


class NoVersion(Exception):
    """The version can't be sent live, or there is none to go back to; the message says why."""


@dataclass(frozen=True)
class NewVersion:
    """All that is known of a version before it is a row."""

    shop: Shop
    recipe: Recipe
    evaluation: Evaluation
    accepted: bool
    reason: str
    verdict: Mapping[str, Any]
    window: Window | None  # of the facts it learned from; None where that is not known
    folder: Path
    explanation: Mapping[str, Any] = field(default_factory=dict)
    judged_against: int | None = None  # the version that was live when the gate decided
    run: Run | None = None
    origin: str = Version.Origin.RUN
    by: Any = field(default=None)


def live_row(shop: Shop | int, slot: str, learner: str) -> Version | None:
    """The live version that a version of this learner would replace."""
    return Version.objects.of(shop).filter(exclusive_key=key_of(slot, learner), state=Version.State.LIVE).first()


def key_of(slot: str, learner: str) -> str:
    """What only one live version of a shop may have: the slot, and the learner where the slot takes many."""
    return slot if registry.slot(slot).single else f"{slot}/{learner}"


@transaction.atomic
def make(new: NewVersion) -> Version:
    """Write the version and its files, and send it live if the gate accepted it; all of it or nothing."""
    learner, recipe = new.recipe.learner, new.recipe
    version = Version.objects.create(
        shop=new.shop, slot=learner.slot, learner=learner.name, params=params_json(recipe.params), seed=recipe.seed,
        recipe=recipe.fingerprint, origin=new.origin, run=new.run, exclusive_key=key_of(learner.slot, learner.name),
        state=Version.State.CANDIDATE if new.accepted else Version.State.REJECTED, reason=new.reason,
        metrics=plain(new.evaluation.metrics), baseline=plain(new.evaluation.baseline), verdict=plain(new.verdict),
        explanation=plain(new.explanation),
        changed_by=new.by, trained_from=new.window.start if new.window else None,
        trained_until=new.window.end if new.window else None,
    )  # fmt: skip
    artifacts.store(version, new.folder)
    _let_old_files_go(version)
    # Late, since it locks the row on which the trainer renews the lease.
    if new.run is not None and not leases.hold(new.run):
        raise Cancelled(_("The lease was lost: another trainer may have taken the run over."))
    if new.accepted:
        _go_live(version, judged_against=new.judged_against, by=new.by)
    return version


@transaction.atomic
def promote(version: Version, by: Any = None) -> Version:
    """Send any version live that still has its files, whatever the gate said; the one before it retires."""
    version = Version.objects.select_for_update(of=("self",)).get(pk=version.pk)
    if version.state != Version.State.LIVE:
        _replace(version, by)
        _publish_soon(version)
    return version


@transaction.atomic
def roll_back(shop: Shop, slot: str, learner: str | None = None, by: Any = None) -> Version:
    """Move *live* back to the version that the live one replaced. `NoVersion` if there is none, or its files are gone.

    `learner` may be left out where the slot takes one.
    """
    if learner is None and not registry.slot(slot).single:
        raise NoVersion(_("The slot %(slot)s has a live version for each learner: say which.") % {"slot": slot})
    key = key_of(slot, learner or "")
    _lock(shop.pk, key)
    live = Version.objects.of(shop).filter(exclusive_key=key, state=Version.State.LIVE).first()
    if live is None:
        raise NoVersion(_("Nothing is live in %(slot)s.") % {"slot": slot})
    before = live.replaced
    if before is None:
        raise NoVersion(_("%(version)s is the first version: there is none before it.") % {"version": live})
    _replace(before, by, remember=False)
    _publish_soon(before)
    return before


def publish(version: Version) -> bool:
    """Have the learner write its batch of rows; False, with the reason on the version, if that fails."""
    Version.objects.filter(pk=version.pk).update(publish_tried_at=timezone.now())
    try:
        learner = registry.learner(version.learner)
        learner.publish(learner.load(artifacts.fetch(version)), version)
    except Exception as error:
        logger.exception("publishing %s failed", version)
        Version.objects.filter(pk=version.pk).update(publish_error=f"{type(error).__name__}: {error}"[:2000])
        return False
    Version.objects.filter(pk=version.pk).update(published_at=timezone.now(), publish_error="")
    return True


def plain(figures: Mapping[str, Any]) -> dict[str, Any]:
    """JSON that Postgres takes: what is no number becomes null."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in figures.items()
    }


def _go_live(version: Version, *, judged_against: int | None, by: Any) -> None:
    _lock(version.shop_id, version.exclusive_key)
    now_live = live_row(version.shop_id, version.slot, version.learner)
    if now_live is not None and now_live.pk != judged_against and now_live.recipe != version.recipe:
        said = {"other": now_live, "reason": version.reason}
        version.reason = (
            _("%(other)s went live while this was judged: train again, or decide by hand. %(reason)s") % said
        )
        version.save(update_fields=["reason"])
        return
    _replace(version, by)


def _replace(version: Version, by: Any, remember: bool = True) -> None:
    _lock(version.shop_id, version.exclusive_key)
    if not version.manifest:
        raise NoVersion(_("The files of %(version)s were let go; train again.") % {"version": version})
    now = timezone.now()
    before = live_row(version.shop_id, version.slot, version.learner)
    if before is not None:
        before.state, before.retired_at, before.changed_by = Version.State.RETIRED, now, by
        before.save(update_fields=["state", "retired_at", "changed_by"])
    if remember:
        version.replaced = before
    version.state, version.went_live_at, version.retired_at = Version.State.LIVE, now, None
    version.published_at, version.publish_tried_at, version.publish_error, version.load_error = None, None, "", ""
    version.changed_by = by
    version.save()
    bump("versions", version.shop_id)


def _lock(shop_id: int, key: str) -> None:
    """One at a time moves a shop's place; taken again in the same transaction it costs nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"learning.live:{shop_id}:{key}"])


def _publish_soon(version: Version) -> None:
    from commerce_ai.learning.tasks import send_publish

    transaction.on_commit(lambda: send_publish(version.pk))


def _let_old_files_go(version: Version) -> None:
    """Keep the files of the live version, of the one a roll-back would go to, of those on trial, and of the newest."""
    kept = getattr(settings, "ARTIFACTS_KEPT", 10)
    same = Version.objects.of(version.shop_id).filter(exclusive_key=version.exclusive_key).exclude(manifest="")
    needed = {version.pk} | keeping.needed(version.shop_id)
    for live in same.filter(state=Version.State.LIVE):
        needed |= {live.pk, live.replaced_id or live.pk}
    for old in same.exclude(pk__in=needed).order_by("-created_at", "-pk")[kept:]:
        artifacts.let_go(old)
