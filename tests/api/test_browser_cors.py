"""A real browser: a page on an allowed other origin may ask us, a page on another one may not."""

from __future__ import annotations

import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from commerce_ai import registry
from commerce_ai.api import keys
from commerce_ai.shop.models import Event, Product, Shop
from tests.servers import web_server

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

pytestmark = [
    pytest.mark.browser,
    pytest.mark.process,
    pytest.mark.xdist_group("process"),
    pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed"),
]

# What a storefront does: fetch with the key in a header (which asks first) and in the address (which does not).
ASK = """async ([url, key, body]) => {
  try {
    const headers = body ? {"Content-Type": "application/json", "Authorization": "Bearer " + key} : {"X-Api-Key": key};
    const answer = await fetch(url, {method: body ? "POST" : "GET", headers, body});
    return [answer.status, await answer.json()];
  } catch (error) { return [0, String(error)]; }
}"""


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>A shop</title>")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def pages() -> Iterator[tuple[str, str]]:
    """Two origins of their own: two ports."""
    servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) for _ in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield tuple(f"http://127.0.0.1:{server.server_port}" for server in servers)  # type: ignore[misc]
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_page_on_an_allowed_origin_works_and_on_another_does_not(
    transactional_db: None, pages: tuple[str, str], tmp_path: Any
) -> None:
    from playwright.sync_api import sync_playwright

    ours, theirs = pages
    shop = Shop.objects.create(slug="north", name="North")
    registry.switch(shop, "recommendation", True)
    Product.objects.create(shop=shop, external_id="A", title="A mug", price=5)
    _key, key = keys.create_key(shop, "browser", "publishable", origins=[ours])
    event = {"type": "track", "event": "Product Viewed", "messageId": "m-1", "anonymousId": "v-1",
             "properties": {"product_id": "A"}}  # fmt: skip
    with web_server() as web, sync_playwright() as play:
        browser = play.chromium.launch_persistent_context(str(tmp_path), executable_path=CHROMIUM, args=FLAGS)
        try:
            found: dict[str, list[Any]] = {}
            for origin in pages:
                page = browser.new_page()
                page.goto(origin)
                recommendations = f"{web.url}/api/v1/recommendations?placement=home"
                found[origin] = [
                    page.evaluate(ASK, [recommendations, key, None]),
                    page.evaluate(ASK, [f"{web.url}/v1/batch", key, json.dumps({"batch": [event]})]),
                    page.evaluate(ASK, [f"{web.url}/api/v1/products", key, None]),
                ]
        finally:
            browser.close()
    asked, sent, secret = found[ours]
    assert asked[0] == 200 and [item["product_id"] for item in asked[1]["items"]] == ["A"]
    assert sent[0] == 200 and sent[1]["stored"] == 1
    assert secret[0] == 0  # what is not for browsers has no CORS headers at all
    assert [status for status, _body in found[theirs]] == [0, 0, 0]
    assert [event.properties["product_id"] for event in Event.objects.of(shop)] == ["A"]
