"""The board: how good the ranking is, what campaigns bring, who the customers are, and audiences to take away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from commerce_ai import registry
from commerce_ai.console import audit, boards
from commerce_ai.console.charts import Chart, Series
from commerce_ai.console.dress import dress
from commerce_ai.console.filters import during
from commerce_ai.console.pages import page, url_of
from commerce_ai.console.scope import may
from commerce_ai.console.shop_admin import ShownAdmin
from commerce_ai.decisions import counting
from commerce_ai.learning.live import live
from commerce_ai.plugin import Card, Health, Need
from commerce_ai.shop.models import Campaign, Shop
from plugins.advertising import audiences, queries, statements
from plugins.advertising.api import as_file
from plugins.advertising.features import merge_small
from plugins.advertising.forms import SEGMENT_NAMES, AudienceForm
from plugins.advertising.models import Assignment, Audience, AudienceExport
from plugins.advertising.qini import BANDS
from plugins.advertising.service import PLUGIN, SLOT

MOST = 50  # campaigns and audiences in the lists
SINCE = timedelta(days=30)
_OVER = Campaign.Status.ENDED


@page(template="advertising/board.html")
def board(request: Any) -> dict[str, Any] | HttpResponse:
    """Figures, uplift by tenth, campaigns, segments, audiences; build one, export one, retrain."""
    shop = request.shop
    form = AudienceForm(request.POST if request.POST.get("action") == "build" else None, shop=shop)
    if request.method == "POST" and (answer := _act(request, form)) is not None:
        return answer
    rows = Audience.objects.of(shop).select_related("campaign").order_by("-built_at", "-pk")[:MOST]
    return {
        "cards": cards(shop),
        "chart": chart_of(shop),
        "campaigns": campaigns(shop),
        "segments": segments(shop),
        "least": audiences.LEAST,
        "audiences": [AudienceLine.of(each) for each in rows],
        "platforms": AudienceExport.Platform.choices,
        "form": dress(form),
        "running": boards.running(shop, PLUGIN),
        "may_change": may(request, "operator"),
    }


def cards(shop: Shop) -> list[Card]:
    """What was decided in the last 24 hours, how good the ranking is, what customers will bring."""
    address = url_of(PLUGIN, "board/")
    found = counting.decided(shop, PLUGIN, timedelta(hours=24))
    counted = found.aggregate(
        all=Count("id"), shown=Count("id", filter=Q(payload__value__isnull=False)),
        held=Count("id", filter=Q(payload__value__isnull=True, payload__context__considered__isnull=False)),
    )  # fmt: skip
    detail = say("%(shown)d shown, %(held)d left alone to compare with") % counted if counted["all"] else ""
    best = next(iter(live(shop.pk, SLOT)), None)
    figure = best.metrics.get("qini_auc") if best else None
    none = _("None is live: a random share is shown a campaign.")
    return [
        Card(_("Ad decisions, last 24 hours"), f"{counted['all']:,}", detail, address),
        Card(
            _("Live uplift model"), "–" if figure is None else f"{figure:.3f}",
            _("Qini; chance has 0, a perfect order 1") if best else none, address, "good" if best else "warn",
        ),
    ]  # fmt: skip


def findings(shop: Shop) -> list[Health]:
    """What the core can't know: the emergency switch, campaigns without a control group."""
    address, found = url_of(PLUGIN, "board/"), []
    if registry.settings_for(shop.pk, PLUGIN).hold:
        found.append(Health("warn", _("No campaign is shown: the emergency switch is on."), address))
    if not live(shop.pk, SLOT) and not Campaign.objects.of(shop).filter(status=Campaign.Status.ACTIVE).exists():
        found.append(Health("warn", _("No campaign is active: there is nothing to show and to learn from."), address))
    return found


def needs(shop: Shop) -> list[Need]:
    """Campaigns whose customers are scored and that no audience was built for yet."""
    if not live(shop.pk, SLOT):
        return []
    built = set(Audience.objects.of(shop).filter(campaign__isnull=False).values_list("campaign_id", flat=True))
    expected = {pk: each for pk, each in queries.expected_orders(shop.pk).items() if pk not in built}
    rows = Campaign.objects.of(shop).filter(pk__in=expected).exclude(status=_OVER).order_by("-starts_at", "-pk")
    found = []
    for each in rows[:3]:
        n, orders = expected[each.pk]
        if audiences.shown_size(n) is None or orders <= 0:
            continue
        words = say("%(campaign)s: %(n)d customers would order because of it") % {"campaign": each, "n": n}
        detail = say("%(orders).0f more orders if they are reached; build the audience") % {"orders": orders}
        found.append(Need("campaign", words, detail, url=url_of(PLUGIN, "board/"), count=n))
    return found


def chart_of(shop: Shop) -> Chart:
    """What the campaign brought in each tenth of the held-out customers, highest said uplift first."""
    best = next(iter(live(shop.pk, SLOT)), None)
    metrics = best.metrics if best else {}
    values = [metrics.get(f"uplift_tenth_{place}") for place in range(1, BANDS + 1)]
    average = metrics.get("average_uplift")
    series = [
        Series(_("Extra orders a customer"), values, kind="bar"),
        Series(_("If everybody is reached"), [average] * BANDS, dashed=True),
    ]
    return Chart(
        _("Uplift of held-out customers, by tenth of the ranking"),
        [say("%(place)d. tenth") % {"place": place} for place in range(1, BANDS + 1)],
        series if any(value is not None for value in values) else [],
        unit="percent",
        empty=_("No uplift model is live yet. It learns from campaigns with a control group: run one, then train."),
    )


@dataclass(frozen=True)
class CampaignLine:
    """A campaign, what was decided about it in 30 days, and what it would bring the customers it is good for."""

    campaign: Campaign
    shown: int
    held_out: int
    persuadable: int | None
    extra_orders: float | None


def campaigns(shop: Shop) -> list[CampaignLine]:
    decided = queries.decided(shop.pk, timezone.now() - SINCE)
    expected = queries.expected_orders(shop.pk)
    lines = []
    for each in Campaign.objects.of(shop).order_by("-starts_at", "-pk")[:MOST]:
        arms = decided.get(each.external_id, {})
        n, orders = expected.get(each.pk, (None, None))
        hidden = n is None or audiences.shown_size(n) is None
        lines.append(
            CampaignLine(
                each, arms.get(statements.SHOWN, 0), arms.get(statements.HELD_OUT, 0), None if hidden else n,
                None if hidden else orders,
            )
        )  # fmt: skip
    return lines


def segments(shop: Shop) -> list[dict[str, Any]]:
    """Customers by segment, small ones together: customers, expected orders and value, with their names."""
    found = merge_small(queries.segments(shop.pk), audiences.LEAST)
    return [{**each, "name": SEGMENT_NAMES.get(each["segment"], each["segment"])} for each in found]


@dataclass(frozen=True)
class AudienceLine:
    audience: Audience
    size: int | None
    extra_orders: float | None
    rule: str

    @classmethod
    def of(cls, audience: Audience) -> AudienceLine:
        size = audiences.shown_size(audience.size)
        return cls(audience, size, audience.extra_orders if size else None, rule_of(audience))


def rule_of(audience: Audience) -> str:
    """The rule in words."""
    words = [", ".join(str(SEGMENT_NAMES.get(each, each)) for each in audience.segments)] if audience.segments else []
    if audience.minimum_value is not None:
        words.append(say("value from %(value).2f") % {"value": audience.minimum_value})
    if audience.top_share is not None:
        words.append(say("the %(share)g %% with the highest uplift") % {"share": 100 * audience.top_share})
    if audience.campaign:
        words.append(str(audience.campaign))
    return "; ".join(words) or say("everybody who may be targeted")


def _act(request: HttpRequest, form: AudienceForm) -> HttpResponse | None:
    """The answer to a POST; None to show the form again with what is wrong."""
    if not may(request, "operator"):
        raise PermissionDenied
    shop, action = request.shop, request.POST.get("action")  # type: ignore[attr-defined]
    if action == "build":
        if not form.is_valid():
            return None
        _build(request, shop, form.cleaned_data)
    elif action == "export":
        number = request.POST.get("audience", "")
        audience = Audience.objects.of(shop).filter(pk=int(number)).first() if number.isdecimal() else None
        platform = request.POST.get("platform", "")
        if audience is not None and platform in AudienceExport.Platform.values:
            try:
                made = audiences.export(audience, platform, by=request.user)
                audit.write(request, [audience], say("Exported for %(platform)s.") % {"platform": platform})
                return as_file(audience, platform, made)
            except audiences.TooSmall:
                least = {"least": audiences.LEAST}
                messages.error(
                    request, say("Fewer than %(least)d customers allow it and can be matched: not exported.") % least
                )
    elif action == "retrain":
        boards.retrain(request, PLUGIN)
    return HttpResponseRedirect(url_of(PLUGIN, "board/"))


def _build(request: HttpRequest, shop: Shop, asked: dict[str, Any]) -> None:
    rule = {
        "segments": asked["segments"], "campaign_id": int(asked["campaign"]) if asked["campaign"] else None,
        "top_share": asked["top_percent"] / 100 if asked["top_percent"] is not None else None,
        "minimum_value": asked["minimum_value"],
    }  # fmt: skip
    try:
        with transaction.atomic():  # a rule that can't be built leaves the audience as it was
            audience, _made = Audience.objects.of(shop).update_or_create(shop=shop, name=asked["name"], defaults=rule)
            audiences.build(audience)
    except audiences.NotScored as error:
        words = say("No version has scored the customers yet: train advertising.%(learner)s first.")
        messages.error(request, words % {"learner": error.what})
        return
    audit.write(request, [audience], say("Built."), ADDITION)
    size = audiences.shown_size(audience.size)
    counted = say("fewer than %(least)d") % {"least": audiences.LEAST} if size is None else f"{size:,}"
    messages.success(request, say("The audience was built: %(size)s customers.") % {"size": counted})


@admin.register(Assignment)
class AssignmentAdmin(ShownAdmin):
    list_display = ("campaign", "customer", "treated", "propensity", "at")
    list_filter = ("treated", during("at"))
    ordering = ("-id",)
    next_step = _("No campaign that ran elsewhere is known. Send who was reached, and who was left alone by chance:")
    next_step_code = (
        'POST /api/v1/ads/assignments {{"rows": [{{"campaign_id": "…", "customer_id": "…", "treated": true, …'
    )


@admin.register(AudienceExport)
class AudienceExportAdmin(ShownAdmin):
    list_display = ("audience", "platform", "at", "by", "rows", "without_consent", "without_contact")
    list_filter = ("platform", during("at"))
    ordering = ("-id",)
    next_step = _("No audience has left the house yet. Build one on the advertising board and export it.")
