"""A real browser for tests of the console: one page that remembers whatever went wrong on it, signed in or not.

Pictures and the report of axe-core are kept where SCREENSHOTS names a folder.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.ingest.funnel import FUNNEL, STEPS
from commerce_ai.shop.models import DailyMetric
from commerce_ai.shop.revision import refresher
from tests.axe import SHOTS, examine
from tests.console.rows import BASELINE, METRICS, make_run, make_version
from tests.factories import ProductFactory, ShopFactory, ShopMemberFactory, UserFactory

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
IN_A_BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(not shutil.which("chromium"), reason="Debian's chromium is not installed"),
]


class Browser:
    """One page that remembers whatever went wrong on it."""

    def __init__(self, page, address, size, scheme):
        self.page, self.address, self.name = page, address, f"{size}-{scheme}"
        self.wrong: list[str] = []
        self.examined: set[str] = set()
        page.on("console", lambda message: self.wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("requestfailed", lambda request: self._failed(request))
        page.on("request", lambda request: self._outside(request))

    def open(self, path: str, shot: str = "") -> None:
        self.page.goto(self.address + path)
        self.settle(shot)

    def settle(self, shot: str = "") -> None:
        """Wait until the page stands: nothing went wrong on it, nothing is cut off, and everybody can use it."""
        self.stand()
        if shot:
            self.picture(f"{shot}-{self.name}")
        state = shot or self.page.url
        trouble = self.trouble(self.name, look=state not in self.examined)
        self.examined.add(state)
        assert not trouble, "\n" + "\n".join(trouble)

    def stand(self) -> None:
        self.page.wait_for_load_state("load")
        self.page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")

    def wear(self, size: str, theme: str) -> None:
        """Another screen, and another theme by the console's own switch."""
        self.page.set_viewport_size(screen(size))
        for _press in range(2):  # from automatic to light, to dark
            if self.page.evaluate("document.documentElement.className") != theme:
                self.page.keyboard.press("Control+e")

    def trouble(self, clothes: str, look: bool = True, **asked: Any) -> list[str]:
        """What is wrong with the page as it stands, in words; `look`: by axe-core too, as `examine` is asked."""
        url = self.page.url
        # Charts follow a changed width some frames later.
        wide = self.page.evaluate("""async () => {
            const page = document.documentElement, over = () => page.scrollWidth - page.clientWidth;
            for (let frame = 0; frame < 60 && over() > 0; frame++) await new Promise(requestAnimationFrame);
            return over();
        }""")
        found = [f"{url} ({clothes}): {wide} px wider than the screen"] if wide > 0 else []
        found += [f"{url} ({clothes}): {each}" for each in self.wrong]
        self.wrong.clear()
        return found + (examine(self.page, clothes, **asked) if look else [])

    def picture(self, name: str) -> None:
        if SHOTS:
            self.page.evaluate("document.fonts.ready")
            self.page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)

    def _failed(self, request) -> None:
        if "ERR_ABORTED" not in (request.failure or ""):  # a page that was left
            self.wrong.append(f"{request.url}: {request.failure}")

    def _outside(self, request) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.wrong.append(f"asked a foreign host: {request.url}")


def screen(size: str) -> dict[str, int]:
    return dict(zip(("width", "height"), SIZES[size], strict=True))


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
def browser(request, chromium, live_server, garden) -> Iterator[Browser]:
    size, scheme = request.param
    context = chromium.new_context(viewport=screen(size), color_scheme=scheme, reduced_motion="reduce")
    yield Browser(context.new_page(), live_server.url, size, scheme)
    context.close()


@pytest.fixture
def garden(transactional_db):
    """A shop with two months of figures, five products and a live version; its owner signs in as "owner"."""
    shop = ShopFactory(name="Garden Shop", slug="garden", timezone="Europe/Berlin")
    registry.switch(shop, "recommendation", on=True)
    refresher.poll()
    today = timezone.now().astimezone(shop.tz).date()
    for back in range(60):
        day, wave = today - timedelta(days=back), 1 + (back * 7919 % 13) / 10
        figures = {"events": 900 * wave, "visitors": 110 * wave, "orders": 4 * wave, "revenue": 210 * wave}
        steps = dict(zip(STEPS, (80 * wave, 20 * wave, 6 * wave, 4 * wave), strict=True))
        DailyMetric.objects.bulk_create(
            [DailyMetric(shop=shop, day=day, name=name, value=value) for name, value in figures.items()]
            + [DailyMetric(shop=shop, day=day, name=FUNNEL, dimension=step, value=n) for step, n in steps.items()]
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
