"""What a plugin proposes and a person (or a program with a key) decides: a price, an order at a supplier.

    class PriceProposal(Proposal):
        product = ...
        def apply(self): ...      # write what was approved; raise Refused where the world has moved on
        def unapply(self): ...    # put back what was before

`approve`, `reject` and `undo` are one transaction each, under a lock on the row, so that two people can't both decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self
from uuid import UUID

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from commerce_ai.ids import uuid7
from commerce_ai.shop.models import Shop, ShopModel, columns
from commerce_ai.shop.models.tenancy import ShopQuerySet

By = Any  # a person (a user), the number of an API key, or None: a schedule


class Refused(Exception):
    """The proposal can't be decided so; the message says why, in words."""


class AlreadyDecided(Refused):
    """Somebody decided before, or its time is over."""


class State(models.TextChoices):
    PROPOSED = "proposed", _("proposed")
    APPROVED = "approved", _("approved")
    REJECTED = "rejected", _("rejected")
    EXPIRED = "expired", _("expired")
    UNDONE = "undone", _("undone")


class ProposalQuerySet(ShopQuerySet):
    def open(self) -> Self:
        """What waits for a decision now, the largest expected gain first."""
        waiting = self.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now()), state=State.PROPOSED)
        return waiting.order_by(F("expected_gain").desc(nulls_last=True), "pk")

    def expire(self) -> int:
        """Close what nobody decided in time; how many there were."""
        late = self.filter(state=State.PROPOSED, expires_at__lte=timezone.now())
        return late.update(state=State.EXPIRED, decided_at=timezone.now())


class Proposal(ShopModel):
    """One thing proposed. `expected_gain` is money a week in the shop's currency, with its interval.

    `reasons` is a list of ``{"code", "message", "params"}``; `decision_id` the decision that the proposal is.
    """

    state = models.CharField(_("state"), max_length=16, choices=State, default=State.PROPOSED)
    expected_gain = columns.money(_("expected gain a week"), null=True, blank=True)
    gain_low = columns.money(_("lower bound of the gain"), null=True, blank=True)
    gain_high = columns.money(_("upper bound of the gain"), null=True, blank=True)
    reasons = models.JSONField(_("reasons"), default=list, blank=True)
    version_id = models.BigIntegerField(_("version"), null=True, blank=True)
    decision_id = models.UUIDField(_("decision"), null=True, blank=True)
    made_at = models.DateTimeField(_("made at"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name=_("decided by"), null=True, blank=True, related_name="+"
    )
    decided_by_key = models.BigIntegerField(_("decided with the key"), null=True, blank=True)
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)
    batch = models.UUIDField(_("decided together with"), null=True, blank=True, editable=False)
    automatic = models.BooleanField(_("approved automatically"), default=False)

    State: ClassVar[Any] = State
    not_personal = {"reasons": "why a product's figure is proposed; no person is in it"}

    objects: ClassVar[Any] = ProposalQuerySet.as_manager()

    class Meta:
        abstract = True

    @property
    def is_open(self) -> bool:
        return self.state == State.PROPOSED and (self.expires_at is None or self.expires_at > timezone.now())

    def apply(self) -> None:
        """Write what was approved, within the transaction of the approval. Raises `Refused`."""
        raise NotImplementedError

    def unapply(self) -> None:
        """Put back what was before, within the transaction of the undoing. Raises `Refused`."""
        raise NotImplementedError

    def approve(self, by: By = None) -> None:
        """Approve and apply. Raises `AlreadyDecided`, `Refused`."""
        self._move(State.PROPOSED, State.APPROVED, by, self.apply)

    def reject(self, by: By = None) -> None:
        """Close without applying. Raises `AlreadyDecided`."""
        self._move(State.PROPOSED, State.REJECTED, by, lambda: None)

    def undo(self, by: By = None) -> None:
        """Take an approval back. Raises `AlreadyDecided` where it was not approved, `Refused`."""
        self._move(State.APPROVED, State.UNDONE, by, self.unapply)

    def _move(self, before: str, after: str, by: By, act: Callable[[], None]) -> None:
        with transaction.atomic():
            type(self)._default_manager.select_for_update(of=("self",)).get(pk=self.pk)
            self.refresh_from_db()
            if self.state != before or (before == State.PROPOSED and not self.is_open):
                now = State.EXPIRED if self.state == State.PROPOSED else State(self.state)
                raise AlreadyDecided(say("It is %(state)s already.") % {"state": now.label})
            act()
            self.state, self.decided_at = after, timezone.now()
            self.decided_by, self.decided_by_key = (None, by) if isinstance(by, int) else (by, None)
            self.save()


@dataclass
class Outcome:
    """What came of many: those that were decided, and why the others were not (by their number)."""

    done: list[int] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)


def decide(proposals: Iterable[Proposal], verb: str, by: By = None) -> Outcome:
    """``approve``, ``reject`` or ``undo`` each of them, one transaction each: what is refused stops no other."""
    if verb not in ("approve", "reject", "undo"):
        raise ValueError(f"{verb} is no decision")
    outcome = Outcome()
    for proposal in proposals:
        try:
            getattr(proposal, verb)(by)
            outcome.done.append(proposal.pk)
        except Refused as error:
            outcome.refused[proposal.pk] = str(error)
    return outcome


def approve_together(
    proposals: Iterable[Proposal], by: By = None, *, act: Callable[[Any], Any] | None = None, automatic: bool = False
) -> tuple[Outcome, UUID]:
    """Approve each of them (by `act`, else `approve`), under one number by which all of it is found to be undone."""
    batch, outcome = uuid7(), Outcome()
    for proposal in proposals:
        try:
            with transaction.atomic():
                act(proposal) if act else proposal.approve(by)
                mine = type(proposal)._default_manager.filter(pk=proposal.pk)
                mine.update(batch=batch, automatic=automatic)
            outcome.done.append(proposal.pk)
        except Refused as error:
            outcome.refused[proposal.pk] = str(error)
    return outcome, batch


def chosen(model: type[Proposal], shop: Shop | int, ids: Iterable[Any]) -> list[Proposal]:
    """The shop's proposals with these numbers, in their order; what is no number, or another shop's, is not there."""
    wanted = [int(each) for each in ids if str(each).isdecimal()]
    found = {each.pk: each for each in model._default_manager.filter(shop_id=_id(shop), pk__in=wanted)}
    return [found[each] for each in dict.fromkeys(wanted) if each in found]


def _id(shop: Shop | int) -> int:
    return shop if isinstance(shop, int) else shop.pk
