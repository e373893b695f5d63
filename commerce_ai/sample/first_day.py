"""The first hours of the demo shop over HTTP: what a storefront and a payment page would ask every plugin.

It is a demonstration, not a measurement: requests are drawn from the generated shop without any model of what people
make of the answers.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from commerce_ai.sample.generate import Sample
from commerce_ai.sample.phrases import QUESTIONS

TIMEOUT_S = 20
PAYMENTS, CHATS, ADS, PRICES, LISTS, TEXTS = 60, 24, 60, 20, 30, 12
STRANGE_QUESTIONS = ("Do you know a good film for tonight?", "How old is the moon?", "I demand to speak to somebody!")

Ask = tuple[str, str, Any]


class Refused(Exception):
    """A request was answered with an error; the message holds address and answer."""


def live_through(base_url: str, key: str, sample: Sample, tell: Callable[[float], None] = lambda share: None) -> int:
    """Send everything, with a secret `key`; how many requests were answered. Raises `Refused`."""
    asks = list(requests_of(sample))
    for done, (method, path, body) in enumerate(asks, 1):
        _send(base_url, key, method, path, body)
        tell(done / len(asks))
    return len(asks)


def requests_of(sample: Sample) -> Iterator[Ask]:
    """(method, path, body) in a fixed order: payments, a ring among them, questions, ads, prices, lists, texts."""
    rng = np.random.default_rng(7)
    customers, products = sample.people.customers["external_id"], sample.goods.products
    yield from _payments(rng, sample)
    intents = list(QUESTIONS)
    for number in range(CHATS):
        text = (
            str(rng.choice(QUESTIONS[intents[number % len(intents)]])) if number % 8 else STRANGE_QUESTIONS[number // 8]
        )
        filled = text.format(order=sample.happenings.orders["external_id"][-1 - number], product="desk lamp")
        who = {"customer_id": str(customers[number])} if number % 3 else {"anonymous_id": f"demo-{number}"}
        yield "POST", "support/reply", {"text": filled, "message_id": f"demo-{number}", **who}
    for number in range(ADS):
        yield "POST", "ads/decide", {"customer_id": str(customers[number]), "placement": "home"}
    sellable = np.flatnonzero(sample.goods.sellable)
    for product in rng.choice(sellable, PRICES, replace=False).tolist():
        yield "GET", f"prices/now?product_id={products['external_id'][product]}", None
    for number in range(LISTS):
        yield "GET", f"recommendations?placement=home&customer_id={customers[number]}", None
    yield "POST", "sentiment/analyze", {"texts": sample.talk.reviews["text"].tail(TEXTS).to_list()}


def _payments(rng: np.random.Generator, sample: Sample) -> Iterator[Ask]:
    """Ordinary payments, and now and then one of a ring that goes on."""
    orders = sample.happenings.orders.tail(PAYMENTS)
    rings = sample.payments.payments.filter(sample.payments.payments["device_id"].str.starts_with("dev-ring"))
    ring = rings["device_id"][-1] if len(rings) else "dev-new"
    for number, (customer, total) in enumerate(orders.select("customer", "total").iter_rows()):
        fraud = number % 6 == 5
        who = {} if customer is None else {"customer_id": sample.people.customers["external_id"][customer]}
        country = "DE" if customer is None else sample.people.customers["country"][customer]
        yield "POST", "fraud/score", {
            "payment_id": f"DEMO-{number}",
            "amount": f"{float(rng.lognormal(4.8, 0.5)) if fraud else total:.2f}",
            "currency": "EUR",
            "device_id": ring if fraud else f"dev-{customer}-0" if customer is not None else f"dev-demo-{number}",
            "card_fingerprint": f"card-stolen-demo-{number}" if fraud else f"card-{customer}",
            "ip_country": "NL" if fraud else country,
            "card_country": "US" if fraud else country,
            **who,
        }  # fmt: skip


def _send(base_url: str, key: str, method: str, path: str, body: Any) -> None:
    address = f"{base_url.rstrip('/')}/api/v1/{path}"
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(address, data, headers, method=method)  # noqa: S310  (our own address)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
            response.read()
    except urllib.error.HTTPError as error:
        raise Refused(f"{address} answered {error.code}: {error.read(500).decode(errors='replace')}") from error
    except OSError as error:
        raise Refused(f"{address} did not answer: {error}") from error
