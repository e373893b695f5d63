"""The board: how texts feel by day, what turned, and the newest negative ones, which an operator can correct."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from commerce_ai import registry
from commerce_ai.console import audit, boards, masking
from commerce_ai.console.charts import Chart, Series
from commerce_ai.console.filters import during, one_of
from commerce_ai.console.pages import page, url_of
from commerce_ai.console.scope import may
from commerce_ai.console.shop_admin import ShopAdmin
from commerce_ai.learning.live import live
from commerce_ai.plugin import Card, Health, Need
from commerce_ai.shop.models import Shop
from plugins.sentiment import queries, service
from plugins.sentiment.answers import Corrected
from plugins.sentiment.forms import SLOT
from plugins.sentiment.models import NEGATIVE, Feeling, Judgement, SentimentAlert

PLUGIN = service.PLUGIN
CHART_DAYS, WEEK, MONTH = 60, 7, 28
ALERTS, NEWEST = 20, 25


@dataclass(frozen=True)
class Line:
    """One judged text in the list."""

    judged: Judgement
    external_id: str
    text: str


@page(template="sentiment/board.html")
def board(request: Any) -> dict[str, Any] | HttpResponse:
    """Figures, negative share by day with alerts, alerts to be seen, the newest negative texts; three actions."""
    if request.method == "POST":
        return _act(request)
    shop = request.shop
    open_alerts = SentimentAlert.objects.of(shop).filter(acknowledged_at=None).select_related("product")
    return {
        "cards": cards(shop),
        "chart": chart_of(shop),
        "alerts": open_alerts.order_by("-day", "chance")[:ALERTS],
        "lines": lines(shop, masked=not may(request, "operator")),
        "feelings": Feeling.choices,
        "running": boards.running(shop, PLUGIN),
        "may_change": may(request, "operator"),
    }


def cards(shop: Shop) -> list[Card]:
    """The last week beside the four before, alerts that nobody has seen, and how good the live version is."""
    today = _today(shop)
    week, month = (_share(shop, today - timedelta(days=days), today) for days in (WEEK, WEEK + MONTH))
    address = url_of(PLUGIN, "board/")
    unseen = SentimentAlert.objects.of(shop).filter(acknowledged_at=None).count()
    best = next(iter(live(shop.pk, SLOT)), None)
    figure = best.metrics.get(best.learner.metric.name) if best else None
    before = say("%(share).0f %% in the last %(days)d days") % {"share": 100 * month[1], "days": WEEK + MONTH}
    return [
        Card(
            _("Negative texts, last 7 days"),
            f"{100 * week[1]:.0f} %" if week[0] else "–",
            say("of %(texts)d; %(before)s") % {"texts": week[0], "before": before} if week[0] else _("No text yet."),
            address,
        ),
        Card(_("Sentiment alerts to be seen"), str(unseen), "", address, "bad" if unseen else "good"),
        Card(
            _("Live sentiment classifier"),
            "–" if figure is None else f"{100 * figure:.1f} %",
            _("accuracy on later texts") if best else _("None is live: only ratings are read."),
            address,
            "good" if best else "warn",
        ),
    ]


def findings(shop: Shop) -> list[Health]:
    """What the core can't know: alerts that nobody has seen, the emergency switch."""
    address = url_of(PLUGIN, "board/")
    found = []
    if registry.settings_for(shop.pk, PLUGIN).unjudged:
        found.append(Health("warn", _("No text is judged: the emergency switch is on."), address))
    unseen = SentimentAlert.objects.of(shop).filter(acknowledged_at=None).select_related("product").order_by("-day")
    if newest := unseen.first():
        words = say("More negative texts than usual about %(what)s on %(day)s.")
        found.append(
            Health("warn", words % {"what": newest.about, "day": newest.day.isoformat()}, address, alert=False)
        )
    return found


def needs(shop: Shop) -> list[Need]:
    """Alerts that nobody has seen."""
    unseen = SentimentAlert.objects.of(shop).filter(acknowledged_at=None).select_related("product").order_by("-day")
    alerts = list(unseen[:ALERTS])
    if not alerts:
        return []
    words = ngettext("%(n)d day with more negative texts than usual", "%(n)d days with more negative texts than usual",
                     len(alerts))  # fmt: skip
    about = ", ".join(dict.fromkeys(str(each.about) for each in alerts[:3]))
    return [
        Need(
            "sentiment-alert", words % {"n": len(alerts)}, about, url=url_of(PLUGIN, "board/"), count=len(alerts),
            product_ids=tuple({each.product_id for each in alerts if each.product_id}), tone="warn",
        )
    ]  # fmt: skip


def chart_of(shop: Shop) -> Chart:
    """The share of negative texts by day, and the days with an alert about the whole shop."""
    today = _today(shop)
    start = today - timedelta(days=CHART_DAYS)
    kept = queries.daily(shop.pk, start, today + timedelta(days=1), "")
    counts = {row["day"]: row for row in kept.iter_rows(named=True)}
    alerts = set(
        SentimentAlert.objects.of(shop).filter(day__gte=start, product=None, topic="").values_list("day", flat=True)
    )
    days = sorted(counts)
    shares = [counts[day]["negative"] / counts[day]["texts"] for day in days]
    series = [
        Series(_("negative"), shares),
        Series(
            _("alert"), [share if day in alerts else None for day, share in zip(days, shares, strict=True)], kind="bar"
        ),
        Series(_("texts"), [counts[day]["texts"] for day in days], dashed=True, axis="right"),
    ]
    return Chart(
        _("Share of negative texts by day"),
        [day.isoformat() for day in days],
        series,
        unit="percent",
        empty=_("No text was judged yet. Load reviews or mentions; they are read every hour."),
    )


def lines(shop: Shop, *, masked: bool = False) -> list[Line]:
    """The newest negative texts; `masked`, as analysts see them."""
    rows = Judgement.objects.of(shop).filter(label=NEGATIVE).select_related("product").order_by("-at", "-pk")
    newest = list(rows[:NEWEST])
    texts = queries.texts_of(shop.pk, newest)
    found = []
    for each in newest:
        if (row := texts.get((each.kind, each.text_id))) is not None:
            if masked:
                masking.mask(row)
            words = " – ".join(part for part in (getattr(row, "title", ""), row.text) if part)
            found.append(Line(each, row.external_id, words))
    return found


def _act(request: Any) -> HttpResponse:
    if not may(request, "operator"):
        raise PermissionDenied
    shop, sent = request.shop, request.POST
    if sent.get("action") == "acknowledge":
        number = sent.get("alert", "")
        alert = service.acknowledge(shop.pk, int(number), by=request.user) if number.isdecimal() else None
        if alert is None:
            messages.error(request, say("There is no such alert."))
        else:
            audit.write(request, [alert], say("Marked as seen."))
            messages.success(request, say("The alert about %(what)s was marked as seen.") % {"what": alert.about})
    elif sent.get("action") == "correct":
        try:
            corrected = service.correct(
                shop.pk, sent.get("kind", ""), sent.get("text", ""), sent.get("label", ""), by=request.user,
                source="console",
            )  # fmt: skip
            audit.write_of_table(request, Judgement, _in_words(corrected))
            messages.success(request, say("The label was corrected; the next training learns from it."))
        except (service.UnknownText, ValueError):
            messages.error(request, say("There is no such text or label."))
    elif sent.get("action") == "retrain":
        boards.retrain(request, PLUGIN)
    return HttpResponseRedirect(url_of(PLUGIN, "board/"))


def _in_words(done: Corrected) -> str:
    said = {"kind": done.kind, "id": done.id, "label": done.label, "was": done.was or "–"}
    return say("%(kind)s %(id)s: %(label)s instead of %(was)s.") % said


def _share(shop: Shop, start: date, end: date) -> tuple[int, float]:
    kept = queries.daily(shop.pk, start, end + timedelta(days=1), "")
    texts = int(kept["texts"].sum())
    return texts, int(kept["negative"].sum()) / texts if texts else 0.0


def _today(shop: Shop) -> date:
    return timezone.now().astimezone(shop.tz).date()


class _ShownOnly(ShopAdmin):
    """The board has the actions."""

    writer = remover = None

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Judgement)
class JudgementAdmin(_ShownOnly):
    list_display = ("at", "kind", "label", "sentiment", "product", "topics", "corrected")
    list_filter = (one_of("label", _("label"), Feeling.values), "kind", "corrected")
    date_hierarchy = "day"
    list_select_related = ("product",)
    next_step = _("No text was judged yet. Load reviews or mentions; they are read every hour.")


@admin.register(SentimentAlert)
class SentimentAlertAdmin(_ShownOnly):
    list_display = ("day", "about", "texts", "negative", "expected", "acknowledged_at")
    list_filter = (during("day", of_day=True),)
    search_fields = ("topic__startswith",)
    list_select_related = ("product",)
    next_step = _("No alert. A day with clearly more negative texts than the four weeks before makes one.")
