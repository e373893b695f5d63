"""Puts the generated shop into the database: once, all of it or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import date, datetime
from uuid import UUID

import numpy as np
from django.db import transaction

from commerce_ai.ids import uuid7_floor
from commerce_ai.ingest import metrics
from commerce_ai.sample.generate import DEMO, TIMEZONE, Sample, Size, generate
from commerce_ai.sample.load_goods import load_goods
from commerce_ai.sample.load_people import load_campaigns, load_orders, load_people
from commerce_ai.sample.load_talk import load_talk
from commerce_ai.shop import partitions
from commerce_ai.shop.bulk import NewEvent, write_events
from commerce_ai.shop.models import Product, Shop
from commerce_ai.shop.revision import bump

Progress = Callable[[float, str], None]
MARK = "sample"  # in Shop.settings: what was loaded
_EVENTS_AT_ONCE = 20_000


class NotASample(Exception):
    """A shop of this name exists and has products that did not come from here."""


def load_sample(
    shop_slug: str = "sample",
    seed: int = 1,
    size: Size = DEMO,
    progress: Progress | None = None,
    *,
    until: date | None = None,
    events: bool = True,
) -> Shop:
    """The shop of this name with the sample in it; what was loaded before stays as it is. A few seconds by default.

    `progress` is told a share of 1 and what is being written. Without `events` there are only goods, people and
    orders. Raises `NotASample`, and then writes nothing.
    """
    tell = progress or (lambda share, what: None)
    found = Shop.objects.filter(slug=shop_slug).first()
    if found is not None and MARK in found.settings:
        tell(1.0, "done")
        return found
    if found is not None and Product.objects.of(found).exists():
        raise NotASample(f"the shop {shop_slug!r} has products of its own; choose another name")
    tell(0.0, "making the shop up")
    sample = generate(seed, size, until)
    with transaction.atomic():
        shop = found or Shop(slug=shop_slug)
        shop.name, shop.currency, shop.timezone, shop.country = "Linden & Lark", "EUR", TIMEZONE, "DE"
        shop.settings = {MARK: {"seed": seed, "until": sample.until.isoformat(), **asdict(size)}}
        shop.save()
        _write(shop, sample, tell, events)
        bump("catalogue", shop)
    tell(1.0, "done")
    return shop


def _write(shop: Shop, sample: Sample, tell: Progress, events: bool) -> None:
    tell(0.05, "products")
    products = load_goods(shop, sample)
    tell(0.15, "customers")
    customers = load_people(shop, sample)
    tell(0.2, "orders")
    orders = load_orders(shop, sample, products, customers)
    load_campaigns(shop, sample, customers)
    tell(0.35, "reviews and talks")
    load_talk(shop, sample, products, customers, orders)
    if events:
        _visits(shop, sample, products, customers, tell)
    metrics.count_stored(shop)


def _visits(shop: Shop, sample: Sample, products: np.ndarray, customers: np.ndarray, tell: Progress) -> None:
    first, last = sample.happenings.events["at"].min(), sample.until
    if isinstance(first, datetime):
        partitions.ensure_months(first.date(), last.date())
    total = max(len(sample.happenings.events), 1)
    for done, batch in _batches(_events(shop, sample, products, customers)):
        write_events(batch)
        tell(0.4 + 0.6 * done / total, "events")


def _events(shop: Shop, sample: Sample, products: np.ndarray, customers: np.ndarray) -> Iterator[NewEvent]:
    goods, people = sample.goods.products, sample.people.customers
    skus, names = goods["external_id"].to_list(), people["external_id"].to_list()
    numbers, totals = sample.happenings.orders["external_id"].to_list(), sample.happenings.orders["total"].to_list()
    product_ids, customer_ids = products.tolist(), customers.tolist()
    columns = ("name", "visit", "anonymous_id", "customer", "product", "price", "at", "dwell_s", "order")
    ours = shop.pk << 32
    for number, row in enumerate(sample.happenings.events.select(columns).iter_rows()):
        name, visit, anonymous_id, customer, product, price, at, dwell_s, order = row
        if order is not None:
            properties = {"order_id": numbers[order], "total": totals[order], "currency": shop.currency}
        else:
            properties = {} if product is None else {"product_id": skus[product], "price": price}
            if dwell_s is not None:
                properties["dwell_s"] = dwell_s
        yield NewEvent(
            id=UUID(int=uuid7_floor(at).int | ours + number),  # the same in the same shop, every time
            shop_id=shop.pk,
            name=name,
            message_id=f"sample-{number}",
            anonymous_id=anonymous_id,
            user_id="" if customer is None else names[customer],
            customer_id=None if customer is None else customer_ids[customer],
            session_id=f"s-{visit}",
            product_id=None if product is None else product_ids[product],
            properties=json.dumps(properties),
            platform="web",
            occurred_at=at,
            received_at=at,
        )


def _batches(events: Iterator[NewEvent]) -> Iterator[tuple[int, list[NewEvent]]]:
    done, batch = 0, []
    for event in events:
        batch.append(event)
        if len(batch) == _EVENTS_AT_ONCE:
            done += len(batch)
            yield done, batch
            batch = []
    if batch:
        yield done + len(batch), batch
