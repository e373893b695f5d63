"""The shop's pages as far as they ask the public API: what a browser (publishable key) and a server (secret key) send.

Everything says that it is simulated: events carry the platform `SIMULATED`, and visitors, orders and payments have ids
that begin with ``sim-``.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from commerce_ai.api.customer_token import sign
from commerce_ai.sample.choice import Draw
from commerce_ai.sample.generate import Sample
from commerce_ai.sample.phrases import QUESTIONS
from commerce_ai.sample.truth import Rows
from commerce_ai.sample.visitors import Line, Shown, Visitor

SIMULATED = "simulated"
TIMEOUT_S = 20
KEY_TIMEOUT_S = 15  # until every web process knows a new key
ITEMS = 10
TOKEN_S = 3600


class Unanswered(Exception):
    """A request was refused or not answered: its route, the status (0: none), and the words."""

    def __init__(self, route: str, status: int, words: str) -> None:
        super().__init__(f"{route}: {status or 'no answer'} {words}".strip())
        self.route, self.status = route, status


@dataclass(frozen=True)
class Keys:
    """The texts of two keys of a shop, and what its server signs customer tokens with."""

    publishable: str
    secret: str
    signing: str


class Api:
    """JSON over HTTP, one lasting connection a thread."""

    def __init__(self, base_url: str, keys: Keys) -> None:
        parts = urllib.parse.urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{base_url!r} is not an http address")
        self.keys, self._parts, self._mine = keys, parts, threading.local()

    def get(self, path: str, key: str, **query: Any) -> Any:
        asked = {name: value for name, value in query.items() if value not in (None, "")}
        return self._send("GET", f"{path}?{urllib.parse.urlencode(asked, doseq=True)}", key, None)

    def post(self, path: str, key: str, body: Any) -> Any:
        return self._send("POST", path, key, json.dumps(body).encode())

    def wait_for_keys(self) -> None:
        """New keys are known within two seconds. Raises `Unanswered` when they are not."""
        deadline = time.monotonic() + KEY_TIMEOUT_S
        for key in (self.keys.publishable, self.keys.secret):
            while True:
                try:
                    self.get("/api/v1/me", key)
                    break
                except Unanswered as error:
                    if error.status not in (0, 401) or time.monotonic() > deadline:
                        raise
                time.sleep(0.2)

    def _send(self, method: str, path: str, key: str, body: bytes | None) -> Any:
        route = path.partition("?")[0]
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        for attempt in (1, 2):
            try:
                connection = self._connection()
                connection.request(method, self._parts.path.rstrip("/") + path, body, headers)
                answer = connection.getresponse()
                text = answer.read()
                break
            except (http.client.HTTPException, OSError) as error:
                self._forget()
                # A connection that the server closed in between is no failure of its. Every message, payment and
                # question has an id of its own, so that it may be sent again.
                if attempt == 2:
                    raise Unanswered(route, 0, type(error).__name__) from error
        if answer.status >= 300:
            raise Unanswered(route, answer.status, text[:300].decode(errors="replace"))
        try:
            return json.loads(text)
        except ValueError as error:
            raise Unanswered(route, answer.status, "this is no JSON") from error

    def _connection(self) -> http.client.HTTPConnection:
        found = getattr(self._mine, "connection", None)
        if found is None:
            make = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
            found = self._mine.connection = make(self._parts.hostname or "", self._parts.port, timeout=TIMEOUT_S)
        return found

    def _forget(self) -> None:
        if (found := getattr(self._mine, "connection", None)) is not None:
            found.close()
        self._mine.connection = None


class Range:
    """What the storefront's server knows of its own goods and customers: their ids, and today's prices."""

    def __init__(self, sample: Sample) -> None:
        self.skus: list[str] = sample.goods.products["external_id"].to_list()
        self.titles: list[str] = sample.goods.products["title"].to_list()
        self.customers: list[str] = sample.people.customers["external_id"].to_list()
        self.countries: list[str] = sample.people.customers["country"].to_list()
        self.orders: list[str] = sample.happenings.orders["external_id"].to_list()
        self.rows = {sku: row for row, sku in enumerate(self.skus)}
        self.prices = sample.prices.price[:, -1]
        self.sellable = np.flatnonzero(sample.goods.sellable)


@dataclass
class Storefront:
    """The shop as one visitor meets it, over HTTP. Every method may raise `Unanswered`."""

    api: Api
    range: Range
    who: Visitor
    chats: int = 0
    _events: list[dict[str, Any]] = field(default_factory=list)
    _said: int = 0
    _token: str = ""

    def arrive(self) -> bool:
        if self.who.signed_in:
            self._token = sign(self.api.keys.signing, self._customer, int(time.time()) + TOKEN_S)
        named = {"customer_id": self._customer} if self.who.signed_in else {}
        asked = {"anonymous_id": self._anonymous_id, "session_id": self.who.name, "placement": "home", **named}
        found = _or_none(lambda: self.api.post("/api/v1/ads/decide", self.api.keys.secret, asked))
        if found is None or (banner := found["campaign"]) is None:
            return False
        self._say("Promotion Viewed", {"promotion_id": banner["campaign_id"], "decision_id": found["decision_id"]})
        return True

    def show(self, placement: str, context: list[int]) -> Shown:
        self.flush()  # what was looked at so far counts for the next list
        asked = {
            "placement": placement, "n": ITEMS, "product_id": [self.range.skus[each] for each in context],
            "anonymous_id": self._anonymous_id, "session_id": self.who.name, "customer_token": self._token,
        }  # fmt: skip
        found = _or_none(lambda: self.api.get("/api/v1/recommendations", self.api.keys.publishable, **asked))
        found = found or {"items": [], "decision_id": None}
        items = [each for each in found["items"] if each["product_id"] in self.range.rows]
        products = np.array([self.range.rows[each["product_id"]] for each in items], np.int64)
        given = [np.nan if each["price"] is None else float(each["price"]) for each in items]
        prices = np.array(given, np.float64)
        if items:
            self._say("Product List Viewed", {"list_id": placement, "decision_id": found["decision_id"]})
        return Shown(products, np.where(np.isnan(prices), self.range.prices[products], prices), found["decision_id"])

    def search(self, products: Rows) -> Shown:
        return Shown(products, self.range.prices[products])

    def look(self, line: Line) -> float:
        sku = self.range.skus[line.product]
        found = _or_none(lambda: self.api.get("/api/v1/prices/now", self.api.keys.secret, product_id=sku))
        given = found["prices"][0]["price"] if found else None
        price = line.price if given is None else float(given)
        self._say("Product Viewed", self._about(line, price))
        return price

    def add(self, line: Line) -> None:
        self._say("Product Added", {**self._about(line, line.price), "quantity": 1})

    def order(self, lines: list[Line], stolen: bool) -> bool:
        total = round(sum(each.price for each in lines), 2)
        self._say("Checkout Started", {"value": total, "currency": "EUR"})
        payment = self._payment(total, stolen)
        checked = _or_none(lambda: self.api.post("/api/v1/fraud/score", self.api.keys.secret, payment))
        if checked is not None and checked["action"] == "block":
            return False
        bought = [{**self._about(each, each.price), "quantity": 1} for each in lines]
        self._say("Order Completed", {"order_id": self.who.name, "total": total, "currency": "EUR", "products": bought})
        return True

    def chat(self, draw: Draw) -> None:
        self.chats += 1
        intent = list(QUESTIONS)[int(draw.integers(len(QUESTIONS)))]
        text = str(draw.choice(QUESTIONS[intent])).format(
            order=self.range.orders[int(draw.integers(len(self.range.orders)))] if self.range.orders else "",
            product=self.range.titles[int(draw.integers(len(self.range.titles)))].split(",")[0].lower(),
        )
        asked = {"text": text, "message_id": f"{self.who.name}-chat", "anonymous_id": self._anonymous_id}
        if self._token:
            asked["customer_token"] = self._token
        _or_none(lambda: self.api.post("/api/v1/support/reply", self.api.keys.publishable, asked))

    def flush(self) -> None:
        """Send what happened since the last time."""
        if self._events:
            sent, self._events = self._events, []
            context: dict[str, Any] = {"library": {"name": SIMULATED}, "sessionId": self.who.name}
            if self._token:
                context["customerToken"] = self._token
            self.api.post("/v1/batch", self.api.keys.publishable, {"batch": sent, "context": context})

    @property
    def _customer(self) -> str:
        return self.range.customers[self.who.like]

    @property
    def _anonymous_id(self) -> str:
        return f"a-{self.who.like + 1}" if self.who.known else self.who.name

    def _about(self, line: Line, price: float) -> dict[str, Any]:
        about = {"product_id": self.range.skus[line.product], "price": price}
        return about if line.decision_id is None else {**about, "decision_id": line.decision_id}

    def _payment(self, total: float, stolen: bool) -> dict[str, Any]:
        like, known = self.who.like, self.who.known and not stolen
        home = like // 2 * 2 if like % 7 == 0 else like  # as in the history: who lives together shares a device
        country = self.range.countries[like]
        return {
            "payment_id": self.who.name, "order_id": self.who.name, "amount": f"{total:.2f}", "currency": "EUR",
            "device_id": "sim-ring" if stolen else f"dev-{home}-0" if known else f"sim-dev-{self.who.name}",
            "card_fingerprint": f"card-{like}" if known else f"card-{self.who.name}",
            "ip_country": "NL" if stolen else country, "card_country": "US" if stolen else country,
            **({"customer_id": self._customer} if known and self.who.signed_in else {}),
        }  # fmt: skip

    def _say(self, event: str, properties: dict[str, Any]) -> None:
        self._said += 1
        message = {
            "type": "track", "event": event, "messageId": f"{self.who.name}-{self._said}",
            "anonymousId": self._anonymous_id, "timestamp": datetime.now(UTC).isoformat(), "properties": properties,
        }  # fmt: skip
        self._events.append({**message, "userId": self._customer} if self._token else message)


def _or_none(ask: Callable[[], Any]) -> Any:
    """The answer; None where the plugin is switched off: a shop goes on without it."""
    try:
        return ask()
    except Unanswered as error:
        if error.status == 404:
            return None
        raise
