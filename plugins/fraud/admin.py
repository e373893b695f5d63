"""The board: what was allowed, reviewed and blocked, what waits for people, their verdicts; and the cases' pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Min, Q, QuerySet, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import TruncDate
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from commerce_ai import registry
from commerce_ai.console import audit, boards
from commerce_ai.console.charts import Chart, Series
from commerce_ai.console.filters import during
from commerce_ai.console.money import money, money_column, share_column
from commerce_ai.console.pages import page, url_of
from commerce_ai.console.scope import may
from commerce_ai.console.shop_admin import ShopInline, ShownAdmin
from commerce_ai.decisions import counting, payload
from commerce_ai.decisions.record import NewDecision, record
from commerce_ai.learning.live import live
from commerce_ai.plugin import Card, Health, Need
from commerce_ai.shop.models import Shop
from plugins.fraud.forms import SLOT
from plugins.fraud.models import AlreadyDecided, Case, CaseStep

PLUGIN = "fraud"
DAYS = 30
LISTED = 50
MANY_FALLBACKS = 0.2


@page(template="fraud/board.html")
def board(request: Any) -> dict[str, Any] | HttpResponse:
    """Figures, answers a day, open cases by what they may cost; verdicts one by one or many at once."""
    if request.method == "POST":
        return _act(request)
    shop = request.shop
    return {
        "cards": cards(shop),
        "chart": chart_of(shop),
        "cases": [_line(shop, each) for each in queue(shop)[:LISTED]],
        "open": queue(shop).count(),
        "all_cases": reverse("admin:fraud_case_changelist"),
        "running": boards.running(shop, PLUGIN),
        "may_change": may(request, "operator"),
    }


def queue(shop: Shop) -> QuerySet[Any]:
    """Open cases: those that a customer wants a person for first, then by what they may cost."""
    return Case.objects.of(shop).filter(state=Case.State.OPEN).order_by("-human_requested", "-expected_loss", "pk")


def cards(shop: Shop) -> list[Card]:
    """Answers of the last 24 hours, what waits for a person, and how good the live version is."""
    by_action, _by_rules = answers(shop, timedelta(hours=24))
    total = sum(by_action.values())
    address = url_of(PLUGIN, "board/")
    words = {"blocked": by_action.get("block", 0), "reviewed": by_action.get("review", 0)}
    waiting = queue(shop).aggregate(cases=Count("id"), loss=Sum("expected_loss"), asked=Count("id", _ASKED))
    detail = say("%(loss)s at stake") % {"loss": money(waiting["loss"] or 0, shop.currency)}
    if waiting["asked"]:
        detail += " · " + say("%(asked)d wait for a person's word") % waiting
    return [
        Card(
            _("Payments scored, last 24 hours"),
            f"{total:,}",
            say("%(blocked)d blocked, %(reviewed)d for review") % words if total else "",
            address,
        ),
        Card(_("Open fraud cases"), f"{waiting['cases']:,}", detail, address, "bad" if _late(shop) else ""),
        boards.live_card(shop, SLOT, _("Live fraud model"), _("None is live: rules alone decide.")),
    ]


def findings(shop: Shop) -> list[Health]:
    """What the core can't know: the emergency switch, requests for a person that are late, many fallbacks."""
    address = url_of(PLUGIN, "board/")
    found = []
    if registry.settings_for(shop.pk, PLUGIN).rules_only:
        found.append(Health("warn", _("Rules alone decide: the emergency switch is on."), address))
    if late := _late(shop):
        words = ngettext(
            "%(n)d customer waits for a person's verdict beyond the deadline.",
            "%(n)d customers wait for a person's verdict beyond the deadline.",
            late,
        )
        found.append(Health("bad", words % {"n": late}, address))
    by_action, fallbacks = answers(shop, timedelta(hours=24))
    total = sum(by_action.values())
    if total and fallbacks / total > MANY_FALLBACKS and live(shop.pk, SLOT):
        words = say("%(share).0f %% of the last day's answers came from rules.") % {"share": 100 * fallbacks / total}
        found.append(Health("warn", words, address))
    return found


def needs(shop: Shop) -> list[Need]:
    """Customers who asked for a person, with the first deadline; then payments that are held up."""
    listed = f"{reverse('admin:fraud_case_changelist')}?state__exact=open"
    columns = {"n": Count("pk"), "loss": Sum("expected_loss"), "until": Min("deadline")}
    rows = queue(shop).order_by().values("human_requested").annotate(**columns)
    counted = {row["human_requested"]: row for row in rows}
    found = []
    if asked := counted.get(True):
        words = ngettext("%(n)d customer asks for a person's verdict", "%(n)d customers ask for a person's verdict",
                         asked["n"])  # fmt: skip
        url = f"{listed}&human_requested__exact=1"
        found.append(_need("fraud-asked", words, asked, url, say("their right, by law"), "bad" if _late(shop) else ""))
    if held := counted.get(False):
        words = ngettext("%(n)d payment is held up", "%(n)d payments are held up", held["n"])
        url = f"{listed}&human_requested__exact=0"
        found.append(_need("fraud-case", words, held, url, say("the expected loss if they are let through"), ""))
    return found


def answers(shop: Shop, span: timedelta) -> tuple[dict[str, int], int]:
    """Scores of the last `span` by action, and how many of them were fallbacks."""
    rows = _scores(shop, span).values("action").annotate(n=Count("id"), fallbacks=Count("id", filter=_FALLBACK))
    found = list(rows)
    return {row["action"]: row["n"] for row in found}, sum(row["fallbacks"] for row in found)


def chart_of(shop: Shop) -> Chart:
    """Answers a day, and on the right how many payments people found to be fraud."""
    days = counting.last_days(shop, DAYS)
    counted = counting.by_day(_scores(shop, timedelta(days=DAYS)), shop, "action")
    caught = dict(
        Case.objects.of(shop)
        .filter(state=Case.State.CONFIRMED, decided_at__gte=timezone.now() - timedelta(days=DAYS))
        .annotate(day=TruncDate("decided_at", tzinfo=shop.tz))
        .values_list("day")
        .annotate(n=Count("id"))
    )
    series = [
        Series(title, [counted.get((day, action), 0) for day in days], kind="bar")
        for action, title in (("allow", _("allowed")), ("review", _("for review")), ("block", _("blocked")))
    ]
    series.append(Series(_("fraud found"), [caught.get(day, 0) for day in days], kind="line", axis="right"))
    empty = not counted and not caught
    return Chart(
        _("Payments a day, and fraud found"),
        [day.isoformat() for day in days],
        [] if empty else series,
        kind="bar",
        stacked=True,
        empty=_("No payment was scored yet. Send one to POST /api/v1/fraud/score with a secret key."),
    )


@dataclass(frozen=True)
class Line:
    """One open case in the list."""

    case: Case
    why: str
    loss: str
    amount: str
    late: bool
    url: str


def decide(request: HttpRequest, cases: list[Any], fraud: bool) -> tuple[int, int]:
    """A person's verdict on each case: label, step and a durable decision. How many were decided, and had been."""
    done = []
    for case in cases:
        try:
            case.decide(fraud, request.user)
        except AlreadyDecided:
            continue
        done.append(case)
        value = {"verdict": case.state, "case": case.pk, "human_requested": case.human_requested}
        record(
            NewDecision(
                shop_id=case.shop_id,
                plugin=PLUGIN,
                kind="verdict",
                subject=f"payment:{case.payment_external_id}",
                payload=payload.Payload(value=value, context={"by_person": True}),
                reasons=["verdict"],
            ),
            durable=True,
        )
    audit.write(request, done, say("It was fraud") if fraud else say("It was not fraud"))
    return len(done), len(cases) - len(done)


class StepInline(ShopInline):
    model = CaseStep
    writer = remover = None
    fields = readonly_fields = ("kind", "said", "by", "at")
    ordering = ("pk",)


@admin.register(Case)
class CaseAdmin(ShownAdmin):
    """Cases with what happened to them. Verdicts are actions, one at a time or many at once."""

    list_display = (
        "payment_external_id", "state", "action", share_column("score", _("likely fraud")),
        money_column("amount", _("amount")), money_column("expected_loss", _("expected loss")), "human_requested",
        "deadline", "opened_at",
    )  # fmt: skip
    list_filter = ("state", "action", "human_requested", during("opened_at"))
    search_fields = ("payment_external_id__startswith", "order_external_id__startswith")
    ordering = ("-human_requested", "-expected_loss", "pk")
    inlines = (StepInline,)
    actions = ("confirm", "clear")
    next_step = _("No cases yet. They open when a payment is sent to review or blocked.")

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return self._may(request, "operator")

    @admin.action(description=_("It was fraud"), permissions=["decide"])
    def confirm(self, request: HttpRequest, queryset: Any) -> None:
        _say(request, *decide(request, list(queryset), True))

    @admin.action(description=_("It was not fraud"), permissions=["decide"])
    def clear(self, request: HttpRequest, queryset: Any) -> None:
        _say(request, *decide(request, list(queryset), False))


_ASKED = Q(human_requested=True)
_FALLBACK = Q(flags__contains=["fallback"])


def _act(request: HttpRequest) -> HttpResponse:
    if not may(request, "operator"):
        raise PermissionDenied
    shop = request.shop  # type: ignore[attr-defined]
    action = request.POST.get("action")
    if action == "retrain":
        boards.retrain(request, PLUGIN)
    elif action in ("confirm", "clear"):
        chosen = [int(each) for each in request.POST.getlist("case") if each.isdecimal() and len(each) < 19]
        cases = list(Case.objects.of(shop).filter(pk__in=chosen).order_by("pk"))
        if cases:
            _say(request, *decide(request, cases, action == "confirm"))
        else:
            messages.warning(request, say("Choose at least one case."))
    return HttpResponseRedirect(url_of(PLUGIN, "board/"))


def _say(request: HttpRequest, done: int, before: int) -> None:
    if done:
        words = ngettext("%(n)d verdict is kept; the next training learns from it.",
                         "%(n)d verdicts are kept; the next training learns from them.", done)  # fmt: skip
        messages.success(request, words % {"n": done})
    if before:
        words = ngettext("%(n)d case was decided before.", "%(n)d cases were decided before.", before)
        messages.info(request, words % {"n": before})


def _scores(shop: Shop, span: timedelta) -> QuerySet[Any]:
    rows = counting.decided(shop, PLUGIN, span).filter(kind="score")
    return rows.annotate(action=KT("payload__value__action"))


def _need(kind: str, words: str, row: dict[str, Any], url: str, detail: str, tone: Any) -> Need:
    loss = Decimal(str(round(row["loss"] or 0.0, 2)))
    return Need(
        kind, words % {"n": row["n"]}, detail, gain=loss, deadline=row["until"], url=url, count=row["n"], tone=tone
    )


def _late(shop: Shop) -> int:
    return queue(shop).filter(human_requested=True, deadline__lt=timezone.now()).count()


def _line(shop: Shop, case: Case) -> Line:
    why = " ".join(str(each.get("text", "")) for each in case.reasons or [])
    late = bool(case.deadline and case.deadline < timezone.now())
    return Line(
        case,
        why,
        money(case.expected_loss, shop.currency),
        money(case.amount, case.currency),
        late,
        reverse("admin:fraud_case_change", args=[case.pk]),
    )
