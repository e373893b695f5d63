"""The tracking routes: what is stored, what is answered, and what is turned away."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commerce_ai.api import customer_token, keys
from commerce_ai.ids import time_of, uuid7
from commerce_ai.ingest.messages import Reader, Refused, parse_instant, tidy
from commerce_ai.ingest.models import IngestBatch, QuarantineRow
from commerce_ai.ingest.tracking import accept
from commerce_ai.shop.models import Customer, Event, Shop
from tests.ingest.conftest import Send


def track(message_id: str = "m1", **fields: Any) -> dict[str, Any]:
    return {
        "type": "track", "event": "Product Viewed", "messageId": message_id, "anonymousId": "a1",
        "properties": {"product_id": "p1"}, **fields,
    }  # fmt: skip


def test_a_batch_is_stored_with_its_batch_row(
    shop: Shop, products: dict[str, int], secret_key: str, send: Send
) -> None:
    decision = str(uuid7())
    body = {
        "batch": [
            track(userId="c1", properties={"product_id": "p2", "decision_id": decision, "price": 9.5}),
            {"type": "page", "name": "Home", "messageId": "m2", "anonymousId": "a1"},
        ],
        "sentAt": "2026-01-05T10:00:00Z",
    }
    answer = send("batch", body, secret_key)
    assert answer.status_code == 200
    assert answer.json() == {"success": True, "stored": 2, "duplicates": 0, "rejected": 0, "errors": []}
    viewed, page = Event.objects.of(shop).order_by("id")
    assert (viewed.kind, viewed.name, viewed.message_id) == ("track", "Product Viewed", "m1")
    assert viewed.product_id == products["p2"]
    assert str(viewed.decision_id) == decision
    assert viewed.customer.external_id == viewed.user_id == "c1"
    assert viewed.properties == {"product_id": "p2", "decision_id": decision, "price": 9.5}
    assert (page.kind, page.name, page.product_id, page.customer_id) == ("page", "Home", None, None)
    assert abs(time_of(viewed.id) - viewed.received_at) < timedelta(seconds=1)
    batch = IngestBatch.objects.of(shop).get()
    assert (batch.events, batch.trusted, batch.first_id, batch.last_id) == (2, True, viewed.id, page.id)


@pytest.mark.parametrize(
    ("route", "kind", "name", "fields"),
    [
        ("track", "track", "Signed Up", {"event": "Signed Up"}),
        ("t", "track", "Product Viewed", {"event": "viewed product"}),
        ("identify", "identify", "Identify", {"traits": {"plan": "gold"}}),
        ("i", "identify", "Identify", {"context": {"traits": {"plan": "gold"}}}),
        ("page", "page", "Page", {}),
        ("p", "page", "Home", {"name": "Home"}),
        ("screen", "screen", "Start", {"properties": {"name": "Start"}}),
        ("s", "screen", "Screen", {}),
        ("group", "group", "Group", {"groupId": "g1", "traits": {"size": 3}}),
        ("g", "group", "Group", {"groupId": 7}),
        ("alias", "alias", "Alias", {"previousId": "old"}),
        ("a", "alias", "Alias", {"previousId": "old"}),
    ],
)
def test_each_route_and_its_letter(
    shop: Shop, secret_key: str, send: Send, route: str, kind: str, name: str, fields: dict[str, Any]
) -> None:
    answer = send(route, {"userId": "c1", "messageId": "m1", "type": "ignored", **fields}, secret_key)
    assert answer.status_code == 200, answer.content
    event = Event.objects.of(shop).get()
    assert (event.kind, event.name, event.user_id) == (kind, name, "c1")


@pytest.mark.parametrize("route", ["batch", "b", "import"])
def test_batches_have_three_names(shop: Shop, secret_key: str, send: Send, route: str) -> None:
    assert send(route, {"batch": [track()]}, secret_key).json()["stored"] == 1


# --- keys -------------------------------------------------------------------------------------------------


def test_the_key_comes_in_many_ways(shop: Shop, publishable_key: str, secret_key: str, send: Send) -> None:
    basic = base64.b64encode(f"{publishable_key}:".encode()).decode()
    assert send("batch", {"batch": [track("a")]}, Authorization=f"Basic {basic}").status_code == 200
    assert send("batch", {"batch": [track("b")], "writeKey": publishable_key}).status_code == 200
    assert send(f"batch?writeKey={publishable_key}", {"batch": [track("c")]}).status_code == 200
    assert send("t", {**track("d"), "writeKey": publishable_key}, Content_Type="text/plain").status_code == 200
    assert send("batch", {"batch": [track("e")], "writeKey": secret_key}).status_code == 200
    assert Event.objects.of(shop).count() == 5


def test_a_wrong_key_is_refused_in_segments_words(shop: Shop, send: Send) -> None:
    for answer in (send("batch", {"batch": [track()]}), send("track", track(), "pk_wrong")):
        assert answer.status_code == 401
        assert answer.json()["code"] == "unauthorized"
        assert answer.json()["message"]
    assert not Event.objects.of(shop).exists()


def test_a_key_without_the_scope_may_not_track(shop: Shop, send: Send) -> None:
    key = keys.create_key(shop, "reader", "secret", ["orders:read"])[1]
    assert send("track", track(), key).status_code == 403


def test_origins_are_kept(shop: Shop, publishable_key: str, send: Send) -> None:
    allowed = send("track", track("a"), publishable_key, Origin="https://shop.example")
    assert allowed["Access-Control-Allow-Origin"] == "https://shop.example"
    assert send("track", track("b"), publishable_key, Origin="https://evil.example").status_code == 403


def test_a_preflight_is_answered(shop: Shop, publishable_key: str, client: Any) -> None:
    answer = client.options("/v1/t", headers={"Origin": "https://shop.example"})
    assert answer.status_code == 204
    assert "POST" in answer["Access-Control-Allow-Methods"]


def test_other_methods_are_refused(shop: Shop, client: Any) -> None:
    assert client.get("/v1/batch").status_code == 405


# --- shape and size ---------------------------------------------------------------------------------------


def test_a_bad_event_among_good_ones_goes_to_quarantine(shop: Shop, secret_key: str, send: Send) -> None:
    bad = {"type": "track", "event": 7, "messageId": "m2", "userId": "c1", "properties": {"email": "bob@shop.example"}}
    answer = send("batch", {"batch": [track("m1"), bad, track("m3")]}, secret_key)
    assert answer.status_code == 200
    said = answer.json()
    assert (said["stored"], said["rejected"]) == (2, 1)
    assert said["errors"][0]["field"] == "batch.1.event"
    row = QuarantineRow.objects.of(shop).get()
    assert (row.reason, row.column, row.row_number) == ("invalid", "event", 1)
    assert row.values == {"type": "track", "event": 7, "messageId": "m2", "userId": "c1", "properties": {}}
    # Sent again, it is still one row to look at.
    send("batch", {"batch": [bad]}, secret_key)
    assert QuarantineRow.objects.of(shop).count() == 1


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"event": 7}, "event"),
        ({"event": ""}, "event"),
        ({"properties": [1]}, "properties"),
        ({"context": 3}, "context"),
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"messageId": "x" * 256}, "messageId"),
        ({"userId": True}, "userId"),
        ({"anonymousId": None}, "userId"),
        ({"userId": "u" * 256}, "userId"),
    ],
)
def test_a_wrong_type_names_the_field(
    shop: Shop, secret_key: str, send: Send, message: dict[str, Any], field: str
) -> None:
    answer = send("track", track(**message), secret_key)
    assert answer.status_code == 400
    said = answer.json()
    assert said["code"]
    assert said["message"]
    assert said["errors"][0]["field"] == field


@pytest.mark.parametrize(
    "body", ["", "nothing", "[]", "3", '{"batch": {}}', '{"batch": [', '{"sentAt": "2026-01-05"}', "[" * 100_000]
)
def test_a_malformed_batch_is_one_clear_400(shop: Shop, secret_key: str, send: Send, body: str) -> None:
    answer = send("batch", body, secret_key)
    assert answer.status_code == 400
    assert answer.json()["message"]


def test_an_event_has_32_kilobytes(shop: Shop, secret_key: str, send: Send) -> None:
    fits, large = track("fits", properties={"text": "x" * 32_000}), track("large", properties={"text": "x" * 33_000})
    said = send("batch", {"batch": [fits, large]}, secret_key).json()
    assert (said["stored"], said["rejected"]) == (1, 1)
    assert QuarantineRow.objects.of(shop).get().reason == "event_too_large"


def test_a_batch_has_2500_events_and_500_kilobytes(shop: Shop, secret_key: str, send: Send) -> None:
    small = {"type": "track", "event": "e", "userId": "c"}
    assert send("batch", {"batch": [small] * 2500}, secret_key).json()["stored"] == 2500
    many = send("batch", {"batch": [small] * 2501}, secret_key)
    assert (many.status_code, many.json()["code"]) == (400, "too_many_events")
    large = send("batch", {"batch": [track(properties={"text": "x" * 30_000})] * 18}, secret_key)
    assert (large.status_code, large.json()["code"]) == (413, "too_large")


def test_gzip_is_unpacked_but_a_bomb_is_not(shop: Shop, secret_key: str, send: Send) -> None:
    assert send("batch", {"batch": [track()]}, secret_key, gzip=True).json()["stored"] == 1
    bomb = send("batch", b'{"batch": [' + b" " * 200_000_000 + b"]}", secret_key, gzip=True)
    assert (bomb.status_code, bomb.json()["code"]) == (413, "too_large")
    for body, encoding, status in ((b"no gzip", "gzip", 400), (b"\x1f\x8b\x08", "", 400), (b"{}", "br", 415)):
        assert send("batch", body, secret_key, Content_Encoding=encoding).status_code == status


def test_what_json_should_not_hold_is_mended(shop: Shop, secret_key: str, send: Send) -> None:
    body = (
        '{"batch": [{"type": "track", "event": "a", "userId": "c\\u0000", "messageId": "1",'
        ' "properties": {"nan": NaN, "far": 1e400, "half": "\\ud800", "nul": "x\\u0000y", "ok": "\\u00e9 \\\\u0000"}}]}'
    )
    assert send("batch", body, secret_key).json()["stored"] == 1
    event = Event.objects.of(shop).get()
    assert event.user_id == "c"
    assert event.properties == {"nan": None, "far": None, "half": "?", "nul": "xy", "ok": "é \\u0000"}


# --- once, whatever happens -------------------------------------------------------------------------------


def test_a_resend_is_a_duplicate_whatever_its_timestamp(shop: Shop, secret_key: str, send: Send) -> None:
    send("batch", {"batch": [track("m1", timestamp="2026-01-05T10:00:00Z"), track("m2")]}, secret_key)
    again = send("batch", {"batch": [track("m1", timestamp="2026-01-06T10:00:00Z"), track("m3")]}, secret_key)
    assert (again.json()["stored"], again.json()["duplicates"]) == (1, 1)
    twice = send("batch", {"batch": [track("m4"), track("m4", event="Other")]}, secret_key)
    assert (twice.json()["stored"], twice.json()["duplicates"]) == (1, 1)
    assert Event.objects.of(shop).count() == 4


def test_messages_without_an_id_are_all_stored(shop: Shop, secret_key: str, send: Send) -> None:
    bare = {"type": "track", "event": "Signed Up", "userId": "c1"}
    assert send("batch", {"batch": [bare, bare]}, secret_key).json()["stored"] == 2


def test_two_shops_share_nothing(shop: Shop, other_shop: Shop, secret_key: str, send: Send) -> None:
    other_key = keys.create_key(other_shop, "server", "secret")[1]
    for key in (secret_key, other_key):
        assert send("batch", {"batch": [track("same", userId="c1")]}, key).json()["stored"] == 1
    ours, theirs = Event.objects.of(shop).get(), Event.objects.of(other_shop).get()
    assert ours.customer_id != theirs.customer_id
    assert Customer.objects.of(other_shop).get().pk == theirs.customer_id


_message = st.fixed_dictionaries({
    "messageId": st.integers(0, 12).map(str),
    "type": st.sampled_from(["track", "page", "identify"]),
    "event": st.sampled_from(["Product Viewed", "Own Event"]),
    "userId": st.sampled_from(["c1", "c2"]),
    "properties": st.dictionaries(st.text(max_size=5), st.one_of(st.integers(), st.text(max_size=9), st.none()), max_size=3),
})  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_message, max_size=20, unique_by=lambda each: each["messageId"]), st.randoms(use_true_random=False))
def test_any_order_and_any_resend_store_the_same(shop: Shop, messages: list[dict[str, Any]], random: Any) -> None:
    """A client that retries sends parts of what it sent before, mixed with what is new."""
    own = Shop.objects.create(slug=f"s{uuid7()}", name="Own", currency="EUR")
    sent = messages * 2
    random.shuffle(sent)
    stored = 0
    while sent:
        size = random.randint(1, 7)
        batch, sent = sent[:size], sent[size:]
        stored += accept(own.pk, [json.dumps(each).encode() for each in batch], trusted=True).stored
    rows = {
        (row.message_id, row.kind, row.user_id, json.dumps(row.properties, sort_keys=True))
        for row in Event.objects.of(own)
    }
    assert stored == len(messages) == len(rows) == Event.objects.of(own).count()
    assert {row[0] for row in rows} == {each["messageId"] for each in messages}


# --- whose and when ---------------------------------------------------------------------------------------


def test_a_publishable_key_names_no_customer_without_a_token(
    shop: Shop, publishable_key: str, secret_key: str, send: Send
) -> None:
    token = customer_token.sign(keys.signing_secret(shop), "c1", datetime.now(UTC) + timedelta(hours=1))
    send("track", track("claimed", userId="c1"), publishable_key)
    send("track", track("token", userId="c1", context={"customerToken": token}), publishable_key)
    send("track", track("token-only", context={"customerToken": token}), publishable_key)
    send("track", track("other's token", userId="c2", context={"customerToken": token}), publishable_key)
    send("track", track("secret", userId="c1"), secret_key)
    proven = {row.message_id: row.customer_id is not None for row in Event.objects.of(shop)}
    assert proven == {"claimed": False, "token": True, "token-only": True, "other's token": False, "secret": True}


def test_the_clients_clock_is_corrected(shop: Shop, secret_key: str, send: Send) -> None:
    """timestamp = receivedAt - (sentAt - originalTimestamp)"""
    body = {
        "batch": [
            track("slow", timestamp="2001-01-05T09:59:30Z"),
            track("original", timestamp="2001-01-05T09:59:59Z", originalTimestamp="2001-01-05T09:58:00.000+0000"),
            track("future", timestamp="2001-01-06T00:00:00Z"),
            track("none"),
        ],
        "sentAt": "2001-01-05T10:00:00Z",
    }
    assert send("batch", body, secret_key).json()["stored"] == 4
    ages = {row.message_id: row.received_at - row.occurred_at for row in Event.objects.of(shop)}
    assert ages == {
        "slow": timedelta(seconds=30), "original": timedelta(minutes=2), "future": timedelta(), "none": timedelta(),
    }  # fmt: skip


@given(
    st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2090, 1, 1)), st.sampled_from(["Z", "+00:00", ""])
)
def test_instants_are_read_as_clients_write_them(at: datetime, zone: str) -> None:
    assert parse_instant(at.isoformat() + zone) == at.replace(tzinfo=UTC)
    assert abs(parse_instant(at.replace(tzinfo=UTC).timestamp()) - at.replace(tzinfo=UTC)) < timedelta(milliseconds=1)


def test_instants_that_are_none() -> None:
    for value in ("", "tomorrow", "2026-13-01", 1e30, float("nan"), "0001-01-01T00:00:00+14:00"):
        parsed = parse_instant(value)
        assert parsed is None or parsed.tzinfo


# --- personal data ----------------------------------------------------------------------------------------


def test_nothing_personal_is_stored_of_an_event(shop: Shop, secret_key: str, send: Send) -> None:
    secrets = ["ada@shop.example", "+49 170 1234567", "Ada Lovelace", "12 St James Sq", "203.0.113.9"]
    email, phone, name, street, ip = secrets
    people = {"email": email, "phone": phone, "name": name, "firstName": "Ada", "address": {"street": street}}
    body = {
        "batch": [
            {
                "type": "identify", "userId": "c1", "messageId": "1", "traits": {**people, "plan": "gold", "note": f"call {phone}"},
                "context": {"ip": ip, "userAgent": f"Mozilla {ip}", "page": {"url": f"https://s.example/?e={email}"}},
            },
            track("2", userId="c1", properties={
                **people, "product_id": "p1", "note": f"from {email}", "shipping_address": people, "customer": people,
                "deep": [{"list": [{"email": email, "ok": 1}]}], "client_ip": ip, "where": f"at {ip}",
            }),
            {"type": "group", "groupId": "g", "userId": "c1", "messageId": "3", "traits": people},
            {"type": "page", "userId": "c1", "messageId": "4", "name": f"Mail {email}", "context": {"traits": people}},
        ]
    }  # fmt: skip
    assert send("batch", body, secret_key).json()["stored"] == 4
    stored = json.dumps(list(Event.objects.of(shop).values("name", "properties", "context")), default=str)
    for secret in secrets[:2] + secrets[3:]:
        assert secret not in stored
    identify, viewed, group, page = Event.objects.of(shop).order_by("id")
    assert identify.properties == {"plan": "gold", "note": "call [removed]"}
    assert viewed.properties["name"] == name  # the name of a product, as far as anyone can tell
    assert viewed.properties["note"] == "from [removed]"
    assert viewed.properties["deep"] == [{"list": [{"ok": 1}]}]
    assert viewed.properties["customer"] == {}
    assert not {"email", "phone", "firstName", "address", "shipping_address", "client_ip"} & viewed.properties.keys()
    assert group.properties == {"group_id": "g"}
    assert page.name == "Mail [removed]"
    assert identify.context["url"] == "https://s.example/"
    batch = IngestBatch.objects.of(shop).get()
    assert json.loads(batch.contacts)[identify.id.hex]["email"] == email


def test_context_is_kept_as_far_as_it_is_useful(shop: Shop, secret_key: str, send: Send) -> None:
    context = {
        "ip": "203.0.113.9", "library": {"name": "analytics.js", "version": "2"}, "sessionId": 1700000000000,
        "page": {"path": "/mugs", "url": "https://shop.example/mugs?x=1#y", "title": "Mugs", "referrer": "https://s.example/?q=1"},
        "campaign": {"name": "spring", "source": "mail"}, "locale": "de-DE", "timezone": "Europe/Berlin",
        "userAgent": "Mozilla/5.0 Chrome/120.0.0.0 Safari/537.36", "device": {"type": "mobile", "id": "secret"},
        "os": {"name": "iOS", "version": "17"}, "screen": {"width": 390, "height": 844, "density": 3}, "unknown": {"deep": 1},
    }  # fmt: skip
    send("track", track(context=context), secret_key)
    event = Event.objects.of(shop).get()
    assert (event.platform, event.session_id) == ("analytics.js", "1700000000000")
    assert event.context == {
        "path": "/mugs", "url": "https://shop.example/mugs", "title": "Mugs", "referrer": "https://s.example/",
        "campaign": {"name": "spring", "source": "mail"}, "locale": "de-DE", "timezone": "Europe/Berlin",
        "user_agent": "Mozilla/5.0 Chrome/120.0.0.0 Safari/537.36", "device": "mobile", "os": "iOS 17",
        "screen": "390x844",
    }  # fmt: skip


_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=10), inner, max_size=3)),
    max_leaves=10,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["type", "event", "userId", "messageId", "properties", "context", "traits",
                                        "timestamp", "sentAt", "previousId", "groupId", "anonymousId", "name"]), _json))  # fmt: skip
def test_any_json_is_read_or_refused_with_a_reason(message: dict[str, Any]) -> None:
    reader = Reader(datetime.now(UTC))
    for raw in (json.dumps(message).encode(), json.dumps([message]).encode()):
        try:
            reading = reader.read(raw)
        except Refused as error:
            assert error.code
            assert str(error.message)
        else:
            json.loads(reading.properties)
            json.loads(reading.context)


@given(_json)
def test_tidied_json_is_json(value: Any) -> None:
    assert json.loads(tidy(json.dumps({"x": value}).encode()), parse_constant=pytest.fail) is not None
