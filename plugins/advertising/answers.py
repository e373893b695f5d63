"""What is asked and what is answered, between routes, service and console."""

from __future__ import annotations

import msgspec

from commerce_ai.decisions.reasons import Reason


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for. `campaigns` are external ids to choose from; empty: all that run."""

    placement: str = ""
    campaigns: tuple[str, ...] = ()


class Shown(msgspec.Struct, frozen=True):
    """The campaign to show. `campaign_id` is the shop's own name for it."""

    campaign_id: str
    name: str
    channel: str


class Answer(msgspec.Struct, frozen=True):
    """A campaign, or none. Send `decision_id` back with the events that follow, so that their success is counted.

    `arm` is shown, held_out (left alone on purpose, to compare with) or empty where there was nothing to choose;
    `propensity` is the probability with which this was done. `version` names the version that chose; with
    `fallback` none did, and `fallback_reason` says why. `stored` is false when the decision could not be kept.
    """

    campaign: Shown | None
    arm: str
    propensity: float | None
    reasons: list[Reason]
    decision_id: str
    version: str | None
    fallback: bool
    fallback_reason: str
    stored: bool = True
