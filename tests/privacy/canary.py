"""A person with many unique strings, and every door they come in by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.db import connection
from django.utils import timezone

from commerce_ai.crypto import EncryptedTextField
from commerce_ai.decisions.models import Decision
from commerce_ai.ingest import project
from commerce_ai.ingest.files import load_file
from commerce_ai.privacy import holdings
from commerce_ai.shop import models as tables
from commerce_ai.shop.models import Customer, Shop

_WORDS = (
    "customer", "anonymous", "session", "message", "trait", "property", "search", "page", "name", "street", "review",
    "title", "chat", "subject", "device", "card", "evidence", "reason", "attribute", "segment",
)  # fmt: skip
SAID = {word: f"canary-{word}-77" for word in _WORDS} | {"email": "canary77@shop.example", "phone": "+4930777000777"}
WHO, ANONYMOUS = SAID["customer"], SAID["anonymous"]


def messages(mark: str = "") -> list[dict[str, Any]]:
    """What tracking is told of the person. With a `mark` other messages of the same content."""
    traits = {"club": SAID["trait"], "address": SAID["street"]} | {n: SAID[n] for n in ("email", "phone", "name")}
    ordered = {"order_id": "o1", "total": 20, "products": [{"product_id": "p1", "price": 10, "quantity": 2}]}
    told: list[dict[str, Any]] = [
        {"type": "identify", "traits": traits},
        {"type": "track", "event": "Product Viewed",
         "properties": {"product_id": "p1", "remark": SAID["property"], "query": SAID["search"]}},
        {"type": "page", "name": SAID["page"]},
        {"type": "track", "event": "Order Completed", "properties": ordered},
        {"type": "track", "event": "Order Completed", "properties": {"order_id": "", "remark": SAID["property"]}},
    ]  # fmt: skip
    who = {"userId": WHO, "anonymousId": ANONYMOUS, "context": {"sessionId": SAID["session"]}}
    return [who | each | {"messageId": f"{SAID['message']}{mark}-{at}"} for at, each in enumerate(told)]


def csv(folder: Path, name: str, *lines: str) -> Path:
    path = folder / f"{name}.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def files(shop: Shop, folder: Path, *, again: bool = False) -> None:
    """Good rows and bad ones, of the customer and of what names them."""
    head = "external_id,email,phone,name,birth_year"
    row = f"{WHO},{SAID['email']},{SAID['phone']},{SAID['name']}"
    loads = {
        "customers": (head, f"{row},1980", "somebody,other@shop.example,,Other,1990"),
        "orders": ("external_id,customer_id,email,total,placed_at", f"o2,{WHO},{SAID['email']},5,2026-01-05T10:00:00Z"),
        "payments": ("external_id,order_id,customer_id,status,currency,amount,device_id,card_fingerprint,at",
                     f"pay1,o2,{WHO},captured,EUR,5,{SAID['device']},{SAID['card']},2026-01-05T10:00:00Z"),
        "reviews": ("external_id,customer_id,title,text,at",
                    f"r1,{WHO},{SAID['title']},{SAID['review']},2026-01-06T10:00:00Z"),
        "consents": ("customer_id,purpose,granted,at,evidence",
                     f"{WHO},ads,true,2026-01-06T10:00:00Z,{SAID['evidence']}"),
    }  # fmt: skip
    for table, lines in loads.items():
        load_file(shop, csv(folder, table, *lines), format="csv", table=table, most_rejected=1.0, again=again)
    bad = csv(folder, "bad", head, f"{row},much later")
    load_file(shop, bad, format="csv", table="customers", most_rejected=1.0, again=again)


def rows(shop: Shop) -> None:
    """What other rooms and plugins write about the customer."""
    person = Customer.objects.of(shop).get(external_id=WHO)
    of = {"shop": shop, "customer": person}
    Customer.objects.of(shop).filter(pk=person.pk).update(attributes={"remark": SAID["attribute"]})
    talk = tables.Conversation.objects.create(**of, external_id="t1", subject=SAID["subject"], anonymous_id=ANONYMOUS)
    tables.Message.objects.create(
        shop=shop, conversation=talk, external_id="m1", role="customer", text=SAID["chat"], properties={"of": WHO}
    )
    other = Customer.objects.create(shop=shop, external_id="friend")
    tables.SocialTie.objects.create(**of, other=other, kind="gift")
    tables.CustomerScore.objects.create(**of, segment=SAID["segment"], as_of=timezone.now())
    Decision.objects.create(
        shop=shop, plugin="recommendation", kind="recommendations", customer_id=person.pk, subject=f"customer:{WHO}",
        anonymous_id=ANONYMOUS, session_id=SAID["session"], payload={"because": SAID["reason"]},
    )  # fmt: skip


def through_every_door(shop: Shop, send: Any, key: str, folder: Path) -> None:
    assert send("batch", {"batch": messages()}, key).status_code == 200
    project.run()
    files(shop, folder)
    rows(shop)
    assert send("batch", {"batch": messages("-waiting")}, key).status_code == 200  # and is not projected yet


def found(shop: Shop | None = None) -> dict[str, set[str]]:
    """Canaries by table, over every column of every table, encrypted ones in clear, and Redis."""
    hits: dict[str, set[str]] = {}

    def look(place: str, text: str) -> None:
        if inside := {each for each in SAID.values() if each in text}:
            hits.setdefault(place, set()).update(inside)

    with connection.cursor() as cursor:
        names = [
            each for each in connection.introspection.table_names(cursor) if not each.startswith("stage_")
        ]  # temporary ones
        for name in names:
            where = f" WHERE t.shop_id = {shop.pk}" if shop and "shop_id" in _columns(cursor, name) else ""
            cursor.execute(f'SELECT t::text FROM "{name}" t{where}')
            for (text,) in cursor.fetchall():
                look(name, text)
    sealed = [*holdings._tables(), Customer]
    for model in sealed:
        columns = [each.attname for each in model._meta.concrete_fields if isinstance(each, EncryptedTextField)]
        for row in model._base_manager.filter(**({"shop": shop} if shop else {})) if columns else ():
            look(model._meta.db_table, json.dumps([getattr(row, each) for each in columns]))
    client = redis.Redis.from_url(settings.REDIS_URL)
    for key in client.scan_iter():
        if not shop or f":{shop.pk}:" in key.decode():
            look("redis", key.decode(errors="replace"))
            look("redis", (client.dump(key) or b"").decode("latin-1"))
    return hits


def _columns(cursor: Any, name: str) -> set[str]:
    return {each.name for each in connection.introspection.get_table_description(cursor, name)}
