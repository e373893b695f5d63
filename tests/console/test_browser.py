"""The console in a real browser, desktop and phone: sign in, look, start a training and watch it, no errors.

Every page that is opened is looked through by axe-core too. SCREENSHOTS: see browsing.py.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.learning.models import Run, RunLog, RunPoint
from commerce_ai.shop.revision import refresher
from tests.browsing import IN_A_BROWSER
from tests.console.rows import BASELINE, METRICS

pytestmark = [*IN_A_BROWSER, pytest.mark.process, pytest.mark.xdist_group("process")]


def test_the_first_page_draws_its_charts_and_links_to_lists(signed_in):
    page = signed_in.page
    signed_in.settle("dashboard")
    assert page.locator("figure.c-chart canvas").count() == 3
    drawn = page.evaluate(
        "[...document.querySelectorAll('figure.c-chart canvas')].every((each) => Chart.getChart(each))"
    )
    assert drawn
    page.get_by_text("Show the figures").first.click()
    assert page.locator(".c-chart-table table").first.is_visible()
    page.get_by_role("link", name="7 days").click()
    signed_in.settle()
    page.locator(".c-tile", has_text="Orders").first.click()
    signed_in.settle()
    assert "/shop/order/" in page.url and "during=" in page.url


def test_charts_follow_the_theme(signed_in):
    page = signed_in.page
    signed_in.settle()
    colour = "Chart.getChart(document.querySelector('canvas')).options.scales.x.ticks.color"
    before = page.evaluate(colour)
    for _press in range(2 if signed_in.name.endswith("light") else 1):  # from automatic to light, to dark
        page.keyboard.press("Control+e")
    page.wait_for_function(f"{colour} !== {before!r}")
    signed_in.settle()


def test_a_training_is_started_and_watched_to_its_end(signed_in, garden):
    page = signed_in.page
    signed_in.open(f"{reverse('admin:learning_run_add')}?learner=recommendation.popularity", "training")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/learning/run/*/change/")
    signed_in.settle()
    run = Run.objects.of(garden).get(state="queued")
    assert page.get_by_role("status").inner_text().startswith("queued")

    def move(**columns):
        Run.objects.of(garden).filter(pk=run.pk).update(**columns)

    now = timezone.now()
    RunPoint.objects.bulk_create(RunPoint(run=run, name="fit/loss", step=n, value=2 / (n + 1)) for n in range(30))
    RunLog.objects.create(run=run, text="fit: epoch 30")
    move(
        state="running",
        stage="fit",
        progress=0.4,
        claim="0" * 32,
        lease_until=now + timedelta(minutes=5),
        started_at=now,
    )
    page.get_by_text("fit: epoch 30").wait_for()
    page.wait_for_function(
        "document.querySelector('#curve-1 canvas') && Chart.getChart(document.querySelector('#curve-1 canvas'))"
    )
    page.evaluate("window.kept = document.querySelector('#curve-1 canvas')")
    signed_in.settle("run")

    RunPoint.objects.create(run=run, name="fit/loss", step=30, value=0.01)
    move(progress=0.8)
    page.get_by_text("80 %").first.wait_for()
    assert page.evaluate("window.kept === document.querySelector('#curve-1 canvas')"), "the chart went on, undisturbed"
    points = "Chart.getChart(document.querySelector('#curve-1 canvas')).data.datasets[0].data.length"
    assert page.evaluate(points) == 31

    move(
        state="succeeded",
        reason="Refresh: as good as it was.",
        metrics=METRICS,
        baseline=BASELINE,
        progress=1.0,
        ended_at=now,
    )
    page.get_by_text("Refresh: as good as it was.").wait_for()
    assert page.locator("#run-live[hx-get]").count() == 0, "an ended run is not asked any more"
    signed_in.settle("run-ended")


def test_pages_open_without_errors(signed_in, garden):
    version = shop_version(garden)
    for name, path in {
        "products": reverse("admin:shop_product_changelist"),
        "product": reverse("admin:shop_product_add"),
        "empty": reverse("admin:shop_mention_changelist"),
        "version": reverse("admin:learning_version_change", args=[version.pk]),
        "roll-back": reverse("admin:learning_version_roll_back", args=[version.pk]),
        "plugins": reverse("console:plugins"),
        "plugin": reverse("console:plugin", args=["recommendation"]),
        "board": "/console/recommendation/board/",
        "keys": reverse("admin:api_apikey_add"),
        "schedules": reverse("admin:commerce_ai_schedulestate_changelist"),
        "members": reverse("admin:shop_shopmember_add"),
    }.items():
        signed_in.open(path, name)


def shop_version(shop):
    from commerce_ai.learning.models import Version

    return Version.objects.of(shop).first()


def test_the_keyboard_reaches_the_switch_of_a_plugin(signed_in, garden):
    page = signed_in.page
    signed_in.open(reverse("console:plugins"))
    switch = page.get_by_role("switch", name="Recommendation")
    assert switch.get_attribute("aria-checked") == "true"
    switch.focus()
    page.keyboard.press("Enter")
    page.locator('[aria-labelledby="plugin-recommendation"][aria-checked="false"]').wait_for()
    signed_in.settle()
    refresher.poll()
    assert not registry.is_on(garden.pk, "recommendation")


def test_the_keyboard_opens_the_sidebar_its_groups_and_the_theme(signed_in):
    page = signed_in.page
    if signed_in.name.startswith("phone"):
        page.get_by_role("button", name="Show or hide the navigation").press("Enter")
    group = page.get_by_role("button", name="People")
    assert group.get_attribute("aria-expanded") == "false"
    group.press("Enter")
    page.get_by_role("link", name="Customers").wait_for()
    assert group.get_attribute("aria-expanded") == "true"
    page.locator("#nav-sidebar-inner > div").last.get_by_role("button").first.press("Enter")
    page.get_by_role("button", name="Dark").press("Enter")
    page.wait_for_function("document.documentElement.classList.contains('dark')")
    signed_in.settle("sidebar")
