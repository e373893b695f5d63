"""Messages of the Segment spec in a file: stored as the tracking API stores them, under their own instants."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commerce_ai.ids import time_of
from commerce_ai.ingest import project
from commerce_ai.ingest.files import FileError, Loaded, load_file
from commerce_ai.ingest.models import IngestBatch, QuarantineRow
from commerce_ai.shop.models import Customer, Event, Identity, Order, Product, Shop

Load = Callable[..., Loaded]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """``load(shop, message, …)``: messages as dicts, or lines as they are."""

    def make(shop: Shop, *messages: dict[str, Any] | str | bytes, **options: Any) -> Loaded:
        path = tmp_path / options.pop("name", "history.ndjson")
        lines = [
            each if isinstance(each, bytes) else (each if isinstance(each, str) else json.dumps(each)).encode()
            for each in messages
        ]
        path.write_bytes(options.pop("head", b"") + b"\n".join(lines) + options.pop("end", b"\n"))
        return load_file(shop, path, format="segment", **options)

    return make


def viewed(message_id: str | None = "m1", **fields: Any) -> dict[str, Any]:
    usual = {
        "type": "track", "event": "Product Viewed", "messageId": message_id, "anonymousId": "a1", "userId": "c1",
        "timestamp": "2023-05-06T07:08:09Z", "properties": {"product_id": "p1"},
    }  # fmt: skip
    return {name: value for name, value in (usual | fields).items() if value is not None}


def test_events_lie_in_the_month_they_occurred_in(shop: Shop, products: dict[str, int], load: Load) -> None:
    loaded = load(
        shop,
        viewed(sentAt="2023-05-06T07:08:10Z", receivedAt="2023-05-06T07:08:11Z"),
        viewed("m2", timestamp="2021-12-31T23:59:59+01:00", originalTimestamp="2021-12-31T22:59:59Z"),
        {
            "type": "identify",
            "userId": "c1",
            "messageId": "m3",
            "timestamp": "2023-05-06T07:00:00Z",
            "traits": {"email": "ann@example.org"},
        },
    )
    assert (loaded.load.rows_read, loaded.load.rows_loaded) == (3, 3)
    assert loaded.written["events"].inserted == 3
    first, _identified, second = Event.objects.of(shop).order_by("id")
    assert (first.message_id, first.occurred_at) == ("m2", datetime(2021, 12, 31, 22, 59, 59, tzinfo=UTC))
    assert time_of(second.id) == second.occurred_at == datetime(2023, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert second.product_id == products["p1"]
    assert second.customer.external_id == "c1"
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM shop_event WHERE message_id = 'm2'")
        assert cursor.fetchone() == ("shop_event_2021_12",)
    project.run()
    assert Customer.objects.of(shop).get().email == "ann@example.org"
    assert Identity.objects.of(shop).get(proven=True).anonymous_id == "a1"


def test_orders_come_out_of_a_history_too(shop: Shop, products: dict[str, int], load: Load) -> None:
    properties = {
        "order_id": "o1",
        "total": 9,
        "currency": "EUR",
        "products": [{"product_id": "p1", "quantity": 2, "price": 4.5}],
    }
    load(shop, viewed(event="Order Completed", properties=properties))
    project.run()
    order = Order.objects.of(shop).get()
    assert (order.external_id, order.total, order.placed_at.year) == ("o1", 9, 2023)


def test_the_same_messages_again_are_duplicates_with_or_without_an_id(
    shop: Shop, products: dict[str, int], load: Load
) -> None:
    messages = [viewed(), viewed(None), viewed(None, timestamp="2023-05-06T07:08:10Z"), viewed()]
    first = load(shop, *messages)
    assert (first.load.rows_loaded, first.load.rows_duplicate) == (3, 1)
    again = load(shop, *reversed(messages), name="other.ndjson")
    assert (again.load.rows_loaded, again.load.rows_duplicate) == (0, 4)
    assert Event.objects.of(shop).count() == 3
    assert load(shop, *messages).already


@pytest.mark.parametrize(
    ("bad", "column", "reason"),
    [
        ("{}", "type", "unknown_type"),
        ("[1]", "message", "invalid"),
        ("not json", "message", "invalid"),
        (viewed(timestamp=None), "timestamp", "missing"),
        (viewed(timestamp="yesterday"), "timestamp", "invalid"),
        (viewed(timestamp="2099-01-01T00:00:00Z"), "timestamp", "range"),
        (viewed(anonymousId=None, userId=None), "userId", "missing"),
        (viewed(properties={"text": "x" * 40_000}), "message", "event_too_large"),
    ],
)
def test_a_bad_message_goes_to_quarantine_and_the_others_are_stored(
    shop: Shop, load: Load, bad: Any, column: str, reason: str
) -> None:
    if bad == "{}":
        bad = '{"timestamp": "2023-05-06T07:08:09Z"}'
    loaded = load(shop, viewed(), bad, most_rejected=0.5)
    assert (loaded.load.rows_loaded, loaded.load.rows_rejected) == (1, 1)
    row = QuarantineRow.objects.of(shop).get()
    assert (row.row_number, row.column, row.reason) == (2, column, reason)


def test_personal_data_is_in_quarantine_only_encrypted(shop: Shop, load: Load) -> None:
    load(
        shop,
        viewed(),
        viewed("m2", timestamp=None, properties={"email": "ann@example.org", "color": "red"}),
        most_rejected=0.5,
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT q::text FROM ingest_quarantinerow q")
        assert "ann@" not in cursor.fetchone()[0]
    assert "ann@example.org" in QuarantineRow.objects.of(shop).get().all_values()["message"]


@pytest.mark.parametrize(
    ("messages", "options", "row", "words"),
    [
        ([viewed(), json.dumps(viewed("m2"))[:-20]], {"end": b""}, 2, "truncated"),
        ([viewed(), b'{"type": "\xff"}'], {}, 2, "not UTF-8"),
        ([viewed(), "{" + " " * 600_000 + "}"], {}, 2, "longer"),
        (["1", "2", "3"], {}, 1, "3 of 3"),
        ([], {}, None, "no rows"),
    ],
)
def test_a_broken_file_is_refused_as_a_whole(
    shop: Shop, load: Load, messages: list[Any], options: dict[str, Any], row: int | None, words: str
) -> None:
    with pytest.raises(FileError, match=words) as caught:
        load(shop, *messages, **options)
    assert caught.value.row == row
    assert not Event.objects.of(shop).exists()
    assert not IngestBatch.objects.of(shop).exists()


def test_two_shops_may_have_the_same_message(shop: Shop, other_shop: Shop, load: Load) -> None:
    Product.objects.create(shop=other_shop, external_id="p1", title="Theirs", price=1)
    for each in (shop, other_shop):
        load(each, viewed())
    assert Event.objects.of(shop).get().product_id is None
    assert Event.objects.of(other_shop).get().product.title == "Theirs"


MESSAGES = st.lists(
    st.one_of(
        st.builds(
            viewed,
            st.sampled_from(["m1", "m2", None]),
            timestamp=st.sampled_from(["2023-01-01T00:00:00Z", "2022-12-31", None, "x"]),
        ),
        st.sampled_from(["", "{", "[]", '{"type": "page", "timestamp": 1672531200, "anonymousId": 7}']),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(messages=MESSAGES)
def test_every_message_is_accounted_for(db: None, load: Load, messages: list[Any]) -> None:
    lines = [each for each in messages if each]
    shop = Shop.objects.create(slug=f"s{Shop.objects.count()}", name="x")
    if not lines:
        with pytest.raises(FileError):
            load(shop, *messages)
        return
    loaded = load(shop, *messages, most_rejected=1.0).load
    assert loaded.rows_read == len(lines)
    assert loaded.rows_loaded == Event.objects.of(shop).count()
    assert loaded.rows_rejected == QuarantineRow.objects.of(shop).count()
    load(shop, *messages, most_rejected=1.0, again=True)
    assert loaded.rows_loaded == Event.objects.of(shop).count()
