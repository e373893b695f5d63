"""The check of what is served: it passes what is right, and says what is wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from commerce_ai.sample.visit_check import CheckFailed, check_recommendation

GOOD: dict[str, Any] = {
    "items": [{"title": "Pour-over Kettle, oat"}, {"title": "Cast Iron Pan, oat"}],
    "decision_id": "0190a5b4-0000-7000-8000-000000000000",
    "stored": True,
    "fallback": False,
    "fallback_reason": "",
}


@pytest.fixture
def server() -> Iterator[Any]:
    class Handler(BaseHTTPRequestHandler):
        status, answer, asked = 200, GOOD, ""

        def do_GET(self) -> None:
            Handler.asked = f"{self.path} {self.headers['Authorization']}"
            self.send_response(Handler.status)
            self.end_headers()
            self.wfile.write(json.dumps(Handler.answer).encode())

        def log_message(self, *args: Any) -> None:
            return None

    with HTTPServer(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        Handler.address = f"http://127.0.0.1:{made.server_address[1]}"
        yield Handler
        made.shutdown()
        thread.join()


def test_a_good_answer_passes(server):
    assert check_recommendation(server.address, "sk_1", anonymous_id="v") == GOOD
    assert server.asked == "/api/v1/recommendations?n=5&anonymous_id=v Bearer sk_1"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"items": []}, "no products"),
        ({"items": [{"title": "Something else"}]}, "not of the shop: Something else"),
        ({"decision_id": "x"}, "no decision id"),
        ({"stored": False}, "not kept"),
        ({"fallback": True, "fallback_reason": "because"}, "the fallback answered: because"),
    ],
)
def test_what_is_wrong_is_said(server, change, says):
    server.answer = {**GOOD, **change}
    with pytest.raises(CheckFailed, match=says):
        check_recommendation(server.address, "sk_1")


def test_without_a_version_the_fallback_may_do(server):
    server.answer = {**GOOD, "fallback": True}
    check_recommendation(server.address, "sk_1", learned=False)


def test_an_error_and_a_silent_server_are_said(server):
    server.status = 404
    with pytest.raises(CheckFailed, match="answered 404"):
        check_recommendation(server.address, "sk_1")
    with pytest.raises(CheckFailed, match="did not answer"):
        check_recommendation("http://127.0.0.1:1", "sk_1")
    with pytest.raises(CheckFailed, match="not an http address"):
        check_recommendation("file:///etc", "sk_1")
