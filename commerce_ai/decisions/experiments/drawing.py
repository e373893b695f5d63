"""What a plugin asks before it answers somebody: its settings, under the arm that they were drawn into.

::

    drawn = draw(shop_id, PLUGIN, request.placement, subject)
    versions = drawn.versions(SLOT)                         # and answer by `drawn.settings`
    NewDecision(..., flags=drawn.flags, **drawn.marks)      # with `drawn.why` among the words of the answer

Who may not be counted is not drawn: they get what the shop has set, and no decision names them for this.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
from django.apps import apps
from django.utils.translation import gettext as say

from commerce_ai import registry
from commerce_ai.decisions.experiments import assignment
from commerce_ai.decisions.experiments.assignment import Assigned
from commerce_ai.learning.live import LiveVersion, answering
from commerce_ai.shop.consent import Purpose, allows


class Drawn(msgspec.Struct, frozen=True):
    """`settings` to answer by. `measured`: something runs here that counts this person, in an arm or not, so that the
    decision must say who they are. `instead` answers in the place of a live version."""

    shop_id: int
    settings: Any
    assigned: Assigned | None = None
    measured: bool = False
    instead: LiveVersion | None = None

    def versions(self, slot: str) -> tuple[LiveVersion, ...]:
        """What may answer in a slot, best first: what is live, or what stands in its place here; none if held out."""
        return () if self.held_out else answering(self.shop_id, slot, self.instead)

    @property
    def held_out(self) -> bool:
        """No version may answer: only what does so without one."""
        return self.assigned is not None and self.assigned.holdout

    @property
    def in_arm(self) -> bool:
        return self.assigned is not None and not self.assigned.holdout

    @property
    def stands_in(self) -> bool:
        """The version of the arm could not be loaded: a live one answers in its place."""
        return self.assigned is not None and self.assigned.version is not None and self.instead is None

    @property
    def flags(self) -> tuple[str, ...]:
        """What the decision's row is flagged with, beside the plugin's own."""
        return ("stand_in",) if self.stands_in else ()

    @property
    def marks(self) -> dict[str, Any]:
        """What the decision's row says of it."""
        return {"experiment_id": self.assigned.experiment_id, "arm": self.assigned.arm} if self.assigned else {}

    @property
    def why(self) -> str:
        """The reason for a fallback, where the draw is one."""
        if self.stands_in:
            return say("The version on trial could not be loaded: the live one answers in its place.")
        return say("Held out: this person sees no AI, so that its worth can be measured.") if self.held_out else ""


def draw(shop_id: int, plugin: str, placement: str, subject: Any) -> Drawn:
    """For an api `Subject`. Warm, it reads nothing from Postgres; where nothing runs it costs next to nothing.

    While the plugin's emergency switch is on nobody enters an arm, as all would get the same. The holdout goes on.
    """
    settings = registry.settings_for(shop_id, plugin)
    if not assignment.measured(shop_id, plugin) or not _counted(shop_id, subject):
        return Drawn(shop_id, settings)
    found = assignment.assign(shop_id, plugin, placement, subject)
    emergency = getattr(getattr(apps.get_app_config(plugin), "draws", None), "emergency", "")
    if found is None or (not found.holdout and getattr(settings, emergency, False)):
        return Drawn(shop_id, settings, measured=True)
    overlaid = dataclasses.replace(settings, **found.config) if found.config else settings
    instead = assignment.on_trial(shop_id, found.version) if found.version is not None else None
    return Drawn(shop_id, overlaid, found, True, instead)


def _counted(shop_id: int, subject: Any) -> bool:
    customer = subject.customer_external_id if subject.proven else None
    return allows(shop_id, Purpose.ANALYTICS, customer_external_id=customer, anonymous_id=subject.anonymous_id)
