"""The sidebar, from the registry: what the chosen shop has and the person may see there."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from commerce_ai import registry
from commerce_ai.console.alerts_bell import bell
from commerce_ai.console.pages import url_of, visible
from commerce_ai.console.scope import may, scope_of
from commerce_ai.plugin import Plugin

# Group, and its tables: label of the app and model, symbol.
SHOP_DATA = (
    (gettext_lazy("People"), (
        ("shop.customer", "person"), ("shop.identity", "fingerprint"), ("shop.consent", "verified_user"),
        ("shop.socialtie", "group"),
    )),
    (gettext_lazy("Goods"), (
        ("shop.product", "inventory_2"), ("shop.pricechange", "sell"), ("shop.competitorprice", "compare_arrows"),
        ("shop.promotion", "percent"), ("shop.stocklevel", "warehouse"), ("shop.stockmovement", "swap_vert"),
        ("shop.location", "location_on"), ("shop.supplier", "local_shipping"),
        ("shop.supplierproduct", "conveyor_belt"), ("shop.purchaseorder", "assignment"),
    )),
    (gettext_lazy("Happenings"), (
        ("shop.event", "bolt"), ("shop.order", "shopping_cart"), ("shop.orderline", "list_alt"),
        ("shop.payment", "credit_card"), ("shop.chargeback", "gpp_bad"), ("shop.refund", "undo"),
        ("shop.shipment", "package_2"), ("shop.return", "assignment_return"), ("shop.campaign", "campaign"),
        ("shop.adspend", "payments"),
    )),
    (gettext_lazy("Words"), (
        ("shop.review", "reviews"), ("shop.mention", "alternate_email"), ("shop.conversation", "forum"),
        ("shop.message", "chat"), ("shop.article", "article"), ("shop.label", "label"),
    )),
    (gettext_lazy("Published"), (
        ("shop.dailymetric", "monitoring"), ("shop.demandforecast", "query_stats"), ("shop.priceplan", "price_change"),
        ("shop.priceresponse", "show_chart"), ("shop.stockoutlook", "event_upcoming"),
        ("shop.customerscore", "loyalty"), ("shop.productsignal", "sentiment_satisfied"),
    )),
)  # fmt: skip
INTAKE = (
    ("ingest.fileload", "upload_file"), ("ingest.quarantinerow", "report"), ("ingest.cleaningreport", "mop"),
    ("ingest.ingestbatch", "inbox"), ("ingest.webhookdelivery", "webhook"),
)  # fmt: skip
LEARNING = (
    ("learning.run", "play_circle"), ("learning.version", "deployed_code"), ("decisions.decision", "fork_right"),
)  # fmt: skip
TRAIL = (("console.auditentry", "history"),)
PRIVACY = (("privacy.privacyrequest", "contract_delete"), ("privacy.erasurelog", "person_off"))
ACCESS = (
    ("api.apikey", "key"), ("api.signingsecret", "signature"), ("ingest.webhooksource", "webhook"),
    ("commerce_ai.schedulestate", "schedule"),
    ("shop.shopmember", "badge"), ("shop.shop", "storefront"), ("auth.user", "manage_accounts"),
    ("auth.group", "groups"),
)  # fmt: skip


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Groups of links: overview, learning, each plugin, the shop's data, settings."""
    first = [_item(_("Overview"), "dashboard", reverse("admin:index"), active=request.path == reverse("admin:index"))]
    groups = [{"items": first}]
    if scope_of(request).shop is None:
        return [*groups, _group(_("Settings"), _tables(request, ACCESS), closed=False)]
    first.append(bell(request))
    there = reverse("console:behaviour")
    first.append(_item(_("Behaviour"), "conversion_path", there, active=request.path == there))
    learning = _tables(request, (("learning.run", "play_circle"), ("learning.version", "deployed_code")))
    decided = _tables(request, (("decisions.decision", "fork_right"),))
    groups.append(_group(_("Learning"), [*learning, *decided, _experiments(request)], closed=False))
    groups += [
        _group(str(each.verbose_name), items) for each in registry.plugins() if (items := _of_plugin(request, each))
    ]
    groups += [_group(title, _tables(request, tables)) for title, tables in SHOP_DATA]
    groups.append(_group(_("Intake"), _tables(request, INTAKE)))
    there = reverse("console:plugins")
    plugins = _item(_("Plugins"), "extension", there, active=request.path == there)
    there = reverse("console:attribution")
    own = [plugins, _item(_("Attribution"), "conversion_path", there, active=request.path == there), *_privacy(request)]
    groups.append(_group(_("Settings"), [*own, *_tables(request, (*ACCESS, *TRAIL))], closed=False))
    return [group for group in groups if group["items"]]


def environment(request: HttpRequest) -> list[Any] | None:
    """The label at the top of every page: numbers are simulated, this is no production, one may only look."""
    words = [_("Development")] if settings.DEBUG else []
    scope = scope_of(request) if request.user.is_authenticated else None
    if scope and scope.shop and scope.shop.settings.get("sample"):
        words.append(_("Simulated shop"))
    tone = "warning" if words else "info"
    if scope and scope.shop and not scope.may("operator"):
        words.append(_("Read only"))
    return [" · ".join(words), tone] if words else None


def _experiments(request: HttpRequest) -> dict[str, Any]:
    there = reverse("console:experiments")
    return _item(_("Experiments"), "science", there, active=request.path.startswith(there))


def _privacy(request: HttpRequest) -> list[dict[str, Any]]:
    """The register of personal data, and what was asked for people, for owners."""
    if not may(request, "owner"):
        return []
    there = reverse("console:privacy")
    register = _item(_("Personal data"), "shield_person", there, active=request.path == there)
    return [register, *_tables(request, PRIVACY)]


def _of_plugin(request: HttpRequest, plugin: Plugin) -> list[dict[str, Any]]:
    """A plugin's pages and own tables, while it is on in the chosen shop."""
    shop = scope_of(request).shop
    if shop is None or not registry.is_on(shop.pk, plugin.slug):
        return []
    pages = [_item(each.title, each.icon, url_of(plugin.slug, each.path)) for each in visible(request, plugin)]
    own = [
        (model._meta.label_lower, "table_rows")
        for model in admin.site._registry
        if model._meta.app_label == plugin.label
    ]
    setup = _item(_("Settings"), "tune", reverse("console:plugin", args=[plugin.slug]))
    return [*pages, *_tables(request, own), setup]


def _tables(request: HttpRequest, tables: Any) -> list[dict[str, Any]]:
    by_label = {model._meta.label_lower: each for model, each in admin.site._registry.items()}
    found = [(by_label[label], symbol) for label, symbol in tables if label in by_label]
    return [
        _item(
            str(each.opts.verbose_name_plural)[:1].upper() + str(each.opts.verbose_name_plural)[1:], symbol,
            reverse(f"admin:{each.opts.app_label}_{each.opts.model_name}_changelist"),
        )
        for each, symbol in found
        if each.has_view_permission(request)
    ]  # fmt: skip


def _group(title: Any, items: list[dict[str, Any]], closed: bool = True) -> dict[str, Any]:
    return {"title": str(title), "collapsible": closed, "separator": False, "items": items}


def _item(title: Any, symbol: str, link: str, **options: Any) -> dict[str, Any]:
    return {"title": str(title), "icon": symbol, "link": link, **options}
