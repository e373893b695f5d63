"""Everybody can use every page of the console, light, dark and on a phone: axe-core finds nothing serious on any.

The pages are those of the sidebar, with rows on them, and one row's page of each kind that is more than a form.
"""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import resolve, reverse

from commerce_ai import alerts, registry
from commerce_ai.alerts import rules
from commerce_ai.alerts.models import AlertRule
from commerce_ai.console.bench_shop import fill
from commerce_ai.decisions.experiments.models import Experiment
from commerce_ai.decisions.models import Decision
from commerce_ai.learning.models import Run, Version
from commerce_ai.shop.models import Customer, Order, Product
from commerce_ai.shop.revision import refresher
from tests.axe import COLOURS, WIDTHS, examine
from tests.browsing import IN_A_BROWSER, Browser, screen
from tests.console import rows
from tests.factories import ShopMemberFactory, UserFactory

pytestmark = IN_A_BROWSER
EVENTS = 1_000
LOOKS = (("desktop", "light", None), ("desktop", "dark", COLOURS), ("phone", "dark", None))
LIST_LOOKS = (("desktop", "light", None), ("phone", "dark", WIDTHS))  # all of one template


@pytest.fixture
def full(transactional_db, monkeypatch):
    """A shop with rows in every table that the console shows, a few on a page; every plugin on; three alerts."""
    for each in admin.site._registry.values():
        monkeypatch.setattr(each, "list_per_page", 3)
    shop = fill(EVENTS)
    rows.fill(shop)
    for key, severity, money in (("ring:1", "critical", 940), ("surge:1", "warning", None), ("note:1", "info", 12.5)):
        alerts.raise_alert(shop.pk, source="fraud", key=key, severity=severity, money=money, title="A ring of cards")
    rules.ensure(shop)
    refresher.poll()
    ShopMemberFactory(shop=shop, user=UserFactory(username="owner"), role="owner")
    return shop


@pytest.fixture
def visitor(chromium, live_server, full):
    """Signed in without the form: another test tries that."""
    client = Client()
    client.force_login(get_user_model().objects.get(username="owner"))
    cookies = [{"name": name, "value": each.value, "url": live_server.url} for name, each in client.cookies.items()]
    context = chromium.new_context(viewport=screen("desktop"), color_scheme="light", reduced_motion="reduce")
    context.add_cookies(cookies)
    yield Browser(context.new_page(), live_server.url, "desktop", "light")
    context.close()


@pytest.mark.slow
def test_no_page_shuts_anybody_out(visitor, full):
    visitor.page.goto(visitor.address + reverse("admin:index"))
    visitor.stand()
    trouble = visitor.trouble("desktop-light")  # with the sidebar; from here on without
    visitor.wear("desktop", "dark")
    trouble += visitor.trouble("desktop-dark", rules=COLOURS)
    sidebar = "[...document.querySelectorAll('#nav-sidebar-apps a[href]')].map((each) => each.pathname)"
    links = visitor.page.evaluate(sidebar)
    assert len(links) > 60 and all(f"/console/{each.slug}/board/" in links for each in registry.plugins())
    trouble += [
        each for path in dict.fromkeys([*links, *pages_of_one_row(full)]) for each in in_all_clothes(visitor, path)
    ]
    assert not trouble, "\n" + "\n".join(trouble)


def in_all_clothes(visitor, path):
    """What is wrong with the page: light and dark on a desktop, dark on a phone."""
    visitor.wear("desktop", "light")
    visitor.page.goto(visitor.address + path)
    visitor.stand()
    trouble = []
    for size, theme, asked in LOOKS if own(path) else LIST_LOOKS:
        visitor.wear(size, theme)
        trouble += visitor.trouble(f"{size}-{theme}", rules=asked, without="#nav-sidebar")
        if own(path):
            visitor.picture(f"page{path.replace('/', '_').rstrip('_')}-{size}-{theme}")
    return trouble


def pages_of_one_row(shop):
    """Of what has a page of its own, and of three that are the admin's forms."""
    for name, model in (
        ("console:customer", Customer), ("console:experiment", Experiment), ("console:alert-rule", AlertRule),
        ("admin:learning_run_change", Run), ("admin:learning_version_change", Version),
        ("admin:decisions_decision_change", Decision), ("admin:shop_customer_change", Customer),
        ("admin:shop_product_change", Product), ("admin:shop_order_change", Order),
    ):  # fmt: skip
        yield reverse(name, args=[model.objects.of(shop).first().pk])
    for name in (
        "console:experiment-add",
        "console:alert-channels",
        "console:alert-channel-add",
        "admin:learning_run_add",
    ):
        yield reverse(name)


def own(path):
    """The console's own pages: the admin's lists all look the same."""
    found = resolve(path)
    return found.namespace == "console" or path == reverse("admin:index") or "learning" in path


def test_what_shuts_somebody_out_is_named_with_its_place_and_the_way_out(chromium):
    page = chromium.new_page()
    page.set_content("""<html lang="en"><title>x</title><main><h1>x</h1>
        <img id="silent" src="data:,"><p id="pale" style="color: #ccc">pale</p></main>""")
    image, pale = sorted(examine(page, "desktop-light"), key=lambda words: "pale" in words)
    assert "image-alt, critical, 1 times" in image and "#silent" in image and "https://" in image
    assert "color-contrast, serious" in pale and "#pale" in pale and "contrast of" in pale
    assert len(examine(page, "desktop-light", COLOURS)) == 1 and not examine(page, "desktop-light", without="main")
    page.close()
