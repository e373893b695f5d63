from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from commerce_ai.ids import uuid7
from commerce_ai.shop import partitions
from commerce_ai.shop.eventlog import NewEvent, write_events
from commerce_ai.shop.models import Event, EventKey
from commerce_ai.shop.partitions import MissingPartition, ensure_ahead, ensure_months, prune
from commerce_ai.shop.tasks import maintain_partitions
from tests.factories import EventFactory, ShopFactory

pytestmark = pytest.mark.django_db


def events_at(shop, *instants):
    return [
        NewEvent(
            shop_id=shop.pk, name="Product Viewed", message_id=f"m{at}", id=uuid7(at), occurred_at=at, received_at=at
        )
        for at in instants
    ]


def partition_of(event_id):
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM shop_event WHERE id = %s", [event_id])
        return cursor.fetchone()[0]


def there(table="shop_event"):
    with connection.cursor() as cursor:
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", [table])
        return {name for (name,) in cursor.fetchall()}


def test_months_are_made_once_for_every_partitioned_table():
    made = ensure_months(date(2019, 11, 17), date(2020, 2, 1))
    months = {"2019_11", "2019_12", "2020_01", "2020_02"}
    assert {name for name in made if name.startswith("shop_event_")} == {f"shop_event_{month}" for month in months}
    assert {f"decisions_decision_{month}" for month in months} <= set(made)
    assert ensure_months(date(2019, 11, 17), date(2020, 2, 1)) == []
    assert set(made) <= there() | there("decisions_decision")


def test_a_row_goes_to_the_month_of_its_id():
    ensure_months(date(2020, 1, 1), date(2020, 3, 1))
    first = datetime(2020, 2, 1, tzinfo=UTC)
    instants = [first - timedelta(milliseconds=1), first, datetime(2020, 2, 29, 23, 59, 59, 999000, tzinfo=UTC)]
    rows = events_at(ShopFactory(), *instants)
    assert write_events(rows) == [True, True, True]
    assert [partition_of(row.id) for row in rows] == ["shop_event_2020_01", "shop_event_2020_02", "shop_event_2020_02"]


def test_a_month_is_the_utc_month_whatever_the_zone_of_the_instant():
    ensure_months(date(2020, 1, 1), date(2020, 2, 1))
    late_in_new_york = datetime.fromisoformat("2020-01-31T20:00:00-05:00")
    [row] = events_at(ShopFactory(), late_in_new_york)
    write_events([row])
    assert partition_of(row.id) == "shop_event_2020_02"


def test_a_row_of_a_month_that_was_not_made_is_refused_in_a_sentence():
    [row] = events_at(ShopFactory(), datetime(2015, 5, 1, tzinfo=UTC))
    refused = pytest.raises(MissingPartition, match="shop_event has no partition for 2015-05: call ensure_months")
    with refused, transaction.atomic():
        write_events([row])
    assert not EventKey.objects.filter(message_id=row.message_id).exists()


def test_the_orm_s_refusal_can_be_explained():
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        EventFactory(id=uuid7(datetime(2015, 5, 1, tzinfo=UTC)))
    assert "2015-05" in str(partitions.explain(caught.value))
    assert partitions.explain(ValueError("something else")) is None


def test_this_month_and_the_next_are_there_after_a_migration():
    ensure_ahead()
    assert ensure_ahead() == []
    assert partition_of(EventFactory().id) == f"shop_event_{datetime.now(UTC):%Y_%m}"


def test_pruning_drops_old_months_with_their_keys():
    shop = ShopFactory()
    ensure_months(date(2020, 1, 1), date(2020, 2, 1))
    old, newer = events_at(shop, datetime(2020, 1, 9, tzinfo=UTC), datetime(2020, 2, 9, tzinfo=UTC))
    write_events([old, newer])
    present = EventFactory(shop=shop)
    EventKey.objects.create(shop=shop, message_id=present.message_id, received_on=date.today())
    now = datetime.now(UTC)
    months = (now.year - 2020) * 12 + now.month - 2
    dropped = prune(keep_months=months)
    assert "shop_event_2020_01" in dropped
    assert "shop_event_2020_02" not in dropped
    assert set(Event.objects.of(shop).values_list("id", flat=True)) == {newer.id, present.id}
    assert set(EventKey.objects.values_list("message_id", flat=True)) == {newer.message_id, present.message_id}
    assert prune(keep_months=months) == []


def test_pruning_in_steps_takes_every_key(monkeypatch):
    monkeypatch.setattr(partitions, "_KEYS_AT_ONCE", 2)
    shop = ShopFactory()
    EventKey.objects.bulk_create(
        EventKey(shop=shop, message_id=f"m{n}", received_on=date(2020, 1, 1)) for n in range(5)
    )
    prune(keep_months=1)
    assert not EventKey.objects.filter(shop=shop).exists()


def test_nothing_is_pruned_by_a_slip():
    with pytest.raises(ValueError, match="at least one month"):
        prune(0)


def test_the_job_makes_months_and_prunes_only_when_told_to(settings):
    ensure_months(date(2020, 1, 1), date(2020, 1, 1))
    settings.EVENT_KEEP_MONTHS = 0
    maintain_partitions()
    assert "shop_event_2020_01" in there()
    settings.EVENT_KEEP_MONTHS = 12
    assert "shop_event_2020_01" in maintain_partitions()
    assert "shop_event_2020_01" not in there()
