import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commerce_ai.ids import uuid7
from commerce_ai.shop.eventlog import NewEvent, write_events
from commerce_ai.shop.models import Event, EventKey
from tests.factories import ProductFactory, ShopFactory

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC)


def new_event(shop, message_id="m", **fields):
    return NewEvent(
        **{"shop_id": shop.pk, "name": "Product Viewed", "occurred_at": NOW, "received_at": NOW}
        | {"message_id": message_id} | fields
    )  # fmt: skip


def test_an_event_is_read_as_it_was_written():
    product = ProductFactory()
    event = new_event(
        product.shop, kind="track", anonymous_id="v", user_id="u", customer_id=7, session_id="s", platform="web",
        product_id=product.pk, decision_id=uuid7(), properties={"price": 1.5, "q": 'a"b\\n'}, context=b'{"ip":null}',
    )  # fmt: skip
    assert write_events([event]) == [True]
    row = Event.objects.of(product.shop).get()
    assert row.product == product
    for name in event.__struct_fields__:
        wanted = getattr(event, name)
        assert getattr(row, name) == (
            json.loads(wanted) if isinstance(wanted, (bytes, str)) and name == "context" else wanted
        )


def test_a_resend_is_known_by_its_message_id_alone():
    shop = ShopFactory()
    assert write_events([new_event(shop, "a"), new_event(shop, "b")]) == [True, True]
    later = NOW + timedelta(hours=1)
    again = [new_event(shop, "a", name="Other", occurred_at=later, received_at=later), new_event(shop, "c")]
    assert write_events(again) == [False, True]
    assert sorted(Event.objects.of(shop).values_list("message_id", "name")) == [
        ("a", "Product Viewed"), ("b", "Product Viewed"), ("c", "Product Viewed"),
    ]  # fmt: skip


def test_the_first_of_two_in_one_batch_is_written():
    shop = ShopFactory()
    assert write_events([new_event(shop, name="First"), new_event(shop, name="Second")]) == [True, False]
    assert Event.objects.of(shop).get().name == "First"


def test_shops_have_message_ids_of_their_own():
    one, other = ShopFactory(), ShopFactory()
    assert write_events([new_event(one), new_event(other)]) == [True, True]


def test_nothing_to_write_is_fine():
    assert write_events([]) == []


def test_keys_carry_the_day_of_the_id():
    at = datetime.now(UTC).replace(hour=0, minute=30)
    event = new_event(ShopFactory(), id=uuid7(at))
    write_events([event])
    assert EventKey.objects.get(message_id="m", shop_id=event.shop_id).received_on == at.date()


def test_what_postgres_cannot_hold_is_mended():
    shop = ShopFactory()
    odd = new_event(
        shop, "m\0\ud800", name="\\N", anonymous_id="a\tb\r\nc\\", session_id="\0", platform="x" * 300,
        properties='{"a":"x\\u0000y\\ud800\\\\u0000","b":"\\u00e9"}', context={"k": "v\n\0", "e": "\ud83d"},
    )  # fmt: skip
    assert write_events([odd, odd]) == [True, False]
    row = Event.objects.of(shop).get()
    assert (row.message_id, row.name, row.anonymous_id, row.session_id) == ("m?", "\\N", "a\tb\r\nc\\", "")
    assert row.properties == {"a": "xy?\\u0000", "b": "é"}
    assert row.context == {"k": "v\n", "e": "?"}
    assert row.platform == "x" * 64
    assert write_events([odd]) == [False]


def test_the_callers_transaction_takes_events_and_keys_back_together():
    shop = ShopFactory()
    with transaction.atomic():
        write_events([new_event(shop)])
        transaction.set_rollback(True)
    assert not EventKey.objects.filter(shop=shop).exists()
    assert write_events([new_event(shop)]) == [True]


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.lists(st.tuples(TEXTS, TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=3)), max_size=6), max_size=4))
def test_any_batches_leave_the_first_event_of_each_message(batches):
    shop = ShopFactory()
    model = {}
    for batch in batches:
        events = [new_event(shop, message, name=name, properties=props) for message, name, props in batch]
        fresh = []
        for message, name, props in batch:
            fresh.append(message not in model)
            model.setdefault(message, (name, props))
        assert write_events(events) == fresh
    rows = Event.objects.of(shop).values_list("message_id", "name", "properties")
    assert {message: (name, props) for message, name, props in rows} == model


@pytest.mark.django_db(transaction=True)
def test_two_senders_of_the_same_messages_store_each_once():
    shop = ShopFactory()
    events = [new_event(shop, f"m{n}") for n in range(200)]
    counts, barrier = [], threading.Barrier(2)

    def send(batch):
        barrier.wait()
        counts.append(sum(write_events(batch)))
        connection.close()

    threads = [threading.Thread(target=send, args=(batch,)) for batch in (events, events[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == Event.objects.of(shop).count() == 200
