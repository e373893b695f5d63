"""Webhooks that wait, into rows: by the code of REST, so that an order from one outweighs files and tracking.

One delivery a transaction, one process at a time for a shop. Said twice changes nothing; an older word than the last
applied one is left. What can't be used goes to quarantine; what fails is tried again later, five times.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import Any

import msgspec
from celery import shared_task
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Q
from django.utils import timezone
from rest_framework import serializers

from commerce_ai import celery
from commerce_ai.api import errors, resources
from commerce_ai.api.customers import Customers
from commerce_ai.api.orders import Orders
from commerce_ai.api.products import Products
from commerce_ai.api.resources import How, Resource
from commerce_ai.ingest import metrics
from commerce_ai.ingest.models import WebhookDelivery
from commerce_ai.ingest.personal import clean_text
from commerce_ai.ingest.webhooks import receiving
from commerce_ai.ingest.webhooks import shopify as platform
from commerce_ai.ingest.webhooks.shopify import Said, Unusable
from commerce_ai.privacy import requests
from commerce_ai.shop import bulk, tombstones
from commerce_ai.shop.models import Customer, Order, Product, Refund, Shop
from commerce_ai.shop.revision import refresher

logger = logging.getLogger(__name__)

MOST_ATTEMPTS = 5
LONGEST_S = 300
SOURCE = "shopify"
_LOCK = 0x686F6F6B  # "hook", with the shop's number
_RESOURCES: dict[str, Resource] = {"customers": Customers(), "products": Products(), "orders": Orders()}
State = WebhookDelivery.State


class TooEarly(LookupError):
    """It speaks of something that has not come yet."""


def wake() -> None:
    """Have a worker look, soon; never fails: the sweep comes anyway."""
    celery.wake(apply_webhooks, "a webhook")


@shared_task(name="commerce_ai.api.apply_webhooks")
def apply_webhooks() -> int:
    """Apply what waits; how many deliveries."""
    done, until = 0, time.monotonic() + LONGEST_S
    while time.monotonic() < until:
        refresher.poll()  # who was erased while we worked
        if not _apply_next():
            break
        done += 1
    return done


@transaction.atomic
def _apply_next() -> bool:
    row = receiving.claim()
    if row is None:
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK, row.shop_id])
    try:
        with transaction.atomic():
            row.state = _apply(row)
    except Unusable as error:
        receiving.quarantine(row.shop_id, row, "unusable", error.field, clean_text(str(error.message)))
        row.state = State.REFUSED
    except (OperationalError, InterfaceError):
        raise  # Postgres is not there, or chose us to end a deadlock
    except Exception as error:
        _note_failure(row, error)
    if row.state != State.WAITING and row.state != State.ASIDE:
        row.done_at, row.body = timezone.now(), ""
    row.save(update_fields=["state", "body", "attempts", "retry_at", "error", "done_at"])
    return True


def _note_failure(row: WebhookDelivery, error: Exception) -> None:
    row.attempts += 1
    row.error, row.retry_at = type(error).__name__[:100], timezone.now() + timedelta(seconds=4**row.attempts)
    if row.attempts >= MOST_ATTEMPTS:
        row.state = State.ASIDE
        logger.error("webhook delivery %s (%s) was set aside (%s)", row.pk, row.topic, row.error)


# --- one delivery -----------------------------------------------------------------------------------------


def _apply(row: WebhookDelivery) -> str:
    shop = Shop.objects.get(pk=row.shop_id)
    if row.subject is not None and row.said_at is not None:
        later = WebhookDelivery.objects.of(shop).filter(
            subject=row.subject, state=State.APPLIED, said_at__gt=row.said_at
        )
        if later.exists():
            return State.STALE
    said = platform.read(row.topic, msgspec.json.decode(row.body))
    is_about_customer = row.topic.startswith("customers/")
    for name, values in said.rows:
        _write(shop, name, values, is_about_customer)
    _refund(shop, said)
    _retire(shop, said)
    _ask(shop, said)
    return State.APPLIED


def _write(shop: Shop, name: str, values: dict[str, Any], is_about_customer: bool) -> None:
    resource, external_id = _RESOURCES[name], values["external_id"]
    if name == "customers":
        if tombstones.erased(shop.pk, [external_id]):
            return  # they went for good
        known = Customer.objects.of(shop).filter(external_id=external_id).first()
        if known is not None:
            if not is_about_customer:
                return  # what an order says of its buyer may be old
            values = {**values, "attributes": {**known.attributes, **values["attributes"]}}
    try:
        valid = dict(resource.serializer(partial=True).run_validation(values))
        [outcome] = resources.write(resource, shop, [valid], How.MERGE)
    except serializers.ValidationError as error:
        first = next(errors.flatten(error.detail))
        raise Unusable(f"{name}.{first.field}", first.message) from None
    except errors.ApiError as error:
        fault = next(iter(error.errors), None)
        raise Unusable(f"{name}.{fault.field}" if fault else name, fault.message if fault else error.message) from None
    if outcome.status == "failed":
        raise Unusable(f"{name}.{outcome.errors[0].field}", outcome.errors[0].message)
    if name == "orders":
        metrics.recount_orders(shop, [valid["placed_at"].astimezone(shop.tz).date()])


def _refund(shop: Shop, said: Said) -> None:
    if not said.refunds:
        return
    orders = bulk.resolve(Order, shop, {each["order_id"] for each in said.refunds})
    if len(orders) < len({each["order_id"] for each in said.refunds}):
        raise TooEarly
    columns = ["shop", "external_id", "order_id", "amount", "currency", "reason", "at", "source"]
    rows = [
        (shop.pk, each["external_id"], orders[each["order_id"]], each["amount"], each["currency"] or shop.currency,
         each["reason"], each["at"], SOURCE)
        for each in said.refunds
    ]  # fmt: skip
    bulk.upsert(Refund, columns, rows, key=("shop", "external_id"))


def _retire(shop: Shop, said: Said) -> None:
    """A product that was deleted is not sold any more; what was sold of it stays in the books."""
    theirs = Product.objects.of(shop).filter(
        Q(external_id__in=said.inactive) | Q(parent__external_id__in=said.inactive)
    )
    rows = [{"external_id": each, "active": False} for each in theirs.values_list("external_id", flat=True)]
    if said.inactive and rows:
        resources.write(_RESOURCES["products"], shop, rows, How.MERGE)


def _ask(shop: Shop, said: Said) -> None:
    """A person's wishes, queued for `commerce_ai.privacy`, which carries them out within the hour."""
    erase = list(said.erase)
    if said.erase_everybody:
        erase += Customer.objects.of(shop).order_by("pk").values_list("external_id", flat=True)
    for external_id in erase:
        requests.ask(shop, requests.Kind.ERASURE, external_id, reason=SOURCE)
    for external_id in said.export:
        requests.ask(shop, requests.Kind.EXPORT, external_id, reason=SOURCE)
