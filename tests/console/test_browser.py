"""The console in a real browser, desktop and phone: sign in, look, start a training and watch it, no errors.

Screenshots are kept where SCREENSHOTS names a folder.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.learning.models import Run, RunLog, RunPoint
from commerce_ai.shop.models import DailyMetric
from commerce_ai.shop.revision import refresher
from tests.console.rows import BASELINE, METRICS, make_run, make_version
from tests.factories import ProductFactory, ShopFactory, ShopMemberFactory, UserFactory

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
SHOTS = os.environ.get("SCREENSHOTS")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.process,
    pytest.mark.xdist_group("process"),
    pytest.mark.skipif(not shutil.which("chromium"), reason="Debian's chromium is not installed"),
]


class Browser:
    """One page that remembers whatever went wrong on it."""

    def __init__(self, page, address, size, scheme):
        self.page, self.address, self.name = page, address, f"{size}-{scheme}"
        self.wrong: list[str] = []
        page.on("console", lambda message: self.wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("requestfailed", lambda request: self._failed(request))
        page.on("request", lambda request: self._outside(request))

    def open(self, path: str, shot: str = "") -> None:
        self.page.goto(self.address + path)
        self.settle(shot)

    def settle(self, shot: str = "") -> None:
        self.page.wait_for_load_state("load")
        self.page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{self.page.url} is {wide} px wider than the screen"
        assert not self.wrong, (self.page.url, self.wrong)
        if shot and SHOTS:
            self.page.wait_for_timeout(300)
            self.page.screenshot(path=str(Path(SHOTS) / f"{shot}-{self.name}.png"), full_page=True)

    def _failed(self, request) -> None:
        if "ERR_ABORTED" not in (request.failure or ""):  # a page that was left
            self.wrong.append(f"{request.url}: {request.failure}")

    def _outside(self, request) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.wrong.append(f"asked a foreign host: {request.url}")


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # playwright's loop lives in this thread; the tests still use the ORM
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(params=[("desktop", "light"), ("phone", "dark")], ids="-".join)
def browser(request, chromium, live_server, shop) -> Iterator[Browser]:
    size, scheme = request.param
    width, height = SIZES[size]
    context = chromium.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
    )
    yield Browser(context.new_page(), live_server.url, size, scheme)
    context.close()


@pytest.fixture
def shop(transactional_db):
    shop = ShopFactory(name="Garden Shop", slug="garden", timezone="Europe/Berlin")
    registry.switch(shop, "recommendation", on=True)
    refresher.poll()
    today = timezone.now().astimezone(shop.tz).date()
    for back in range(60):
        day, wave = today - timedelta(days=back), 1 + (back * 7919 % 13) / 10
        figures = {"events": 900 * wave, "visitors": 110 * wave, "orders": 4 * wave, "revenue": 210 * wave}
        DailyMetric.objects.bulk_create(
            DailyMetric(shop=shop, day=day, name=name, value=value) for name, value in figures.items()
        )
    for n in range(5):
        ProductFactory(shop=shop, title=f"Watering can no. {n}")
    make_version(shop, run=make_run(shop, state="succeeded", metrics=METRICS, baseline=BASELINE), state="live")
    ShopMemberFactory(shop=shop, user=UserFactory(username="owner", first_name="Olivia"), role="owner")
    return shop


@pytest.fixture
def signed_in(browser: Browser) -> Browser:
    page = browser.page
    browser.open("/")
    page.get_by_label("Username").fill("owner")
    page.get_by_label("Password").fill("secret")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/console/")
    return browser


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


def test_a_training_is_started_and_watched_to_its_end(signed_in, shop):
    page = signed_in.page
    signed_in.open(f"{reverse('admin:learning_run_add')}?learner=recommendation.popularity", "training")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/learning/run/*/change/")
    signed_in.settle()
    run = Run.objects.of(shop).get(state="queued")
    assert page.get_by_role("status").inner_text().startswith("queued")

    def move(**columns):
        Run.objects.of(shop).filter(pk=run.pk).update(**columns)

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


def test_pages_open_without_errors(signed_in, shop):
    version = shop_version(shop)
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


def test_the_keyboard_reaches_the_switch_of_a_plugin(signed_in, shop):
    page = signed_in.page
    signed_in.open(reverse("console:plugins"))
    switch = page.get_by_role("switch", name="Recommendation")
    assert switch.get_attribute("aria-checked") == "true"
    switch.focus()
    page.keyboard.press("Enter")
    page.locator('[aria-labelledby="plugin-recommendation"][aria-checked="false"]').wait_for()
    signed_in.settle()
    refresher.poll()
    assert not registry.is_on(shop.pk, "recommendation")
