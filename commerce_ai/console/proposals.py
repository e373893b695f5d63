"""Deciding proposals in the console: in bulk on their list, and on a plugin's board.

@admin.register(PriceProposal)
class PriceProposalAdmin(ProposalAdmin):
    list_display = ("product", *ProposalAdmin.list_display)
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from commerce_ai.console.money import money, money_column
from commerce_ai.console.scope import may, scope_of, shop_of
from commerce_ai.console.shop_admin import ShownAdmin
from commerce_ai.decisions.proposals import Proposal, chosen, decide

VERBS = ("approve", "reject", "undo")


@admin.display(description=_("interval of the gain"))
def gain_interval(proposal: Any) -> str:
    """From its lower to its upper bound, in the shop's currency; empty where there is none."""
    if proposal.gain_low is None or proposal.gain_high is None:
        return ""
    currency = proposal.shop.currency
    return f"{money(proposal.gain_low, currency)} … {money(proposal.gain_high, currency)}"


gain_interval.needs_shop = True  # type: ignore[attr-defined]


class ProposalAdmin(ShownAdmin):
    """The list of a plugin's proposals: the plugin makes rows; operators approve, reject and undo them in bulk."""

    list_display: Any = (
        "state", money_column("expected_gain", _("expected gain a week")), gain_interval, "made_at", "expires_at",
        "decided_by", "decided_at",
    )  # fmt: skip
    list_filter: Any = ("state",)
    ordering: Any = ("-made_at", "-pk")
    actions: Any = ("approve_chosen", "reject_chosen", "undo_chosen")
    next_step = _("No proposals yet. They are made after each training, for what is expected to gain.")
    verbs: ClassVar[tuple[str, ...]] = VERBS

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return scope_of(request).may("operator")

    @admin.action(description=_("Approve"), permissions=["decide"])
    def approve_chosen(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._decide(request, queryset, "approve")

    @admin.action(description=_("Reject"), permissions=["decide"])
    def reject_chosen(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._decide(request, queryset, "reject")

    @admin.action(description=_("Undo"), permissions=["decide"])
    def undo_chosen(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._decide(request, queryset, "undo")

    def _decide(self, request: HttpRequest, queryset: QuerySet[Any], verb: str) -> None:
        rows = list(queryset)
        for each in rows:
            self.log_change(request, each, verb)
        tell(request, rows, verb)


def act(request: HttpRequest, model: type[Proposal]) -> None:
    """A board's POST: ``action`` is approve, reject or undo, each ``chosen`` the number of a proposal."""
    if not may(request, "operator"):
        raise PermissionDenied
    verb = request.POST.get("action", "")
    if verb not in VERBS:
        messages.error(request, say("There is no such action."))
        return
    rows = chosen(model, shop_of(request), request.POST.getlist("chosen"))
    if not rows:
        messages.info(request, say("Choose at least one proposal first."))
        return
    tell(request, rows, verb)


def tell(request: HttpRequest, rows: list[Any], verb: str) -> None:
    """Decide, and say how many were and why the others were not."""
    outcome = decide(rows, verb, request.user)
    if number := len(outcome.done):
        words = {
            "approve": ngettext("%(n)d proposal was approved.", "%(n)d proposals were approved.", number),
            "reject": ngettext("%(n)d proposal was rejected.", "%(n)d proposals were rejected.", number),
            "undo": ngettext("%(n)d proposal was undone.", "%(n)d proposals were undone.", number),
        }
        messages.success(request, words[verb] % {"n": number})
    named = {each.pk: each for each in rows}
    for pk, why in list(outcome.refused.items())[:5]:
        messages.warning(request, f"{named[pk]}: {why}")
