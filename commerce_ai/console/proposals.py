"""Deciding proposals in the console: in bulk on their list, on a plugin's board, and from the first page.

@admin.register(PriceProposal)
class PriceProposalAdmin(ProposalAdmin):
    list_display = ("product", *ProposalAdmin.list_display)

A board hands the POSTs of its `Need.approve` and `Approval.undo` to `act_together`; `lately` makes the approvals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import get_token
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from commerce_ai.console import audit
from commerce_ai.console.money import money, money_column
from commerce_ai.console.scope import may, shop_of
from commerce_ai.console.shop_admin import ShownAdmin
from commerce_ai.decisions.proposals import Outcome, Proposal, State, approve_together, chosen, decide
from commerce_ai.plugin import Approval
from commerce_ai.shop.models import Shop

VERBS = ("approve", "reject", "undo")
DONE = {"approve": _("Approved."), "reject": _("Rejected."), "undo": _("Undone.")}  # in the audit trail
APPROVE_ALL, UNDO_BATCH = "approve-all", "undo-batch"
MOST_AT_ONCE = 200  # approvals of one POST: each is a transaction of its own
LATELY = timedelta(days=7)
MOST_LATELY = 500  # rows that are looked at for the list of approvals


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
        "decided_by", "automatic", "decided_at",
    )  # fmt: skip
    list_filter: Any = ("state", "automatic")
    ordering: Any = ("-made_at", "-pk")
    actions: Any = ("approve_chosen", "reject_chosen", "undo_chosen")
    next_step = _("No proposals yet. They are made after each training, for what is expected to gain.")
    verbs: ClassVar[tuple[str, ...]] = VERBS

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return self._may(request, "operator")

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
        tell(request, list(queryset), verb)


@dataclass(frozen=True)
class Ways:
    """How a plugin approves and undoes one proposal where that is more than its own method (`by` is the user)."""

    approve: Callable[[Any, Any], Any] | None = None
    undo: Callable[[Any, Any], Any] | None = None
    done: Callable[[HttpRequest, str, Outcome], Any] | None = None  # told what came of many


OWN = Ways()


def act(request: HttpRequest, model: type[Proposal], ways: Ways = OWN) -> None:
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
    tell(request, rows, verb, ways)


def act_together(request: HttpRequest, waiting: Any, address: str, ways: Ways = OWN) -> HttpResponse | None:
    """A POST from the first page: approve all `waiting` (a queryset of open ones), or undo what was approved together.

    None for any other action. What was made or changed after the page (``seen``) is not approved unseen.
    """
    action = request.POST.get("action")
    if action not in (APPROVE_ALL, UNDO_BATCH):
        return None
    if not may(request, "operator"):
        raise PermissionDenied
    if action == UNDO_BATCH:
        rows = _of_batch(waiting.model, shop_of(request), request.POST.get("batch", ""))
        verb = "undo"
    else:
        rows, verb = _seen(request, waiting), "approve"
    if rows:
        tell(request, rows, verb, ways, address)
    else:
        messages.info(request, say("Nothing is left of it: somebody decided, or it was proposed anew."))
    return HttpResponseRedirect(_next(request, address))


def tell(request: HttpRequest, rows: list[Any], verb: str, ways: Ways = OWN, address: str = "") -> None:
    """Decide, keep who did in the log, and say how many were, how it is undone, and why the others were not."""
    batch: UUID | None = None
    if verb == "approve":
        own = ways.approve
        outcome, batch = approve_together(rows, request.user, act=(lambda row: own(row, request.user)) if own else None)
    elif verb == "undo" and ways.undo:
        outcome = decide([_Undone(row, ways.undo) for row in rows], verb, request.user)  # type: ignore[misc]
    else:
        outcome = decide(rows, verb, request.user)
    named = {each.pk: each for each in rows}
    done = [named[pk] for pk in outcome.done]
    if done:
        audit.write(request, done, DONE[verb])
        messages.success(request, _told(request, verb, len(done), batch, address))
    if ways.done:
        ways.done(request, verb, outcome)
    for pk, why in list(outcome.refused.items())[:5]:
        messages.warning(request, f"{named[pk]}: {why}")


def lately(
    model: type[Proposal], shop: Shop, address: str, words: Callable[[int], str], listed: str = ""
) -> list[Approval]:
    """What was approved in the last days: a row a batch, newest first; `words` says how many in the plugin's words."""
    rows = model._default_manager.filter(shop=shop, state=State.APPROVED, decided_at__gte=timezone.now() - LATELY)
    columns = ("pk", "batch", "automatic", "decided_at", "expected_gain", "decided_by__username", "product__title")
    together: dict[str, list[Any]] = {}
    for row in rows.order_by("-decided_at")[:MOST_LATELY].values_list(*columns):
        together.setdefault(str(row[1] or row[0]), []).append(row)
    found = []
    for batch, members in together.items():
        _pk, _batch, automatic, at, _gain, by, product = members[0]
        gains = [each[4] for each in members if each[4] is not None]
        title = words(len(members)) if len(members) > 1 else f"{words(1)}: {product}"
        found.append(
            Approval(
                title, len(members), at, by or ("" if automatic else say("a program")), automatic,
                sum(gains, Decimal(0)) if gains else None, batch, address, listed,
            )
        )  # fmt: skip
    return found


class _Undone:
    """A proposal whose undoing is the plugin's own."""

    def __init__(self, row: Any, undo: Callable[[Any, Any], Any]) -> None:
        self.pk, self._row, self._undo = row.pk, row, undo

    def undo(self, by: Any) -> None:
        self._undo(self._row, by)


def _seen(request: HttpRequest, waiting: Any) -> list[Any]:
    at = _instant(request.POST.get("seen", ""))
    apart = [int(each) for each in request.POST.getlist("but") if each.isdecimal() and len(each) < 19]
    if at is None:
        return []
    rows = list(waiting.filter(made_at__lte=at).exclude(product_id__in=apart)[: MOST_AT_ONCE + 1])
    if len(rows) > MOST_AT_ONCE:
        messages.info(request, say("The first %(most)d were taken; the others still wait.") % {"most": MOST_AT_ONCE})
    return rows[:MOST_AT_ONCE]


def _of_batch(model: Any, shop: Shop, batch: str) -> list[Any]:
    approved = model._default_manager.filter(shop=shop, state=State.APPROVED)
    if batch.isdecimal():
        return [each for each in chosen(model, shop, [batch]) if each.state == State.APPROVED]
    try:
        return list(approved.filter(batch=UUID(batch)).order_by("pk")[:MOST_LATELY])
    except ValueError:
        return []


def _instant(text: str) -> datetime | None:
    try:
        at = parse_datetime(text)
    except ValueError:
        return None
    return at if at is not None and timezone.is_aware(at) else None


def _told(request: HttpRequest, verb: str, number: int, batch: UUID | None, address: str) -> Any:
    words = {
        "approve": ngettext("%(n)d proposal was approved.", "%(n)d proposals were approved.", number),
        "reject": ngettext("%(n)d proposal was rejected.", "%(n)d proposals were rejected.", number),
        "undo": ngettext("%(n)d proposal was undone.", "%(n)d proposals were undone.", number),
    }[verb] % {"n": number}
    if batch is None or not address:
        return words
    return format_html(
        '{} <form method="post" action="{}" class="c-undo"><input type="hidden" name="csrfmiddlewaretoken" value="{}">'
        '<input type="hidden" name="_shop" value="{}"><input type="hidden" name="batch" value="{}">'
        '<input type="hidden" name="next" value="{}"><button name="action" value="{}">{}</button></form>',
        words, address, get_token(request), shop_of(request).pk, batch, _next(request, address), UNDO_BATCH,
        say("Undo"),
    )  # fmt: skip


def _next(request: HttpRequest, address: str) -> str:
    wanted = request.POST.get("next", "")
    return wanted if url_has_allowed_host_and_scheme(wanted, None) else address
