"""How far visitors came: counted by day from events and orders, each visitor once, anew when events come late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from commerce_ai.ids import uuid7
from commerce_ai.ingest import funnel
from commerce_ai.shop import partitions
from commerce_ai.shop.models import DailyMetric
from tests.factories import ConsentFactory, EventFactory, OrderFactory, ShopFactory

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = AT.date()


@pytest.fixture
def shop(db):
    partitions.ensure_months(DAY, DAY)
    return ShopFactory(timezone="UTC", currency="EUR")


def event(shop, who, name, at=AT, **columns):
    return EventFactory(
        shop=shop, id=uuid7(at), anonymous_id=who, name=name, kind="track", occurred_at=at, received_at=at, **columns
    )


def counted(shop, day=DAY):
    rows = DailyMetric.objects.of(shop).filter(name=funnel.FUNNEL, day=day)
    found = dict(rows.values_list("dimension", "value"))
    return tuple(found[step] for step in funnel.STEPS) if found else None


def test_each_visitor_counts_once_for_the_furthest_step_and_all_before_it(shop):
    for who in ("a", "a", "b", "c", "d"):
        event(shop, who, "Product Viewed")
    event(shop, "b", "Product Added")
    event(shop, "c", "Checkout Started")
    event(shop, "d", "Order Completed")
    event(shop, "e", "Order Completed")  # seen nowhere before
    event(shop, "f", "Products Searched")
    funnel.count(shop, [DAY])
    assert counted(shop) == (5, 4, 3, 2)


def test_an_order_counts_by_its_visit_and_one_without_a_visit_does_not(shop):
    event(shop, "a", "Product Viewed")
    for who, status in (("a", "paid"), ("", "paid"), ("b", "cancelled")):
        OrderFactory(shop=shop, anonymous_id=who, status=status, placed_at=AT)
    funnel.count(shop, [DAY])
    assert counted(shop) == (1, 1, 1, 1)


def test_days_are_the_shops_and_other_shops_are_left_out(db):
    partitions.ensure_months(DAY, DAY)
    tokyo, other = ShopFactory(timezone="Asia/Tokyo"), ShopFactory(timezone="UTC")
    late = AT.replace(hour=16)
    event(tokyo, "a", "Product Viewed", late)
    event(other, "b", "Product Viewed", late)
    funnel.count(tokyo, [DAY, DAY + timedelta(days=1)])
    assert counted(tokyo) == (0, 0, 0, 0) and counted(tokyo, DAY + timedelta(days=1)) == (1, 0, 0, 0)
    assert counted(other) is None


def test_who_refused_analytics_is_left_out(shop):
    event(shop, "a", "Product Viewed")
    event(shop, "b", "Product Viewed")
    ConsentFactory(shop=shop, customer=None, anonymous_id="b", purpose="analytics", granted=False)
    funnel.count(shop, [DAY])
    assert counted(shop)[0] == 1


def test_a_day_is_counted_anew_once_its_events_were_and_then_rests(shop):
    now, long_ago = timezone.now(), timezone.now() - timedelta(hours=2)
    event(shop, "a", "Product Viewed")
    rows = DailyMetric.objects.of(shop)
    rows.create(shop=shop, day=DAY, name="events", dimension="Product Viewed", value=1)
    rows.update(updated_at=long_ago)
    assert funnel.stale(shop) == [DAY]
    assert funnel.count_stale() == 1 and counted(shop) == (1, 0, 0, 0)
    assert funnel.stale(shop) == []
    event(shop, "b", "Product Added")
    rows.create(shop=shop, day=DAY, name="events", dimension="Product Added", value=1)
    rows.filter(name="events").update(updated_at=now)
    assert funnel.count_stale() == 1 and counted(shop) == (2, 1, 0, 0)
