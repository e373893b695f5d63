"""Who sees which arm: a stable hash of salt and unit, so that nothing has to be kept and every process agrees.

Warm, nothing is read from Postgres: running experiments are in memory, follow the topic ``experiments``, and units are
tokens (`units.py`). The global holdout comes first; then the one experiment that the unit, the plugin and the placement
fall into. Experiments of one exclusive group own disjoint slices of [0, 1) of one hash, so that nobody is in two.
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
from commerce_ai.shop.revision import Warm


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
    plan = _plans.get(shop_id)
    if not plan:
        return None
    now = timezone.now()
    for each in plan:
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
    return any(each.holdout or each.plugin == plugin for each in _plans.get(shop_id))


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


def _load(shop_id: int) -> tuple[Plan, ...]:
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


_plans: Warm[tuple[Plan, ...]] = Warm(TOPIC, _load)
