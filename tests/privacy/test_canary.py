"""A person of some forty unique strings goes through every door; then every place is read, byte for byte.

What identifies directly (`IDENTIFIERS`) is nowhere in clear, from the first second. What the shop keeps until the person
goes (`KEPT`: what they wrote, looked at and were called by) stands only in columns that are declared personal. What was
never taken in (`REFUSED`) is nowhere. After the erasure none of it is anywhere, whatever comes late.
"""

from __future__ import annotations

import base64
import hmac
import json
import logging
import re
import secrets
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.api import applying, keys
from commerce_ai.ingest import memory, project
from commerce_ai.ingest.files import load_file
from commerce_ai.ingest.models import WebhookSource
from commerce_ai.privacy import register, requests, tasks
from commerce_ai.privacy.erase import erase
from commerce_ai.privacy.models import ErasureLog
from commerce_ai.shop import contact
from commerce_ai.shop.models import Customer, Identity, Order, Product, Review, Shop
from commerce_ai.shop.revision import refresher
from tests.privacy import places

pytestmark = pytest.mark.django_db(transaction=True)
MARK = secrets.token_hex(3)
DIGITS = f"{secrets.randbelow(10**7):07}"

IDENTIFIERS = {
    "email": f"mail{MARK}@shop.example", "other email": f"second{MARK}@shop.example",
    "email in an url": f"link{MARK}@shop.example", "email in a text": f"text{MARK}@shop.example",
    "email of an order": f"order{MARK}@shop.example", "email in a bad row": f"badrow{MARK}@shop.example",
    "email in a broken message": f"broken{MARK}@shop.example", "email as a key": f"key{MARK}@shop.example",
    "phone": f"+49171{DIGITS}", "phone in a text": f"+49 172 {DIGITS}",
    "name": f"Firstname{MARK} Lastname{MARK}", "first name": f"Given{MARK}", "name in a bad row": f"Badrow{MARK} Name",
    "name below customer": f"Nested{MARK} Buyer", "street": f"{MARK} Canary Street 7", "address line": f"Backyard {MARK}",
    "shipping address": f"Ship{MARK} Road 9", "ip": f"203.0.113.{int(MARK[:2], 16) % 200 + 50}", "ipv6": f"2001:db8::{MARK[:4]}:77",
    "idempotency key": f"erase-idem{MARK}", "card holder": f"Holder{MARK} Card",
}  # fmt: skip
STORED_ENCRYPTED = {
    "email", "phone", "name", "first name", "street", "address line", "card holder", "shipping address", "name in a bad row",
    "email in a bad row", "email of an order", "email in a broken message",
}  # fmt: skip
KEPT = {
    word: f"{word.replace(' ', '-')}-{MARK}-kept"
    for word in (
        "customer", "anonymous", "session", "trait", "nested property", "array element", "search", "page", "query in an url",
        "user agent", "attribute", "device", "card fingerprint", "coupon", "review title", "review text",
        "chat subject", "chat text", "evidence", "bad row", "odd type", "label",
    )
}  # fmt: skip
REFUSED = {
    word: f"{word.replace(' ', '-')}-{MARK}-refused"
    for word in ("unreadable body", "oversized body", "unknown field", "wrong type", "path of an error", "message of no key")
}  # fmt: skip
BOOKS = {"order number": f"number-{MARK}-books"}  # what an invoice is found by stays with the order, and nowhere else
ALL = {**IDENTIFIERS, **KEPT, **REFUSED}
WHO, ANONYMOUS = KEPT["customer"], KEPT["anonymous"]


@pytest.fixture
def shop(transactional_db: None, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    settings.VAR_DIR = tmp_path / "var"
    settings.VAR_DIR.mkdir()
    monkeypatch.setattr(memory, "TIMEOUT_S", 10)
    call_command("migrate", verbosity=0)  # what an earlier flush took away: jobs, content types
    shop = Shop.objects.create(
        slug=f"canary-{secrets.token_hex(2)}", name="North", currency="EUR", timezone="Europe/Berlin"
    )
    for slug in ("recommendation", "support", "fraud", "advertising"):
        registry.switch(shop, slug, True)
    for n in (1, 2, 3):
        Product.objects.create(shop=shop, external_id=f"p{n}", title=f"Mug {n}", price=n)
    return shop


@pytest.fixture
def log() -> Iterator[places.Log]:
    kept, root = places.Log(), logging.getLogger()
    level = root.level
    root.addHandler(kept)
    root.setLevel(logging.INFO)
    yield kept
    root.setLevel(level)
    root.removeHandler(kept)


class Door:
    """A shop's server and a browser, in one."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.secret = keys.create_key(shop, "server", "secret")[1]
        self.public = keys.create_key(shop, "browser", "publishable", origins=["https://shop.example"])[1]
        refresher.poll()
        self.client = Client(raise_request_exception=False)

    def send(self, method: str, path: str, body: Any = None, *, public: bool = False, **headers: str) -> Any:
        data = body if isinstance(body, (bytes, str)) else json.dumps(body)
        sent = {
            "Authorization": f"Bearer {self.public if public else self.secret}", "User-Agent": KEPT["user agent"],
            "X-Forwarded-For": IDENTIFIERS["ip"], "Origin": "https://shop.example",
            **{name.replace("_", "-"): text for name, text in headers.items()},
        }  # fmt: skip
        return self.client.generic(
            method, path, data if body is not None else "", "application/json", headers=sent,
            REMOTE_ADDR=IDENTIFIERS["ip"],
        )  # fmt: skip


def messages(mark: str) -> list[Any]:
    said, kept = IDENTIFIERS, KEPT
    traits = {
        "email": said["email"], "phone": said["phone"], "name": said["name"], "firstName": said["first name"],
        "address": {"street": said["street"], "line2": said["address line"], "city": "Berlin"}, "club": kept["trait"],
    }  # fmt: skip
    viewed = {
        "product_id": "p1", "customer_email": said["other email"], said["email as a key"]: 1, "query": kept["search"],
        "note": f"write to {said['email in a text']} or call {said['phone in a text']}",
        "deep": {"er": {"remark": kept["nested property"], "client_ip": said["ip"], "from": said["ipv6"]}},
        "list": [1, {"x": [kept["array element"]]}], "customer": {"name": said["name below customer"]},
    }  # fmt: skip
    page = f"https://shop.example/s?email={said['email in an url'].replace('@', '%40')}&q={kept['query in an url']}"
    ordered = {
        "order_id": "o1", "total": 20, "email": said["email of an order"], "coupon": kept["coupon"],
        "shipping_address": {"address1": said["shipping address"], "name": said["card holder"]},
        "products": [{"product_id": "p1", "price": 10, "quantity": 2}],
    }  # fmt: skip
    context = {
        "sessionId": kept["session"], "ip": said["ip"], "userAgent": kept["user agent"], "traits": {"email": said["email"]},
        "page": {"url": page, "path": "/s", "search": f"?q={kept['query in an url']}", "title": kept["page"]},
    }  # fmt: skip
    told: list[dict[str, Any]] = [
        {"type": "identify", "traits": traits},
        {"type": "track", "event": "Product Viewed", "properties": viewed},
        {"type": "page", "name": kept["page"], "properties": {"url": page, "referrer": page}},
        {"type": "track", "event": "Order Completed", "properties": ordered},
        {"type": "track", "event": "Order Completed", "properties": {"order_id": "", "remark": kept["odd type"]}},
        {"type": "track", "event": {"email": said["email in a broken message"]}, "properties": {"x": kept["odd type"]}},
        {"type": "dance", "traits": traits},
    ]  # fmt: skip
    who = {"userId": WHO, "anonymousId": ANONYMOUS, "context": context}
    return [who | each | {"messageId": f"m-{mark}-{at}"} for at, each in enumerate(told)]


def through_tracking(door: Door, mark: str) -> None:
    answer = door.send("POST", "/v1/batch", {"batch": messages(mark)}).json()
    assert answer["rejected"] == 2, answer
    door.send("POST", "/v1/track", {**messages(f"{mark}-one")[1]}, public=True)
    project.run()


def through_errors(door: Door) -> None:
    bad, said = REFUSED, IDENTIFIERS
    broken = f'{{"batch": [{{"x": "{bad["unreadable body"]} {said["email in a broken message"]}"'
    for path in ("/v1/batch", "/api/v1/customers", "/api/v1/privacy/exports"):
        assert door.send("POST", path, broken).status_code == 400
    huge = {"batch": [{"type": "track", "event": "x", "properties": {"x": bad["oversized body"] * 40_000}}]}
    assert door.send("POST", "/v1/batch", huge).status_code in (400, 413)
    wrong = {"external_id": WHO, "email": said["email"], "birth_year": bad["wrong type"], bad["unknown field"]: 1}
    assert door.send("POST", "/api/v1/customers", wrong).status_code == 400
    order = {"external_id": "o9", "total": bad["wrong type"], "email": said["email"], "lines": [bad["wrong type"]]}
    assert door.send("POST", "/api/v1/orders", order).status_code == 400
    for path in ("customers/", "orders/", "nothing/", "decisions/"):
        assert door.send("GET", f"/api/v1/{path}{bad['path of an error']}").status_code == 404
    door.public, kept = bad["message of no key"], door.public
    assert door.send("POST", "/v1/batch", {"batch": messages("nokey")}, public=True).status_code == 401
    door.public = kept


def through_rest(door: Door, words: str) -> dict[str, int]:
    """Every door of REST that takes something of a person: what each answered."""
    said, kept = IDENTIFIERS, KEPT
    customer = {
        "external_id": WHO, "email": said["email"], "phone": said["phone"], "name": said["name"],
        "address": said["street"], "attributes": {"remark": kept["attribute"]},
    }  # fmt: skip
    order = {
        "external_id": "o2", "customer_id": WHO, "email": said["email"], "anonymous_id": ANONYMOUS, "total": "7",
        "number": BOOKS["order number"], "placed_at": "2026-01-07T10:00:00Z", "lines": [],
    }  # fmt: skip
    payment = {
        "payment_id": "pay9", "amount": "5.00", "customer_id": WHO, "device_id": kept["device"],
        "card_fingerprint": kept["card fingerprint"], "ip": said["ip"],
    }  # fmt: skip
    named = f"customer_id={WHO}&anonymous_id={ANONYMOUS}&session_id={kept['session']}"
    reply = {"text": words, "customer_id": WHO, "anonymous_id": ANONYMOUS}
    agreed = {"consents": [{"purpose": "ads", "granted": True, "evidence": kept["evidence"]}]}
    sent = [
        door.send("POST", "/api/v1/customers/bulk", {"rows": [customer]}, Idempotency_Key=said["idempotency key"]),
        door.send("POST", "/api/v1/orders", order),
        door.send("GET", f"/api/v1/recommendations?placement=home&{named}"),
        door.send("GET", f"/api/v1/recommendations/similar?product_id=p1&{named}"),
        door.send("POST", "/api/v1/support/reply", reply),
        door.send("POST", "/api/v1/fraud/score", payment),
        door.send("POST", "/api/v1/ads/decide", {"customer_id": WHO, "anonymous_id": ANONYMOUS, "placement": "email"}),
        door.send("POST", "/api/v1/fraud/labels", {"rows": [{"order_id": "o2", "is_fraud": False}]}),
        door.send("PUT", f"/api/v1/customers/{WHO}/consent", agreed),
        door.send("GET", f"/api/v1/customers/{WHO}"),
    ]  # fmt: skip
    return {f"{each.request['REQUEST_METHOD']} {each.request['PATH_INFO']}": each.status_code for each in sent}


def through_webhooks(door: Door, mark: str) -> None:
    said, kept = IDENTIFIERS, KEPT
    address = {"name": said["card holder"], "address1": said["shipping address"], "country_code": "DE"}
    at = {"created_at": "2026-01-06T10:00:00Z", "updated_at": "2026-01-06T10:00:00Z"}
    customer = {"id": WHO, "email": said["email"], "phone": said["phone"], "first_name": said["first name"],
                "last_name": said["name"], "default_address": address, "note": kept["attribute"], **at}  # fmt: skip
    order = {"id": "o7", "name": "#7", "currency": "EUR", "total_price": "5.00", "email": said["email of an order"],
             "customer": customer, "shipping_address": address, "browser_ip": said["ip"], "line_items": [],
             "note": f"{kept['attribute']} {said['email in a text']}", "financial_status": "paid", **at}  # fmt: skip
    broken = {
        "id": "o8",
        "email": said["email in a broken message"],
        "customer": customer,
        "total_price": kept["bad row"],
    }
    sent = (("customers/create", customer), ("orders/create", order), ("orders/create", broken), ("carts/x", customer))
    for at_, (topic, body) in enumerate(sent):
        data = json.dumps(body).encode()
        signed = base64.b64encode(hmac.digest(b"hush", data, "sha256")).decode()
        headers = {"X-Shopify-Shop-Domain": "canary.example", "X-Shopify-Topic": topic,
                   "X-Shopify-Webhook-Id": f"{mark}-{at_}", "X-Shopify-Hmac-Sha256": signed}  # fmt: skip
        answer = door.client.post("/webhooks/shopify/", data, content_type="application/json", headers=headers)
        assert answer.status_code == 200, answer.content
    applying.apply_webhooks()


def through_files(shop: Shop, folder: Path, again: bool = False) -> None:
    said, kept = IDENTIFIERS, KEPT
    loads = {
        "customers": ["external_id,email,phone,name,birth_year", f"{WHO},{said['email']},{said['phone']},{said['name']},1980",
                      f"{WHO},{said['email in a bad row']},{said['phone']},{said['name in a bad row']},{kept['bad row']}"],
        "orders": ["external_id,customer_id,email,anonymous_id,total,placed_at",
                   f"o3,{WHO},{said['email']},{ANONYMOUS},5,2026-01-05T10:00:00Z",
                   f"o5,,{said['email']},,5,2026-01-05T10:00:00Z",  # a guest's, of the same address
                   f"o4,{WHO},{said['email in a bad row']},{ANONYMOUS},{kept['bad row']},2026-01-05T10:00:00Z"],
        "payments": ["external_id,order_id,customer_id,status,currency,amount,device_id,card_fingerprint,ip,at",
                     f"pay1,o3,{WHO},captured,EUR,5,{kept['device']},{kept['card fingerprint']},{said['ip']},2026-01-05T10:00:00Z"],
        "reviews": ["external_id,customer_id,title,text,rating,at",
                    f"r1,{WHO},{kept['review title']},{kept['review text']},5,2026-01-06T10:00:00Z",
                    f"r2,{WHO},t,{kept['bad row']},much,2026-01-06T10:00:00Z"],
        "conversations": ["external_id,customer_id,subject,opened_at", f"t1,{WHO},{kept['chat subject']},2026-01-06T10:00:00Z"],
        "messages": ["external_id,conversation_id,role,text,at", f"x1,t1,customer,{kept['chat text']},2026-01-06T10:00:00Z"],
        "labels": ["task,subject_type,subject_id,text,value,at",
                   f"sentiment,review,r1,{kept['label']},positive,2026-01-07T10:00:00Z",
                   f"intent,message,x1,{kept['label']},thanks,2026-01-07T10:00:00Z",
                   f"intent,conversation,t1,{kept['label']},thanks,2026-01-07T10:00:00Z"],
        "consents": ["customer_id,purpose,granted,at,evidence", f"{WHO},ads,true,2026-01-06T10:00:00Z,{kept['evidence']}"],
    }  # fmt: skip
    folder.mkdir(exist_ok=True)
    for table, lines in loads.items():
        path = folder / f"{table}.csv"
        path.write_text("\n".join(lines) + "\n")
        load_file(shop, path, format="csv", table=table, most_rejected=1.0, again=again)
        path.unlink()


def hits(found: Iterator[tuple[str, bytes]], words: dict[str, str]) -> dict[str, set[str]]:
    """Word → places that hold its text, in whatever disguise."""
    wanted = {word: places.disguises(text) for word, text in words.items()}
    there: dict[str, set[str]] = {}
    for place, content in found:
        for word, spellings in wanted.items():
            if any(each in content for each in spellings):
                there.setdefault(word, set()).add(place)
    return there


def personal_columns() -> set[str]:
    """``table.column`` of what the register declares, partitions named as their table."""
    from django.apps import apps

    found = set()
    for entry in register.entries():
        model = apps.get_model(entry.model)
        found.add(f"{model._meta.db_table}.{model._meta.get_field(entry.column).column}")
    return found


def test_a_canary_of_forty_strings(shop: Shop, tmp_path: Path, log: places.Log) -> None:
    assert len(ALL) >= 40
    WebhookSource.objects.create(shop=shop, domain="canary.example", secret="hush")
    door, personal = Door(shop), personal_columns()
    through_tracking(door, "first")
    through_files(shop, tmp_path / "files")
    statuses = through_rest(door, KEPT["chat text"])
    assert set(statuses.values()) <= {200, 201, 202} and len(statuses) == 10, statuses
    through_webhooks(door, "first")
    through_errors(door)
    Review.objects.of(shop).filter(external_id="r1").update(status="pending")
    assert door.send("POST", "/v1/batch", {"batch": messages("waiting")}).status_code == 200

    there = list(places.everywhere(log))
    names = {name for name, _content in there}
    assert {"sql", "log", "shop_customer.email"} <= names and any("visitor:" in name for name in names)
    # Fraud checks are on in this shop: payments alone keep the whole address of the internet.
    assert hits(iter(there), {**IDENTIFIERS, **REFUSED}) == {"ip": {"shop_payment.ip"}}
    clear = hits(places.in_clear(), IDENTIFIERS)
    kept = hits(iter(there), KEPT)
    # Not one string of those that the shop keeps went by unseen: in clear here, encrypted in clear there.
    assert kept.keys() == KEPT.keys()
    assert clear.keys() >= STORED_ENCRYPTED and len(kept) + len(clear) + len(hits(iter(there), BOOKS)) >= 35
    undeclared = {
        (word, place)
        for word, found in kept.items()
        for place in found
        if _table(place) not in personal and "visitor:" not in place and not place.endswith(".aof")
    }
    assert undeclared == set()

    asked = door.send("POST", "/api/v1/privacy/erasures", {"customer_id": WHO})
    assert asked.status_code == 202
    # Another process has not heard of it for up to two seconds, and lets an event in.
    assert requests.work() == 1
    assert door.send("POST", "/v1/batch", {"batch": messages("between")}).json()["stored"] > 0
    project.run()
    assert hits(places.dump(), KEPT) != {}
    refresher.poll()
    for _sweep in (1, 2, 3):
        ErasureLog.objects.of(shop).filter(sweep_at__isnull=False).update(
            sweep_at=timezone.now(), done_at=timezone.now() - timedelta(minutes=2)
        )
        tasks.follow_up()
    record = ErasureLog.objects.of(shop).get()
    assert record.sweeps[0]["counts"]["shop_event"] > 0 and not record.sweeps[-1]["counts"] and record.names == ""
    late(door, tmp_path / "files")
    assert hits(places.everywhere(log), ALL) == {}
    assert hits(places.in_clear(), ALL) == {}
    assert hits(places.dump(), BOOKS) == {"order number": {"shop_order.number"}}
    assert not Customer.objects.of(shop).filter(external_id=WHO).exists()
    assert not Identity.objects.of(shop).filter(anonymous_id=ANONYMOUS).exists()


def test_a_guest_order_of_an_erased_address_comes_without_it(shop: Shop, tmp_path: Path) -> None:
    said = IDENTIFIERS["email"]
    Customer.objects.create(shop=shop, external_id=WHO, email=said)
    head = "external_id,customer_id,email,anonymous_id,total,placed_at"
    guest, other = (
        f"g1,,{said.upper()},dev-{MARK},5,2026-01-05T10:00:00Z",
        "g2,,other@shop.example,,6,2026-01-05T10:00:00Z",
    )
    path = tmp_path / "orders.csv"
    path.write_text(f"{head}\n{guest}\n")
    load_file(shop, path, format="csv", table="orders")
    assert bytes(Order.objects.of(shop).get().email_hash) == contact.email_hash(said)
    assert erase(shop, WHO).counts["shop_order"] == 1  # a guest's of the same address is theirs

    for again in (False, True):
        path.write_text(f"{head}\n{guest}\n{other}\n{guest.replace('g1', 'g3')}\n")
        load_file(shop, path, format="csv", table="orders", most_rejected=1.0, again=again)
        held = {each.external_id: each for each in Order.objects.of(shop)}
        assert {"g1", "g2"} <= held.keys() and held["g1"].total == 5  # the books stay
        assert bytes(held.pop("g2").email_hash) == contact.email_hash("other@shop.example")
        assert all(not each.email_hash and not each.anonymous_id and each.customer_id is None for each in held.values())
    assert hits(places.dump(), {"email": said}) == {}
    assert hits(places.in_clear(), {"email": said}) == {"email": {"privacy_erasurelog.names"}}  # until the last sweep
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM shop_order WHERE email_hash = %s", [contact.email_hash(said)])
        assert cursor.fetchone() == (0,)


def late(door: Door, folder: Path) -> None:
    """All of it again, after the person has gone."""
    assert door.send("POST", "/v1/batch", {"batch": messages("late")}).json()["stored"] == 0
    project.run()
    through_files(door.shop, folder, again=True)
    through_webhooks(door, "late")
    through_rest(door, "Who am I?")  # a stranger: what they say from now on is said by nobody
    project.run()


def _table(place: str) -> str:
    """The declared column of a column in a dump: those of a month are those of the table."""
    return re.sub(r"_\d{4}_\d\d\.", ".", place)
