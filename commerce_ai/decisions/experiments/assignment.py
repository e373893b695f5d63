"""Who sees which arm: a stable hash of salt and unit, so that nothing has to be kept and every process agrees.

Warm, nothing is read from Postgres: running experiments with the versions that their arms name are in memory, follow
the topic ``experiments``, and units are tokens (`units.py`). The global holdout comes first; then the one experiment
that the unit, the plugin and the placement fall into. Experiments of one exclusive group own disjoint slices of [0, 1)
of one hash, so that nobody is in two.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from typing import Any

import msgspec
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.decisions.experiments import units
from commerce_ai.decisions.experiments.arms import HOLDOUT, Arm, Audience, settings_of
from commerce_ai.decisions.experiments.models import TOPIC, Experiment
from commerce_ai.learning import live
from commerce_ai.learning.live import LiveVersion
from commerce_ai.shop.revision import Warm, refresher


class Assigned(msgspec.Struct, frozen=True):
    """What goes into the decision's row; `config` overlays the plugin's settings, and `version` is the one that answers
    as if it were live. In the holdout nothing learned may answer."""

    experiment_id: int
    arm: str
    config: dict[str, Any] = {}
    holdout: bool = False
    version: int | None = None


def assign(shop_id: int, plugin: str, placement: str, subject: Any) -> Assigned | None:
    """The arm of an api `Subject`; None for who is in no experiment, as everybody without any id."""
    plans = _running.get(shop_id).plans
    if not plans:
        return None
    now = timezone.now()
    for each in plans:
        if not each.runs(plugin, placement, now):
            continue
        token = units.token_of(shop_id, each.unit, subject)
        if token is None or not each.takes(token) or not _meant(shop_id, each.audience, subject):
            continue
        arm = pick(each.arms, position(each.salt, token))
        if not each.holdout:
            return Assigned(each.pk, arm.name, arm.config, version=arm.version)
        if arm.name == HOLDOUT:
            return Assigned(each.pk, HOLDOUT, holdout=True)
    return None


def measured(shop_id: int, plugin: str) -> bool:
    """Whether the holdout or an experiment of the plugin runs: then its decisions are counted, drawn or not."""
    return any(each.holdout or each.plugin == plugin for each in _running.get(shop_id).plans)


def on_trial(shop_id: int, version_id: int) -> LiveVersion | None:
    """A version that an arm names, loaded before anybody could be drawn there; None where it can't be."""
    return _running.get(shop_id).versions.get(version_id)


def load_all() -> None:
    """Load what runs, and the versions in its arms, so that no visitor waits for them: as a web process starts."""
    rows = Experiment.objects.filter(state=Experiment.State.RUNNING)  # every shop's
    for shop_id in rows.values_list("shop_id", flat=True).distinct():
        _running.get(shop_id)


def position(salt: str, token: str) -> float:
    """Where a unit stands in [0, 1): uniform over units, and independent between salts."""
    digest = blake2b(f"{salt}:{token}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / (1 << 53)


def pick(arms: tuple[Arm, ...], at: float) -> Arm:
    """The arm whose share of the weights `at` falls into."""
    left = at * sum(each.weight for each in arms)
    for each in arms:
        left -= each.weight
        if left < 0:
            return each
    return arms[-1]


class Plan(msgspec.Struct, frozen=True):
    """One running experiment, as requests see it; `low` to `high` is its slice of the traffic."""

    pk: int
    holdout: bool
    plugin: str
    placement: str
    unit: str
    arms: tuple[Arm, ...]
    audience: Audience
    salt: str
    traffic_salt: str
    low: float
    high: float
    starts_at: datetime
    stops_at: datetime | None

    def runs(self, plugin: str, placement: str, now: datetime) -> bool:
        if now < self.starts_at or (self.stops_at is not None and now >= self.stops_at):
            return False
        return self.holdout or (self.plugin == plugin and self.placement in ("", placement))

    def takes(self, token: str) -> bool:
        return self.high - self.low >= 1 or self.low <= position(self.traffic_salt, token) < self.high


def traffic_salt(shop_id: int, group: str, salt: str) -> str:
    return f"group:{shop_id}:{group}" if group else f"traffic:{salt}"


def _meant(shop_id: int, audience: Audience, subject: Any) -> bool:
    if audience.known is not None and audience.known != bool(subject.proven and subject.customer_external_id):
        return False
    return not audience.countries or units.country_of(shop_id, subject) in audience.countries


class Running(msgspec.Struct, frozen=True):
    """What runs in a shop. `versions` are those that arms name, by id, as far as they can be loaded."""

    plans: tuple[Plan, ...] = ()
    versions: dict[int, LiveVersion] = {}


def _load(shop_id: int, old: Running = Running()) -> Running:  # noqa: B008 (frozen)
    plans = _plans(shop_id)
    named = {arm.version for each in plans for arm in each.arms if arm.version}
    found = {each: old.versions.get(each) or live.load(shop_id, each) for each in sorted(named)}
    versions = {number: each for number, each in found.items() if each is not None}
    (_wanting.add if len(versions) < len(named) else _wanting.discard)(shop_id)
    return Running(plans, versions)


def _plans(shop_id: int) -> tuple[Plan, ...]:
    rows = Experiment.objects.of(shop_id).filter(state=Experiment.State.RUNNING, starts_at__isnull=False)
    installed = {each.slug for each in registry.plugins()}
    return tuple(
        Plan(
            row.pk, row.holdout, row.plugin, row.placement, row.unit, _arms(row), row.parsed_audience, row.salt,
            traffic_salt(shop_id, row.group, row.salt), row.place, row.place + row.traffic, row.starts_at, row.stops_at,
        )
        for row in rows.order_by("-holdout", "pk")
        if row.starts_at and (row.holdout or row.plugin in installed)
    )  # fmt: skip


def _arms(row: Experiment) -> tuple[Arm, ...]:
    if row.holdout:
        return row.parsed_arms
    return tuple(msgspec.structs.replace(each, config=settings_of(each, row.plugin)) for each in row.parsed_arms)


def _try_again(shop_id: int | None) -> None:
    """Versions have moved: those that could not be loaded are tried once more, with the next request."""
    for each in list(_wanting) if shop_id is None else [shop_id]:
        if each in _wanting:
            _running.forget(each)


_wanting: set[int] = set()  # shops where a version in an arm could not be loaded
_running: Warm[Running] = Warm(TOPIC, _load, reload=_load)
refresher.on("versions", _try_again)
